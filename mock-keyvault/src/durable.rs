//! A sled database whose commits are on the disk when they say so.
//!
//! `flush` of sled 0.34 is not an `fsync`: most of the time it ends in `sync_file_range`, which does not reach the
//! device's cache nor the file's size (spacejam/sled#1452). [`DurableDb::commit`] therefore flushes and then calls
//! `fdatasync` on the database file through a handle of its own. Commits that arrive together share one pair.
//!
//! After a failed sync nothing is known about what the kernel kept, so the database refuses every later commit.
//! A full disk must not come to that: whoever writes asks [`Room`] first, as [`DurableDb::change`] does.
//! This module knows nothing of vaults and of registries: both use it. It does not say what is stored.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use sled::{Batch, Tree};

use crate::room::Room;

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The disk: what was acknowledged survives a power cut.
    #[default]
    Full,
    /// The operating system: what was acknowledged survives the end of the process. For throw-away suites.
    Relaxed,
}

/// A sled database with group-committed `fdatasync`.
#[derive(Debug)]
pub struct DurableDb {
    db: sled::Db,
    file: fs::File,
    room: Room,
    durability: Durability,
    group: Mutex<Group>,
    done: Condvar,
}

/// A change of rows that there is room for. It takes place step by step, and is durable when it was committed.
#[derive(Debug)]
#[must_use = "what was applied is not durable before it is committed"]
pub struct Change<'a>(&'a DurableDb);

#[derive(Debug, Default)]
struct Group {
    /// How many commits were asked for.
    asked: u64,
    /// All commits up to this one are on the disk.
    synced: u64,
    /// Whether somebody syncs at this moment.
    running: bool,
    /// The words of the sync that failed, if one did.
    failed: Option<String>,
}

impl DurableDb {
    /// Opens the database in the folder `path`, or makes it there. The folder and its parent are synced.
    pub fn open(path: &Path, durability: Durability) -> io::Result<Self> {
        let db = sled::Config::new()
            .path(path)
            .cache_capacity(64 << 20)
            .flush_every_ms(Some(1000))
            .open()?;
        let file = fs::File::open(path.join("db"))?;
        let room = Room::of(path);
        let (group, done) = (Mutex::default(), Condvar::new());
        let opened = Self { db, file, room, durability, group, done };
        opened.commit()?;
        if durability == Durability::Full {
            sync_dir(path)?;
            if let Some(parent) = path.parent() {
                sync_dir(parent)?;
            }
        }
        Ok(opened)
    }

    /// Opens the tree of this name.
    pub fn tree(&self, name: &str) -> io::Result<Tree> {
        Ok(self.db.open_tree(name)?)
    }

    /// Begins a change. [`io::ErrorKind::StorageFull`] if too little room is left: then nothing has happened, and all
    /// is well again when there is more.
    pub fn change(&self) -> io::Result<Change<'_>> {
        self.room.for_rows()?;
        Ok(Change(self))
    }

    /// The device that the database is on.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Returns when everything that was written before the call is as safe as [`Durability`] says. Blocks.
    pub fn commit(&self) -> io::Result<()> {
        let mut group = self.lock();
        group.asked += 1;
        let ticket = group.asked;
        loop {
            if let Some(words) = &group.failed {
                return Err(io::Error::other(format!(
                    "the database could not be synced earlier: {words}"
                )));
            }
            if group.synced >= ticket {
                return Ok(());
            }
            if group.running {
                group = self.done.wait(group).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            group.running = true;
            let target = group.asked;
            drop(group);
            let result = self.sync();
            group = self.lock();
            group.running = false;
            match &result {
                Ok(()) => group.synced = target,
                Err(error) => group.failed = Some(error.to_string()),
            }
            self.done.notify_all();
            result?;
        }
    }

    /// The bytes of the database on disk.
    pub fn size_on_disk(&self) -> io::Result<u64> {
        Ok(self.db.size_on_disk()?)
    }

    fn sync(&self) -> io::Result<()> {
        self.db.flush()?;
        match self.durability {
            Durability::Full => self.file.sync_data(),
            Durability::Relaxed => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Change<'_> {
    /// Does all of a batch, or nothing of it. Others see it from then on.
    pub fn apply(&self, tree: &Tree, batch: Batch) -> io::Result<()> {
        Ok(tree.apply_batch(batch)?)
    }

    /// Returns when all that was applied is durable. Blocks.
    pub fn commit(self) -> io::Result<()> {
        self.0.commit()
    }
}

/// Makes a folder and those above it, and syncs each new entry into its parent.
pub fn make_dir_durably(path: &Path) -> io::Result<()> {
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut at = path;
    while !at.exists() {
        missing.push(at.to_owned());
        match at.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => at = parent,
            _ => break,
        }
    }
    for folder in missing.iter().rev() {
        fs::create_dir_all(folder)?;
        if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            sync_dir(parent)?;
        }
    }
    Ok(())
}

/// Syncs the entries of a folder: a file made or renamed in it is found again after a power cut.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    #[test]
    fn what_was_committed_is_there_when_the_database_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows");

        let db = DurableDb::open(&path, Durability::Full).unwrap();
        db.tree("t").unwrap().insert("a", "1").unwrap();
        db.commit().unwrap();
        drop(db);

        let db = DurableDb::open(&path, Durability::Full).unwrap();
        assert_eq!(db.tree("t").unwrap().get("a").unwrap().unwrap(), "1");
    }

    #[test]
    fn commits_from_many_threads_all_return() {
        let folder = tempfile::tempdir().unwrap();
        let db = Arc::new(DurableDb::open(folder.path(), Durability::Full).unwrap());
        let tree = db.tree("t").unwrap();

        let threads: Vec<_> = (0..8_u32)
            .map(|i| {
                let (db, tree) = (Arc::clone(&db), tree.clone());
                thread::spawn(move || {
                    tree.insert(i.to_be_bytes(), b"x").unwrap();
                    db.commit().unwrap();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }

        assert_eq!(tree.len(), 8);
    }

    #[test]
    fn a_database_that_is_open_is_not_opened_twice() {
        let folder = tempfile::tempdir().unwrap();
        let _open = DurableDb::open(folder.path(), Durability::Relaxed).unwrap();

        assert!(DurableDb::open(folder.path(), Durability::Relaxed).is_err());
    }

    #[test]
    fn a_change_that_there_is_no_room_for_does_nothing_and_is_done_when_there_is() {
        let folder = tempfile::tempdir().unwrap();
        let db = DurableDb::open(folder.path(), Durability::Full).unwrap();
        let tree = db.tree("t").unwrap();
        let change = || {
            let change = db.change()?;
            let mut batch = Batch::default();
            batch.insert("a", "1");
            change.apply(&tree, batch)?;
            change.commit()
        };

        db.room().pretend(Some(0));
        let refused = change().unwrap_err();
        let before = tree.len();
        db.room().pretend(None);
        change().unwrap();

        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        assert_eq!((before, tree.len()), (0, 1));
    }
}
