//! Blobs: stored once per registry, shown by the repositories that link to them.
//!
//! A blob lives as long as a repository links to it; a link that a manifest refers to cannot be removed. Both
//! counts are in the rows, changed by the same transactions that change the counted rows. The caller has checked the
//! content and its digest.

use azure_emulator_core::disk_space::Purpose;

use super::encoding::key;
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::objects::ObjectWriter;
use super::rows::{BlobRow, LinkRow, ObjectRow, UploadRow};
use super::tables::Table;
use super::view::View;
use crate::names::{Digest, RegistryName, RepositoryName, UploadId};

/// How long the record of a client's access to a blob stays before it is updated, in seconds.
const TOUCH_INTERVAL: i64 = 60;

/// The result of removing a link between a repository and a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// It was removed.
    Removed,
    /// There is no such link.
    Unknown,
    /// A manifest of the repository refers to the blob: nothing was done.
    Referenced,
}

impl Store {
    /// Finishes the object of an upload as a blob of the repository, and ends the upload. Durable on return.
    ///
    /// If the registry has the digest already, this file replaces the older one, in the same transaction. The client has
    /// just sent every byte, and the older file may have damage that no read has found yet: to find it costs a
    /// read of the whole file, and to replace the file costs the sync that the first push paid. So pushing again repairs any
    /// damage. A reader that has the older file open can read on.
    ///
    /// `object.file` and `object.data_key` are those of the upload's row. After an error the upload still exists.
    pub fn publish_blob(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        upload_id: UploadId,
        object: &ObjectRow,
        writer: ObjectWriter,
    ) -> Result<(), StoreError> {
        let _claim = self.claims.claim(object.file);
        let finished = match writer.finish() {
            // Another request has cancelled the upload and removed its row.
            Err(StoreError::NotFound(_)) if self.upload(registry, upload_id)?.is_none() => {
                return Err(StoreError::UnknownUpload);
            }
            finished => finished?,
        };
        let inserted = self.database.transact(|view| {
            let replaced = insert_blob(view, registry, repository, digest, upload_id, object)?;
            view.attach(&finished);
            Ok(replaced)
        });
        let replaced = match inserted {
            Ok(replaced) => {
                finished.keep();
                replaced
            }
            // The row may return at the next start; if it does not, the object becomes unfinished again.
            Err(error) if self.is_outcome_unknown() => {
                finished.keep();
                return Err(error);
            }
            Err(error) => {
                drop(finished);
                if matches!(error, StoreError::UnknownUpload) {
                    self.remove_unfinished(object.file)?;
                }
                return Err(error);
            }
        };
        self.database.commit()?;
        if let Some(replaced) = replaced {
            self.delete_replaced(replaced);
        }
        Ok(())
    }

    /// Shows a blob of the registry in this repository too (a mount). Returns false if the registry does not have it. Durable.
    pub fn link_blob(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        now: i64,
    ) -> Result<bool, StoreError> {
        let linked = self.database.transact(|view| {
            let Some(blob) = view.row(Table::Blobs, &key(&[registry, digest]))? else {
                return Ok(false);
            };
            link(view, registry, repository, digest, blob, now)?;
            Ok(true)
        })?;
        self.database.commit()?;
        Ok(linked)
    }

