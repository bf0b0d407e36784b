//! Manifests.
//!
//! A manifest belongs to one repository. The transaction that inserts it checks that everything it needs is there and
//! counts itself into the links of its blobs; the one that removes it counts itself out. Collection removes links in
//! transactions over the same rows, so that either the push sees that a blob is missing, or the blob stays.
//! What is in a manifest was read by the domain: here come lists of digests.

use std::collections::BTreeSet;

use super::database::View;
use super::error::StoreError;
use super::files::NewFile;
use super::layout::Table;
use super::locks::{Deleted, Locked, locked_tag, repository_locked};
use super::open::Store;
use super::rows::{
    Attributes, LinkRow, ManifestRow, RepositoryRow, TagRow, decode, encode, key, last_part, prefix,
};
use super::tags::{Moment, remove_tag, set_tag};

/// A manifest to be put.
#[derive(Clone, Debug)]
pub struct NewManifest<'a> {
    /// Its digest.
    pub digest: &'a str,
    /// Its row; `object.file` is the id of the [`NewFile`].
    pub row: ManifestRow,
    /// The tag that is to point to it.
    pub tag: Option<&'a str>,
    /// Blobs that must be in the repository, and that it holds on to.
    pub blobs: &'a [String],
    /// Manifests that must be in the repository. It does not hold on to them; a sparse index leaves them out.
    pub children: &'a [String],
}

/// What became of a manifest that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, and durable.
    Stored,
    /// These blobs are not in the repository: nothing was done.
    MissingBlobs(Vec<String>),
    /// These manifests are not in the repository: nothing was done.
    MissingManifests(Vec<String>),
    /// The repository or the tag is locked against writing: nothing was done.
    Locked(Locked),
}

/// What a look at the rows says about a manifest that is to be put.
enum Step {
    /// It is in the rows now, with the file that was brought.
    Inserted,
    /// It was there; the tag is set.
    Existing,
    /// The file must be brought first.
    NeedsFile,
    /// It cannot be put.
    Refused(Put),
}

impl Store {
    /// Stores a manifest, or sets one more tag on it if it is there already. Durable on return.
    pub fn put_manifest(
        &self,
        registry: &str,
        repository: &str,
        manifest: NewManifest<'_>,
        file: NewFile,
    ) -> Result<Put, StoreError> {
        // Refused here, before the file is published, what the transaction would refuse after it.
        encode(&manifest.row)?;
        let manifest = NewManifest {
            row: ManifestRow {
                object: super::ObjectRow { file: file.id(), ..manifest.row.object },
                ..manifest.row
            },
            ..manifest
        };
        let blobs: BTreeSet<&str> = manifest.blobs.iter().map(String::as_str).collect();
        let step = |has_file: bool| {
            self.database.transact(|view| {
                insert_manifest(view, registry, repository, &manifest, &blobs, has_file)
            })
        };
        let mut outcome = step(false)?;
        if matches!(outcome, Step::NeedsFile) {
            let from = self.layout.new_file(file.id());
            let placed = self.place(file.id(), file.handle(), from)?;
            outcome = step(true)?;
            if matches!(outcome, Step::Inserted) {
                placed.keep();
                file.published();
            }
        }
        if let Step::Refused(put) = outcome {
            return Ok(put);
        }
        self.database.commit()?;
        Ok(Put::Stored)
    }

    /// A manifest by its digest.
    pub fn manifest(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
    ) -> Result<Option<ManifestRow>, StoreError> {
        self.database.row(Table::Manifests, &key(&[registry, repository, digest]))
    }

    /// The manifests of a repository in the order of their digests, after `after`, at most `limit`.
    pub fn manifests(
        &self,
        registry: &str,
        repository: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, ManifestRow)>, StoreError> {
        self.manifest_rows(registry, repository, after).take(limit).collect()
    }

