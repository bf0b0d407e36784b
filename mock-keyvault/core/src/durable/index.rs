//! The sled database that answers reads, and, with `sled_folder`, the only file that knows sled.
//!
//! Called by [`super::Rows`]. sled 0.34 reports some damage as an error and panics on other damage; [`guarded`] turns both
//! into an [`io::ErrorKind::InvalidData`] error. The callers decide what happens to a damaged index.

use std::fmt;
use std::io;
use std::ops::{Bound, Deref};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::disk_calls as fs;
use sled::transaction::{ConflictableTransactionError, TransactionError, TransactionalTree};
use sled::{Batch, IVec, Transactional, Tree};

use super::changes::Changes;
use super::quiet::catch_quietly;
use crate::folders::make_private_dir;

/// How often the index tries to lock its file. The caller holds the lock of the data folder, so no other process uses the index.
/// If the file is locked, threads of a recently dropped index hold the lock, or a child process that has not called `exec` yet.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How many bytes may wait to be flushed.
///
/// sled 0.34.7 can wait for ever. It writes with seven threads that all databases of the process share, and never starts more:
/// its count of idle threads wraps below zero (`threadpool.rs`). Each write, of at most 512 KiB, ends with a lock on the segments
/// of its database. A change that needs a new segment holds that lock while it waits until the file was shortened, which needs a
/// free thread. While seven writes of one database run there is none. Only one change runs at a time in a process (sled's own
/// lock), so it is enough that no database has seven writes running: this limit keeps their number below four. With 1 MiB, the
/// tests of this module hung in 2 of 13 runs under load. Longer segments would not help: at each start sled fills the last
/// segment up, for which a full disk has no space.
const MOST_UNFLUSHED: usize = 128 << 10;

/// The approximate overhead of a row in sled's file: the link of a page, and its part of the page, which sled writes again after
/// ten links.
const ROW_OVERHEAD: usize = 128;

/// The name of the tree, and the key, of the position of the rows. No tree of a service has this name.
const POSITION: &str = "position of the rows";

/// The value of a row, or its key. It borrows nothing and is cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowBytes(IVec);

/// An open index.
#[derive(Debug)]
pub(super) struct Index {
    /// The trees of the service, followed by the tree of the position.
    trees: Vec<Tree>,
    /// `Some` until the index is dropped.
    db: Option<sled::Db>,
    /// The approximate number of bytes since the last flush.
    unflushed: AtomicUsize,
}

