//! Collection: removes what pushes left behind, by `sealyard gc` and in the background.
//!
//! Collection removes idle uploads, blobs that no manifest of their repository refers to, and files without a row.
//! Manifests without a tag stay, because they can be pulled by digest, unless the caller requests their removal; then
//! collection removes those that no tag reaches (`store/untagged.rs`).
//!
//! Ages are in emulator time. In addition, everything must have been idle for a while of real time, so that a clock
//! jump never removes content of a push in progress. Collection counts the content that stays for these two reasons,
//! and reports when it becomes due.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::object;
use super::times::seconds;
use crate::names::{Digest, RepositoryName};
use crate::registry::Parts;
use crate::registry::Registry;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::manifest::ParsedManifest;
use crate::registry::media::ManifestKind;
use crate::registry::object_name::ObjectName;
use crate::registry::settings::CollectOptions;
pub use crate::store::Collected;
use crate::store::{CollectRules, Retained, Store};

/// How often the background collects, in emulator time.
const EVERY: Duration = Duration::from_hours(1);

/// The result of a collection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collection {
    /// The removed content.
    pub removed: Collected,
    /// The unreferenced content that it retained.
    pub retained: RetainedContent,
}

/// Unreferenced content that stays for now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetainedContent {
    /// Uploads.
    pub uploads: u64,
    /// Bytes of their files.
    pub upload_bytes: u64,
    /// Blobs, one for each repository that shows it.
    pub blobs: u64,
    /// Manifests that no tag reaches, if their removal was requested.
    pub manifests: u64,
    /// When the first and the last of them become due, in emulator time, if no client uses them again. If emulator time
    /// stands still, this assumes that it runs.
    pub due: Option<(i64, i64)>,
}

impl Registry {
    /// Removes what was left behind, and returns how much that was. Needs no key, except for untagged manifests when an
    /// index was stored by an older version of the program: that index has to be opened.
    pub async fn collect(&self, options: CollectOptions) -> Result<Collection, Error> {
        if options.untagged {
            self.note_children_of_old_indexes().await?;
        }
        collect(&self.0, options).await
    }

    /// Reads once each index that was pushed before rows recorded the manifests that indexes list.
    async fn note_children_of_old_indexes(&self) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let unknown = blocking(move || {
            let mut unknown = Vec::new();
            for repository in parts.store.all_repositories(&parts.name)? {
                for row in parts.store.manifest_rows(&parts.name, &repository, None) {
                    let (digest, row) = row?;
                    let is_index =
                        ManifestKind::from_media_type(&row.media_type) == Some(ManifestKind::Index);
                    if is_index && !parts.store.lists_children(&parts.name, &repository, &digest)? {
                        unknown.push((repository.clone(), digest, row));
                    }
                }
            }
            Ok::<_, Error>(unknown)
        })
        .await?;
        for (repository, digest, row) in unknown {
            let name = ObjectName::Manifest(repository.clone(), digest.clone());
            // If it is damaged, collection stops: the manifests that it lists are unknown and must not be removed.
            let bytes = match object::read_all(&self.0, &name, row.object).await {
                // Deleted meanwhile.
                Err(Error::ManifestUnknown(_)) => continue,
                read => read?,
            };
            let index = ParsedManifest::read(&bytes, Some(&row.media_type))?;
            let children: Vec<Digest> =
                index.children.into_iter().map(|(digest, _)| digest).collect();
            let parts = Arc::clone(&self.0);
            blocking(move || {
                parts.store.note_children(&parts.name, &repository, &digest, &children)
            })
            .await?;
        }
        Ok(())
    }
}

