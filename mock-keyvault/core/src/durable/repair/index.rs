//! Reads the rows of the index for a repair, for rows that the journal has lost.
//!
//! sled changes a database when it opens it, and drops parts that it cannot read. So a copy is opened, and its rows are trusted
//! only if they add up to the sealed position that is stored with them.

use std::ffi::OsStr;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::super::checkpoint::{CheckpointWriter, Row};
use super::super::index::Index;
use super::super::key::RowsKey;
use super::super::position::{Epoch, Position};
use super::super::set_sum::SetSum;
use super::survey::ProvenIndex;
use crate::folders::make_private_dir;

/// The state of the index.
#[derive(Debug)]
pub enum IndexLook {
    /// It is missing, or was never finished.
    None,
    /// Its rows are whole.
    Proven(ProvenIndex),
    /// Its rows can be read but do not add up.
    Unproven {
        /// Its rows, as a checkpoint. Only their names can be used, not their values.
        rows: PathBuf,
        /// The state that it claims to be in, if that is authentic. A journal that does not reach this state has lost its end.
        claimed: Option<Position>,
    },
    /// It cannot be read, for this reason.
    Unreadable(String),
}

impl IndexLook {
    /// The state in which a start assumes the index to be.
    pub(super) fn position(&self) -> Option<Position> {
        match self {
            Self::Proven(index) => Some(index.position),
            Self::Unproven { claimed, .. } => *claimed,
            Self::None | Self::Unreadable(_) => None,
        }
    }
    /// Reads a copy of the index, which is made in the folder `work`.
    pub(super) fn at(index: &Path, work: &Path, key: &RowsKey, trees: &[&str]) -> io::Result<Self> {
        if !index.join("db").try_exists()? {
            return Ok(Self::None);
        }
        let looked = Self::at_copy(index, work, key, trees, |_| true);
        let looked = match looked {
            Ok(Self::Proven(_)) => looked,
            Err(ref error) if crate::disk_space::is_out_of_space(error) => looked,
            // Without a snapshot sled reads its whole log. Without its settings it writes them again; they are always the same.
            _ => match Self::at_copy(index, work, key, trees, is_of_log) {
                Ok(Self::None) | Err(_) => looked,
                again @ Ok(Self::Unproven { .. }) if looked.is_err() => again,
                Ok(Self::Unproven { .. }) => Self::at_copy(index, work, key, trees, |_| true),
                again => again,
            },
        };
        match looked {
            Err(error) if crate::disk_space::is_out_of_space(&error) => {
                let message = format!(
                    "there is no space for the copy of {} that the repair needs: {error}; nothing was changed: free space and repair again",
                    index.display()
                );
                Err(io::Error::new(error.kind(), message))
            }
            Err(error) => Ok(Self::Unreadable(error.to_string())),
            looked => looked,
        }
    }

    /// Reads a copy of those files of the index that `is_wanted` selects.
    fn at_copy(
        index: &Path,
        work: &Path,
        key: &RowsKey,
        trees: &[&str],
        is_wanted: fn(&OsStr) -> bool,
    ) -> io::Result<Self> {
        let copy = work.join("index.copy");
        let looked =
            copy_folder(index, &copy, is_wanted).and_then(|()| Self::read(&copy, work, key, trees));
        match fs::remove_dir_all(&copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        looked
    }

    fn read(copy: &Path, work: &Path, key: &RowsKey, trees: &[&str]) -> io::Result<Self> {
        let index = Index::open(copy, trees)?;
        let Some(sealed) = index.sealed_position()? else { return Ok(Self::None) };
        let mut sum = SetSum::default();
        index.each_row(|tree, row, value| {
            sum.add(key, tree, row, value);
            Ok(())
        })?;
        let claimed = Position::unseal(key, &sealed);
        let proven = claimed.filter(|position| position.set_sum == sum);
        let position = match proven {
            Some(position) => position,
            None => Position::start(key, Epoch::random()?, 0, sum),
        };
        let rows = work.join("index.rows");
        let file = BufWriter::with_capacity(128 << 10, fs::File::create(&rows)?);
        let mut writer = CheckpointWriter::new(key, position, file)?;
        index.each_row(|tree, key, value| writer.row(&Row { tree, key, value }))?;
        writer.finish()?;
        Ok(match proven {
            Some(position) => Self::Proven(ProvenIndex { position, rows }),
            None => Self::Unproven { rows, claimed },
        })
    }
}

/// Whether sled needs the file to read its log from the beginning.
fn is_of_log(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name != "conf" && !name.starts_with("snap.")
}

fn copy_folder(from: &Path, to: &Path, is_wanted: fn(&OsStr) -> bool) -> io::Result<()> {
    make_private_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !is_wanted(&entry.file_name()) {
            continue;
        }
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to, |_| true)?;
        } else {
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