    /// All manifests of a repository in the order of their digests, after `after`, as they are read.
    pub fn manifest_rows(
        &self,
        registry: &str,
        repository: &str,
        after: Option<&str>,
    ) -> impl Iterator<Item = Result<(String, ManifestRow), StoreError>> + use<> {
        let rows =
            self.database.scan_after(Table::Manifests, &prefix(&[registry, repository]), after);
        rows.map(|row| {
            let (key, bytes) = row?;
            Ok((last_part(&key)?, decode(&bytes)?))
        })
    }

    /// Deletes a manifest, its tags and its place among the referrers. Durable. An index that lists it does not hold it.
    pub fn delete_manifest(
        &self,
        registry: &str,
        repository: &str,
        digest: &str,
    ) -> Result<Deleted, StoreError> {
        let parts = [registry, repository, digest];
        let writer = self.database.writer();
        let (blobs, tags) = self.held(parts)?;
        let removed = writer.transact(|view| {
            let Some(row) = view.row::<ManifestRow>(Table::Manifests, &key(&parts))? else {
                return Ok(Err(Deleted::Unknown));
            };
            let mut locked = repository_locked(view, registry, repository)?;
            if locked.is_none() && !row.attributes.allow_delete() {
                locked = Some(Locked::Manifest(digest.to_owned()));
            }
            if locked.is_none() {
                locked = locked_tag(view, registry, repository, &tags)?;
            }
            if let Some(locked) = locked {
                return Ok(Err(Deleted::Locked(locked)));
            }
            remove_manifest(view, parts, &row, &blobs, &tags)?;
            Ok(Ok(row.object.file))
        })?;
        drop(writer);
        let file = match removed {
            Ok(file) => file,
            Err(outcome) => return Ok(outcome),
        };
        self.database.commit()?;
        self.unlink(file)?;
        Ok(Deleted::Removed)
    }

    /// The blobs that a manifest holds and the tags that point to it. To be scanned under the writer's lock.
    pub(super) fn held(&self, parts: [&str; 3]) -> Result<(Vec<String>, Vec<String>), StoreError> {
        let last_parts = |table| self.database.last_parts(table, &parts).collect::<Result<_, _>>();
        Ok((last_parts(Table::References)?, last_parts(Table::Tagged)?))
    }
}

fn insert_manifest(
    view: &View<'_>,
    registry: &str,
    repository: &str,
    manifest: &NewManifest<'_>,
    blobs: &BTreeSet<&str>,
    has_file: bool,
) -> Result<Step, StoreError> {
    let in_repository = |part: &str| key(&[registry, repository, part]);
    let repository_key = key(&[registry, repository]);
    let known = view.row::<RepositoryRow>(Table::Repositories, &repository_key)?;
    if let Some(locked) = write_locked(view, known.as_ref(), manifest.tag, in_repository)? {
        return Ok(Step::Refused(Put::Locked(locked)));
    }
    if let Some(put) = missing(view, blobs, manifest.children, in_repository)? {
        return Ok(Step::Refused(put));
    }
    let row = &manifest.row;
    let manifest_key = in_repository(manifest.digest);
    let exists = view.has(Table::Manifests, &manifest_key)?;
    if !exists && !has_file {
        return Ok(Step::NeedsFile);
    }
    let is_new_repository = known.is_none();
    let mut repository_row = known.unwrap_or(RepositoryRow {
        created: row.pushed,
        updated: row.pushed,
        manifests: 0,
        tags: 0,
        attributes: Attributes::default(),
    });
    repository_row.updated = repository_row.updated.max(row.pushed);

    if !exists {
        view.own_file(registry, row.object.file, row.object.data_key)?;
        view.put(Table::Manifests, manifest_key, row)?;
        for blob in blobs {
            let link_key = in_repository(blob);
            // It was looked up a moment ago, in this transaction.
            if let Some(mut link) = view.row::<LinkRow>(Table::Links, &link_key)? {
                link.refs += 1;
                view.put(Table::Links, link_key, &link)?;
            }
            let reference = key(&[registry, repository, manifest.digest, blob]);
            view.put_bytes(Table::References, reference, Vec::new())?;
        }
        if let Some(subject) = &row.subject {
            let referrer = key(&[registry, repository, subject, manifest.digest]);
            view.put(Table::Referrers, referrer, &row.artifact_type)?;
        }
        repository_row.manifests += 1;
    }
    if let Some(tag) = manifest.tag {
        let now = Moment { seconds: row.pushed, nanos: row.pushed_nanos };
        let is_new = set_tag(view, [registry, repository, tag], manifest.digest, now)?;
        repository_row.tags += u64::from(is_new);
    }
    view.put(Table::Repositories, repository_key, &repository_row)?;
    view.count(registry, |stats| {
        stats.repositories += u64::from(is_new_repository);
        if !exists {
            stats.manifests += 1;
            stats.bytes = stats.bytes.saturating_add(row.object.size);
        }
    })?;
    Ok(if exists { Step::Existing } else { Step::Inserted })
}

