//! One registry: its name, its state, and the access to its content.
//!
//! Invariant: content is reached only through [`Content`], and [`Registry::content`] returns one only after the key was
//! admitted. So no route can forget the check.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio_util::sync::DropGuard;

use super::activity::Activity;
use super::damage_count::BrokenObjects;
use super::gate::Gate;
use super::recent::Recent;
use super::sessions::Sessions;
use crate::keys::{KeyRing, KeyUse};
use crate::names::RegistryName;
use crate::registry::audit::AuditLog;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::intents::Intents;
use crate::registry::resources::{CurrentProfile, FormerIdentity, IdentityResource, Profile};
use crate::registry::settings::{CollectOptions, Settings};
use crate::store::{HeldByUploads, Stats, Store};

/// One registry. Clones share it.
#[derive(Clone)]
pub struct Registry(pub(in crate::registry) Arc<Parts>);

/// A registry whose key was admitted; gives access to its content for one request.
#[derive(Clone)]
pub struct Content(pub(in crate::registry) Arc<Parts>);

/// The parts of a registry.
pub(in crate::registry) struct Parts {
    pub(in crate::registry) name: RegistryName,
    pub(in crate::registry) profile: Arc<CurrentProfile>,
    /// The identity that the program was started with.
    pub(in crate::registry) start_identity: IdentityResource,
    /// Whether it is being deleted, or deleted.
    pub(in crate::registry) closed: AtomicBool,
    pub(in crate::registry) store: Arc<Store>,
    pub(in crate::registry) ring: KeyRing,
    pub(in crate::registry) audit: Arc<AuditLog>,
    pub(in crate::registry) clock: Clock,
    pub(in crate::registry) settings: Settings,
    pub(in crate::registry) intents: Intents,
    pub(in crate::registry) sessions: Sessions,
    pub(in crate::registry) recent: Recent,
    pub(in crate::registry) broken: BrokenObjects,
    pub(in crate::registry) gate: Gate,
    pub(in crate::registry) activity: Arc<Activity>,
    /// Held by the running verification: two at once would repair the same object, or report an object that the other
    /// repairs.
    pub(in crate::registry) verifying: tokio::sync::Mutex<()>,
    /// Ends the background work when the last clone is dropped.
    pub(in crate::registry) _background: DropGuard,
}

impl Registry {
    /// The name of the registry.
    pub fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// The name of the registry, typed.
    pub fn registry_name(&self) -> &RegistryName {
        &self.0.name
    }

    /// The registry's properties outside its content.
    pub fn profile(&self) -> Arc<Profile> {
        self.0.profile.get()
    }

    /// Its id as a resource.
    pub fn resource_id(&self) -> String {
        self.profile().group.registry_id(&self.0.name)
    }

    /// Whether it lacks the features that a real registry with a customer-managed key lacks, because it was created so
    /// or because all registries with such a key do.
    pub fn is_strict(&self) -> bool {
        self.0.is_strict()
    }

    /// When the identity for its key stops working, in emulator time, after it was removed from the registry. Only in
    /// strict parity; otherwise it stops at once.
    pub fn identity_works_until(&self) -> Option<OffsetDateTime> {
        let former = self.0.profile.get().former_identity.clone()?;
        (self.is_strict() && self.asks_as(&former)).then(|| former.works_until())
    }

    /// Whether it uses this identity for its key.
    pub(in crate::registry) fn asks_as(&self, former: &FormerIdentity) -> bool {
        former.is(self.0.ring.describe().identity.as_ref(), &self.0.start_identity)
    }

    /// Gives access to the content if the key is admitted now.
    pub async fn content(&self) -> Result<Content, Error> {
        if self.0.closed.load(Ordering::Acquire) {
            return Err(Error::RegistryGone);
        }
        self.0.intents.refuse_in_reset()?;
        self.0.gate.pass().await;
        self.0.ring.admit().await?;
        self.0.activity.note();
        Ok(Content(Arc::clone(&self.0)))
    }

    /// The registry's key ring: its state, rotation, checks.
    pub fn key_ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// Counts and sizes of the stored content. They are metadata and available in every state.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let parts = Arc::clone(&self.0);
        blocking(move || parts.store.stats(&parts.name)).await
    }

    /// The number of open uploads, and the bytes that they use on disk.
    pub async fn held_by_uploads(&self) -> Result<HeldByUploads, Error> {
        let parts = Arc::clone(&self.0);
        blocking(move || parts.store.held_by_uploads(&parts.name)).await
    }

    /// Whether the disk has room for new content.
    pub async fn has_room(&self) -> Result<bool, Error> {
        let parts = Arc::clone(&self.0);
        match blocking(move || parts.store.ensure_space()).await {
            Ok(()) => Ok(true),
            Err(Error::DiskFull) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest uses of the key, at most `count`, oldest first.
    pub async fn key_uses(&self, count: usize) -> Result<Vec<KeyUse>, Error> {
        let parts = Arc::clone(&self.0);
        blocking(move || parts.audit.newest(&parts.store, parts.name.as_str(), count)).await
    }

    /// When collection deletes unused content, unless a request says otherwise.
    pub fn collect_options(&self) -> CollectOptions {
        self.0.settings.collect
    }

    /// Gives no more access to the content: the registry is being deleted.
    pub(in crate::registry) fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.sessions.drop_writers();
    }

    /// Reopens the registry after its deletion failed.
    pub(in crate::registry) fn reopen(&self) {
        self.0.closed.store(false, Ordering::Release);
    }

    pub(in crate::registry) fn set_profile(&self, profile: Profile) {
        self.0.profile.set(profile);
    }

    /// Pretends that the registry is in another group, until the next start.
    #[cfg(test)]
    pub(crate) fn pretend_group(&self, group: crate::registry::ResourceGroup) {
        let profile = Profile::clone(&self.profile());
        self.set_profile(Profile { group, ..profile });
    }

    /// The number of damaged objects found since the start.
    pub fn damaged(&self) -> u64 {
        self.0.broken.count()
    }
}

impl Parts {
    /// Whether it lacks the features that a real registry with a customer-managed key lacks.
    pub(in crate::registry) fn is_strict(&self) -> bool {
        let profile = self.profile.get();
        profile.is_cmk() && (profile.strict || self.settings.strict_parity)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("registry", &self.0.name.as_str()).finish_non_exhaustive()
    }
}
