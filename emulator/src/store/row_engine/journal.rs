//! The rows of a data folder: [`durable::Rows`].

use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::disk_space::Purpose;
use azure_emulator_core::durable::{self, Check, Listener, Notice, RowBytes};

use super::engine::{Body, RowEngine, RowView, RowWriter, ScannedRows, Still};
use super::integrity::RowIntegrity;
use crate::store::error::StoreError;

/// The rows of a data folder. Its transactions never conflict, because there is one writer at a time.
#[derive(Debug)]
pub(in crate::store) struct JournalRows(Arc<durable::Rows>);

impl JournalRows {
    pub(in crate::store) fn new(rows: Arc<durable::Rows>) -> Self {
        Self(rows)
    }
}

impl RowEngine for JournalRows {
    fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>> {
        self.0.get(tree, key)
    }

    fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool> {
        self.0.has(tree, key)
    }

    fn scan(&self, tree: u8, prefix: &[u8]) -> ScannedRows {
        Box::new(self.0.scan_prefix(tree, prefix))
    }

    fn range(&self, tree: u8, from: Bound<Vec<u8>>, to: Bound<Vec<u8>>) -> ScannedRows {
        Box::new(self.0.range(tree, from, to))
    }

    fn transact(&self, purpose: Purpose, body: &mut Body<'_>) -> Result<(), StoreError> {
        self.0.transact_for(purpose, |view| body(view))
    }

    fn hold_still(&self) -> Still<'_> {
        Box::new(self.0.hold_still())
    }

    fn writer(&self) -> Result<Box<dyn RowWriter + '_>, StoreError> {
        Ok(Box::new(self.0.writer()?))
    }

    fn commit(&self) -> io::Result<()> {
        self.0.commit()
    }
}

impl RowIntegrity for JournalRows {
    fn is_proven(&self) -> bool {
        self.0.proof().is_complete()
    }

    fn wait_for_proof(&self) -> bool {
        self.0.wait_for_proof().is_complete()
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
        self.0.check(&mut |_| ())
    }

    fn note(&self, notice: Notice) {
        self.0.note(notice);
    }

    fn listen(&self, listener: Listener) {
        self.0.listen(listener);
    }
}

impl RowWriter for durable::Writer<'_> {
    fn transact(&self, purpose: Purpose, body: &mut Body<'_>) -> Result<(), StoreError> {
        self.transact_for(purpose, |view| body(view))
    }
}

impl RowView for durable::View<'_> {
    fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>> {
        durable::View::get(self, tree, key)
    }

    fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool> {
        durable::View::has(self, tree, key)
    }

    fn put(&self, tree: u8, key: Vec<u8>, value: Vec<u8>) {
        durable::View::put(self, tree, key, value);
    }

    fn remove(&self, tree: u8, key: Vec<u8>) {
        durable::View::remove(self, tree, key);
    }

    fn attach(&self, name: String, content: Vec<u8>) {
        durable::View::attach(self, name, content);
    }
}
