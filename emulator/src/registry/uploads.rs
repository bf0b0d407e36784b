//! Uploads: blobs on their way in.
//!
//! One pass hashes, seals and writes. A request's body is gathered into batches of about a mebibyte; each batch is
//! hashed on one thread while it is sealed and written on another, and the next one is read meanwhile. So an upload
//! holds two batches and one segment, however large the blob is, and a slow client holds no thread.
//!
//! Invariants:
//! - The pouring of a body runs in a task of its own, to its end, whether or not the client is still there: what
//!   arrived before a client went away stays, and the writer is never lost half way.
//! - Whatever goes wrong in the writer drops it. The next request reads the file back, authenticates it and goes on
//!   after the last segment that is whole, in a new run. The status tells where that is.
//! - When the key is refused all writers are dropped, and with them the plaintext tails.

use std::collections::HashMap;
use std::fmt;
use std::io::{Seek as _, SeekFrom};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use fs_err::File;
use futures::{Stream, StreamExt as _};
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::blocking::blocking;
use super::digest::{Algorithm, Digest, Hasher};
use super::error::Error;
use super::locks;
use super::names::RepositoryName;
use super::{Content, Parts};
use crate::envelope::{Binding, DataKeyId, ObjectKind, SEGMENT_LEN, Scanner, Sealer};
use crate::keys::KeyLease;
use crate::store::{FileId, ObjectRow, StoreError, UploadRow};

/// How much of a body is gathered before it is worked on.
const BATCH_LEN: usize = 1 << 20;
/// How much is written before the disk is asked to begin with it, so that the sync at the end is short.
const WRITE_BACK_LEN: u64 = 32 << 20;
/// How long a batch may take to arrive: a body that trickles more slowly, below two kibibytes a second, is given up.
const BATCH_LIMIT: Duration = Duration::from_mins(10);
/// How long a request waits for another one that writes to the same upload.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// The name of an upload in its URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(Uuid);

/// Where an upload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadStatus {
    /// The upload.
    pub id: UploadId,
    /// How many bytes it has: the next chunk begins there.
    pub received: u64,
}

/// What the headers of a chunk say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChunkHeaders {
    /// First byte, of `Content-Range`.
    pub start: Option<u64>,
    /// Number of bytes, of `Content-Range` or `Content-Length`.
    pub len: Option<u64>,
}

/// The uploads that this process has in hand.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<UploadId, Arc<Session>>>);

/// One upload in hand. The writer is `None` until the file was read back, and after an error.
struct Session {
    row: UploadRow,
    received: AtomicU64,
    /// Real time, as `Clock::elapsed` counts it, of the last request for it.
    used: Mutex<Duration>,
    writer: Arc<tokio::sync::Mutex<Option<Writer>>>,
}

/// The two halves of the pass, which work on the same batch at the same time.
struct Writer {
    sealer: Sealer<File>,
    hasher: Hasher,
    lease: KeyLease,
    write_back: WriteBack,
}

/// Asks the disk early for what was written.
struct WriteBack {
    file: Arc<File>,
    asked_at: u64,
    running: Option<JoinHandle<()>>,
    wanted: bool,
}

/// What is said of a body that stood still for too long.
pub(super) fn nothing_arrived_for(idle: Duration) -> String {
    format!("nothing arrived for {} s", idle.as_secs())
}

struct Batch {
    chunks: Vec<Bytes>,
    len: usize,
    /// Bytes that arrived beyond what the headers name. They are not among the chunks.
    surplus: u64,
    /// `Some` when there is no more: the words of the error that ended the body, if one did.
    end: Option<Result<(), String>>,
}

/// A body of a request, as the writer takes it.
pub type Body = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, String>> + Send>>;