impl Index {
    /// Opens the index in the folder `path`, or creates an empty one. Waits a moment for its lock. Only the owner can read the folder,
    /// since it contains the rows of the journal.
    pub(super) fn open(path: &Path, trees: &[&str]) -> io::Result<Self> {
        match make_private_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::set_permissions(path, PermissionsExt::from_mode(0o700))?;
            }
            made => made?,
        }
        let db = Some(guarded(|| open_sled(path))?);
        // From here on, dropping `index` closes the database if there is an error.
        let trees_and_position = Vec::with_capacity(trees.len() + 1);
        let mut index = Self { trees: trees_and_position, db, unflushed: AtomicUsize::new(0) };
        for name in trees.iter().chain(&[POSITION]) {
            if let Some(db) = &index.db {
                index.trees.push(guarded(|| db.open_tree(name))?);
            }
        }
        Ok(index)
    }

    pub(super) fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>> {
        let tree = self.tree(tree)?;
        Ok(guarded(|| tree.get(key))?.map(RowBytes))
    }

    pub(super) fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool> {
        let tree = self.tree(tree)?;
        guarded(|| tree.contains_key(key))
    }

    /// The rows between two keys, in order.
    pub(super) fn range(&self, tree: u8, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> IndexRows {
        // A tree that does not exist has no rows, but asking for one is a bug of the caller, so it gets an error.
        IndexRows(self.tree(tree).map(|tree| tree.range((from, to))).map_err(Some))
    }

    /// The position of the rows, as it was stored with them; `None` if the index was not finished.
    pub(super) fn sealed_position(&self) -> io::Result<Option<Vec<u8>>> {
        let position = self.position()?;
        Ok(guarded(|| position.get(POSITION))?.map(|sealed| sealed.to_vec()))
    }

    /// Applies all changes and the position after them atomically: no reader sees a part of them.
    pub(super) fn apply(&self, changes: &Changes, sealed_position: &[u8]) -> io::Result<()> {
        let (mut trees, mut batches) = self.batches(changes)?;
        let mut position = Batch::default();
        position.insert(POSITION, sealed_position);
        trees.push(self.position()?.clone());
        batches.push(position);
        let apply = |trees: &Vec<TransactionalTree>| {
            for (tree, batch) in trees.iter().zip(&batches) {
                tree.apply_batch(batch)?;
            }
            Ok::<_, ConflictableTransactionError<sled::Error>>(())
        };
        guarded(|| {
            trees.as_slice().transaction(apply).map_err(|error| match error {
                TransactionError::Storage(error) | TransactionError::Abort(error) => error,
            })
        })
    }

    /// Writes rows to an index that is being built and has no position yet.
    pub(super) fn put_batch(&self, changes: &Changes) -> io::Result<()> {
        let (trees, batches) = self.batches(changes)?;
        for (tree, batch) in trees.iter().zip(batches) {
            guarded(|| tree.apply_batch(batch))?;
        }
        Ok(())
    }

    /// All rows, tree by tree, in order.
    pub(super) fn each_row(
        &self,
        mut each: impl FnMut(u8, &[u8], &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        for (number, _) in (0_u8..).zip(self.trees_of_rows()) {
            for row in self.range(number, Bound::Unbounded, Bound::Unbounded) {
                let (key, value) = row?;
                each(number, &key, &value)?;
            }
        }
        Ok(())
    }

    fn batches(&self, changes: &Changes) -> io::Result<(Vec<Tree>, Vec<Batch>)> {
        let mut trees = Vec::with_capacity(changes.len() + 1);
        let mut batches = Vec::with_capacity(changes.len() + 1);
        for (tree, rows) in changes {
            let mut batch = Batch::default();
            for (key, value) in rows {
                let len = key.len() + value.as_ref().map_or(0, Vec::len) + ROW_OVERHEAD;
                self.unflushed.fetch_add(len, Ordering::Relaxed);
                match value {
                    Some(value) => batch.insert(key.as_slice(), value.as_slice()),
                    None => batch.remove(key.as_slice()),
                }
            }
            trees.push(self.tree(*tree)?.clone());
            batches.push(batch);
        }
        Ok((trees, batches))
    }

    /// Whether it must be flushed before more changes.
    pub(super) fn wants_flush(&self) -> bool {
        MOST_UNFLUSHED <= self.unflushed.load(Ordering::Relaxed)
    }

    /// Writes everything to the file, without a sync.
    pub(super) fn flush(&self) -> io::Result<()> {
        let position = self.position()?;
        self.unflushed.store(0, Ordering::Relaxed);
        guarded(|| position.flush()).map(drop)
    }

    /// The bytes of the index on disk.
    pub(super) fn size_on_disk(&self) -> io::Result<u64> {
        guarded(|| self.db.as_ref().map_or(Ok(0), sled::Db::size_on_disk))
    }

    fn tree(&self, tree: u8) -> io::Result<&Tree> {
        self.trees_of_rows().get(usize::from(tree)).ok_or_else(|| no_tree(tree))
    }

    fn trees_of_rows(&self) -> &[Tree] {
        self.trees.split_last().map_or(&[], |(_, rows)| rows)
    }

    fn position(&self) -> io::Result<&Tree> {
        self.trees.last().ok_or_else(|| no_tree(POSITION))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        close((std::mem::take(&mut self.trees), self.db.take()));
    }
}

fn no_tree(name: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("there is no tree {name}"))
}

/// Drops handles of sled. The last handle closes the database, and sled panics if that fails; this function catches the panic.
pub(super) fn close<T>(handles: T) {
    let closed = guarded(|| {
        drop(handles);
        Ok(())
    });
    if let Err(error) = closed {
        tracing::warn!(%error, "sled failed to close its files; the journal has all rows");
    }
}

/// The rows of a range, in order. After an error there are no more.
pub(super) struct IndexRows(Result<sled::Iter, Option<io::Error>>);

