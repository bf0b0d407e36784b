//! The rows of one service, with reads at any time, one writer at a time, and transactions over all trees.
//!
//! Called on blocking threads. A transaction is atomic, and is in memory until [`Rows::commit`], which is called without the
//! right to write, so that waiting commits share one sync. A tree is named by its index in the list of trees.
//! This module does not know the content of rows.

use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use super::engine::Engine;
use super::index::RowBytes;
use super::journal::Tail;
use super::notices::Listener;
use super::options::OpenOptions;
use super::outcome::{Notice, OpenError};
use super::proof::{PROVEN_FIRST, Proof};
use super::removal::{remove, remove_file};
use super::transaction::{View, after_prefix};
use super::worker::Worker;
use super::writer::Writer;
use crate::disk_space::{DiskSpace, Purpose};

/// The rows of one service.
#[derive(Debug)]
pub struct Rows {
    worker: Option<Worker>,
    engine: Arc<Engine>,
    superseded: Option<PathBuf>,
}

/// While it lives, no row changes.
#[derive(Debug)]
pub struct HeldStill<'a> {
    _tail: MutexGuard<'a, Tail>,
}

impl Rows {
    /// Opens the rows of a data folder. The caller has locked the folder.
    pub fn open(options: &OpenOptions<'_>) -> Result<Self, OpenError> {
        let engine = Arc::new(Engine::open(options)?);
        if engine.index().size_on_disk()? <= PROVEN_FIRST {
            engine.prove();
        }
        engine.is_open.store(true, Ordering::Relaxed);
        let worker = Some(Worker::start(Arc::clone(&engine))?);
        let superseded = options.superseded.map(Path::to_owned);
        Ok(Self { worker, engine, superseded })
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// A row.
    pub fn get(&self, tree: u8, key: &[u8]) -> io::Result<Option<RowBytes>> {
        self.engine.index().get(tree, key)
    }

    /// Whether there is such a row.
    pub fn has(&self, tree: u8, key: &[u8]) -> io::Result<bool> {
        self.engine.index().has(tree, key)
    }

    /// The rows whose keys begin with `prefix`, in order.
    pub fn scan_prefix(
        &self,
        tree: u8,
        prefix: &[u8],
    ) -> impl Iterator<Item = io::Result<(RowBytes, RowBytes)>> + use<> {
        let (from, to) = after_prefix(prefix);
        self.range(tree, from, to)
    }

    /// The rows between two keys, in order.
    pub fn range(
        &self,
        tree: u8,
        from: Bound<Vec<u8>>,
        to: Bound<Vec<u8>>,
    ) -> impl Iterator<Item = io::Result<(RowBytes, RowBytes)>> + use<> {
        self.engine.index().range(tree, from, to)
    }

    /// Waits for the proof, and for the right to write. Returns [`io::ErrorKind::ResourceBusy`] if the proof takes longer than
    /// [`Rows::set_proof_timeout`] allows.
    pub fn writer(&self) -> io::Result<Writer<'_>> {
        let tail = self.engine.right_to_write()?;
        Ok(Writer::new(&self.engine, self.worker.as_ref(), tail))
    }

    /// Waits until there is no writer, without waiting for the proof. No row changes while the returned value lives.
    pub fn hold_still(&self) -> HeldStill<'_> {
        HeldStill { _tail: self.engine.tail() }
    }

    /// Limits how long a change waits for the proof from now on. Call it when the service begins to answer; before that, a start
    /// has to wait.
    pub fn set_proof_timeout(&self, limit: Duration) {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.engine.proof_timeout_millis.store(millis, Ordering::Relaxed);
    }

    /// Ends the proof and other background work, because the service stops. Changes that wait for the proof are refused.
    pub fn stop_soon(&self) {
        self.engine.stopping.store(true, Ordering::Relaxed);
    }

    /// Takes the right to write for one transaction.
    pub fn transact<A, E: From<io::Error>>(
        &self,
        body: impl FnOnce(&View<'_>) -> Result<A, E>,
    ) -> Result<A, E> {
        self.writer()?.transact(body)
    }

    /// Like [`Rows::transact`], for another purpose than a change of rows.
    pub fn transact_for<A, E: From<io::Error>>(
        &self,
        purpose: Purpose,
        body: impl FnOnce(&View<'_>) -> Result<A, E>,
    ) -> Result<A, E> {
        self.writer()?.transact_for(purpose, body)
    }

    /// Carries out one transaction, which is committed on return as [`Durability`](super::Durability) requires. Blocks.
    pub fn change<A>(
        &self,
        purpose: Purpose,
        body: impl FnOnce(&View<'_>) -> io::Result<A>,
    ) -> io::Result<A> {
        let answer = self.transact_for(purpose, body)?;
        self.commit()?;
        Ok(answer)
    }

    /// Waits until every transaction that ended before the call is as durable as [`Durability`](super::Durability) requires. Blocks.
    pub fn commit(&self) -> io::Result<()> {
        self.engine.commit()
    }

    /// Fails if nothing can be written in this run any more. A change that failed may then still be in the journal.
    pub fn check_writable(&self) -> io::Result<()> {
        self.engine.writable()
    }

    /// Makes the next change fail after it is in the journal, for tests.
    pub fn simulate_index_failure(&self) {
        self.engine.simulated_failure.store(true, Ordering::Relaxed);
    }

    /// Refuses records of more bytes than this, for tests. The format refuses those of more than 64 MiB.
    pub fn simulate_record_limit(&self, bytes: usize) {
        self.engine.record_limit.store(bytes, Ordering::Relaxed);
    }

    /// Sets the state of the proof, for tests.
    pub fn simulate_proof(&self, proof: Proof) {
        self.engine.proof.set(proof);
    }

    /// The state of the proof of the index.
    pub fn proof(&self) -> Proof {
        self.engine.proof.get()
    }

    /// Blocks until it is known whether the index is right.
    pub fn wait_for_proof(&self) -> Proof {
        self.engine.proof.wait()
    }

    /// Whether rows may have been lost, in this run or an earlier one. Then a file that no row names may belong to a lost row.
    pub fn has_loss(&self) -> io::Result<bool> {
        self.engine.layout.loss().try_exists()
    }

    /// Notes that every file that no row names is safe.
    pub fn clear_loss(&self) -> io::Result<()> {
        remove_file(&self.engine.layout.loss())
    }

    /// Whether files that no row names may be removed, because the rows are proven complete and none was lost.
    pub fn are_complete(&self) -> bool {
        self.proof().is_complete() && self.has_loss().is_ok_and(|has_loss| !has_loss)
    }

    /// The notices about this run.
    pub fn notices(&self) -> Vec<Notice> {
        self.engine.notices().all()
    }

    /// Calls a listener with all notices of this run: with the earlier ones at once, then with each new one. It must not use
    /// these rows.
    pub fn listen(&self, listener: Listener) {
        self.engine.notices().listen(listener);
    }

    /// Adds a notice about this run, and logs it.
    pub fn note(&self, notice: Notice) {
        self.engine.note(notice);
    }

    /// The device that the rows are on.
    pub fn disk_space(&self) -> &Arc<DiskSpace> {
        &self.engine.disk_space
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        drop(self.worker.take());
        let complete = self.are_complete();
        let stopped = self.engine.stop().and_then(|()| match &self.superseded {
            Some(folder) if complete => remove(folder),
            _ => Ok(()),
        });
        if let Err(error) = stopped {
            tracing::warn!(%error, "the rows were not closed cleanly; nothing that was committed is lost");
        }
    }
}
