//! The domain: a registry whose every stored byte is sealed under data keys that a Key Vault key wraps.
//!
//! `oci/`, `acr/` and `admin/` call it with parsed types and render what it returns. It decides; [`crate::store`]
//! keeps, [`crate::keys`] has the word on whether content may be touched, [`crate::envelope`] is the format.
//!
//! Invariant: content is reached through [`Content`] alone, and [`Registry::content`] hands one out only after the key
//! was admitted. There is no other way, so no route can forget to ask.
//!
//! It knows nothing of HTTP.

mod audit;
mod blobs;
mod blocking;
mod broken;
mod cmk;
mod collect;
mod digest;
mod due;
mod error;
mod image;
mod locks;
mod manifest;
mod manifests;
mod media;
mod metadata;
mod names;
mod object;
mod recent;
mod registries;
mod reset;
#[cfg(test)]
mod tests;
mod uploads;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mock_keyvault::clock::Clock;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::blobs::{Blob, BlobStream};
use self::broken::BrokenObjects;
pub use self::cmk::CustomerManagedKey;
pub use self::collect::{CollectOptions, Collected};
pub use self::digest::{Algorithm, Digest, DigestError};
pub use self::error::Error;
pub use self::image::Listed;
pub use self::locks::{AttributeChange, Target};
pub use self::manifest::{MAX_MANIFEST_LEN, ManifestError, ParsedManifest};
pub use self::manifests::{Manifest, Page, PutManifest, REFERRERS_PAGE, ReferrerDescriptor};
pub use self::media::{ManifestKind, OCI_INDEX};
pub use self::metadata::{DeletedRepository, ManifestInfo, Order, RepositoryInfo, TagInfo, Window};
pub use self::names::{NameError, Reference, RepositoryName, Tag};
pub use self::registries::Registries;
pub use self::uploads::{Body, ChunkHeaders, UploadId, UploadStatus};
pub use self::verify::{Finding, FindingKind, Verified};
use crate::keys::{KeyRing, KeyUse, RingConfig};
pub use crate::store::{Attributes, Locked};
use crate::store::{Stats, Store};

/// The file of the service-managed key in the data folder.
const SERVICE_KEY_FILE: &str = "service.key";

/// One registry. Clones share it.
#[derive(Clone)]
pub struct Registry(Arc<Parts>);

/// A registry whose key was admitted: what content is reached through, for the length of one request.
#[derive(Clone)]
pub struct Content(Arc<Parts>);

/// What can be set of a registry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an unwrapped data key may be used without asking the vault.
    pub key_lease: Duration,
    /// How often a key without a version is looked at for a newer one, in emulator time.
    pub rotation_check: Duration,
    /// The most uploads that are open at a time, those from before the start among them.
    pub max_uploads: usize,
    /// How long a body may stand still before the request is given up; the upload stays.
    pub body_idle: Duration,
    /// The longest page of a list, and its length where the client names none.
    pub page_len: usize,
    /// Whether an index may list manifests that the repository does not have.
    pub sparse_indexes: bool,
    /// Whether the disk is asked early for what an upload writes.
    pub write_back: bool,
    /// When collection takes what nobody uses.
    pub collect: CollectOptions,
}

/// What a registry is made of.
pub(in crate::registry) struct Parts {
    pub(super) name: String,
    pub(super) store: Arc<Store>,
    pub(super) ring: KeyRing,
    pub(super) audit: Arc<audit::AuditLog>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) sessions: uploads::Sessions,
    pub(super) recent: recent::Recent,
    pub(super) broken: BrokenObjects,
    pub(super) gate: reset::Gate,
    /// Ends the background work when the last clone is gone.
    _background: DropGuard,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            key_lease: Duration::from_secs(5),
            rotation_check: Duration::from_mins(15),
            max_uploads: 1000,
            body_idle: Duration::from_mins(1),
            page_len: 1000,
            sparse_indexes: false,
            write_back: true,
            collect: CollectOptions::default(),
        }
    }
}

impl Registry {
    /// Opens a registry in a store. With a customer-managed key, its ring is made at the first opening.
    ///
    /// An existing registry opens although its vault does not answer; it is then dark until it does.
    pub async fn open(
        name: String,
        store: Arc<Store>,
        key: Option<CustomerManagedKey>,
        clock: Clock,
        settings: Settings,
    ) -> Result<Self, Error> {
        let service_key = blocking::blocking({
            let store = Arc::clone(&store);
            move || cmk::service_key(&store)
        })
        .await?;
        let (configured, identity, access) = match key {
            Some(CustomerManagedKey { key, identity, access }) => {
                (Some(key), identity, Some(access))
            }
            None => (None, None, None),
        };
        let config = RingConfig {
            registry: name.clone(),
            configured,
            identity,
            lease: settings.key_lease,
            rotation_check: settings.rotation_check,
            ..RingConfig::default()
        };
        let rows = Arc::new(cmk::StoredRings::new(Arc::clone(&store), name.clone()));
        let audit = Arc::new(audit::AuditLog::open(&store)?);
        let sink = Arc::clone(&audit);
        let ring = KeyRing::open(config, access, service_key, rows, sink, clock.clone()).await?;
        let ended = CancellationToken::new();
        let registry = Self(Arc::new(Parts {
            name,
            store,
            ring,
            audit,
            clock,
            settings,
            sessions: uploads::Sessions::default(),
            recent: recent::Recent::default(),
            broken: BrokenObjects::default(),
            gate: reset::Gate::default(),
            _background: ended.clone().drop_guard(),
        }));
        tokio::spawn(cmk::drop_plaintext_on_refusal(Arc::downgrade(&registry.0), ended.clone()));
        tokio::spawn(collect::sweep_after_start(Arc::clone(&registry.0.store)));
        tokio::spawn(collect::collect_in_background(Arc::downgrade(&registry.0), ended));
        Ok(registry)
    }

    /// The name of the registry.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The way to the content, if the key admits it at this moment.
    pub async fn content(&self) -> Result<Content, Error> {
        self.0.gate.pass().await;
        self.0.ring.admit().await?;
        Ok(Content(Arc::clone(&self.0)))
    }

    /// The registry's hold on its key: its state, rotation, checks.
    pub fn key_ring(&self) -> &KeyRing {
        &self.0.ring
    }

    /// What is stored, in numbers. These are metadata and are told in every state.
    pub async fn stats(&self) -> Result<Stats, Error> {
        let parts = Arc::clone(&self.0);
        blocking::blocking(move || parts.store.stats(&parts.name)).await
    }

    /// The newest uses of the key, at most `count`, the oldest of them first.
    pub async fn key_uses(&self, count: usize) -> Result<Vec<KeyUse>, Error> {
        let parts = Arc::clone(&self.0);
        blocking::blocking(move || parts.audit.newest(&parts.store, count)).await
    }

    /// When collection takes what nobody uses, unless it is told otherwise.
    pub fn collect_options(&self) -> CollectOptions {
        self.0.settings.collect
    }

    /// How many times a stored object did not authenticate since the start.
    pub fn damaged(&self) -> u64 {
        self.0.broken.count()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("name", &self.0.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Content").field("registry", &self.0.name).finish_non_exhaustive()
    }
}
