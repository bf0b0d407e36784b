//! What a start says: notices when something was not as it should be, or the reason why it is refused.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::error::{FormatError, What};
use super::repair::LOST_FILE;

/// Something that people should know about the rows. Nothing has to be done about it at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The folder is a copy that was taken while the program ran, and its journal ends before its head.
    Copied {
        /// The last generation that the copy has.
        through: u64,
    },
    /// The end of the journal was lost, as can happen when a machine stops without notice.
    Shortened {
        /// The last generation that is there.
        through: u64,
    },
    /// The index was damaged and was built again from the journal.
    Rebuilt {
        /// What was wrong with it.
        why: String,
        /// Where the damaged one was moved.
        aside: Option<PathBuf>,
    },
    /// The proof found that the index was wrong, and it was built again while the program ran.
    Healed,
    /// The same, but the service had read some of the wrong rows when it started: it has to start again before it writes.
    Outdated,
    /// The proof found that the index is wrong, and it could not be built again.
    NotHealed {
        /// Why not.
        why: String,
    },
    /// Rows may have been lost, and files that no row names were moved to the quarantine.
    Quarantined {
        /// How many files.
        files: usize,
    },
    /// A file of the journal was damaged. The rows were proven and were written to a new checkpoint.
    JournalHealed {
        /// What was wrong.
        why: String,
    },
    /// The head of the journal was missing or damaged, and was written again.
    HeadMissing,
    /// The file that says which format the folder has was missing or damaged, and was written again.
    MarkerMissing {
        /// The file.
        file: PathBuf,
    },
    /// The rows were brought from format 1 to the present one, in this run or in one that ended without a clean stop.
    Migrated {
        /// Where the rows of format 1 are.
        kept: PathBuf,
    },
    /// A repair was cut off after it had put the new rows in place, and this start ended it.
    RepairFinished {
        /// Where the damaged rows are kept.
        kept: PathBuf,
        /// What the repair could not bring back, in words.
        lost: Vec<String>,
    },
}

/// How many lost things a notice names. The file that it names has all of them.
const NAMED: usize = 100;

impl Notice {
    /// Its name, for programs.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Copied { .. } => "copied",
            Self::Shortened { .. } => "shortened",
            Self::Rebuilt { .. } => "rebuilt",
            Self::Healed => "healed",
            Self::Outdated => "outdated",
            Self::NotHealed { .. } => "notHealed",
            Self::Quarantined { .. } => "quarantined",
            Self::JournalHealed { .. } => "journalHealed",
            Self::HeadMissing => "headMissing",
            Self::MarkerMissing { .. } => "markerMissing",
            Self::Migrated { .. } => "migrated",
            Self::RepairFinished { .. } => "repairFinished",
        }
    }

    /// Whether rows may be missing that were there before.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Copied { .. } | Self::Shortened { .. } | Self::HeadMissing)
    }
}

/// Why rows were not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal is damaged.
    #[error("{}: generation {generation} of the rows is lost or damaged at byte {offset}: {what}; run `{repair}`", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// The first generation that cannot be read.
        generation: u64,
        /// What is wrong there.
        what: What,
        /// The command that repairs it.
        repair: String,
    },
    /// The journal is not there.
    #[error("{} holds no journal, and the rows are in it; run `{repair}`", folder.display())]
    Missing {
        /// Where it should be.
        folder: PathBuf,
        /// The command that repairs it.
        repair: String,
    },
    /// A file of the journal is damaged, and none that could stand in for it is whole.
    #[error("{0}; run `{1}`")]
    Format(#[source] FormatError, String),
    /// The file that says which format the folder has is damaged, and no journal stands in for it.
    #[error("{} is damaged or missing, and without a journal nothing else says which format the folder has; run `{repair}`", file.display())]
    Marker {
        /// The file.
        file: PathBuf,
        /// The command that repairs it.
        repair: String,
    },
    /// The rows of format 1 cannot be migrated.
    #[error("the rows of format 1 in {} cannot be brought to format 2: {error}; nothing was changed: {todo}", folder.display())]
    Old {
        /// Where they are.
        folder: PathBuf,
        /// Why not.
        error: io::Error,
        /// What to do.
        todo: String,
    },
    /// Rows may be lost, and the mark that keeps the files of those rows cannot be written. Nothing was changed.
    #[error("changes at the end of the journal may be lost, and the mark {} that keeps their files cannot be written: {error}; nothing was changed: free space on the device, or make the folder writable, and start again", file.display())]
    LossNotNoted {
        /// The mark.
        file: PathBuf,
        /// Why it cannot be written.
        error: io::Error,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OpenError {
    /// The same, naming another command: that of the program which embeds this service.
    #[must_use]
    pub fn repaired_by(mut self, command: &str) -> Self {
        match &mut self {
            Self::Damaged { repair, .. }
            | Self::Missing { repair, .. }
            | Self::Marker { repair, .. }
            | Self::Format(_, repair) => {
                command.clone_into(repair);
            }
            Self::Old { .. } | Self::LossNotNoted { .. } | Self::Io(_) => (),
        }
        self
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Copied { through } => write!(
                f,
                "this data folder is a copy that was taken while the program ran: it holds the changes up to number {through}, and those after that are not in it"
            ),
            Self::Shortened { through } => write!(
                f,
                "the last changes before the machine stopped were not on the disk: the rows are those up to change {through}"
            ),
            Self::Rebuilt { why, aside: None } => {
                write!(f, "the index of the rows was built again from the journal: {why}")
            }
            Self::Rebuilt { why, aside: Some(aside) } => write!(
                f,
                "the index of the rows was built again from the journal: {why}; the damaged one is {}",
                aside.display()
            ),
            Self::Healed => f.write_str(
                "the index of the rows was wrong and was built again from the journal while the program ran: nothing is lost",
            ),
            Self::Outdated => f.write_str(
                "the index of the rows was wrong and was built again from the journal while the program ran, but the program had read some of the wrong rows: start it again; until then nothing can be written, and nothing is lost",
            ),
            Self::NotHealed { why } => write!(
                f,
                "the index of the rows is wrong and could not be built again from the journal, so nothing can be written: {why}; stop the program and repair the folder"
            ),
            Self::Quarantined { files } => write!(
                f,
                "{files} files that no row names were moved to the quarantine, because rows may have been lost: verify lists them, and repair brings them back"
            ),
            Self::JournalHealed { why } => write!(
                f,
                "the journal of the rows was damaged and was written again from the proven index: nothing is lost; {why}"
            ),
            Self::MarkerMissing { file } => write!(
                f,
                "{} was missing or damaged, and was written again: nothing is lost",
                file.display()
            ),
            Self::Migrated { kept } => write!(
                f,
                "the rows were brought from format 1 to format 2; those of format 1 stay in {} until the first clean stop",
                kept.display()
            ),
            Self::RepairFinished { kept, lost } => {
                let kept = kept.display();
                write!(f, "a repair that was cut off is finished; the damaged rows are in {kept}")?;
                if lost.is_empty() {
                    return f.write_str(", and nothing is lost");
                }
                write!(f, ", and {LOST_FILE} in it lists what is lost: ")?;
                let named = &lost[..lost.len().min(NAMED)];
                f.write_str(&named.join("; "))?;
                match lost.len() - named.len() {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more"),
                }
            }
            Self::HeadMissing => f.write_str(
                "the head of the journal was missing or damaged and was written again: if the end of the journal was lost too, that was not noticed",
            ),
        }
    }
}
