//! Reads the rows of format 1: a folder of sled, which held the rows before there was a journal.
//!
//! Called by the migration and by repair. sled writes to a folder when it opens it: it writes a snapshot, and zeros over an end
//! that it considers torn. So it opens a copy, and the folder itself is never written to. A snapshot that is unfinished or
//! damaged is not copied: sled refuses to open a folder with such a snapshot, but reads its whole log if there is none. A
//! snapshot names the place of each page, and each page has a checksum. So with a good snapshot damage causes an error. Without
//! one, sled mistakes damage for the end of its log or of a part of it; [`SledFolder::has_snapshot`] tells whether there was one.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use sled::Tree;

use super::index::{close, guarded, open_sled};
use super::removal::remove;
use crate::folders::make_private_dir;

/// The length and the checksum at the end of a snapshot.
const SNAPSHOT_TAIL: usize = 8 + 4;

/// The open copy of a folder of format 1. Dropping it removes the copy.
#[derive(Debug)]
pub struct SledFolder {
    /// The existing trees, in the order of the list. They are dropped before the copy.
    trees: Vec<(u8, Tree)>,
    has_snapshot: bool,
    /// `Some` until this is dropped.
    db: Option<sled::Db>,
    _copy: Copy,
}

/// A folder that is removed when this is dropped.
#[derive(Debug)]
struct Copy(PathBuf);

impl SledFolder {
    /// The bytes that a copy of the folder needs.
    pub fn size(folder: &Path) -> io::Result<u64> {
        let mut bytes = 0;
        for file in content(folder)? {
            bytes += fs::metadata(file)?.len();
        }
        Ok(bytes)
    }

    /// Copies the folder to `copy`, replacing an existing copy, then opens the copy and reads all of it once. Returns
    /// [`io::ErrorKind::InvalidData`] if the rows are damaged.
    pub fn open(folder: &Path, copy: &Path, trees: &[&str]) -> io::Result<Self> {
        let snapshot = newest_snapshot(folder)?.filter(|path| is_whole(path));
        let opened = Self::open_with(folder, copy, trees, snapshot.as_deref())?;
        opened.each_row(|_, _, _| Ok::<_, io::Error>(()))?;
        Ok(opened)
    }

    /// Whether a snapshot named the place of each page, so that no damage of older rows went undetected.
    pub fn has_snapshot(&self) -> bool {
        self.has_snapshot
    }

    /// A row.
    pub fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let Some((_, rows)) = self.trees.iter().find(|(number, _)| *number == tree) else {
            return Ok(None);
        };
        Ok(guarded(|| rows.get(key))?.map(|value| value.to_vec()))
    }

    /// Calls `each` with every row, in ascending order of trees and keys.
    pub fn each_row<E: From<io::Error>>(
        &self,
        mut each: impl FnMut(u8, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for (tree, rows) in &self.trees {
            let mut rows = guarded(|| Ok(rows.iter()))?;
            while let Some((key, value)) = guarded(|| rows.next().transpose())? {
                each(*tree, &key, &value)?;
            }
        }
        Ok(())
    }

    fn open_with(
        folder: &Path,
        copy: &Path,
        trees: &[&str],
        snapshot: Option<&Path>,
    ) -> io::Result<Self> {
        // A kill may have left it.
        remove(copy)?;
        let copy = Copy(copy.to_owned());
        make_private_dir(&copy.0)?;
        fs::create_dir(copy.0.join("blobs"))?;
        for file in content(folder)?.iter().map(PathBuf::as_path).chain(snapshot) {
            let name = file.strip_prefix(folder).map_err(io::Error::other)?;
            fs::copy(file, copy.0.join(name))?;
        }
        let db = Some(guarded(|| open_sled(&copy.0))?);
        let has_snapshot = snapshot.is_some();
        let mut opened = Self { trees: Vec::new(), has_snapshot, db, _copy: copy };
        let Some(db) = &opened.db else { return Ok(opened) };
        let known = db.tree_names();
        for (number, name) in (0..=u8::MAX).zip(trees) {
            // A missing tree is not created: an earlier version of the program did not know it.
            if known.iter().any(|known| known == name.as_bytes()) {
                opened.trees.push((number, guarded(|| db.open_tree(name))?));
            }
        }
        Ok(opened)
    }
}

impl Drop for SledFolder {
    fn drop(&mut self) {
        close((std::mem::take(&mut self.trees), self.db.take()));
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            // The next start removes it.
            tracing::warn!(%error, "cannot remove the copy of the rows of format 1");
        }
    }
}

/// The files with rows: the log, its settings, and the values that are too large for it.
fn content(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![folder.join("db"), folder.join("conf")];
    match fs::read_dir(folder.join("blobs")) {
        Ok(blobs) => {
            for blob in blobs {
                files.push(blob?.path());
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    Ok(files)
}

/// The last finished snapshot. An older one is of no use, since the log after it may have been removed.
fn newest_snapshot(folder: &Path) -> io::Result<Option<PathBuf>> {
    let mut newest = None;
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("snap."));
        if digits.is_some_and(|digits| digits.len() == 16) {
            newest = newest.max(Some(folder.join(name)));
        }
    }
    Ok(newest)
}

/// Whether the checksum of a snapshot is right.
fn is_whole(snapshot: &Path) -> bool {
    let Ok(bytes) = fs::read(snapshot) else { return false };
    let Some((content, tail)) = bytes.split_last_chunk::<SNAPSHOT_TAIL>() else { return false };
    !content.is_empty() && tail[8..] == crc32fast::hash(content).to_le_bytes()
}

#[cfg(test)]
#[path = "sled_folder_tests.rs"]
mod tests;
