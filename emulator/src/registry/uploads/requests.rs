//! The requests for an upload after its beginning: status, chunk, last chunk and cancellation.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::runtime::Handle;

use super::session::{Session, lock};
use super::writer::{Writer, unknown};
use super::{Body, ChunkHeaders, UploadId, UploadStatus};
use crate::registry::Content;
use crate::registry::blocking::{blocking, blocking_with_key};
use crate::registry::digest::Digest;
use crate::registry::error::Error;
use crate::registry::names::RepositoryName;
use sealed_envelope::DataKeyId;

impl Content {
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
    pub(super) async fn ensure_writer(
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
        let borrowed = lease.clone();
        let writer = blocking_with_key(&borrowed, move || {
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
}
