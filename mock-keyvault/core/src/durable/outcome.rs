//! The outcome of a start: notices about irregularities, or the reason that it is refused.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::error::{FormatError, FrameDamage};
use super::layout::LOST_FILE;

/// A notice about the rows. It requires no immediate action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The folder was copied while the program ran, and its journal ends before the position in its head.
    Copied {
        /// The last generation that the copy has.
        through: u64,
    },
    /// The end of the journal was lost, as can happen when a machine stops suddenly.
    Shortened {
        /// The last generation that the journal has.
        through: u64,
    },
    /// The index was damaged and was rebuilt from the journal.
    Rebuilt {
        /// The damage of the index.
        why: String,
        /// The folder to which the damaged index was moved.
        aside: Option<PathBuf>,
    },
    /// The proof found that the index was wrong, and it was rebuilt while the program ran.
    Healed,
    /// Like [`Notice::Healed`], but the service read some of the wrong rows when it started, so it must restart before it writes.
    Outdated,
    /// The proof found that the index is wrong, and it could not be rebuilt.
    NotHealed {
        /// The reason.
        why: String,
    },
    /// Rows may have been lost, and files that no row names were moved to the quarantine.
    Quarantined {
        /// The number of files.
        files: usize,
    },
    /// A file of the journal was damaged. The rows were proven and were written to a new checkpoint.
    JournalHealed {
        /// The damage.
        why: String,
    },
    /// The head of the journal was missing or damaged, and was written again.
    HeadMissing,
    /// The marker file with the format of the folder was missing or damaged, and was written again.
    MarkerMissing {
        /// The file.
        file: PathBuf,
    },
    /// The rows were migrated from format 1 to the current format, in this run or in an earlier run without a clean stop.
    Migrated {
        /// The folder with the rows of format 1.
        kept: PathBuf,
    },
    /// A repair was interrupted after it had put the new rows in place, and this start finished it.
    RepairFinished {
        /// The folder with the damaged rows.
        kept: PathBuf,
        /// Descriptions of the rows that the repair could not restore.
        lost: Vec<String>,
    },
}

/// How many lost rows a notice lists. The file that the notice names lists all of them.
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

    /// Whether it means that rows may have been lost.
    pub fn is_loss(&self) -> bool {
        matches!(self, Self::Copied { .. } | Self::Shortened { .. } | Self::HeadMissing)
    }
}

/// The reason that rows were not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal is damaged.
    #[error("{}: generation {generation} of the rows is lost or damaged at byte {offset}: {what}; run `{repair}`", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The offset in it.
        offset: u64,
        /// The first generation that cannot be read.
        generation: u64,
        /// The kind of damage.
        what: FrameDamage,
        /// The command that repairs it.
        repair: String,
    },
    /// The journal is missing.
    #[error("the journal {} is missing or empty, and the rows are in it; run `{repair}`", folder.display())]
    Missing {
        /// The folder in which it should be.
        folder: PathBuf,
        /// The command that repairs it.
        repair: String,
    },
    /// A file of the journal is damaged, and no other file can replace it.
    #[error("{0}; run `{1}`")]
    Format(#[source] FormatError, String),
    /// The marker file with the format of the folder is damaged, and there is no journal to derive the format from.
    #[error("{} is damaged or missing, and there is no journal, so the format of the folder is unknown; run `{repair}`", file.display())]
    Marker {
        /// The file.
        file: PathBuf,
        /// The command that repairs it.
        repair: String,
    },
    /// The rows of format 1 cannot be migrated.
    #[error("the rows of format 1 in {} cannot be migrated to format 2: {error}; nothing was changed: {todo}", folder.display())]
    Old {
        /// The folder with the rows.
        folder: PathBuf,
        /// The reason.
        error: io::Error,
        /// The action to take.
        todo: String,
    },
    /// Rows may be lost, and the file that protects the files of those rows from removal cannot be written. Nothing was changed.
    #[error("changes at the end of the journal may be lost, and the file {} that protects their files from removal cannot be written: {error}; nothing was changed: free space on the device, or make the folder writable, and start again", file.display())]
    LossNotNoted {
        /// The file that cannot be written.
        file: PathBuf,
        /// The error of the write.
        error: io::Error,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl OpenError {
    /// The error for a file of the journal that cannot be read. `repair` is the command that repairs the folder.
    pub(super) fn from_format(error: FormatError, repair: &str) -> Self {
        match error {
            FormatError::Io(error) => error.into(),
            damaged @ FormatError::Damaged { .. } => Self::Format(damaged, repair.to_owned()),
        }
    }

    /// Replaces the command in the message by that of the program that embeds this service.
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
                "this data folder was copied while the program ran: it contains the changes up to number {through}, and no later ones"
            ),
            Self::Shortened { through } => write!(
                f,
                "the last changes before the machine stopped were not on the disk: the rows are those up to change {through}"
            ),
            Self::Rebuilt { why, aside: None } => {
                write!(f, "the index of the rows was rebuilt from the journal: {why}")
            }
            Self::Rebuilt { why, aside: Some(aside) } => write!(
                f,
                "the index of the rows was rebuilt from the journal: {why}; the damaged one is {}",
                aside.display()
            ),
            Self::Healed => f.write_str(
                "the index of the rows was wrong and was rebuilt from the journal while the program ran: nothing is lost",
            ),
            Self::Outdated => f.write_str(
                "the index of the rows was wrong and was rebuilt from the journal while the program ran, but the program had read some of the wrong rows: restart the program; until then nothing can be written, and nothing is lost",
            ),
            Self::NotHealed { why } => write!(
                f,
                "the index of the rows is wrong and could not be rebuilt from the journal, so nothing can be written: {why}; stop the program and repair the folder"
            ),
            Self::Quarantined { files } => write!(
                f,
                "{files} files that no row names were moved to the quarantine, because rows may have been lost: verify lists them, and repair restores them"
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
                "the rows were migrated from format 1 to format 2; those of format 1 stay in {} until the first clean stop",
                kept.display()
            ),
            Self::RepairFinished { kept, lost } => {
                let kept = kept.display();
                write!(f, "an interrupted repair was finished; the damaged rows are in {kept}")?;
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
                "the head of the journal was missing or damaged and was written again: a loss of the end of the journal could not be detected",
            ),
        }
    }
}
