//! What was asked of the vaults: every call with who, what, and the answer's status. Never key material.
//!
//! Written by the router after each call; read by tests through the fixture's `calls()`, by the admin API, and by people
//! as JSON lines in the data folder. Lines are written by a thread of their own, so that no call waits for the disk.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use fs_err as fs;
use serde::Serialize;
use time::OffsetDateTime;

use crate::operation::Operation;

/// How many calls are kept in memory; older ones are in the file alone.
const KEPT: usize = 10_000;

/// One call of the keys API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// When it was answered, by the emulator's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub time: OffsetDateTime,
    /// What was asked.
    pub operation: Operation,
    /// The vault.
    pub vault: String,
    /// The name of the key, if one was asked for.
    pub key: Option<String>,
    /// The version as it was asked for; none means the newest.
    pub version: Option<String>,
    /// The client id of the caller, if the token held.
    pub app_id: Option<String>,
    /// The object id of the caller, if the token held.
    pub object_id: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// The code of a refusal: the inner one if there is one.
    pub code: Option<&'static str>,
    /// The address of the client.
    pub client: Option<String>,
    /// The id that the answer carried as `x-ms-request-id`.
    pub request_id: String,
}

/// The calls so far.
#[derive(Debug)]
pub(crate) struct AuditLog {
    calls: Mutex<VecDeque<Call>>,
    writer: Mutex<Option<Writer>>,
}

#[derive(Debug)]
struct Writer {
    lines: mpsc::Sender<Vec<u8>>,
    thread: JoinHandle<()>,
}

impl AuditLog {
    /// Opens the log; lines are appended to `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        let (lines, written) = mpsc::channel::<Vec<u8>>();
        let thread = std::thread::Builder::new().name("audit".to_owned()).spawn(move || {
            for line in written {
                if let Err(error) = file.write_all(&line) {
                    tracing::error!(%error, "the audit log could not be written");
                }
            }
        })?;
        let writer = Mutex::new(Some(Writer { lines, thread }));
        Ok(Self { calls: Mutex::default(), writer })
    }

    /// Takes a call down.
    pub(crate) fn record(&self, call: Call) {
        if let Ok(mut line) = serde_json::to_vec(&call) {
            line.push(b'\n');
            let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(writer) = &*writer {
                // The thread ends only when the log is closed.
                let _ = writer.lines.send(line);
            }
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The calls that are kept in memory, the oldest first.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().cloned().collect()
    }

    /// Returns when all lines are written. Later calls are kept in memory alone.
    pub(crate) fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Writer { lines, thread }) = writer {
            drop(lines);
            let _ = thread.join();
        }
    }
}
