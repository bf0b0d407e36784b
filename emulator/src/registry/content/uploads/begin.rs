//! Begins an upload: its row and its object, within the limit of open uploads.

use std::sync::Arc;

use super::chunk::UploadStatus;
use crate::keys::KeyLease;
use crate::names::{Algorithm, Hasher, RepositoryName, UploadId};
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::content::{locks, upload_limit};
use crate::registry::error::Error;
use crate::registry::parts::Session;
use crate::registry::parts::{WriteBack, Writer};
use crate::store::{FileId, ObjectWriter, StoreError, UploadRow};
use sealed_envelope::{Binding, ObjectKind, SEGMENT_LEN, Sealer};

impl Content {
    /// Begins an upload, to be hashed with `algorithm`.
    pub async fn start_upload(
        &self,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<UploadStatus, Error> {
        let parts = Arc::clone(&self.0);
        let id = UploadId::random();
        // Until it has a session, it would look like an upload that was not used since the start.
        let _starting = parts.sessions.starting(id);
        let (lease, row, object) = self.new_upload_object(id, repository, algorithm).await?;
        let binding = Binding::new(parts.name.as_str(), ObjectKind::Blob);
        let wanted = parts.settings.write_back;
        let writer = blocking(move || {
            let write_back = WriteBack::new(&object, wanted)?;
            let sealer = Sealer::create(object, lease.id(), binding, SEGMENT_LEN)?;
            Ok::<_, Error>(Writer { sealer, hasher: Hasher::new(algorithm), lease, write_back })
        })
        .await?;
        parts.sessions.insert(id, Session::new(row, Some(writer), parts.clock.elapsed()));
        Ok(UploadStatus { id, received: 0 })
    }

    /// Creates the object and the row under the current data key; if that key is retired meanwhile, under the next one.
    async fn new_upload_object(
        &self,
        id: UploadId,
        repository: &RepositoryName,
        algorithm: Algorithm,
    ) -> Result<(KeyLease, UploadRow, ObjectWriter), Error> {
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
                let create = || parts.store.create_upload(&parts.name, &row, limit);
                let mut made = create();
                while matches!(made, Err(StoreError::TooManyUploads(_)))
                    && upload_limit::make_room(&parts)?
                {
                    made = create();
                }
                Ok::<_, Error>(made.map(|object| (row, object)))
            });
            match made.await? {
                // The key is retired, or a reset is running: then the next key comes at its end.
                Err(StoreError::DataKeyRetired) => {
                    self.0.gate.pass().await;
                }
                Err(StoreError::TooManyUploads(limit)) => {
                    let registry = self.0.name.to_string();
                    return Err(Error::TooManyUploads { limit, registry });
                }
                made => {
                    return made.map(|(row, object)| (lease, row, object)).map_err(Error::from);
                }
            }
        }
        Err(Error::internal("the data keys are retired faster than uploads can begin"))
    }
}
