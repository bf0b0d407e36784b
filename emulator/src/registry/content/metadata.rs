//! Metadata of repositories, tags and manifests: times, counts and attributes; and lists of it.
//!
//! `acr/` renders it. A list is sorted by name, or by the time of the last change and then by name. Entries that may
//! not be listed are omitted from all lists; a client can still request them by name.

use std::sync::Arc;

use time::OffsetDateTime;

use super::image::{self, ImageFacts, Listed};
use super::lists::Page;
use super::locks::require_repository;
use super::window::Window;
use crate::names::{Digest, Reference, RepositoryName, Tag};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::{Content, Parts};
use crate::store::{self, Attributes, Deleted, ManifestRow, TagRow};

/// The page length if the client names none.
const DEFAULT_PAGE_LEN: usize = 100;

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryInfo {
    /// When its first manifest was pushed.
    pub created: OffsetDateTime,
    /// When a manifest or a tag was last pushed.
    pub updated: OffsetDateTime,
    /// How many manifests it has.
    pub manifests: u64,
    /// How many tags it has.
    pub tags: u64,
    /// The allowed operations.
    pub attributes: Attributes,
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagInfo {
    /// The tag.
    pub name: String,
    /// The digest that it points to.
    pub digest: String,
    /// When it was created.
    pub created: OffsetDateTime,
    /// When it was last set.
    pub updated: OffsetDateTime,
    /// The allowed operations.
    pub attributes: Attributes,
}

/// A manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestInfo {
    /// Its digest.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// The media type of its config.
    pub config_media_type: Option<String>,
    /// The bytes of config and layers.
    pub image_size: u64,
    /// When it was pushed.
    pub created: OffsetDateTime,
    /// The architecture that its config names.
    pub architecture: Option<String>,
    /// The operating system that its config names.
    pub os: Option<String>,
    /// The tags that point to it.
    pub tags: Vec<String>,
    /// The manifests that it lists, if it is an index.
    pub listed: Vec<Listed>,
    /// The allowed operations.
    pub attributes: Attributes,
}

