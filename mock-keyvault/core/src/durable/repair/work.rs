//! The folder in which a repair makes the new journal, and the step in which that takes the place of the damaged one.
//!
//! ```text
//! repair.new/            the work of a repair
//!   journal/             the new rows
//!   lost.txt             what they lack, a line each; not there if nothing is lost
//!   switch               the epoch of the new journal and the name of the folder below, written when both files are whole
//! damaged-TIME/          what was there before: journal and index. Nobody reads them; the folder can be removed.
//!   lost.txt             what that repair could not bring back. The next repair prints it again.
//! ```
//!
//! The switch is one exchange of two folders: before it the data folder is as it was, after it the rows are repaired. What a
//! kill leaves is told apart by the epoch. [`WorkFolder::finish`] ends it, at the next start or the next repair, and says what
//! was lost.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::super::key::RowsKey;
use super::super::position::Epoch;
use super::super::segment::{SegmentHeader, parse_segment_name};
use super::super::sync_dir;
use super::earlier::{self, ASIDE, Earlier, LOST_FILE};
use crate::files::{Access, read_if_there, write_whole};

const WORK: &str = "repair.new";
const SWITCH: &str = "switch";
const JOURNAL: &str = "journal";
const INDEX: &str = "index";
/// Where the damaged journal waits for a moment, on a file system that cannot exchange two folders.
const OLD: &str = "journal.old";

/// The folder in which a repair works.
#[derive(Debug)]
pub struct WorkFolder {
    root: PathBuf,
    path: PathBuf,
}

/// What an earlier repair left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// Nothing.
    None,
    /// It ended before the switch: its work can be thrown away.
    Unfinished,
    /// It ended after the switch, or in the middle of one in two steps. The folder for what was damaged has this name.
    Switched(String),
}

impl WorkFolder {
    /// The work folder in a data folder. Nothing is made yet.
    pub fn of(root: &Path) -> Self {
        Self { root: root.to_owned(), path: root.join(WORK) }
    }

    /// The folder itself: new rows are made in it as in a data folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the new journal goes.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// What an earlier repair left. Changes nothing.
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
            // Only this program writes the name. A file that was changed must not lead elsewhere.
            let is_ours = aside.starts_with(ASIDE) && !aside.contains('/');
            Leftover::Switched(if is_ours { aside.to_owned() } else { format!("{ASIDE}before") })
        } else {
            Leftover::Unfinished
        })
    }

    /// Ends what an earlier repair left: its work is thrown away, or its switch is finished. The answer is none if there was
    /// no switch to finish.
    pub fn finish(&self, key: &RowsKey) -> io::Result<Option<Earlier>> {
        match self.leftover(key)? {
            Leftover::None => Ok(None),
            Leftover::Unfinished => self.discard().map(|()| None),
            Leftover::Switched(aside) => {
                let kept = self.settle(&aside)?;
                Earlier::of(kept).map(Some)
            }
        }
    }

    /// Makes the folder, empty. What an unfinished repair left in it goes.
    pub fn begin(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        make_private_dir(&self.path)
    }

    /// Throws the work away: the data folder is as it was.
    pub fn discard(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.path)
    }

    /// Puts the new journal, which is whole and synced, in the place of the damaged one. `aside` is the name of the folder
    /// that keeps what was there, and `lost` says what the new journal lacks. Returns the path of that folder.
    pub fn switch(&self, epoch: Epoch, aside: &str, lost: &[String]) -> io::Result<PathBuf> {
        let aside = self.note(epoch, aside, lost)?;
        let (new, old) = (self.journal(), self.root.join(JOURNAL));
        if old.try_exists()? {
            match renameat_with(CWD, &new, CWD, &old, RenameFlags::EXCHANGE) {
                Ok(()) => (),
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                    fs::rename(&old, self.path.join(OLD))?;
                    fs::rename(&new, &old)?;
                }
                Err(error) => return Err(error.into()),
            }
        } else {
            fs::rename(&new, &old)?;
        }
        sync_dir(&self.path)?;
        sync_dir(&self.root)?;
        self.settle(&aside)
    }

    /// Writes down, before the switch, what a kill after it must not make unknown. Returns the name of the folder for what is
    /// damaged.
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

    /// Ends what follows a switch: what was damaged is kept under `aside`, and the work folder goes.
    fn settle(&self, aside: &str) -> io::Result<PathBuf> {
        let aside = self.root.join(aside);
        let (new, in_place) = (self.journal(), self.root.join(JOURNAL));
        // A switch in two steps that was cut short between them.
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
            // It belongs to the damaged journal, and is made again at the next start. After a kill it may be the new one.
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
    /// This name, or one with a number behind it: two repairs can be made in one second.
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

/// Makes a folder for the owner alone.
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
