//! The rows of a manifest: a transaction inserts or removes all of them together.

use std::collections::BTreeSet;
use std::fmt::Display;

use super::encoding::{damage_key, key};
use super::error::StoreError;
use super::file_id::FileId;
use super::locks::Locked;
use super::rows::{Attributes, BlobRow, LinkRow, ManifestRow, ObjectRow, RepositoryRow, TagRow};
use super::tables::Table;
use super::tags::{Moment, remove_tag, set_tag};
use super::view::View;
use crate::names::{Digest, RegistryName, RepositoryName, Tag};

/// A manifest to store.
#[derive(Clone, Debug)]
pub struct NewManifest<'a> {
    /// Its digest.
    pub digest: &'a Digest,
    /// Its row; `object.file` is the id of the [`NewObject`](super::NewObject).
    pub row: ManifestRow,
    /// The tags that will point to it.
    pub tags: &'a [Tag],
    /// Blobs that must be in the repository, and that it keeps.
    pub blobs: &'a [Digest],
    /// Manifests that an index lists. The index does not protect them against a deletion, but it keeps them from the
    /// collection of untagged manifests.
    pub children: &'a [Digest],
    /// Whether the children may be missing, as in a sparse index.
    pub sparse: bool,
    /// The file of this manifest that does not open, if the registry has one: the new file replaces it.
    pub condemned: Option<FileId>,
}

/// The rows that belong to a manifest.
pub(super) struct Held {
    /// The blobs that it keeps.
    pub(super) blobs: Vec<Digest>,
    /// The tags that point to it.
    pub(super) tags: Vec<Tag>,
    /// The manifests that it lists.
    pub(super) children: Vec<Digest>,
}

/// The result of storing a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is stored, and durable.
    Stored,
    /// These blobs are not in the repository: nothing was done.
    MissingBlobs(Vec<Digest>),
    /// These manifests are not in the repository: nothing was done.
    MissingManifests(Vec<Digest>),
    /// The repository or the tag is locked against writing: nothing was done.
    Locked(Locked),
}

/// The next step of storing a manifest, by the rows.
pub(super) enum Step {
    /// It is in the rows now, with the new file. That file may replace another one.
    Inserted(Option<FileId>),
    /// It existed; the tag is set.
    Existing,
    /// The new file is needed first.
    NeedsFile,
    /// It cannot be stored.
    Refused(Put),
}

