//! Collects garbage: expired uploads, links without a manifest, files without a row.
//!
//! Each removal is a transaction that checks again what the scan found: a push that came between keeps its blob.
//! Files are unlinked after the commit of the rows that named them. The domain decides how old is old enough, in emulator
//! time and in real seconds.

use std::fmt;

use azure_emulator_core::disk_space::Purpose;

use super::blobs::unlink;
use super::encoding::{decode, key, nth_part, prefix};
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::rows::{LinkRow, UploadRow};
use super::tables::Table;
use super::uploads::HeldByUploads;
use crate::names::{Digest, RegistryName, RepositoryName};

/// How many removals share a commit.
const BATCH: usize = 256;

/// The rules of a collection.
#[derive(Clone, Copy)]
pub struct CollectRules<'a> {
    /// Links that no manifest refers to are removed if they were last seen before this: seconds since 1970, emulator time.
    pub unreferenced_before: i64,
    /// Uploads are removed if they last grew before this: seconds since 1970, emulator time.
    pub uploads_touched_before: i64,
    /// Whether a client holds an upload now, whatever emulator time says.
    pub is_live: &'a dyn Fn(&UploadRow) -> bool,
    /// Whether a blob of a repository was pushed or asked for in the last real seconds.
    pub is_recent: &'a dyn Fn(&RepositoryName, &Digest) -> bool,
    /// Whether manifests that no tag reaches are removed too, by the rules for links and their time of push.
    pub untagged: bool,
    /// Called for each unused thing that is too young to be removed.
    pub on_retained: &'a dyn Fn(Retained<'_>),
}

/// An unused thing that stays for now, because it was used or changed too recently.
#[derive(Clone, Copy, Debug)]
pub enum Retained<'a> {
    /// An upload, and the bytes of its file.
    Upload(&'a UploadRow, u64),
    /// A blob of a repository.
    Blob {
        /// The repository.
        repository: &'a RepositoryName,
        /// The digest.
        digest: &'a Digest,
        /// When it was last seen: seconds since 1970, emulator time.
        touched: i64,
    },
    /// A manifest, kept for its own age or for that of a manifest that reaches it.
    Manifest {
        /// The repository.
        repository: &'a RepositoryName,
        /// The digest of the manifest that is too young.
        digest: &'a Digest,
        /// When it was pushed: seconds since 1970, emulator time.
        touched: i64,
    },
}

/// The results of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Expired uploads.
    pub uploads: u64,
    /// Bytes of their files.
    pub upload_bytes: u64,
    /// Links from repositories to blobs.
    pub links: u64,
    /// Blobs that no repository showed any more.
    pub blobs: u64,
    /// Bytes of plaintext in those blobs and manifests.
    pub bytes: u64,
    /// Files without a row, in the whole data folder.
    pub orphans: u64,
    /// Manifests that no tag reached.
    pub manifests: u64,
}

impl Store {
    /// Removes everything that the rules permit, batch by batch; `progress` gets the sum so far after each batch. A concurrent
    /// push either gets the error that a blob is missing, or keeps the blob; it never succeeds without.
    pub fn collect(
        &self,
        registry: &RegistryName,
        rules: CollectRules<'_>,
        progress: &mut dyn FnMut(&Collected),
    ) -> Result<Collected, StoreError> {
        let HeldByUploads { uploads, bytes: upload_bytes } =
            self.expire_uploads(registry, rules.uploads_touched_before, rules.is_live)?;
        let mut collected = Collected { uploads, upload_bytes, ..Collected::default() };
        progress(&collected);
        for row in self.uploads(registry)? {
            (rules.on_retained)(Retained::Upload(&row, self.upload_len(&row)));
        }
        // Before the links: some blobs may be referenced only by these manifests.
        if rules.untagged {
            self.collect_untagged(registry, rules, &mut collected, progress)?;
        }
        self.collect_links(registry, rules, &mut collected, progress)?;
        collected.orphans = self.sweep_orphans()?;
        progress(&collected);
        Ok(collected)
    }