/// The contents of a deleted repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRepository {
    /// The digests of its manifests.
    pub manifests: Vec<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl Content {
    /// The metadata of a repository.
    pub async fn repository_info(
        &self,
        repository: &RepositoryName,
    ) -> Result<RepositoryInfo, Error> {
        let parts = Arc::clone(&self.0);
        let repository = repository.clone();
        blocking(move || {
            let row = parts.store.repository(&parts.name, &repository)?;
            let row = row.ok_or(Error::RepositoryUnknown(repository))?;
            Ok::<_, Error>(RepositoryInfo {
                created: moment(row.created, 0),
                updated: moment(row.updated, 0),
                manifests: row.manifests,
                tags: row.tags,
                attributes: row.attributes,
            })
        })
        .await
    }

    /// Deletes a repository with everything in it.
    pub async fn delete_repository(
        &self,
        repository: &RepositoryName,
    ) -> Result<DeletedRepository, Error> {
        let parts = Arc::clone(&self.0);
        let repository = repository.clone();
        blocking(move || match parts.store.delete_repository(&parts.name, &repository)? {
            store::DeletedRepository::Removed { manifests, tags } => Ok(DeletedRepository {
                manifests: manifests.iter().map(ToString::to_string).collect(),
                tags: tags.iter().map(ToString::to_string).collect(),
            }),
            store::DeletedRepository::Unknown => Err(Error::RepositoryUnknown(repository)),
            store::DeletedRepository::Locked(locked) => Err(Error::Locked { repository, locked }),
        })
        .await
    }

    /// The metadata of a tag.
    pub async fn tag_info(&self, repository: &RepositoryName, tag: &Tag) -> Result<TagInfo, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, tag) = (repository.clone(), tag.clone());
        blocking(move || {
            let row = parts.store.tag_row(&parts.name, &repository, &tag)?;
            if row.is_none() {
                require_repository(&parts, &repository)?;
            }
            let row = row.ok_or_else(|| Error::TagUnknown(tag.clone()))?;
            Ok::<_, Error>(TagInfo::new(&tag, row))
        })
        .await
    }

    /// Deletes a tag. Its manifest stays.
    pub async fn untag(&self, repository: &RepositoryName, tag: &Tag) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (repository, tag) = (repository.clone(), tag.clone());
        blocking(move || match parts.store.delete_tag(&parts.name, &repository, &tag)? {
            Deleted::Removed => Ok(()),
            Deleted::Unknown => {
                require_repository(&parts, &repository)?;
                Err(Error::TagUnknown(tag))
            }
            Deleted::Locked(locked) => Err(Error::Locked { repository, locked }),
        })
        .await
    }

    /// A page of the tags of a repository; with a digest, of those that point to it.
    pub async fn tag_infos(
        &self,
        repository: &RepositoryName,
        digest: Option<&Digest>,
        window: &Window,
    ) -> Result<Page<TagInfo>, Error> {
        let parts = Arc::clone(&self.0);
        let (repository, digest) = (repository.clone(), digest.cloned());
        let (window, limit) = (window.clone(), self.page_len(window));
        blocking(move || {
            require_repository(&parts, &repository)?;
            let rows = parts.store.tag_rows(&parts.name, &repository, window.after());
            let shown = rows.filter(|row| {
                row.as_ref().map_or(true, |(_, row)| {
                    row.attributes.list
                        && digest.as_ref().is_none_or(|digest| row.digest == digest.as_str())
                })
            });
            let tags = shown.map(|row| row.map(|(tag, row)| TagInfo::new(&tag, row)));
            Ok::<_, Error>(window.page(tags, limit, |tag| (tag.updated, &tag.name))?)
        })
        .await
    }

    /// The metadata of a manifest.
    pub async fn manifest_info(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<ManifestInfo, Error> {
        let row = blocking({
            let parts = Arc::clone(&self.0);
            let (repository, digest) = (repository.clone(), digest.clone());
            move || {
                let row = parts.store.manifest(&parts.name, &repository, &digest)?;
                if row.is_none() {
                    require_repository(&parts, &repository)?;
                }
                row.ok_or(Error::ManifestUnknown(Reference::Digest(digest)))
            }
        })
        .await?;
        describe(&self.0, repository, digest, row).await
    }

    /// A page of the manifests of a repository.
    pub async fn manifest_infos(
        &self,
        repository: &RepositoryName,
        window: &Window,
    ) -> Result<Page<ManifestInfo>, Error> {
        let limit = self.page_len(window);
        let page = blocking({
            let (parts, repository) = (Arc::clone(&self.0), repository.clone());
            let window = window.clone();
            move || {
                require_repository(&parts, &repository)?;
                let rows = parts.store.manifest_rows(&parts.name, &repository, window.after());
                let shown =
                    rows.filter(|row| row.as_ref().map_or(true, |(_, row)| row.attributes.list));
                Ok::<_, Error>(window.page(shown, limit, |(digest, row)| {
                    (moment(row.pushed, row.pushed_nanos), digest.as_str())
                })?)
            }
        })
        .await?;
        let mut items = Vec::with_capacity(page.items.len());
        for (digest, row) in page.items {
            match describe(&self.0, repository, &digest, row).await {
                Ok(info) => items.push(info),
                // Deleted between the list and now.
                Err(Error::ManifestUnknown(_)) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(Page { items, next: page.next })
    }

    fn page_len(&self, window: &Window) -> usize {
        window.n.unwrap_or(DEFAULT_PAGE_LEN).min(self.0.settings.page_len)
    }
}

impl TagInfo {
    fn new(tag: &Tag, row: TagRow) -> Self {
        Self {
            name: tag.to_string(),
            digest: row.digest,
            created: moment(row.created, row.created_nanos),
            updated: moment(row.updated, row.updated_nanos),
            attributes: row.attributes,
        }
    }
}

async fn describe(
    parts: &Arc<Parts>,
    repository: &RepositoryName,
    digest: &Digest,
    row: ManifestRow,
) -> Result<ManifestInfo, Error> {
    let ImageFacts { architecture, os, config_media_type, size, listed } =
        image::facts(parts, repository, digest, &row).await?;
    let tags = blocking({
        let (parts, repository, digest) = (Arc::clone(parts), repository.clone(), digest.clone());
        move || {
            let mut shown = Vec::new();
            for tag in parts.store.tags_of(&parts.name, &repository, &digest)? {
                let row = parts.store.tag_row(&parts.name, &repository, &tag)?;
                if row.is_some_and(|row| row.attributes.list) {
                    shown.push(tag.to_string());
                }
            }
            Ok::<_, Error>(shown)
        }
    })
    .await?;
    Ok(ManifestInfo {
        digest: digest.to_string(),
        media_type: row.media_type,
        config_media_type,
        image_size: size,
        created: moment(row.pushed, row.pushed_nanos),
        architecture,
        os,
        tags,
        listed,
        attributes: row.attributes,
    })
}

/// A stored time. One outside the calendar gives the calendar's start: only this program writes rows.
fn moment(seconds: i64, nanos: u32) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds)
        .and_then(|time| time.replace_nanosecond(nanos))
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