/// Inserts the rows of a manifest, unless something that it needs is missing or locked.
pub(super) fn insert_manifest(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    manifest: &NewManifest<'_>,
    blobs: &BTreeSet<&Digest>,
    has_file: bool,
) -> Result<Step, StoreError> {
    let in_repository = |part: &dyn Display| key(&[registry, repository, part]);
    let repository_key = key(&[registry, repository]);
    let known = view.row::<RepositoryRow>(Table::Repositories, &repository_key)?;
    if let Some(locked) = write_locked(view, known.as_ref(), manifest.tags, in_repository)? {
        return Ok(Step::Refused(Put::Locked(locked)));
    }
    let needed = if manifest.sparse { &[] } else { manifest.children };
    if let Some(put) = missing(view, registry, blobs, needed, in_repository)? {
        return Ok(Step::Refused(put));
    }
    let row = &manifest.row;
    let manifest_key = in_repository(manifest.digest);
    let existing = view.row::<ManifestRow>(Table::Manifests, &manifest_key)?;
    let replaced =
        existing.as_ref().filter(|existing| manifest.condemned == Some(existing.object.file));
    let exists = existing.is_some();
    if (!exists || replaced.is_some()) && !has_file {
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

    if let Some(old) = replaced {
        view.own_file(registry, row.object.file, row.object.data_key)?;
        view.disown_file(registry, old.object.file, old.object.data_key)?;
        let object = ObjectRow { created: old.object.created, ..row.object.clone() };
        view.put(Table::Manifests, manifest_key, &ManifestRow { object, ..old.clone() })?;
    } else if !exists {
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
        list_children(view, registry, repository, manifest.digest, manifest.children)?;
        if let Some(subject) = &row.subject {
            let referrer = key(&[registry, repository, subject, manifest.digest]);
            view.put(Table::Referrers, referrer, &row.artifact_type)?;
        }
        repository_row.manifests += 1;
    }
    let now = Moment { seconds: row.pushed, nanos: row.pushed_nanos };
    for tag in manifest.tags {
        let is_new = set_tag(view, registry, repository, tag, manifest.digest, now)?;
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
    Ok(match replaced {
        Some(old) => Step::Inserted(Some(old.object.file)),
        None if exists => Step::Existing,
        None => Step::Inserted(None),
    })
}

/// Records the manifests that an index lists.
pub(super) fn list_children(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    digest: &Digest,
    children: &[Digest],
) -> Result<(), StoreError> {
    for child in children {
        view.put_bytes(Table::Children, key(&[registry, repository, digest, child]), Vec::new())?;
        view.put_bytes(Table::Parents, key(&[registry, repository, child, digest]), Vec::new())?;
    }
    Ok(())
}

/// The lock that blocks a push. A manifest cannot block one: its digest fixes its content, so a push cannot change it.
fn write_locked(
    view: &View<'_>,
    repository: Option<&RepositoryRow>,
    tags: &[Tag],
    in_repository: impl Fn(&dyn Display) -> Vec<u8>,
) -> Result<Option<Locked>, StoreError> {
    if repository.is_some_and(|row| !row.attributes.write) {
        return Ok(Some(Locked::Repository));
    }
    for tag in tags {
        let row = view.row::<TagRow>(Table::Tags, &in_repository(tag))?;
        if row.is_some_and(|row| !row.attributes.write) {
            return Ok(Some(Locked::Tag(tag.clone())));
        }
    }
    Ok(None)
}

/// The blobs and manifests that the repository lacks. Objects with known damage count as missing: the client pushes them again.
fn missing(
    view: &View<'_>,
    registry: &RegistryName,
    blobs: &BTreeSet<&Digest>,
    children: &[Digest],
    in_repository: impl Fn(&dyn Display) -> Vec<u8>,
) -> Result<Option<Put>, StoreError> {
    let mut missing_blobs = Vec::new();
    for blob in blobs {
        let row = view.row::<BlobRow>(Table::Blobs, &key(&[registry, blob]))?;
        let can_be_served = match row {
            Some(row) if view.has(Table::Links, &in_repository(blob))? => {
                !view.has(Table::Damages, &damage_key(registry, row.object.file))?
            }
            _ => false,
        };
        if !can_be_served {
            missing_blobs.push((*blob).clone());
        }
    }
    if !missing_blobs.is_empty() {
        return Ok(Some(Put::MissingBlobs(missing_blobs)));
    }
    let mut missing_manifests = Vec::new();
    for child in children {
        let can_be_served =
            match view.row::<ManifestRow>(Table::Manifests, &in_repository(child))? {
                Some(row) => !view.has(Table::Damages, &damage_key(registry, row.object.file))?,
                None => false,
            };
        if !can_be_served {
            missing_manifests.push(child.clone());
        }
    }
    Ok((!missing_manifests.is_empty()).then_some(Put::MissingManifests(missing_manifests)))
}

/// Removes a manifest. Its rows were scanned under the writer's lock.
pub(super) fn remove_manifest(
    view: &View<'_>,
    registry: &RegistryName,
    repository: &RepositoryName,
    digest: &Digest,
    row: &ManifestRow,
    held: &Held,
) -> Result<(), StoreError> {
    let Held { blobs, tags, children } = held;
    view.remove(Table::Manifests, key(&[registry, repository, digest]))?;
    for blob in blobs {
        view.remove(Table::References, key(&[registry, repository, digest, blob]))?;
        let link_key = key(&[registry, repository, blob]);
        if let Some(mut link) = view.row::<LinkRow>(Table::Links, &link_key)? {
            link.refs = link.refs.saturating_sub(1);
            view.put(Table::Links, link_key, &link)?;
        }
    }
    for tag in tags {
        remove_tag(view, registry, repository, tag, digest)?;
    }
    for child in children {
        view.remove(Table::Children, key(&[registry, repository, digest, child]))?;
        view.remove(Table::Parents, key(&[registry, repository, child, digest]))?;
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
