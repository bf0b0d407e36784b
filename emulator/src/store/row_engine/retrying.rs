//! An engine for tests whose transactions always conflict once.

use std::io;
use std::ops::Bound;
use std::time::Duration;

use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::{Check, Listener, Notice, RowBytes};

use super::engine::{Body, RowEngine, RowView, RowWriter, ScannedRows, Still};
use super::integrity::RowIntegrity;
use crate::store::error::StoreError;

/// Runs the body of each transaction twice and discards the first run. So every test shows that the bodies can be repeated.
#[derive(Debug)]
pub(in crate::store) struct Retrying<E>(pub(in crate::store) E);

/// The same for the exclusive right.
struct RetryingWriter<'a>(Box<dyn RowWriter + 'a>);

/// Runs a transaction and discards it, then runs it again. A body that fails is not repeated.
fn twice(
    transact: &dyn Fn(&mut Body<'_>) -> Result<(), StoreError>,
    body: &mut Body<'_>,
) -> Result<(), StoreError> {
    let mut is_discarded = false;
    let first = transact(&mut |view: &dyn RowView| {
        body(view)?;
        is_discarded = true;
        Err(io::Error::other("a conflict").into())
    });
    if is_discarded { transact(body) } else { first }
}

impl<E: RowEngine> RowEngine for Retrying<E> {
    fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>> {
        self.0.get(tree, key)
    }

    fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool> {
        self.0.has(tree, key)
    }

    fn scan(&self, tree: u8, prefix: &[u8]) -> ScannedRows {
        self.0.scan(tree, prefix)
    }

    fn range(&self, tree: u8, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> ScannedRows {
        self.0.range(tree, from, to)
    }

    fn transact(&self, purpose: Purpose, body: &mut Body<'_>) -> Result<(), StoreError> {
        twice(&|body| self.0.transact(purpose, body), body)
    }

    fn hold_still(&self) -> Still<'_> {
        self.0.hold_still()
    }

    fn writer(&self) -> Result<Box<dyn RowWriter + '_>, StoreError> {
        Ok(Box::new(RetryingWriter(self.0.writer()?)))
    }

    fn commit(&self) -> io::Result<()> {
        self.0.commit()
    }
}

impl<E: RowIntegrity> RowIntegrity for Retrying<E> {
    fn is_proven(&self) -> bool {
        self.0.is_proven()
    }

    fn wait_for_proof(&self) -> bool {
        self.0.wait_for_proof()
    }

    fn set_proof_timeout(&self, limit: Duration) {
        self.0.set_proof_timeout(limit);
    }

    fn stop_soon(&self) {
        self.0.stop_soon();
    }

    fn are_complete(&self) -> bool {
        self.0.are_complete()
    }

    fn has_loss(&self) -> io::Result<bool> {
        self.0.has_loss()
    }

    fn clear_loss(&self) -> io::Result<()> {
        self.0.clear_loss()
    }

    fn check_writable(&self) -> io::Result<()> {
        self.0.check_writable()
    }

    fn check(&self) -> io::Result<Check> {
        self.0.check()
    }

    fn note(&self, notice: Notice) {
        self.0.note(notice);
    }

    fn listen(&self, listener: Listener) {
        self.0.listen(listener);
    }
}

impl RowWriter for RetryingWriter<'_> {
    fn transact(&self, purpose: Purpose, body: &mut Body<'_>) -> Result<(), StoreError> {
        twice(&|body| self.0.transact(purpose, body), body)
    }
}
