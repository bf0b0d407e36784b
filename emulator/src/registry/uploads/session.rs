//! The uploads that this process has in hand, and who may let go of them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::UploadId;
use super::writer::Writer;
use crate::registry::error::Error;
use crate::store::UploadRow;

/// How long a request waits for another one that writes to the same upload.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// The uploads that this process has in hand.
#[derive(Debug, Default)]
pub(in crate::registry) struct Sessions {
    open: Mutex<HashMap<UploadId, Arc<Session>>>,
    /// Those that begin: they may have a row, and have no session yet.
    starting: Mutex<HashSet<UploadId>>,
}

/// An upload that begins. Nothing removes it while this is there.
pub(in crate::registry) struct Starting<'a> {
    sessions: &'a Sessions,
    id: UploadId,
}

/// One upload in hand. The writer is `None` until the file was read back, and after an error.
pub(super) struct Session {
    pub(super) row: UploadRow,
    pub(super) received: AtomicU64,
    /// Real time, as `Clock::elapsed` counts it, of the last request for it.
    pub(super) used: Mutex<Duration>,
    pub(super) writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
}

impl Session {
    pub(super) fn new(row: UploadRow, writer: Option<Writer>, now: Duration) -> Self {
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        Self { row, received: AtomicU64::new(0), used: Mutex::new(now), writer }
    }

    pub(super) async fn lock(
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
    /// Says that an upload begins. To be called before it has a row.
    pub(in crate::registry) fn starting(&self, id: UploadId) -> Starting<'_> {
        lock(&self.starting).insert(id);
        Starting { sessions: self, id }
    }

    pub(super) fn get(&self, id: UploadId) -> Option<Arc<Session>> {
        lock(&self.open).get(&id).cloned()
    }

    /// Keeps the session that came first, should two requests have made one.
    pub(super) fn insert(&self, id: UploadId, session: Session) -> Arc<Session> {
        Arc::clone(lock(&self.open).entry(id).or_insert_with(|| Arc::new(session)))
    }

    pub(super) fn remove(&self, id: UploadId) {
        lock(&self.open).remove(&id);
    }

    /// Forgets all of them: their uploads are gone. A request that holds one has it until it ends.
    pub(in crate::registry) fn forget(&self) {
        lock(&self.open).clear();
    }

    /// Lets go of an upload that is to be removed, unless a request holds it or used it at a time that counts as live.
    /// An upload that no request used since the start may have been used just before it.
    pub(in crate::registry) fn retire(&self, id: &str, is_live: impl Fn(Duration) -> bool) -> bool {
        self.retire_if(id, |used, _| !is_live(used))
    }

    /// Lets go of an upload if no request holds or begins it and `may_go` says so. That gets the real time of the last use,
    /// and how many bytes the upload has, if the writer is in hand.
    pub(in crate::registry) fn retire_if(
        &self,
        id: &str,
        may_go: impl FnOnce(Duration, Option<u64>) -> bool,
    ) -> bool {
        // One of another form was never in hand.
        let Ok(id) = id.parse() else { return may_go(Duration::ZERO, None) };
        // Before the look at the sessions: whoever begins an upload has put its session there when the beginning ends.
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

    /// The real time of the last use of an upload since the start. None: a request holds it at this moment.
    pub(in crate::registry) fn last_used(&self, id: &str) -> Option<Duration> {
        let Ok(id) = id.parse() else { return Some(Duration::ZERO) };
        if lock(&self.starting).contains(&id) {
            return None;
        }
        let Some(session) = self.get(id) else { return Some(Duration::ZERO) };
        session.writer.try_lock().is_ok().then(|| *lock(&session.used))
    }

    /// Drops every writer that no request holds, and with it its plaintext. A request that holds one is refused by
    /// its own lease, and its session stays: two writers of one upload must never be.
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

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
