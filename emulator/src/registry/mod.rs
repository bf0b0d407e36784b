//! The domain: a registry that seals every stored byte under data keys wrapped by a Key Vault key.
//!
//! `oci/`, `acr/` and `admin/` call it with parsed types and render its results. This module decides; [`crate::store`]
//! stores, [`crate::keys`] decides whether content may be used, and [`sealed_envelope`] is the file format.
//!
//! Invariant: content is reached only through [`Content`], and [`Registry::content`] returns one only after the key was
//! admitted. So no route can forget the check.
//!
//! This module does not know HTTP.

mod access;
mod activity;
mod audit;
mod blob_stream;
mod blobs;
mod blocking;
mod broken;
mod change;
mod cmk;
mod collect;
mod creation;
mod creation_steps;
mod damage;
mod deletion;
mod deployments;
mod digest;
mod due;
mod error;
mod events;
mod groups;
mod identities;
mod identity;
mod image;
mod intents;
mod locks;
mod manage_error;
mod manifest;
mod manifests;
mod media;
mod metadata;
mod metrics;
mod names;
mod object;
mod profile;
mod read_ahead;
mod recent;
mod recover;
mod registries;
mod reset;
mod resource;
mod resume;
mod system_identity;
mod task_runs;
#[cfg(test)]
mod tests;
mod update;
mod update_steps;
mod upload_limit;
mod uploads;
mod verify;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use time::OffsetDateTime;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::access::{
    Access, AccessChangeError, AccessError, AccessName, AccessSettings, Action, Actions,
    AdminCredentials, Audience, Caller, Credentials, Directory, Doorkeeper, LoginToken, Need,
    NewPassword, NoDirectory, Password, PasswordName, Proof, Scope, ScopeMap, ScopeMapAction,
    ScopeMapActionError, TokenKey, TokenPassword, TokenProblem, UnknownAction, UnknownScope,
    Vouched,
};
pub use self::blob_stream::BlobStream;
pub use self::blobs::Blob;
use self::broken::BrokenObjects;
pub use self::change::{Change, KeyChange};
pub use self::collect::{CollectOptions, Collected, Collection, KeptBack};
pub use self::creation::{Encryption, NewRegistry};
pub use self::damage::{Damage, DamagedObject, ObjectName};
pub use self::deployments::{Deployment, DeploymentName, DeploymentState};
pub use self::digest::{Algorithm, Digest, DigestError};
pub use self::error::Error;
pub use self::events::{Event, EventStream, Events};
pub use self::groups::Group;
pub use self::identity::{
    AssignedIdentity, Identity, IdentityOf, Platform, PlatformError, Principal,
};
use self::identity::{CurrentProfile, RegistryVaults};
pub use self::image::Listed;
pub use self::intents::{Intent, Intents, Kind, Outcome, Unfinished};
pub use self::locks::{AttributeChange, Target};
pub use self::manage_error::{ManageError, Warning};
pub use self::manifest::{MAX_MANIFEST_LEN, ManifestError, ParsedManifest};
pub use self::manifests::{
    Manifest, ManifestNames, Page, PutManifest, REFERRERS_PAGE, ReferrerDescriptor,
};
pub use self::media::{ManifestKind, OCI_INDEX};
pub use self::metadata::{DeletedRepository, ManifestInfo, Order, RepositoryInfo, TagInfo, Window};
pub use self::metrics::Metrics;
pub use self::names::{NameError, Reference, RegistryName, RepositoryName, Tag};
pub use self::profile::{Author, FORMER_IDENTITY_WORKS, FormerIdentity, Profile};
pub use self::recover::{
    DamagedContent, Incomplete, LostFile, RECOVERED, Recovered, RecoveredContent, RecoveryProgress,
    Search, recover,
};
use self::registries::Common;
pub use self::registries::Registries;
pub use self::resource::{
    IdentityRef, IdentityResource, Location, ResourceError, ResourceGroup, Sku, Tags,
};
pub use self::task_runs::{InvalidTaskRunId, MAX_LOG_LEN, TaskRun, TaskRunId, TaskRunStatus};
pub use self::update::Update;
pub use self::uploads::{Body, ChunkHeaders, UploadId, UploadStatus};
pub use self::verify::background::BackgroundOptions;
pub use self::verify::{Finding, FindingKind, Verified, findings_of_rows};
use crate::keys::{IdentityId, KeyRing, KeyUse, RingConfig, VaultAccess};
pub use crate::store::HeldByUploads;
pub use crate::store::{Attributes, Locked};
use crate::store::{End, NewRegistryRows, Stats, Store};

