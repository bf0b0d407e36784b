//! The right to write, and the transactions that need it.
//!
//! Returned by [`super::Rows::writer`]. A transaction is in memory until [`super::Rows::commit`].

use std::cell::RefCell;
use std::io;
use std::sync::MutexGuard;

use super::engine::Engine;
use super::journal::Tail;
use super::transaction::View;
use super::worker::Worker;
use crate::disk_space::Purpose;

/// The right to write. While it lives, rows change only through it.
#[derive(Debug)]
pub struct Writer<'a> {
    engine: &'a Engine,
    worker: Option<&'a Worker>,
    tail: RefCell<MutexGuard<'a, Tail>>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(
        engine: &'a Engine,
        worker: Option<&'a Worker>,
        tail: MutexGuard<'a, Tail>,
    ) -> Self {
        Self { engine, worker, tail: tail.into() }
    }

    /// Applies the changes of `body` atomically, or none of them if `body` fails. They are durable only after a commit.
    /// Returns [`io::ErrorKind::StorageFull`] if there is too little space; then nothing is changed.
    pub fn transact<A, E: From<io::Error>>(
        &self,
        body: impl FnOnce(&View<'_>) -> Result<A, E>,
    ) -> Result<A, E> {
        self.transact_for(Purpose::Rows, body)
    }

    /// Like [`Writer::transact`], for another purpose than a change of rows: on a full disk a removal uses the reserve.
    pub fn transact_for<A, E: From<io::Error>>(
        &self,
        purpose: Purpose,
        body: impl FnOnce(&View<'_>) -> Result<A, E>,
    ) -> Result<A, E> {
        let engine = self.engine;
        engine.writable()?;
        let index = engine.index();
        let view = View::new(&index);
        let answer = body(&view)?;
        let (changes, attachments) = view.into_changes();
        // A transaction that only reads needs no space; a start on a full disk has such transactions.
        if changes.is_empty() && attachments.is_empty() {
            return Ok(answer);
        }
        engine.disk_space.spend(0, purpose)?;
        let work = {
            let mut tail = self.tail.borrow_mut();
            engine.change(&mut tail, &index, purpose, &changes, &attachments)?
        };
        if let (Some(worker), Some(work)) = (self.worker, work) {
            worker.request(work);
        }
        Ok(answer)
    }
}