impl UploadId {
    fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for UploadId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        Uuid::try_parse(text).map(Self)
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Content {
    /// Begins an upload, to be hashed with `algorithm`.
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<UploadStatus, Error> {
        let parts = Arc::clone(&self.0);
        let id = UploadId::random();
        let (lease, row, file) = self.new_upload_file(id, repository, algorithm).await?;
        let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
        let wanted = parts.settings.write_back;
        let writer = blocking(move || {
            let write_back = WriteBack::new(&file, wanted)?;
            let sealer = Sealer::create(file, lease.id(), binding, SEGMENT_LEN)?;
            Ok::<_, Error>(Writer { sealer, hasher: Hasher::new(algorithm), lease, write_back })
        })
        .await?;
        parts.sessions.insert(id, Session::new(row, Some(writer), parts.clock.elapsed()));
        Ok(UploadStatus { id, received: 0 })
    }

    /// Makes the file and the row under the current data key; should that one be retired meanwhile, under the next.
    async fn new_upload_file(
        &self,
        id: UploadId,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<(KeyLease, UploadRow, File), Error> {
        for _ in 0..3 {
            let lease = self.0.ring.current().await?;
            let now = self.0.clock.unix_now();
            let row = UploadRow {
                id: id.to_string(),
                repository: repository.as_str().to_owned(),
                file: FileId::random(),
                data_key: *lease.id().as_bytes(),
                algorithm: algorithm.as_str().to_owned(),
                started: now,
                touched: now,
            };
            let (parts, repository) = (Arc::clone(&self.0), repository.clone());
            let made = blocking(move || {
                locks::require_writable(&parts, &repository)?;
                let limit = parts.settings.max_uploads;
                let made = parts.store.create_upload(&parts.name, &row, limit);
                Ok::<_, Error>(made.map(|file| (row, file)))
            });
            match made.await? {
                // Retired, or a reset is under way: then the next one comes with its end.
                Err(StoreError::DataKeyRetired) => {
                    self.0.gate.pass().await;
                }
                Err(StoreError::TooManyUploads(limit)) => return Err(Error::TooManyUploads(limit)),
                made => return made.map(|(row, file)| (lease, row, file)).map_err(Error::from),
            }
        }
        Err(Error::internal("the data keys are retired faster than uploads can begin"))
    }

    /// Where an upload stands.
    pub async fn upload_status(
        &self,
        repository: &RepositoryName,
        id: UploadId,
    ) -> Result<UploadStatus, Error> {
        let session = self.session(repository, id).await?;
        match session.lock(id).await {
            Ok(mut writer) => {
                self.ensure_writer(&session, &mut writer).await?;
            }
            // Somebody writes at this moment: tell how far that is.
            Err(Error::UploadBusy(_)) => (),
            Err(other) => return Err(other),
        }
        Ok(UploadStatus { id, received: session.received.load(Ordering::Acquire) })
    }

    /// Takes the next chunk of an upload. What arrives of it stays, also when its body ends in an error; what arrives
    /// beyond the range that its headers name is refused, and does not.
    pub async fn append(
        &self,
        repository: &RepositoryName,
        id: UploadId,
        headers: ChunkHeaders,
        body: Body,
    ) -> Result<UploadStatus, Error> {
        let session = self.session(repository, id).await?;
        let content = self.clone();
        // A task of its own: it goes on to its end if the client, and with it our caller, goes away.
        let task = tokio::spawn(async move {
            let mut writer = session.lock(id).await?;
            content.pour(&session, &mut writer, id, headers, body).await?;
            Ok(UploadStatus { id, received: session.received.load(Ordering::Acquire) })
        });
        match task.await? {
            Err(error) => Err(self.told_of_upload(id, error).await),
            appended => appended,
        }
    }

    /// Takes the last chunk, if there is one, and makes the upload the blob of this digest.
    ///
    /// Returns when the blob is durable. Content of another digest ends the upload: it cannot become right any more.
    pub async fn finish_upload(
        &self,
        repository: &RepositoryName,
        id: UploadId,
        digest: &Digest,
        headers: ChunkHeaders,
        body: Body,
    ) -> Result<(), Error> {
        let session = self.session(repository, id).await?;
        let content = self.clone();
        let (repository, digest) = (repository.clone(), digest.clone());
        let task = tokio::spawn(async move {
            let mut writer = session.lock(id).await?;
            content.pour(&session, &mut writer, id, headers, body).await?;
            let Some(writer) = writer.take() else { return Err(Error::UploadUnknown(id)) };
            let parts = &content.0;
            let noted = parts.clock.elapsed();
            parts.recent.note(&repository, &digest, noted);
            let published = content.publish(&session.row, id, writer, &digest).await;
            if published.is_err() {
                parts.recent.forget(&repository, &digest, noted);
            }
            match &published {
                Ok(()) => {
                    // Again, for the sync may have taken long: its manifest is still to come.
                    parts.recent.note(&repository, &digest, parts.clock.elapsed());
                    parts.sessions.remove(id);
                }
                Err(Error::DigestMismatch { .. }) => content.discard(id).await?,
                Err(_) => (),
            }
            published
        });
        match task.await? {
            Err(error) => Err(self.told_of_upload(id, error).await),
            published => published,
        }
    }

    /// Cancels an upload and takes its bytes away.
    pub async fn cancel_upload(
        &self,
        repository: &RepositoryName,
        id: UploadId,
    ) -> Result<(), Error> {
        let session = self.session(repository, id).await?;
        let mut writer = session.lock(id).await?;
        *writer = None;
        self.discard(id).await
    }

    async fn discard(&self, id: UploadId) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        blocking({
            let parts = Arc::clone(&parts);
            move || parts.store.remove_upload(&parts.name, &id.to_string())
        })
        .await?;
        parts.sessions.remove(id);
        Ok(())
    }

    /// The session of an upload: the one in hand, or one made from its row.
    async fn session(
        &self,
        repository: &RepositoryName,
        id: UploadId,
    ) -> Result<Arc<Session>, Error> {
        let parts = Arc::clone(&self.0);
        let session = if let Some(session) = parts.sessions.get(id) {
            session
        } else {
            let found = blocking({
                let parts = Arc::clone(&parts);
                move || parts.store.upload(&parts.name, &id.to_string())
            });
            let row = found.await?.ok_or(Error::UploadUnknown(id))?;
            parts.sessions.insert(id, Session::new(row, None, parts.clock.elapsed()))
        };
        *lock(&session.used) = parts.clock.elapsed();
        if session.row.repository != repository.as_str() {
            return Err(Error::UploadUnknown(id));
        }
        Ok(session)
    }

    /// Reads the file of an upload back if no writer is in hand, and makes one that goes on after it.
    ///
    /// Returns how far the upload was for those who asked last: what was not written yet when a writer ended is lost.
    async fn ensure_writer(
        &self,
        session: &Session,
        slot: &mut Option<Writer>,
    ) -> Result<u64, Error> {
        let told = session.received.load(Ordering::Acquire);
        if slot.is_some() {
            return Ok(told);
        }
        let parts = Arc::clone(&self.0);
        let row = session.row.clone();
        let lease = parts.ring.lease(DataKeyId::from_bytes(row.data_key)).await?;
        let runtime = Handle::current();
        let writer = blocking(move || {
            // It may have been finished or cancelled while we waited for it.
            if parts.store.upload(&parts.name, &row.id)?.is_none() {
                return Err(unknown(&row));
            }
            Writer::recover(&parts, &row, lease, &runtime)
        })
        .await?;
        session.received.store(writer.sealer.len(), Ordering::Release);
        *slot = Some(writer);
        Ok(told)
    }

    /// Pours a body into the writer, which is `None` afterwards if it failed.
    async fn pour(
        &self,
        session: &Session,
        slot: &mut Option<Writer>,
        id: UploadId,
        headers: ChunkHeaders,
        mut body: Body,
    ) -> Result<(), Error> {
        let told = self.ensure_writer(session, slot).await?;
        let before = session.received.load(Ordering::Acquire);
        // Who does not say where a chunk begins goes on where it was told to, and is to hear that bytes were lost.
        let lost = (told > before).then_some(told);
        if let Some(offered) = headers.start.or(lost).filter(|&start| start != before) {
            return Err(Error::UploadOutOfOrder { upload: id, expected: before, offered });
        }
        let mut working: Option<JoinHandle<Result<Writer, Error>>> = None;
        let mut writer = slot.take();
        let idle = self.0.settings.body_idle;
        let mut left = headers.len.unwrap_or(u64::MAX);
        let (end, surplus) = loop {
            let batch = Batch::gather(&mut body, &mut left, idle).await;
            if let Some(work) = working.take() {
                writer = Some(work.await??);
            }
            if let Some(ready) = &writer {
                session.received.store(ready.sealer.len(), Ordering::Release);
            }
            let (end, surplus) = (batch.end.clone(), batch.surplus);
            if batch.len > 0
                && let Some(ready) = writer.take()
            {
                working = Some(tokio::spawn(ready.absorb(Arc::clone(&self.0), batch.chunks)));
            }
            if let Some(end) = end {
                break (end, surplus);
            }
        };
        if let Some(work) = working.take() {
            writer = Some(work.await??);
        }
        if let Some(ready) = &writer {
            session.received.store(ready.sealer.len(), Ordering::Release);
        }
        *slot = writer;
        // A body may take long: the idle time begins where it ends.
        *lock(&session.used) = self.0.clock.elapsed();
        self.touch(&session.row, id).await?;
        end.map_err(Error::BodyCut)?;
        let actual = session.received.load(Ordering::Acquire) - before + surplus;
        match headers.len {
            Some(named) if named != actual => Err(Error::ChunkLength { named, actual }),
            _ => Ok(()),
        }
    }

    /// Marks the upload as used now, so that it does not expire. It may have expired a moment before.
    async fn touch(&self, row: &UploadRow, id: UploadId) -> Result<(), Error> {
        let (parts, name) = (Arc::clone(&self.0), row.id.clone());
        let now = parts.clock.unix_now();
        let known = blocking(move || parts.store.touch_upload(&parts.name, &name, now)).await?;
        if known { Ok(()) } else { Err(Error::UploadUnknown(id)) }
    }

    async fn publish(
        &self,
        row: &UploadRow,
        id: UploadId,
        writer: Writer,
        digest: &Digest,
    ) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (row, named) = (row.clone(), digest.clone());
        let runtime = Handle::current();
        let Writer { sealer, hasher, lease, write_back } = writer;
        drop(write_back);
        blocking(move || {
            let actual = if hasher.algorithm() == named.algorithm() {
                hasher.finish()
            } else {
                rehash(&parts, &row, &sealer, named.algorithm(), &lease, &runtime)?
            };
            if actual != named {
                return Err(Error::DigestMismatch { named, actual });
            }
            let (file, finished) =
                lease.with_renewal(&runtime, |key| sealer.finish(key, named.as_str()))??;
            let object = ObjectRow {
                file: row.file,
                size: finished.plaintext_len,
                data_key: row.data_key,
                created: parts.clock.unix_now(),
            };
            let (name, digest) = (parts.name.as_str(), named.as_str());
            match parts.store.publish_blob(name, &row.repository, digest, &row.id, object, file) {
                // It expired while its last bytes were on their way.
                Err(StoreError::UnknownUpload) => Err(Error::UploadUnknown(id)),
                published => Ok(published?),
            }
        })
        .await
    }
}

