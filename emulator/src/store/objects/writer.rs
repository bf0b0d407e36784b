//! Writes an object from front to back.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use super::Finished;
use crate::store::error::StoreError;

/// The one writer of an object. No reader sees the object before `finish`.
///
/// The call that made the writer decides whether the object stays when the writer is dropped: see
/// `ObjectEngine` and `Continue`.
pub struct ObjectWriter(Box<dyn WriteObject>);

/// Sends the bytes that an object has so far to durable storage, from any thread, while its writer goes on.
#[derive(Clone)]
pub struct EarlySync(Arc<dyn Fn() + Send + Sync>);

/// The writer of an engine.
pub(super) trait WriteObject: Write + Send {
    /// See [`ObjectWriter::early_sync`].
    fn early_sync(&self) -> io::Result<Option<EarlySync>>;

    /// Makes the object complete and durable. After an error the object is as if the writer had been dropped.
    fn finish(self: Box<Self>) -> Result<Finished, StoreError>;

    /// Removes the object.
    fn abandon(self: Box<Self>) -> Result<(), StoreError>;
}

impl ObjectWriter {
    pub(super) fn new(object: impl WriteObject + 'static) -> Self {
        Self(Box::new(object))
    }

    /// Makes `finish` shorter, if the engine can sync early. If that fails, `finish` fails.
    pub fn early_sync(&self) -> io::Result<Option<EarlySync>> {
        self.0.early_sync()
    }

    /// Makes the object complete and durable, except for the bytes that the rows must carry.
    /// [`StoreError::NotFound`] if the unfinished object was removed meanwhile.
    pub(in crate::store) fn finish(self) -> Result<Finished, StoreError> {
        self.0.finish()
    }

    /// Removes the object and all that was written.
    pub(in crate::store) fn abandon(self) -> Result<(), StoreError> {
        self.0.abandon()
    }
}

impl Write for ObjectWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl EarlySync {
    pub(super) fn new(sync: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(sync))
    }

    /// Blocks until the bytes are durable, or until that failed.
    pub fn run(&self) {
        (self.0)();
    }
}

impl fmt::Debug for ObjectWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectWriter").finish_non_exhaustive()
    }
}

impl fmt::Debug for EarlySync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EarlySync").finish_non_exhaustive()
    }
}
