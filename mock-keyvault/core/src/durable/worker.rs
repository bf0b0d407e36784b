//! The background thread for the rows of one service, which does the proof and creates segments and checkpoints.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::engine::{Engine, Work};
use crate::disk_space::is_out_of_space;

/// The thread. Dropping this ends it.
#[derive(Debug)]
pub(super) struct Worker {
    engine: Arc<Engine>,
    signal: Arc<WorkSignal>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct WorkSignal {
    requested: Mutex<Option<Work>>,
    changed: Condvar,
}

impl Worker {
    /// Starts the thread, which begins with the sync of the head and the proof.
    pub(super) fn start(engine: Arc<Engine>) -> std::io::Result<Self> {
        let signal = Arc::new(WorkSignal::default());
        let thread = std::thread::Builder::new().name("rows".to_owned()).spawn({
            let (engine, signal) = (Arc::clone(&engine), Arc::clone(&signal));
            move || {
                if let Err(error) = engine.journal.sync_first_head() {
                    tracing::warn!(%error, "the head of the journal is not on the disk; the next change tries it again");
                }
                engine.prove();
                loop {
                    let work = signal.wait();
                    if engine.stopping.load(Ordering::Relaxed) {
                        return;
                    }
                    do_it(&engine, work);
                }
            }
        })?;
        Ok(Self { engine, signal, thread: Some(thread) })
    }

    /// Tells the thread that there is work to do.
    pub(super) fn request(&self, work: Work) {
        self.signal.request(work);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.engine.stopping.store(true, Ordering::Relaxed);
        self.signal.request(Work::Spare);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the background work on the rows panicked");
        }
    }
}

impl WorkSignal {
    fn request(&self, work: Work) {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        *requested = (*requested).max(Some(work));
        self.changed.notify_one();
    }

    fn wait(&self) -> Work {
        let mut requested = self.requested.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(work) = requested.take() {
                return work;
            }
            requested = self.changed.wait(requested).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn do_it(engine: &Engine, work: Work) {
    // Each task is tried again when the next segment is begun.
    let report = |result: std::io::Result<()>, what: &str| match result {
        Err(error) if is_out_of_space(&error) => {
            tracing::debug!(%error, "{what} waits for free space");
        }
        Err(_) if engine.stopping.load(Ordering::Relaxed) => {}
        Err(error) => tracing::warn!(%error, "{what} failed"),
        Ok(()) => {}
    };
    if !engine.disk_space.is_low() {
        report(engine.journal.make_spare(), "the creation of the next segment of the journal");
        if work == Work::Rolled {
            report(engine.flush_index(), "a flush of the index of the rows");
            report(engine.checkpoint_if_due(), "a checkpoint of the rows");
        }
    }
}