/// That the upload of this row has ended.
fn unknown(row: &UploadRow) -> Error {
    row.id.parse().map_or_else(Error::internal, Error::UploadUnknown)
}

/// The digest of an upload under an algorithm that was not named when it began: its file is read again.
fn rehash(
    parts: &Parts,
    row: &UploadRow,
    sealer: &Sealer<File>,
    algorithm: Algorithm,
    lease: &KeyLease,
    runtime: &Handle,
) -> Result<Digest, Error> {
    let mut hasher = Hasher::new(algorithm);
    let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
    let mut scanner = Scanner::new(parts.store.open_upload(row)?, binding)?;
    let mut segment = Vec::new();
    while lease.with_renewal(runtime, |key| scanner.next(key, &mut segment))?? {
        hasher.update(&segment);
    }
    hasher.update(sealer.tail());
    Ok(hasher.finish())
}

impl Writer {
    /// Takes a batch: one thread hashes it while another seals and writes it.
    async fn absorb(self, parts: Arc<Parts>, chunks: Vec<Bytes>) -> Result<Self, Error> {
        let Self { mut sealer, mut hasher, lease, mut write_back } = self;
        let hashed = tokio::task::spawn_blocking({
            let chunks = chunks.clone();
            move || {
                for chunk in &chunks {
                    hasher.update(chunk);
                }
                hasher
            }
        });
        let runtime = Handle::current();
        let sealed = blocking(move || {
            // sled does not recover from a full disk: stop while there is room for its rows.
            parts.store.ensure_space()?;
            for chunk in &chunks {
                lease.with_renewal(&runtime, |key| sealer.append(key, chunk))??;
            }
            Ok::<_, Error>((sealer, lease))
        });
        let (sealed, hashed) = tokio::join!(sealed, hashed);
        let (sealer, lease) = sealed?;
        write_back.after(sealer.file_len());
        Ok(Self { sealer, hasher: hashed?, lease, write_back })
    }