async fn collect(parts: &Arc<Parts>, options: CollectOptions) -> Result<Collection, Error> {
    let now = parts.clock.unix_now();
    // An age in whole seconds is reached in the second that begins then.
    let before = |age| now.saturating_sub(seconds(age)).saturating_add(1);
    let (elapsed, idle_for) = (parts.clock.elapsed(), options.really_idle_for);
    let is_live = move |used: Duration| elapsed.saturating_sub(used) < idle_for;
    let (unreferenced_before, uploads_touched_before) =
        (before(options.unreferenced_for), before(options.upload_idle_for));
    let work = Arc::clone(parts);
    let collection = blocking(move || {
        let parts = work;
        let retained = Mutex::new(RetainedContent::default());
        let note = |content: Retained<'_>| {
            let mut sum = retained.lock().unwrap_or_else(PoisonError::into_inner);
            let (touched, age, used) = match content {
                Retained::Upload(row, len) => {
                    sum.uploads += 1;
                    sum.upload_bytes = sum.upload_bytes.saturating_add(len);
                    // A request that holds it is using it now.
                    let used = parts.sessions.last_used(&row.id).unwrap_or(elapsed);
                    (row.touched, options.upload_idle_for, used)
                }
                Retained::Blob { repository, digest, touched } => {
                    sum.blobs += 1;
                    let used = parts.recent.last_used(repository, digest);
                    (touched, options.unreferenced_for, used)
                }
                Retained::Manifest { repository, digest, touched } => {
                    sum.manifests += 1;
                    let used = parts.recent.last_used(repository, digest);
                    (touched, options.unreferenced_for, used)
                }
            };
            let idle = used.saturating_add(idle_for).saturating_sub(elapsed);
            let idle = idle.as_secs().saturating_add(u64::from(0 < idle.subsec_nanos()));
            let really_idle_at = now.saturating_add(seconds(Duration::from_secs(idle)));
            let due = touched.saturating_add(seconds(age)).max(really_idle_at);
            let (first, last) = sum.due.unwrap_or((due, due));
            sum.due = Some((first.min(due), last.max(due)));
        };
        // A file in quarantine can be the manifest of content that a repair has recovered.
        let keeps_recovered = !parts.store.is_whole()?;
        let recovered = RepositoryName::recovered();
        let rules = CollectRules {
            unreferenced_before,
            uploads_touched_before,
            is_live: &|row| !parts.sessions.retire(&row.id, is_live),
            is_recent: &|repository, digest| {
                is_live(parts.recent.last_used(repository, digest))
                    || keeps_recovered && *repository == recovered
            },
            untagged: options.untagged,
            on_retained: &note,
        };
        let removed = parts.store.collect(&parts.name, rules, &mut |_| ())?;
        parts.store.disk_space().refill();
        let still_recent = parts.settings.collect.really_idle_for.max(idle_for);
        parts.recent.retain(|used| elapsed.saturating_sub(used) < still_recent);
        let retained = *retained.lock().unwrap_or_else(PoisonError::into_inner);
        Ok::<_, Error>(Collection { removed, retained })
    })
    .await?;
    // Retiring does not ask the vault: it only removes rows.
    if let Err(error) = parts.ring.retire_unused().await {
        tracing::warn!(%error, "cannot retire unused data keys");
    }
    Ok(collection)
}

/// Runs once in the background after a start: waits for the check of the rows, writes the mirrors of the rings, and
/// removes the files that a kill left without a row.
pub(in crate::registry) async fn sweep_after_start(store: Arc<Store>) {
    let mirrored = Arc::clone(&store);
    let mirrored = blocking(move || {
        mirrored.mirror_missing_rings()?;
        mirrored.mirror_rings()
    });
    if let Err(error) = mirrored.await {
        tracing::warn!(%error, "cannot write the mirrors of the rings");
    }
    match blocking(move || store.sweep_orphans()).await {
        Ok(0) => (),
        Ok(files) => tracing::info!(files, "removed files that no row names"),
        Err(error) => tracing::warn!(%error, "cannot remove the files that no row names"),
    }
}

/// Collects once every hour of emulator time, until the registry is deleted.
pub(in crate::registry) async fn collect_in_background(
    parts: Weak<Parts>,
    ended: CancellationToken,
) {
    loop {
        let Some(strong) = parts.upgrade() else { return };
        let clock = strong.clock.clone();
        let options = strong.settings.collect;
        drop(strong);
        let due = clock.deadline(EVERY);
        tokio::select! {
            () = ended.cancelled() => return,
            () = clock.until(due) => (),
        }
        let Some(strong) = parts.upgrade() else { return };
        match collect(&strong, options).await {
            Ok(Collection { removed, .. }) if removed == Collected::default() => (),
            Ok(Collection { removed, .. }) => {
                tracing::info!(?removed, "collected what was left behind");
            }
            Err(error) => tracing::warn!(%error, "collection failed; it is retried later"),
        }
    }
}