    /// A blob, if this repository shows it.
    pub fn blob(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<ObjectRow>, StoreError> {
        if !self.database.has(Table::Links, &key(&[registry, repository, digest]))? {
            return Ok(None);
        }
        let blob: Option<BlobRow> = self.database.row(Table::Blobs, &key(&[registry, digest]))?;
        Ok(blob.map(|blob| blob.object))
    }

    /// A blob of the registry, whichever repositories show it.
    pub fn registry_blob(
        &self,
        registry: &RegistryName,
        digest: &Digest,
    ) -> Result<Option<ObjectRow>, StoreError> {
        let blob: Option<BlobRow> = self.database.row(Table::Blobs, &key(&[registry, digest]))?;
        Ok(blob.map(|blob| blob.object))
    }

    /// A blob, if this repository shows it. Records that a client saw it here at `now`, so that collection keeps it for a
    /// while. The record is not durable, and is written at most once a minute.
    pub fn see_blob(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        now: i64,
    ) -> Result<Option<ObjectRow>, StoreError> {
        let link_key = key(&[registry, repository, digest]);
        let Some(link) = self.database.row::<LinkRow>(Table::Links, &link_key)? else {
            return Ok(None);
        };
        let blob: Option<BlobRow> = self.database.row(Table::Blobs, &key(&[registry, digest]))?;
        if TOUCH_INTERVAL <= now.saturating_sub(link.touched) {
            self.touch_blob(&link_key, now)?;
        }
        Ok(blob.map(|blob| blob.object))
    }

    fn touch_blob(&self, link_key: &[u8], now: i64) -> Result<(), StoreError> {
        let touched = self.database.note(|view| {
            view.change(Table::Links, link_key.to_vec(), |link: &mut LinkRow| {
                link.touched = link.touched.max(now);
            })
        });
        match touched {
            // A blob can be read even if the disk is full.
            Err(StoreError::DiskFull(_)) => Ok(()),
            touched => touched.map(drop),
        }
    }

    /// Removes a blob from a repository, and deletes it if this was its last repository. Durable.
    pub fn unlink_blob(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Unlinked, StoreError> {
        let (unlinked, deleted) = self.database.transact_for(Purpose::Removal, |view| {
            let row = view.row::<LinkRow>(Table::Links, &key(&[registry, repository, digest]))?;
            match row {
                None => Ok((Unlinked::Unknown, None)),
                Some(link) if 0 < link.refs => Ok((Unlinked::Referenced, None)),
                Some(_) => {
                    let deleted = unlink(view, registry, repository, digest)?;
                    Ok((Unlinked::Removed, deleted))
                }
            }
        })?;
        if unlinked == Unlinked::Removed {
            self.database.commit()?;
        }
        if let Some(object) = deleted {
            self.objects.delete(object.file)?;
        }
        Ok(unlinked)
    }
}

/// Inserts a blob whose object is finished, and ends its upload. Returns the file that it replaces, if there was one.
fn insert_blob(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    digest: &Digest,
    upload_id: UploadId,
    object: &ObjectRow,
) -> Result<Option<FileId>, StoreError> {
    let upload_key = key(&[registry, &upload_id]);
    let Some(upload) = view.row::<UploadRow>(Table::Uploads, &upload_key)? else {
        return Err(StoreError::UnknownUpload);
    };
    if upload.file != object.file || upload.data_key != object.data_key {
        return Err(StoreError::UnknownUpload);
    }
    view.require_data_key(registry, object.data_key)?;
    let blob_key = key(&[registry, digest]);
    let existing = view.row::<BlobRow>(Table::Blobs, &blob_key)?;
    let blob = match &existing {
        Some(BlobRow { object: old, links }) => {
            view.disown_file(registry, old.file, old.data_key)?;
            BlobRow { object: ObjectRow { created: old.created, ..object.clone() }, links: *links }
        }
        None => BlobRow { object: object.clone(), links: 0 },
    };
    view.put(Table::Blobs, blob_key, &blob)?;
    link(view, registry, repository, digest, blob, object.created)?;
    view.remove(Table::Uploads, upload_key)?;
    view.count(registry, |stats| {
        stats.uploads = stats.uploads.saturating_sub(1);
        stats.blobs += u64::from(existing.is_none());
        let old = existing.as_ref().map_or(0, |existing| existing.object.size);
        stats.bytes = stats.bytes.saturating_sub(old).saturating_add(object.size);
    })?;
    Ok(existing.map(|existing| existing.object.file))
}

/// Links a repository to a blob, or records that it was seen there. Writes the blob's row.
pub(super) fn link(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    digest: &Digest,
    mut blob: BlobRow,
    now: i64,
) -> Result<(), StoreError> {
    let link_key = key(&[registry, repository, digest]);
    let known = view.row::<LinkRow>(Table::Links, &link_key)?;
    if known.is_none() {
        blob.links += 1;
        view.put(Table::Blobs, key(&[registry, digest]), &blob)?;
    }
    let link = known.map_or(LinkRow { touched: now, refs: 0 }, |known| LinkRow {
        touched: known.touched.max(now),
        ..known
    });
    view.put(Table::Links, link_key, &link)
}

/// Removes an existing link that no manifest refers to. If it was the last link, the blob is deleted and its file returned;
/// the caller unlinks the file after the commit.
pub(super) fn unlink(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    digest: &Digest,
) -> Result<Option<ObjectRow>, StoreError> {
    view.remove(Table::Links, key(&[registry, repository, digest]))?;
    let blob_key = key(&[registry, digest]);
    let Some(mut blob) = view.row::<BlobRow>(Table::Blobs, &blob_key)? else {
        return Ok(None);
    };
    blob.links = blob.links.saturating_sub(1);
    if 0 < blob.links {
        view.put(Table::Blobs, blob_key, &blob)?;
        return Ok(None);
    }
    view.remove(Table::Blobs, blob_key)?;
    view.disown_file(registry, blob.object.file, blob.object.data_key)?;
    view.count(registry, |stats| {
        stats.blobs = stats.blobs.saturating_sub(1);
        stats.bytes = stats.bytes.saturating_sub(blob.object.size);
    })?;
    Ok(Some(blob.object))
}