/// The file of the service-managed key in the data folder.
const SERVICE_KEY_FILE: &str = "service.key";

/// One registry. Clones share it.
#[derive(Clone)]
pub struct Registry(Arc<Parts>);

/// A registry whose key was admitted; gives access to its content for one request.
#[derive(Clone)]
pub struct Content(Arc<Parts>);

/// The settings of a registry.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long an unwrapped data key may be used without asking the vault.
    pub key_lease: Duration,
    /// How often a key without a version is checked for a newer version, in emulator time.
    pub rotation_check: Duration,
    /// The maximum number of open uploads, including those from before the start.
    pub max_uploads: usize,
    /// How long a body may be idle before the request is aborted; the upload stays.
    pub body_idle: Duration,
    /// The maximum page length of a list, and its length if the client names none.
    pub page_len: usize,
    /// Whether an index may list manifests that the repository does not have.
    pub sparse_indexes: bool,
    /// Whether registries with a customer-managed key lack the features that real ones lack, however they were created.
    pub strict_parity: bool,
    /// Whether writes of an upload are sent to the disk early.
    pub write_back: bool,
    /// When collection deletes unused content.
    pub collect: CollectOptions,
    /// The limits of background verification.
    pub background: BackgroundOptions,
    /// Where key events are sent. All registries of an emulator share it.
    pub events: Events,
}

/// The inputs for opening a registry.
struct Opening<'a> {
    pub(super) common: &'a Common,
    pub(super) name: RegistryName,
    pub(super) profile: Profile,
    /// The identity for the key of a new registry. `None`: the identity that the program was started with.
    pub(super) asker: Option<IdentityId>,
    /// Whether to store it first.
    pub(super) is_new: bool,
    /// Its login settings, if it is new.
    pub(super) access: AccessSettings,
    /// The operation that ends when a new registry is stored.
    pub(super) end: End,
}

/// The parts of a registry.
pub(in crate::registry) struct Parts {
    pub(super) name: String,
    registry_name: RegistryName,
    profile: Arc<CurrentProfile>,
    /// The identity that the program was started with.
    start_identity: IdentityResource,
    /// Whether it is being deleted, or deleted.
    closed: AtomicBool,
    pub(super) store: Arc<Store>,
    pub(super) ring: KeyRing,
    pub(super) audit: Arc<audit::AuditLog>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    intents: Intents,
    pub(super) sessions: uploads::Sessions,
    pub(super) recent: recent::Recent,
    pub(super) broken: BrokenObjects,
    pub(super) gate: reset::Gate,
    pub(super) activity: Arc<activity::Activity>,
    /// Held by the running verification: two at once would repair the same object, or report an object that the other
    /// repairs.
    pub(super) verifying: tokio::sync::Mutex<()>,
    /// Ends the background work when the last clone is dropped.
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
            strict_parity: false,
            write_back: true,
            collect: CollectOptions::default(),
            background: BackgroundOptions::default(),
            events: Events::default(),
        }
    }
}

impl<'a> Opening<'a> {
    /// A registry that is stored already.
    fn stored(common: &'a Common, name: RegistryName, profile: Profile) -> Self {
        Self {
            common,
            name,
            profile,
            asker: None,
            is_new: false,
            access: AccessSettings::default(),
            end: End::Nothing,
        }
    }
}

