//! The view of a transaction: the index and the changes of the transaction.
//!
//! Called by the bodies of [`super::Writer::transact`]. A body sees its own changes; other readers see them only after the
//! transaction is applied. The caller holds the right to write, so the index does not change meanwhile.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::ops::Bound;

use super::changes::{Attachments, Changes};
use super::index::{Index, RowBytes};

/// The rows as a transaction sees them.
pub struct View<'a> {
    index: &'a Index,
    changes: RefCell<Changes>,
    attachments: RefCell<Attachments>,
}

impl<'a> View<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index, changes: RefCell::default(), attachments: RefCell::default() }
    }

    pub(super) fn into_changes(self) -> (Changes, Attachments) {
        (self.changes.into_inner(), self.attachments.into_inner())
    }

    /// A row.
    pub fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>> {
        match self.changes.borrow().get(&tree).and_then(|rows| rows.get(key)) {
            Some(changed) => Ok(changed.as_deref().map(RowBytes::from)),
            None => self.index.get(tree, key),
        }
    }

    /// Whether there is such a row.
    pub fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool> {
        match self.changes.borrow().get(&tree).and_then(|rows| rows.get(key)) {
            Some(changed) => Ok(changed.is_some()),
            None => self.index.has(tree, key),
        }
    }

    /// The keys that begin with `prefix`, in order.
    pub fn keys(&self, tree: u8, prefix: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let (from, to) = after_prefix(prefix);
        let mut keys = Vec::new();
        for row in self.index.range(tree, from, to) {
            keys.push(row?.0.to_vec());
        }
        if let Some(rows) = self.changes.borrow().get(&tree) {
            keys.retain(|key| !rows.contains_key(key));
            let added =
                rows.iter().filter(|(key, value)| key.starts_with(prefix) && value.is_some());
            keys.extend(added.map(|(key, _)| key.clone()));
            keys.sort_unstable();
        }
        Ok(keys)
    }

    /// Writes a row, and replaces an existing one.
    pub fn put(&self, tree: u8, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.set(tree, key.into(), Some(value.into()));
    }

    /// Removes a row, if it exists.
    pub fn remove(&self, tree: u8, key: impl Into<Vec<u8>>) {
        self.set(tree, key.into(), None);
    }

    /// Removes all rows whose keys begin with `prefix`.
    pub fn remove_prefix(&self, tree: u8, prefix: &[u8]) -> io::Result<()> {
        for key in self.keys(tree, prefix)? {
            self.remove(tree, key);
        }
        Ok(())
    }

    /// Attaches the content of a small file to the record, so that the file needs no sync. After a power cut, the content is
    /// passed to [`super::OpenOptions::restore`].
    pub fn attach(&self, name: impl Into<Vec<u8>>, content: impl Into<Vec<u8>>) {
        self.attachments.borrow_mut().push((name.into(), content.into()));
    }

    fn set(&self, tree: u8, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.changes.borrow_mut().entry(tree).or_default().insert(key, value);
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").finish_non_exhaustive()
    }
}

/// The bounds of the keys that begin with `prefix`.
pub(super) fn after_prefix(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        }
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}