    /// Reads an unfinished file back, hashes it again and cuts off what is not whole.
    fn recover(
        parts: &Parts,
        row: &UploadRow,
        lease: KeyLease,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let mut file = match parts.store.open_upload(row) {
            // Finished, cancelled or expired since its row was read.
            Err(StoreError::NotFound(_)) => return Err(unknown(row)),
            opened => opened?,
        };
        let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
        let mut hasher = Hasher::new(row.algorithm.parse().unwrap_or_default());
        let mut scanner = Scanner::new(file.try_clone()?, binding)?;
        let mut segment = Vec::new();
        while lease.with_renewal(runtime, |key| scanner.next(key, &mut segment))?? {
            hasher.update(&segment);
        }
        let recovered = scanner.finish();
        file.set_len(recovered.file_len())?;
        file.seek(SeekFrom::Start(recovered.file_len()))?;
        let write_back = WriteBack::new(&file, parts.settings.write_back)?;
        Ok(Self { sealer: Sealer::resume(file, recovered), hasher, lease, write_back })
    }
}

impl WriteBack {
    fn new(file: &File, wanted: bool) -> Result<Self, Error> {
        Ok(Self { file: Arc::new(file.try_clone()?), asked_at: 0, running: None, wanted })
    }

    /// Starts a sync of its own if enough was written since the last one and none is running. Its result does not
    /// matter: the sync before the answer is the one that counts, and it reports what went wrong before.
    fn after(&mut self, written: u64) {
        let idle = self.running.as_ref().is_none_or(JoinHandle::is_finished);
        if self.wanted && idle && written - self.asked_at.min(written) >= WRITE_BACK_LEN {
            self.asked_at = written;
            let file = Arc::clone(&self.file);
            self.running = Some(tokio::task::spawn_blocking(move || drop(file.sync_data())));
        }
    }
}