/// What is locked against a push. A manifest is not: its digest says what it is, so a push cannot change it.
fn write_locked(
    view: &View<'_>,
    repository: Option<&RepositoryRow>,
    tag: Option<&str>,
    in_repository: impl Fn(&str) -> Vec<u8>,
) -> Result<Option<Locked>, StoreError> {
    if repository.is_some_and(|row| !row.attributes.write) {
        return Ok(Some(Locked::Repository));
    }
    let Some(tag) = tag else { return Ok(None) };
    let row = view.row::<TagRow>(Table::Tags, &in_repository(tag))?;
    Ok(row.filter(|row| !row.attributes.write).map(|_| Locked::Tag(tag.to_owned())))
}

/// What the repository lacks for a manifest.
fn missing(
    view: &View<'_>,
    blobs: &BTreeSet<&str>,
    children: &[String],
    in_repository: impl Fn(&str) -> Vec<u8>,
) -> Result<Option<Put>, StoreError> {
    let mut missing_blobs = Vec::new();
    for blob in blobs {
        if !view.has(Table::Links, &in_repository(blob))? {
            missing_blobs.push((*blob).to_owned());
        }
    }
    if !missing_blobs.is_empty() {
        return Ok(Some(Put::MissingBlobs(missing_blobs)));
    }
    let mut missing_manifests = Vec::new();
    for child in children {
        if !view.has(Table::Manifests, &in_repository(child))? {
            missing_manifests.push(child.clone());
        }
    }
    Ok((!missing_manifests.is_empty()).then_some(Put::MissingManifests(missing_manifests)))
}

/// `blobs` and `tags` are what the manifest holds and what points to it, scanned under the writer's lock.
pub(super) fn remove_manifest(
    view: &View<'_>,
    parts: [&str; 3],
    row: &ManifestRow,
    blobs: &[String],
    tags: &[String],
) -> Result<(), StoreError> {
    let [registry, repository, digest] = parts;
    view.remove(Table::Manifests, key(&parts))?;
    for blob in blobs {
        view.remove(Table::References, key(&[registry, repository, digest, blob]))?;
        let link_key = key(&[registry, repository, blob]);
        if let Some(mut link) = view.row::<LinkRow>(Table::Links, &link_key)? {
            link.refs = link.refs.saturating_sub(1);
            view.put(Table::Links, link_key, &link)?;
        }
    }
    for tag in tags {
        remove_tag(view, [registry, repository, tag], digest)?;
    }
    if let Some(subject) = &row.subject {
        view.remove(Table::Referrers, key(&[registry, repository, subject, digest]))?;
    }
    let repository_key = key(&[registry, repository]);
    if let Some(mut repository) = view.row::<RepositoryRow>(Table::Repositories, &repository_key)? {
        repository.manifests = repository.manifests.saturating_sub(1);
        repository.tags = repository.tags.saturating_sub(tags.len() as u64);
        view.put(Table::Repositories, repository_key, &repository)?;
    }
    view.disown_file(registry, row.object.file, row.object.data_key)?;
    view.count(registry, |stats| {
        stats.manifests = stats.manifests.saturating_sub(1);
        stats.bytes = stats.bytes.saturating_sub(row.object.size);
    })
}