impl Registry {
    /// Opens a registry of a data folder. A new one is stored with its ring, or not at all.
    ///
    /// An existing registry also opens if its vault does not answer; then it is dark until the vault does.
    async fn open(opening: Opening<'_>) -> Result<Self, Error> {
        let Opening { common, name, profile, asker, is_new, access, end } = opening;
        let Common { store, audit, clock, settings, platform, intents } = common.clone();
        let service_key = blocking::blocking({
            let store = Arc::clone(&store);
            move || cmk::service_key(&store)
        })
        .await?;
        let config = RingConfig {
            registry: name.as_str().to_owned(),
            configured: profile.made_with.clone(),
            identity: asker,
            lease: settings.key_lease,
            rotation_check: settings.rotation_check,
            ..RingConfig::default()
        };
        let new = is_new.then(|| NewRegistryRows {
            record: profile.record(&name),
            access: access.row(),
            end,
        });
        let rows = cmk::StoredRings::new(Arc::clone(&store), &name, new);
        let profile = CurrentProfile::new(profile);
        let start_identity = platform.start_identity().resource.clone();
        let access = config.configured.is_some().then(|| {
            let profile = Arc::clone(&profile);
            let vaults = RegistryVaults {
                registry: name.clone(),
                profile,
                platform,
                all_strict: settings.strict_parity,
                clock: clock.clone(),
            };
            Arc::new(vaults) as Arc<dyn VaultAccess>
        });
        let sink = Arc::new(events::RegistrySink {
            registry: name.as_str().to_owned(),
            audit: Arc::clone(&audit),
            events: settings.events.clone(),
        });
        let ring =
            KeyRing::open(config, access, service_key, Arc::new(rows), sink, clock.clone()).await?;
        let activity = Arc::new(activity::Activity::new(clock.clone(), settings.key_lease));
        let ended = CancellationToken::new();
        let registry = Self(Arc::new(Parts {
            name: name.as_str().to_owned(),
            registry_name: name,
            profile,
            start_identity,
            closed: AtomicBool::new(false),
            store,
            ring,
            audit,
            clock,
            settings,
            intents,
            sessions: uploads::Sessions::default(),
            recent: recent::Recent::default(),
            broken: BrokenObjects::default(),
            gate: reset::Gate::default(),
            activity,
            verifying: tokio::sync::Mutex::default(),
            _background: ended.clone().drop_guard(),
        }));
        tokio::spawn(cmk::drop_plaintext_on_refusal(Arc::downgrade(&registry.0), ended.clone()));
        let background = verify::background::verify_in_background;
        tokio::spawn(background(Arc::downgrade(&registry.0), ended.clone()));
        tokio::spawn(collect::collect_in_background(Arc::downgrade(&registry.0), ended));
        Ok(registry)
    }

    /// The name of the registry.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The name of the registry, typed.
    pub fn registry_name(&self) -> &RegistryName {
        &self.0.registry_name
    }

    /// The registry's properties outside its content.
    pub fn profile(&self) -> Arc<Profile> {
        self.0.profile.get()
    }

    /// Its id as a resource.
    pub fn resource_id(&self) -> String {
        self.profile().group.registry_id(&self.0.registry_name)
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
    fn asks_as(&self, former: &FormerIdentity) -> bool {
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
        blocking::blocking(move || parts.store.stats(&parts.name)).await
    }

    /// The number of open uploads, and the bytes that they use on disk.
    pub async fn held_by_uploads(&self) -> Result<HeldByUploads, Error> {
        let parts = Arc::clone(&self.0);
        blocking::blocking(move || parts.store.held_by_uploads(&parts.name)).await
    }

    /// Whether the disk has room for new content.
    pub async fn has_room(&self) -> Result<bool, Error> {
        let parts = Arc::clone(&self.0);
        match blocking::blocking(move || parts.store.ensure_space()).await {
            Ok(()) => Ok(true),
            Err(Error::DiskFull) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The newest uses of the key, at most `count`, oldest first.
    pub async fn key_uses(&self, count: usize) -> Result<Vec<KeyUse>, Error> {
        let parts = Arc::clone(&self.0);
        blocking::blocking(move || parts.audit.newest(&parts.store, &parts.name, count)).await
    }

    /// When collection deletes unused content, unless a request says otherwise.
    pub fn collect_options(&self) -> CollectOptions {
        self.0.settings.collect
    }

    /// Gives no more access to the content: the registry is being deleted.
    fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        self.0.sessions.drop_writers();
    }

    /// Reopens the registry after its deletion failed.
    fn reopen(&self) {
        self.0.closed.store(false, Ordering::Release);
    }

    fn set_profile(&self, profile: Profile) {
        self.0.profile.set(profile);
    }

    /// Pretends that the registry is in another group, until the next start.
    #[cfg(test)]
    pub(crate) fn pretend_group(&self, group: ResourceGroup) {
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
    fn is_strict(&self) -> bool {
        let profile = self.profile.get();
        profile.is_cmk() && (profile.strict || self.settings.strict_parity)
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
