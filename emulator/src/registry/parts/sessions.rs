//! The sessions of open uploads, and when they may end.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::writer::Writer;
use crate::names::UploadId;
use crate::registry::error::Error;
use crate::store::UploadRow;

/// How long a request waits for another request that writes to the same upload.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// The sessions of the open uploads.
#[derive(Debug, Default)]
pub(in crate::registry) struct Sessions {
    open: Mutex<HashMap<UploadId, Arc<Session>>>,
    /// Uploads that are beginning: they may have a row, and have no session yet.
    starting: Mutex<HashSet<UploadId>>,
}

/// An upload that is beginning. It is not removed while this exists.
pub(in crate::registry) struct Starting<'a> {
    sessions: &'a Sessions,
    id: UploadId,
}

/// The session of one upload. The writer is `None` until the file was read back, and after an error.
pub(in crate::registry) struct Session {
    pub(in crate::registry) row: UploadRow,
    pub(in crate::registry) received: AtomicU64,
    /// The real time of the last request for it, as `Clock::elapsed` counts it.
    pub(in crate::registry) used: Mutex<Duration>,
    pub(in crate::registry) writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
}

impl Session {
    pub(in crate::registry) fn new(row: UploadRow, writer: Option<Writer>, now: Duration) -> Self {
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        Self { row, received: AtomicU64::new(0), used: Mutex::new(now), writer }
    }

    pub(in crate::registry) async fn lock(
        &self,
        id: UploadId,
    ) -> Result<OwnedMutexGuard<Option<Writer>>, Error> {
        let lock = Arc::clone(&self.writer).lock_owned();
        tokio::time::timeout(BUSY_LIMIT, lock).await.map_err(|_| Error::UploadBusy(id))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("row", &self.row).finish_non_exhaustive()
    }
}

impl Sessions {
    /// Marks an upload as beginning. Must be called before it has a row.
    pub(in crate::registry) fn starting(&self, id: UploadId) -> Starting<'_> {
        lock(&self.starting).insert(id);
        Starting { sessions: self, id }
    }

    pub(in crate::registry) fn get(&self, id: UploadId) -> Option<Arc<Session>> {
        lock(&self.open).get(&id).cloned()
    }

    /// Keeps the first session if two requests have made one.
    pub(in crate::registry) fn insert(&self, id: UploadId, session: Session) -> Arc<Session> {
        Arc::clone(lock(&self.open).entry(id).or_insert_with(|| Arc::new(session)))
    }

    pub(in crate::registry) fn remove(&self, id: UploadId) {
        lock(&self.open).remove(&id);
    }

    /// Forgets all sessions: their uploads are deleted. A request that holds one keeps it until the request ends.
    pub(in crate::registry) fn forget(&self) {
        lock(&self.open).clear();
    }

    /// Ends the session of an upload that will be removed, unless a request holds it or used it at a time that counts
    /// as live. An upload that was not used since the start may have been used just before it.
    pub(in crate::registry) fn retire(&self, id: &str, is_live: impl Fn(Duration) -> bool) -> bool {
        self.retire_if(id, |used, _| !is_live(used))
    }

    /// Ends the session of an upload if no request holds or begins it and `may_go` agrees. `may_go` gets the real time
    /// of the last use, and the number of bytes, if the writer is open.
    pub(in crate::registry) fn retire_if(
        &self,
        id: &str,
        may_go: impl FnOnce(Duration, Option<u64>) -> bool,
    ) -> bool {
        // An id of another form never had a session.
        let Ok(id) = id.parse() else { return may_go(Duration::ZERO, None) };
        // This comes before the sessions are read: a beginning upload has its session when its mark is removed.
        if lock(&self.starting).contains(&id) {
            return false;
        }
        let mut sessions = lock(&self.open);
        let goes = match sessions.get(&id) {
            Some(session) => session.writer.try_lock().is_ok_and(|writer| {
                let bytes = writer.as_ref().map(|writer| writer.sealer.len());
                may_go(*lock(&session.used), bytes)
            }),
            None => may_go(Duration::ZERO, None),
        };
        if goes {
            sessions.remove(&id);
        }
        goes
    }

    /// The real time of the last use of an upload since the start. `None`: a request holds it now.
    pub(in crate::registry) fn last_used(&self, id: &str) -> Option<Duration> {
        let Ok(id) = id.parse() else { return Some(Duration::ZERO) };
        if lock(&self.starting).contains(&id) {
            return None;
        }
        let Some(session) = self.get(id) else { return Some(Duration::ZERO) };
        session.writer.try_lock().is_ok().then(|| *lock(&session.used))
    }

    /// Drops every writer that no request holds, and its plaintext. A request that holds one is refused by its own
    /// lease, and its session stays: an upload must never have two writers.
    pub(in crate::registry) fn drop_writers(&self) {
        for session in lock(&self.open).values() {
            if let Ok(mut writer) = session.writer.try_lock() {
                *writer = None;
            }
        }
    }
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        lock(&self.sessions.starting).remove(&self.id);
    }
}

pub(in crate::registry) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
