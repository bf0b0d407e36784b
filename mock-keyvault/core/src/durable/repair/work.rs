//! The folder in which a repair writes the new journal, and the switch that replaces the damaged journal.
//!
//! ```text
//! repair.new/            the work of a repair
//!   journal/             the new rows
//!   lost.txt             the rows that they lack, one a line; missing if nothing is lost
//!   switch               the epoch of the new journal and the name of the folder below, written when both files are whole
//! damaged-TIME/          the damaged journal and index. No program reads them, and the folder can be removed.
//!   lost.txt             the rows that the repair could not restore. The next repair prints the list again.
//! ```
//!
//! The switch is one exchange of two folders: before it the data folder is unchanged, after it the rows are repaired. After a
//! kill, the epoch tells whether the switch was made. [`WorkFolder::finish`] then finishes the repair, at the next start or
//! the next repair, and returns the lost rows.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use rustix::io::Errno;

use super::super::key::RowsKey;
use super::super::layout::LOST_FILE;
use super::super::position::Epoch;
use super::super::segment::{SegmentHeader, parse_segment_name};
use super::earlier::{self, ASIDE, Earlier};
use crate::files::{Access, read_if_there, write_whole};
use crate::folders::sync_dir;

const WORK: &str = "repair.new";
const SWITCH: &str = "switch";
const JOURNAL: &str = "journal";
const INDEX: &str = "index";
/// The folder of the damaged journal during the switch, on a file system that cannot exchange two folders.
const OLD: &str = "journal.old";

/// The folder in which a repair works.
#[derive(Debug)]
pub struct WorkFolder {
    root: PathBuf,
    path: PathBuf,
}

/// The state in which an earlier repair ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// It left nothing.
    None,
    /// It ended before the switch, so its work can be discarded.
    Unfinished,
    /// It ended after the switch, or between the two steps of one. The folder for the damaged files has this name.
    Switched(String),
}

impl WorkFolder {
    /// The work folder in a data folder. It is not created yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), path: root.join(WORK) }
    }

    /// The folder itself. New rows are written to it like to a data folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the new journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// The state in which an earlier repair ended. It changes nothing.
    pub fn leftover(&self, key: &RowsKey) -> io::Result<Leftover> {
        if !self.path.try_exists()? {
            return Ok(Leftover::None);
        }
        let Some(switch) = read_if_there(&self.path.join(SWITCH))? else {
            return Ok(Leftover::Unfinished);
        };
        let switch = String::from_utf8_lossy(&switch);
        let (epoch, aside) = switch.trim_end().split_once('\n').unwrap_or((&switch, ""));
        let in_two_steps = self.path.join(OLD).try_exists()?;
        let is_in_place = epoch_of(key, &self.root.join(JOURNAL))?
            .is_some_and(|found| hex::encode(found.0) == epoch);
        Ok(if in_two_steps || is_in_place {
            // Only this program writes the name, but a modified file must not name a folder elsewhere.
            let is_ours = aside.starts_with(ASIDE) && !aside.contains('/');
            Leftover::Switched(if is_ours { aside.to_owned() } else { format!("{ASIDE}before") })
        } else {
            Leftover::Unfinished
        })
    }

    /// Discards the work of an earlier repair, or finishes its switch. Returns `None` if there was no switch to finish.
    pub fn finish(&self, key: &RowsKey) -> io::Result<Option<Earlier>> {
        match self.leftover(key)? {
            Leftover::None => Ok(None),
            Leftover::Unfinished => self.discard().map(|()| None),
            Leftover::Switched(aside) => {
                let kept = self.finish_switch(&aside)?;
                Earlier::read(kept).map(Some)
            }
        }
    }

    /// Creates the folder, and removes the files of an unfinished repair.
    pub fn begin(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        make_private_dir(&self.path)
    }

    /// Discards the work. The data folder is unchanged.
    pub fn discard(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }

    /// Replaces the damaged journal by the new one, which is complete and synced. `aside` is the name of the folder that keeps
    /// the damaged files, and `lost` describes the rows that the new journal lacks. Returns the path of that folder.
    pub fn switch(&self, epoch: Epoch, aside: &str, lost: &[String]) -> io::Result<PathBuf> {
        let aside = self.note(epoch, aside, lost)?;
        let (new, old) = (self.journal(), self.root.join(JOURNAL));
        if old.try_exists()? {
            match fs::exchange(&new, &old) {
                Ok(()) => (),
                Err(error) if is_unsupported(&error) => {
                    fs::rename(&old, self.path.join(OLD))?;
                    fs::rename(&new, &old)?;
                }
                Err(error) => return Err(error),
            }
        } else {
            fs::rename(&new, &old)?;
        }
        sync_dir(&self.path)?;
        sync_dir(&self.root)?;
        self.finish_switch(&aside)
    }

    /// Writes the names and the lost rows to files before the switch, so that a kill cannot lose them. Returns the name of the
    /// folder for the damaged files.
    pub(in super::super) fn note(
        &self,
        epoch: Epoch,
        aside: &str,
        lost: &[String],
    ) -> io::Result<String> {
        if !lost.is_empty() {
            earlier::write_lost(&self.path, lost)?;
        }
        let aside = self.unused(aside)?;
        let switch = format!("{}\n{aside}\n", hex::encode(epoch.0));
        write_whole(&self.path.join(SWITCH), switch.as_bytes(), Access::Private)?;
        sync_dir(&self.root)?;
        Ok(aside)
    }

    /// Does the work after a switch: keeps the damaged files under `aside`, and removes the work folder.
    fn finish_switch(&self, aside: &str) -> io::Result<PathBuf> {
        let aside = self.root.join(aside);
        let (new, in_place) = (self.journal(), self.root.join(JOURNAL));
        // A switch in two steps was interrupted between them.
        if self.path.join(OLD).try_exists()? && !in_place.try_exists()? {
            fs::rename(&new, &in_place)?;
        }
        match make_private_dir(&aside) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => (),
        }
        for (from, to) in [
            (self.path.join(OLD), JOURNAL),
            (new, JOURNAL),
            (self.path.join(LOST_FILE), LOST_FILE),
            // It belongs to the damaged journal, and the next start rebuilds it. After a kill it may already be the new one.
            (self.root.join(INDEX), INDEX),
        ] {
            if from.try_exists()? {
                fs::rename(&from, aside.join(to))?;
            }
        }
        sync_dir(&aside)?;
        fs::remove_dir_all(&self.path)?;
        sync_dir(&self.root)?;
        Ok(aside)
    }
}

impl WorkFolder {
    /// This name, or the name with a number appended, since two repairs can be made in one second.
    fn unused(&self, name: &str) -> io::Result<String> {
        let mut unused = name.to_owned();
        for number in 2_u32.. {
            if !self.root.join(&unused).try_exists()? {
                break;
            }
            unused = format!("{name}-{number}");
        }
        Ok(unused)
    }
}

/// Whether the file system cannot exchange two folders.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOSYS))
}

/// Creates a folder that only the owner can read.
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))
}

/// The epoch of the newest segment of a journal that can be read.
fn epoch_of(key: &RowsKey, journal: &Path) -> io::Result<Option<Epoch>> {
    let entries = match fs::read_dir(journal) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest = None;
    for entry in entries {
        let entry = entry?;
        if let Some(first) = entry.file_name().to_str().and_then(parse_segment_name) {
            newest = newest.max(Some((first, entry.path())));
        }
    }
    let Some((_, path)) = newest else { return Ok(None) };
    let bytes = fs::read(&path)?;
    Ok(SegmentHeader::read(key, &path, &bytes).ok().map(|header| header.before.epoch))
}