impl Batch {
    /// Gathers a batch of the `left` bytes that are still to come. A body that has more is not read on.
    async fn gather(body: &mut Body, left: &mut u64, idle: Duration) -> Self {
        let mut batch = Self { chunks: Vec::new(), len: 0, surplus: 0, end: None };
        let trickling = tokio::time::sleep(BATCH_LIMIT);
        tokio::pin!(trickling);
        while batch.len < BATCH_LEN {
            let next = tokio::select! {
                biased;
                next = tokio::time::timeout(idle, body.next()) => next,
                () = &mut trickling => Ok(Some(Err("it arrived too slowly".to_owned()))),
            };
            match next {
                Ok(Some(Ok(mut chunk))) => {
                    let arrived = chunk.len() as u64;
                    chunk.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                    let taken = chunk.len() as u64;
                    *left -= taken;
                    batch.len += chunk.len();
                    batch.chunks.push(chunk);
                    if taken < arrived {
                        batch.surplus = arrived - taken;
                        batch.end = Some(Ok(()));
                        break;
                    }
                }
                Ok(Some(Err(words))) => {
                    batch.end = Some(Err(words));
                    break;
                }
                Ok(None) => {
                    batch.end = Some(Ok(()));
                    break;
                }
                Err(_) => {
                    batch.end = Some(Err(nothing_arrived_for(idle)));
                    break;
                }
            }
        }
        batch
    }
}

impl Session {
    fn new(row: UploadRow, writer: Option<Writer>, now: Duration) -> Self {
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        Self { row, received: AtomicU64::new(0), used: Mutex::new(now), writer }
    }

    async fn lock(&self, id: UploadId) -> Result<OwnedMutexGuard<Option<Writer>>, Error> {
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
    fn get(&self, id: UploadId) -> Option<Arc<Session>> {
        lock(&self.0).get(&id).cloned()
    }

    /// Keeps the session that came first, should two requests have made one.
    fn insert(&self, id: UploadId, session: Session) -> Arc<Session> {
        Arc::clone(lock(&self.0).entry(id).or_insert_with(|| Arc::new(session)))
    }

    fn remove(&self, id: UploadId) {
        lock(&self.0).remove(&id);
    }

    /// Forgets all of them: their uploads are gone. A request that holds one has it until it ends.
    pub(super) fn forget(&self) {
        lock(&self.0).clear();
    }

    /// Lets go of an upload that is to be collected, unless a request holds it or used it at a time that counts as
    /// live. What nobody used since the start may have been used just before it.
    pub(super) fn retire(&self, id: &str, is_live: impl Fn(Duration) -> bool) -> bool {
        let Ok(id) = id.parse() else { return true };
        let mut sessions = lock(&self.0);
        let live = match sessions.get(&id) {
            Some(session) => session.writer.try_lock().is_err() || is_live(*lock(&session.used)),
            None => is_live(Duration::ZERO),
        };
        if !live {
            sessions.remove(&id);
        }
        !live
    }

    /// Drops every writer that no request holds, and with it its plaintext. A request that holds one is refused by
    /// its own lease, and its session stays: two writers of one upload must never be.
    pub(super) fn drop_writers(&self) {
        for session in lock(&self.0).values() {
            if let Ok(mut writer) = session.writer.try_lock() {
                *writer = None;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