impl Iterator for IndexRows {
    type Item = io::Result<(RowBytes, RowBytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = match &mut self.0 {
            Ok(rows) => rows,
            Err(error) => return error.take().map(Err),
        };
        let next = guarded(|| rows.next().transpose()).transpose()?;
        if next.is_err() {
            self.0 = Err(None);
        }
        Some(next.map(|(key, value)| (RowBytes(key), RowBytes(value))))
    }
}

impl Drop for IndexRows {
    fn drop(&mut self) {
        close(std::mem::replace(&mut self.0, Err(None)));
    }
}

impl Deref for RowBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for RowBytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for RowBytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

/// Shows only the length of a row, which may hold a secret.
impl fmt::Debug for RowBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowBytes({})", self.0.len())
    }
}

/// Turns sled's errors and panics into errors of one kind, since the caller rebuilds the index after either.
pub(super) fn guarded<T>(body: impl FnOnce() -> sled::Result<T>) -> io::Result<T> {
    match catch_quietly(body) {
        Ok(result) => result.map_err(storage),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str);
            let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(damaged(format_args!("sled panicked: {}", message.unwrap_or("no message"))))
        }
    }
}

/// Converts an error of sled. An error of the operating system keeps its kind, so that callers recognise a full disk.
fn storage(error: sled::Error) -> io::Error {
    match error {
        // A lock that is held is not damage.
        sled::Error::Io(error) if is_locked(&error) => {
            io::Error::new(io::ErrorKind::WouldBlock, error)
        }
        sled::Error::Io(error) => error,
        other => damaged(other),
    }
}

fn damaged(why: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the index is damaged: {why}"))
}

/// Opens or creates a database of sled, and waits a moment if its lock is held. All databases are opened with it. Blocks.
pub(super) fn open_sled(path: &Path) -> sled::Result<sled::Db> {
    open_database(path, LOCK_TRIES)
}

#[expect(
    clippy::disallowed_methods,
    reason = "sled only tries the lock, and other means to wait for it have no limit"
)]
fn open_database(path: &Path, tries: u32) -> sled::Result<sled::Db> {
    // No automatic flushes: the journal is authoritative, and the index is flushed when a segment of the journal ends.
    let config = sled::Config::new().path(path).cache_capacity(64 << 20).flush_every_ms(None);
    for _ in 1..tries {
        match config.open() {
            Err(sled::Error::Io(error)) if is_locked(&error) => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
    config.open()
}

/// Whether this is sled's error for a lock that is held, which has no kind of its own.
fn is_locked(error: &io::Error) -> bool {
    error.to_string().starts_with("could not acquire lock")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_index_whose_lock_is_held_for_a_moment_opens_when_the_lock_is_released() {
        let folder = tempfile::tempdir().unwrap();
        drop(open_database(folder.path(), LOCK_TRIES).unwrap());
        let held = fs::File::open(folder.path().join("db")).unwrap();
        held.file().lock().unwrap();

        let sled::Error::Io(refused) = open_database(folder.path(), 2).unwrap_err() else {
            panic!("another error than that of the lock")
        };
        let opened = thread::scope(|scope| {
            let opening = scope.spawn(|| open_database(folder.path(), LOCK_TRIES));
            drop(held);
            opening.join().unwrap()
        });

        assert!(is_locked(&refused), "{refused}");
        opened.unwrap();
    }

    #[test]
    fn a_panic_of_sled_on_close_does_not_reach_the_owner_of_the_index() {
        struct Panics;
        impl Drop for Panics {
            fn drop(&mut self) {
                panic!("cannot sync");
            }
        }

        close(Panics);
    }

    #[test]
    fn only_the_owner_can_read_the_folder_of_an_index_even_of_an_earlier_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        drop(Index::open(&path, &["a"]).unwrap());
        let made = mode();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();

        drop(Index::open(&path, &["a"]).unwrap());

        assert_eq!((made, mode()), (0o700, 0o700));
    }

    #[test]
    fn a_panic_of_sled_becomes_an_error_that_reports_damage() {
        let error = guarded::<()>(|| panic!("page {}", 7)).unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("page 7"), "{error}");
    }
}
