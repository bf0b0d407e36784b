//! Collection: what pushes left behind is taken away, by `sealyard gc` and in the background.
//!
//! Taken are uploads that nobody went on with, blobs that no manifest of their repository refers to, and files that
//! belong to nothing. Ages are emulator time; beside it everything has to have been idle for a while of real time,
//! so that a jump of the clock never takes a push that is under way. Manifests without a tag stay: they can be pulled
//! by digest.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::Parts;
use super::Registry;
use super::blocking::blocking;
use super::due::seconds;
use super::error::Error;
pub use crate::store::Collected;
use crate::store::{CollectRules, Store};

/// How often the background looks for something to take, in emulator time.
const EVERY: Duration = Duration::from_hours(1);

/// When something counts as left behind.
#[derive(Clone, Copy, Debug)]
pub struct CollectOptions {
    /// Age of a blob to which nothing refers, in emulator time.
    pub unreferenced_for: Duration,
    /// Idleness of an upload, in emulator time.
    pub upload_idle_for: Duration,
    /// Idleness of both by the real clock.
    pub really_idle_for: Duration,
}

impl Default for CollectOptions {
    fn default() -> Self {
        Self {
            unreferenced_for: Duration::from_hours(1),
            upload_idle_for: Duration::from_hours(24),
            really_idle_for: Duration::from_mins(1),
        }
    }
}

impl Registry {
    /// Takes away what was left behind and says how much that was. Needs no key: nothing is opened.
    pub async fn collect(&self, options: CollectOptions) -> Result<Collected, Error> {
        collect(&self.0, options).await
    }
}

async fn collect(parts: &Arc<Parts>, options: CollectOptions) -> Result<Collected, Error> {
    let now = parts.clock.unix_now();
    let before = |age| now.saturating_sub(seconds(age));
    let (elapsed, idle_for) = (parts.clock.elapsed(), options.really_idle_for);
    let is_live = move |used: Duration| elapsed.saturating_sub(used) < idle_for;
    let (unreferenced_before, uploads_touched_before) =
        (before(options.unreferenced_for), before(options.upload_idle_for));
    let work = Arc::clone(parts);
    let collected = blocking(move || {
        let parts = work;
        let rules = CollectRules {
            unreferenced_before,
            uploads_touched_before,
            is_live: &|id| !parts.sessions.retire(id, is_live),
            is_recent: &|repository, digest| is_live(parts.recent.last_used(repository, digest)),
        };
        let collected = parts.store.collect(&parts.name, rules, &mut |_| ())?;
        parts.recent.retain(is_live);
        Ok::<_, Error>(collected)
    })
    .await?;
    // Retiring asks the vault nothing: it only takes rows away.
    if let Err(error) = parts.ring.retire_unused().await {
        tracing::warn!(%error, "unused data keys could not be retired");
    }
    Ok(collected)
}

/// Takes away, once and in the background, the files that a kill left behind without a row.
pub(super) async fn sweep_after_start(store: Arc<Store>) {
    match blocking(move || store.sweep_orphans()).await {
        Ok(0) => (),
        Ok(files) => tracing::info!(files, "took away files that nothing names"),
        Err(error) => tracing::warn!(%error, "the folder could not be swept"),
    }
}

/// Collects once every hour of emulator time, until the registry is gone.
pub(super) async fn collect_in_background(parts: Weak<Parts>, ended: CancellationToken) {
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
            Ok(collected) if collected == Collected::default() => (),
            Ok(collected) => tracing::info!(?collected, "collected what was left behind"),
            Err(error) => tracing::warn!(%error, "collection failed; it is tried again later"),
        }
    }
}
