//! A complete object that no row names yet.

use crate::store::file_id::FileId;

/// A complete object that no row names yet. Dropping it undoes the end of its writing.
///
/// It is durable, unless it has [`Finished::carried`] bytes, which the transaction with its row must store.
#[must_use = "dropping it undoes it; keep it once a row names it"]
pub(in crate::store) struct Finished {
    id: FileId,
    carried: Option<Vec<u8>>,
    undo: Option<Box<dyn FnOnce() + Send>>,
}

impl Finished {
    /// `undo` is called if no row names the object.
    pub(super) fn new(
        id: FileId,
        carried: Option<Vec<u8>>,
        undo: impl FnOnce() + Send + 'static,
    ) -> Self {
        Self { id, carried, undo: Some(Box::new(undo)) }
    }

    /// The id of the object.
    pub(in crate::store) fn id(&self) -> FileId {
        self.id
    }

    /// All bytes of the object, if its engine relies on the rows to keep them durably.
    pub(in crate::store) fn carried(&self) -> Option<&[u8]> {
        self.carried.as_deref()
    }

    /// Keeps the object: a row names it.
    pub(in crate::store) fn keep(mut self) {
        self.undo = None;
    }
}

impl Drop for Finished {
    fn drop(&mut self) {
        if let Some(undo) = self.undo.take() {
            undo();
        }
    }
}
