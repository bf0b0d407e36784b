//! The log: the newest calls in memory, and a thread that writes all of them to a file.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use azure_emulator_core::disk_space::{DiskSpace, Purpose};
use azure_emulator_core::lines::{Limits, Lines, Unwritable};

use super::call::Call;

/// How many calls are kept in memory; older calls are only in the file.
const CALLS_IN_MEMORY: usize = 10_000;

const LIMITS: Limits = Limits { bytes: 16 << 20, old_files: 4 };

/// The largest record: it has a few texts of `MAX_TEXT` characters.
const MAX_RECORD: usize = 32 << 10;

/// The calls since the start, and the thread that writes them.
pub(crate) struct AuditLog {
    calls: Mutex<VecDeque<Call>>,
    writer: Mutex<Option<Writer>>,
}

struct Writer {
    requests: mpsc::Sender<Request>,
    thread: JoinHandle<()>,
}

/// A request to the writer thread, which answers when it is done.
struct Request {
    /// The record to write; `None` asks whether a record could be written.
    line: Option<Vec<u8>>,
    done: oneshot::Sender<Result<(), Unwritable>>,
}

/// The file, and its state after a failed write.
struct File {
    lines: Lines,
    /// The last record that could not be written. It is written before the next one.
    left: Option<Vec<u8>>,
    /// How many records before that one were lost.
    missing: u64,
}

impl AuditLog {
    /// Opens the log; lines are appended to `path`. Blocks.
    pub(crate) fn open(path: &Path, disk_space: Arc<DiskSpace>) -> io::Result<Self> {
        let lines = Lines::open(path, LIMITS, disk_space, Purpose::Audit)?;
        let mut file = File { lines, left: None, missing: 0 };
        let (requests, queue) = mpsc::channel::<Request>();
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            for Request { line, done } in queue {
                // Only a call that uses a key waits for the answer.
                let _ = done.send(file.answer(line));
            }
        })?;
        let writer = Mutex::new(Some(Writer { requests, thread }));
        Ok(Self { calls: Mutex::default(), writer })
    }

    /// Resolves when a record can be written. After an error, no key may be used.
    pub(crate) fn ready(&self) -> impl Future<Output = Result<(), Unwritable>> + use<> {
        self.ask(None)
    }

    /// Records a call. The future resolves when the record is written; a caller that drops it does not wait.
    pub(crate) fn record(
        &self,
        call: Call,
    ) -> impl Future<Output = Result<(), Unwritable>> + use<> {
        let written = self.ask(serde_json::to_vec(&call.record()).ok());
        self.push(call);
        written
    }

    fn ask(&self, line: Option<Vec<u8>>) -> impl Future<Output = Result<(), Unwritable>> + use<> {
        let (done, answer) = oneshot::channel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = &*writer {
            // The thread ends only when the log is closed.
            let _ = writer.requests.send(Request { line, done });
        }
        async move { answer.await.unwrap_or(Err(Unwritable::Failed(io::ErrorKind::BrokenPipe))) }
    }

    fn push(&self, call: Call) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == CALLS_IN_MEMORY {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The calls in memory, the oldest first.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }

    /// Returns when all lines are written. Later calls are only kept in memory.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { requests, thread }) = writer {
            drop(requests);
            let _ = thread.join();
        }
    }
}

impl File {
    fn answer(&mut self, line: Option<Vec<u8>>) -> Result<(), Unwritable> {
        let written = self.write_left().and_then(|()| match &line {
            Some(line) => self.lines.append(line),
            None => self.lines.ensure_space(MAX_RECORD),
        });
        let Err(error) = written else { return Ok(()) };
        if line.is_some() {
            // A full disk fails every record. The program's log, which may be on the same disk, gets only one line.
            if self.left.is_none() {
                tracing::error!(%error, "the audit log cannot be written: no key is used until it can be");
            }
            self.missing += u64::from(self.left.is_some());
            self.left = line;
        }
        Err(Unwritable::from(&error))
    }

    fn write_left(&mut self) -> io::Result<()> {
        let Some(line) = &self.left else { return Ok(()) };
        self.lines.append(line)?;
        tracing::warn!(missing = self.missing, "the audit log is written again");
        (self.left, self.missing) = (None, 0);
        Ok(())
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").finish_non_exhaustive()
    }
}