    /// Objects that have no row and are not about to be published. Lists all objects.
    pub fn orphans(&self) -> Result<Vec<FileId>, StoreError> {
        let mut orphans = Vec::new();
        for listed in self.objects.list() {
            let id = listed?;
            if self.is_orphan(id)? {
                orphans.push(id);
            }
        }
        Ok(orphans)
    }

    /// Removes the uploads that last grew before a moment (seconds since 1970, emulator time) and that no client holds.
    /// Returns how many there were, and their size.
    pub fn expire_uploads(
        &self,
        registry: &RegistryName,
        touched_before: i64,
        is_live: &dyn Fn(&UploadRow) -> bool,
    ) -> Result<HeldByUploads, StoreError> {
        let has_expired = |row: &UploadRow| row.touched < touched_before;
        let mut expired = HeldByUploads::default();
        for row in self.uploads(registry)? {
            let len = self.upload_len(&row);
            if has_expired(&row)
                && !is_live(&row)
                && self.remove_upload_if(registry, &row.id, has_expired)?
            {
                expired.uploads += 1;
                expired.bytes = expired.bytes.saturating_add(len);
            }
        }
        Ok(expired)
    }

    fn collect_links(
        &self,
        registry: &RegistryName,
        rules: CollectRules<'_>,
        collected: &mut Collected,
        progress: &mut dyn FnMut(&Collected),
    ) -> Result<(), StoreError> {
        let is_unused = |link: &LinkRow| link.refs == 0 && link.touched < rules.unreferenced_before;
        let retain = |repository: &RepositoryName, digest: &Digest, link: &LinkRow| {
            (rules.on_retained)(Retained::Blob { repository, digest, touched: link.touched });
        };
        let mut files = Vec::new();
        let mut removed = 0;
        for row in self.database.scan(Table::Links, &prefix(&[registry])) {
            let (key, bytes) = row?;
            let link: LinkRow = decode(&bytes)?;
            if link.refs != 0 {
                continue;
            }
            let (repository, digest): (RepositoryName, Digest) =
                (nth_part(&key, 1)?, nth_part(&key, 2)?);
            if !is_unused(&link) || (rules.is_recent)(&repository, &digest) {
                retain(&repository, &digest, &link);
                continue;
            }
            let Some(blob) = self.collect_link(registry, &repository, &digest, is_unused)? else {
                continue;
            };
            removed += 1;
            collected.links += 1;
            if let Some((file, size)) = blob {
                files.push(file);
                collected.blobs += 1;
                collected.bytes = collected.bytes.saturating_add(size);
            }
            if removed == BATCH {
                self.commit_and_unlink(&mut files)?;
                progress(collected);
                removed = 0;
            }
        }
        if 0 < removed {
            self.commit_and_unlink(&mut files)?;
            progress(collected);
        }
        Ok(())
    }

    /// Removes a link if it is still unused, and returns the file of its blob if the blob was deleted. `None` if it is in use.
    #[expect(
        clippy::option_option,
        reason = "whether the link was removed, and whether its blob was"
    )]
    fn collect_link(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        is_unused: impl Fn(&LinkRow) -> bool,
    ) -> Result<Option<Option<(FileId, u64)>>, StoreError> {
        self.database.transact_for(Purpose::Removal, |view| {
            let link_key = key(&[registry, repository, digest]);
            let link = view.row::<LinkRow>(Table::Links, &link_key)?;
            if !link.as_ref().is_some_and(&is_unused) {
                return Ok(None);
            }
            let blob = unlink(view, registry, repository, digest)?;
            Ok(Some(blob.map(|object| (object.file, object.size))))
        })
    }

    fn commit_and_unlink(&self, files: &mut Vec<FileId>) -> Result<(), StoreError> {
        self.database.commit()?;
        for file in files.drain(..) {
            self.objects.delete(file)?;
        }
        Ok(())
    }
}

impl fmt::Debug for CollectRules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CollectRules")
            .field("unreferenced_before", &self.unreferenced_before)
            .field("uploads_touched_before", &self.uploads_touched_before)
            .finish_non_exhaustive()
    }
}
