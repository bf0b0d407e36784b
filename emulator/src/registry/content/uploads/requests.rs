//! The requests for an upload after its beginning: status, chunk, last chunk and cancellation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;

use super::chunk::{Body, ChunkHeaders, UploadStatus};
use crate::names::{Digest, RepositoryName, UploadId};
use crate::registry::Content;
use crate::registry::blocking::{blocking, blocking_with_key};
use crate::registry::error::Error;
use crate::registry::parts::Writer;
use crate::registry::parts::{Session, lock};
use sealed_envelope::DataKeyId;

impl Content {
    /// The progress of an upload.
    pub async fn upload_status(
        &self,
        repository: &RepositoryName,
        id: UploadId,
    ) -> Result<UploadStatus, Error> {
        let session = self.session(repository, id).await?;
        match session.lock(id).await {
            Ok(mut writer) => {
                self.ensure_writer(&session, id, &mut writer).await?;
            }
            // Another request is writing: report its progress.
            Err(Error::UploadBusy(_)) => (),
            Err(other) => return Err(other),
        }
        Ok(UploadStatus { id, received: session.received.load(Ordering::Acquire) })
    }

    /// Appends the next chunk of an upload. Received bytes stay, even if the body ends with an error; bytes beyond the
    /// range in the headers are refused and dropped.
    pub async fn append(
        &self,
        repository: &RepositoryName,
        id: UploadId,
        headers: ChunkHeaders,
        body: Body,
    ) -> Result<UploadStatus, Error> {
        let session = self.session(repository, id).await?;
        let content = self.clone();
        // A task of its own: it continues to its end if the client disconnects and the caller is dropped.
        let task = tokio::spawn(async move {
            let mut writer = session.lock(id).await?;
            content.pour(&session, &mut writer, id, headers, body).await?;
            Ok(UploadStatus { id, received: session.received.load(Ordering::Acquire) })
        });
        match task.await? {
            Err(error) => Err(self.upload_error(id, error).await),
            appended => appended,
        }
    }

    /// Appends the last chunk, if there is one, and makes the upload the blob of this digest.
    ///
    /// Returns when the blob is durable. A different digest ends the upload, because no retry can fix it.
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
            let published = content.publish(&session.row, &repository, id, writer, &digest).await;
            if published.is_err() {
                parts.recent.forget(&repository, &digest, noted);
            }
            match &published {
                Ok(()) => {
                    // This is noted again, because the sync may have taken long and the manifest is still to come.
                    parts.recent.note(&repository, &digest, parts.clock.elapsed());
                    parts.sessions.remove(id);
                }
                Err(Error::DigestMismatch { .. }) => content.discard(id).await?,
                Err(_) => (),
            }
            published
        });
        match task.await? {
            Err(error) => Err(self.upload_error(id, error).await),
            published => published,
        }
    }

    /// Cancels an upload and deletes its bytes.
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
            move || parts.store.remove_upload(&parts.name, id)
        })
        .await?;
        parts.sessions.remove(id);
        Ok(())
    }

    /// The session of an upload: the open one, or a new one from its row.
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
                move || parts.store.upload(&parts.name, id)
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

    /// If there is no open writer, reads the file of an upload back, and makes a writer that continues after it.
    ///
    /// Returns the progress that the last status reported: bytes that a failed writer had not written are lost.
    pub(super) async fn ensure_writer(
        &self,
        session: &Session,
        id: UploadId,
        slot: &mut Option<Writer>,
    ) -> Result<u64, Error> {
        let received = session.received.load(Ordering::Acquire);
        if slot.is_some() {
            return Ok(received);
        }
        let parts = Arc::clone(&self.0);
        let row = session.row.clone();
        let lease = parts.ring.lease(DataKeyId::from_bytes(row.data_key)).await?;
        let runtime = Handle::current();
        let borrowed = lease.clone();
        let writer = blocking_with_key(&borrowed, move || {
            // It may have been finished or cancelled while this waited.
            if parts.store.upload(&parts.name, id)?.is_none() {
                return Err(Error::UploadUnknown(id));
            }
            Writer::recover(&parts, &row, lease, &runtime)
        })
        .await?;
        session.received.store(writer.sealer.len(), Ordering::Release);
        *slot = Some(writer);
        Ok(received)
    }
}

impl Content {
    /// The error for a failed request for an upload: that there is no such upload, if a reset removed it meanwhile. If the rows
    /// could not be stored, a missing upload proves nothing.
    pub(super) async fn upload_error(&self, id: UploadId, error: Error) -> Error {
        if !matches!(error, Error::Internal(_)) {
            return error;
        }
        self.0.gate.pass().await;
        let parts = Arc::clone(&self.0);
        let is_gone = blocking(move || {
            let store = &parts.store;
            Ok::<_, Error>(!store.is_outcome_unknown() && store.upload(&parts.name, id)?.is_none())
        });
        match is_gone.await {
            Ok(true) => Error::UploadUnknown(id),
            _ => error,
        }
    }
}
