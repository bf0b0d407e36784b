//! The set of open registries: who is there, in which order, how one comes and goes, and who hears of it.
//!
//! `serve.rs` opens it, every area above looks registries up in it. `local` is always there and always first; the
//! others follow in the order of their names.
//!
//! Invariants:
//! - Each registry has its own ring, identities, key and state. What befalls one never touches another.
//! - A registry is stored as a whole or not at all: its row comes with its ring, in one transaction.
//! - What comes, changes and goes does so one at a time, and to its end, whether or not the caller still waits.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use mock_keyvault::clock::Clock;
use time::OffsetDateTime;
use tokio::sync::watch;

use super::access::AccessSettings;
use super::blocking::blocking;
use super::creation::NewRegistry;
use super::identity::{AssignedIdentity, Identity, IdentityOf, Platform, Principal};
use super::manage_error::{ManageError, Warning};
use super::names::RegistryName;
use super::profile::Profile;
use super::resource::{IdentityResource, Location, Tags};
use super::{Error, Opening, Registry, Settings, audit, collect};
use crate::keys::IdentityId;
use crate::store::{IdentityRow, Store, StoreError};

/// The open registries. Clones share the set.
#[derive(Clone)]
pub struct Registries(Arc<Set>);

struct Set {
    common: Common,
    open: RwLock<Vec<Registry>>,
    /// One change of the set at a time.
    changing: tokio::sync::Mutex<()>,
    /// One identity is made or taken away at a time.
    identities: tokio::sync::Mutex<()>,
    /// Grows whenever a registry comes, goes or is changed.
    changes: watch::Sender<u64>,
}

/// What all registries of a data folder share.
#[derive(Clone)]
pub(super) struct Common {
    pub(super) store: Arc<Store>,
    pub(super) audit: Arc<audit::AuditLog>,
    pub(super) clock: Clock,
    pub(super) settings: Settings,
    pub(super) platform: Arc<dyn Platform>,
}

impl Registries {
    /// Opens all registries of a data folder. `local` is made if it is not there, as `local` says.
    ///
    /// A registry whose vault does not answer opens dark. One that cannot be opened is logged and left out, unless it is
    /// `local`; its name stays taken.
    pub async fn open(
        store: Arc<Store>,
        platform: Arc<dyn Platform>,
        clock: Clock,
        settings: Settings,
        local: NewRegistry,
    ) -> Result<Self, ManageError> {
        let audit = Arc::new(audit::AuditLog::open(&store)?);
        let common = Common { store, audit, clock, settings, platform };
        let registries = Self(Arc::new(Set {
            common,
            open: RwLock::default(),
            changing: tokio::sync::Mutex::default(),
            identities: tokio::sync::Mutex::default(),
            changes: watch::Sender::new(0),
        }));
        registries.note_start_identity().await?;
        let store = Arc::clone(&registries.0.common.store);
        let records = blocking(move || store.registries()).await?;
        let mut has_local = false;
        for record in records {
            let (name, profile) = match Profile::of_record(record) {
                Ok(read) => read,
                Err(error) => {
                    tracing::error!(%error, "a registry cannot be read, and is left out");
                    continue;
                }
            };
            has_local |= name.is_local();
            match Registry::open(Opening::stored(&registries.0.common, name.clone(), profile)).await
            {
                Ok(registry) => registries.insert(registry),
                Err(error) if name.is_local() => return Err(error.into()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(registry.name = %name, error, "a registry cannot be opened, and is left out");
                }
            }
        }
        if !has_local {
            registries.make_local(local).await?;
        }
        registries.ensure_groups().await?;
        tokio::spawn(collect::sweep_after_start(Arc::clone(&registries.0.common.store)));
        Ok(registries)
    }

    /// All registries, `local` first.
    pub fn all(&self) -> Vec<Registry> {
        self.0.open.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The registry of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<Registry> {
        let open = self.0.open.read().unwrap_or_else(PoisonError::into_inner);
        open.iter().find(|registry| registry.name().eq_ignore_ascii_case(name)).cloned()
    }

    /// Tells of every registry that comes, goes or is changed. The state of a key is told by
    /// [`KeyRing::watch`](crate::keys::KeyRing::watch).
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Makes a registry, or nothing. It goes on if the caller is dropped.
    pub async fn create(&self, new: NewRegistry) -> Result<(Registry, Vec<Warning>), ManageError> {
        let this = self.clone();
        to_the_end(async move { this.create_now(new).await }).await
    }

    async fn create_now(&self, new: NewRegistry) -> Result<(Registry, Vec<Warning>), ManageError> {
        let _alone = self.0.changing.lock().await;
        new.check()?;
        self.check_name(&new.name).await?;
        let mut profile = self.profile_of(&new).await?;
        let warnings = match &new.encryption {
            Some(encryption) => {
                let strict = new.strict || self.common().settings.strict_parity;
                self.check_vault(encryption.key.vault(), strict).await?
            }
            None => Vec::new(),
        };
        let (asker, identity) = self.asker_of(&new, &profile)?;
        if new.system_identity {
            profile.system_identity = Some(self.make_system_identity(&new.group, &new.name).await?);
        }
        let system_identity = profile.system_identity.clone();
        let opening = Opening {
            asker,
            is_new: true,
            ..Opening::stored(self.common(), new.name.clone(), profile)
        };
        match Registry::open(opening).await {
            Ok(registry) => {
                if let Err(error) = set_access(&registry, new.access).await {
                    // Nobody has seen it yet.
                    registry.close();
                    let (store, row) = (Arc::clone(&self.common().store), new.name.clone());
                    blocking(move || store.delete_registry(row.as_str())).await?;
                    self.remove_system_identity(&new.name, system_identity.as_ref()).await;
                    return Err(error.into());
                }
                self.insert(registry.clone());
                self.tell();
                self.ensure_group(&new.group, &new.location).await?;
                tracing::info!(registry.name = %new.name, "made a registry");
                Ok((registry, warnings))
            }
            Err(error) => {
                self.remove_system_identity(&new.name, system_identity.as_ref()).await;
                Err(self.why_not(error, &new.name, &identity))
            }
        }
    }

    /// Takes a registry away with everything in it. When this returns, its files are gone and its name is free.
    pub async fn delete(&self, name: &RegistryName) -> Result<(), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        to_the_end(async move { this.delete_now(&name).await }).await
    }

    async fn delete_now(&self, name: &RegistryName) -> Result<(), ManageError> {
        if name.is_local() {
            return Err(ManageError::LocalStays);
        }
        let _alone = self.0.changing.lock().await;
        let registry = self.open_one(name)?;
        registry.close();
        // Before the registry goes: what is cut short here leaves nobody a role at the next one of this name.
        if let Err(error) = self.platform().forget_roles(&registry.resource_id()).await {
            registry.reopen();
            return Err(error.into());
        }
        let (store, row) = (Arc::clone(&self.common().store), name.clone());
        if let Err(error) = blocking(move || store.delete_registry(row.as_str())).await {
            registry.reopen();
            return Err(error.into());
        }
        self.write(|open| open.retain(|other| other.name() != name.as_str()));
        self.tell();
        self.remove_system_identity(name, registry.profile().system_identity.as_ref()).await;
        tracing::info!(registry.name = %name, "deleted a registry");
        Ok(())
    }

    /// The identity that the program was started with.
    pub fn start_identity(&self) -> &AssignedIdentity {
        self.platform().start_identity()
    }

    /// All user-assigned identities.
    pub async fn identities(&self) -> Result<Vec<Identity>, ManageError> {
        let store = Arc::clone(&self.common().store);
        let rows = blocking(move || store.identities()).await?;
        let all: Result<_, StoreError> = rows.into_iter().map(Identity::try_from).collect();
        Ok(all?)
    }

    /// The identity that is this resource.
    pub async fn identity(&self, resource: &IdentityResource) -> Result<Identity, ManageError> {
        let (store, asked) = (Arc::clone(&self.common().store), resource.clone());
        let row = blocking(move || store.identity(asked.group().as_str(), asked.name())).await?;
        let row = row.ok_or_else(|| ManageError::NoIdentity(resource.to_string()))?;
        Ok(row.try_into()?)
    }

    /// The identity of this client id.
    pub(super) async fn identity_of_client(
        &self,
        client_id: &str,
    ) -> Result<Identity, ManageError> {
        let mut all = self.identities().await?.into_iter();
        all.find(|identity| identity.principal.client_id.eq_ignore_ascii_case(client_id))
            .ok_or_else(|| ManageError::NoIdentity(client_id.to_owned()))
    }

    /// Makes a user-assigned identity. It is allowed nothing yet.
    pub async fn create_identity(
        &self,
        resource: IdentityResource,
        location: Location,
        tags: Tags,
    ) -> Result<Identity, ManageError> {
        let this = self.clone();
        to_the_end(async move {
            let _alone = this.0.identities.lock().await;
            if this.identity(&resource).await.is_ok() {
                return Err(ManageError::IdentityTaken(resource));
            }
            this.ensure_group(resource.group(), &location).await?;
            let of = IdentityOf::Resource(resource.clone());
            let principal = this.platform().make_identity(of).await?;
            let identity = Identity {
                resource,
                location,
                created: this.now(),
                tenant: this.platform().tenant().to_owned(),
                principal,
                tags,
            };
            if this.keep_identity(&identity).await? {
                Ok(identity)
            } else {
                Err(ManageError::IdentityTaken(identity.resource))
            }
        })
        .await
    }

    /// Gives a user-assigned identity other tags in the place of those that it has.
    pub async fn tag_identity(
        &self,
        resource: &IdentityResource,
        tags: Tags,
    ) -> Result<Identity, ManageError> {
        let identity = Identity { tags, ..self.identity(resource).await? };
        let (store, row) = (Arc::clone(&self.common().store), IdentityRow::from(identity.clone()));
        if blocking(move || store.replace_identity_tags(&row)).await? {
            Ok(identity)
        } else {
            Err(ManageError::NoIdentity(resource.to_string()))
        }
    }

    /// Takes a user-assigned identity away. With `force`, although registries have it: they go dark if it is the one that
    /// asks for their key, and another of the same name is not the same. It goes on if the caller is dropped.
    pub async fn delete_identity(
        &self,
        resource: &IdentityResource,
        force: bool,
    ) -> Result<(), ManageError> {
        let (this, resource) = (self.clone(), resource.clone());
        to_the_end(async move { this.delete_identity_now(&resource, force).await }).await
    }

    async fn delete_identity_now(
        &self,
        resource: &IdentityResource,
        force: bool,
    ) -> Result<(), ManageError> {
        // Nobody gives it to a registry meanwhile.
        let _alone = self.0.changing.lock().await;
        let identity = self.identity(resource).await?;
        if *resource == self.platform().start_identity().resource {
            return Err(ManageError::StartIdentityStays(identity.resource));
        }
        let users: Vec<Registry> = self
            .all()
            .into_iter()
            .filter(|registry| registry.profile().assigned(resource).is_some())
            .collect();
        if !force && !users.is_empty() {
            let registries =
                users.iter().map(|registry| registry.registry_name().clone()).collect();
            return Err(ManageError::IdentityInUse { identity: identity.resource, registries });
        }
        let _making = self.0.identities.lock().await;
        self.platform().forget_roles(&resource.to_string()).await?;
        self.platform().remove_identity(&identity.principal.client_id).await?;
        self.forget_identity(resource).await?;
        for registry in users {
            registry.key_ring().check().await;
        }
        Ok(())
    }

    pub(super) fn platform(&self) -> &Arc<dyn Platform> {
        &self.0.common.platform
    }

    pub(super) fn common(&self) -> &Common {
        &self.0.common
    }

    pub(super) async fn lock(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }

    pub(super) fn open_one(&self, name: &RegistryName) -> Result<Registry, ManageError> {
        self.get(name.as_str()).ok_or_else(|| ManageError::NoRegistry(name.clone()))
    }

    pub(super) fn tell(&self) {
        self.0.changes.send_modify(|count| *count += 1);
    }

    /// Whether a name is free.
    pub(super) async fn check_name(&self, name: &RegistryName) -> Result<(), ManageError> {
        let (store, row) = (Arc::clone(&self.common().store), name.clone());
        let is_taken = blocking(move || store.registry(row.as_str())).await?.is_some();
        if is_taken { Err(ManageError::NameTaken(name.clone())) } else { Ok(()) }
    }

    /// The identity as a ring knows it. The one of the start has another client id at another start, and no name there.
    pub(super) fn identity_id(&self, identity: &AssignedIdentity) -> Option<IdentityId> {
        let start = self.platform().start_identity();
        (identity.resource != start.resource)
            .then(|| identity.principal.client_id.parse().ok())
            .flatten()
    }

    /// Who asks for the key of a new registry: as its ring knows them, and as people do.
    fn asker_of(
        &self,
        new: &NewRegistry,
        profile: &Profile,
    ) -> Result<(Option<IdentityId>, String), ManageError> {
        let asker = new.asker(profile)?;
        let client_id = asker.map(|asker| asker.principal.client_id.clone());
        Ok((asker.and_then(|asker| self.identity_id(asker)), client_id.unwrap_or_default()))
    }

    /// Takes away the identity that a registry has by itself, if it has one. The registry does without it, whether or not
    /// the vault lets go of it.
    pub(super) async fn remove_system_identity(
        &self,
        name: &RegistryName,
        identity: Option<&Principal>,
    ) {
        if let Some(Principal { client_id, .. }) = identity
            && let Err(error) = self.platform().remove_identity(client_id).await
        {
            tracing::warn!(registry.name = %name, %error, "a system-assigned identity stays in the vault");
        }
    }

    /// What the opening of a registry failed of, in the words of those who wanted to make it.
    pub(super) fn why_not(&self, error: Error, name: &RegistryName, identity: &str) -> ManageError {
        match error {
            Error::Ring(error) => {
                let platform = self.platform();
                ManageError::of_ring(error, name, identity, |key| platform.key_identifier(key))
            }
            other => other.into(),
        }
    }

    async fn profile_of(&self, new: &NewRegistry) -> Result<Profile, ManageError> {
        let mut identities: Vec<AssignedIdentity> = Vec::with_capacity(new.identities.len());
        for resource in &new.identities {
            identities.push(self.identity(resource).await?.into());
        }
        Ok(Profile {
            created: self.now(),
            sku: new.sku,
            location: new.location.clone(),
            group: new.group.clone(),
            tags: new.tags.clone(),
            made_with: new.encryption.as_ref().map(|encryption| encryption.key.clone()),
            identities,
            system_identity: None,
            content_trust: new.content_trust,
            anonymous: new.anonymous,
            strict: new.strict,
            port: None,
        })
    }

    /// The emulator makes `local` itself, for everybody's start: nothing of a vault is held against it.
    async fn make_local(&self, local: NewRegistry) -> Result<(), ManageError> {
        let profile = self.profile_of(&local).await?;
        let store = Arc::clone(&self.common().store);
        // A folder from before registries were rows has the ring already.
        let has_ring = {
            let store = Arc::clone(&store);
            blocking(move || store.ring(RegistryName::local().as_str())).await?.is_some()
        };
        if has_ring {
            let record = profile.record(&local.name);
            blocking(move || store.create_registry(&record, None)).await?;
        }
        let (asker, identity) = self.asker_of(&local, &profile)?;
        let opening = Opening {
            asker,
            is_new: !has_ring,
            ..Opening::stored(self.common(), local.name.clone(), profile)
        };
        let opened = Registry::open(opening).await;
        self.insert(opened.map_err(|error| self.why_not(error, &local.name, &identity))?);
        Ok(())
    }

    /// The identity that the program was started with is a resource like the others.
    async fn note_start_identity(&self) -> Result<(), ManageError> {
        let AssignedIdentity { resource, principal } = self.platform().start_identity().clone();
        let known = self.identity(&resource).await.ok();
        if known.as_ref().is_some_and(|known| known.principal == principal) {
            return Ok(());
        }
        if let Some(known) = known {
            self.forget_identity(&known.resource).await?;
        }
        let identity = Identity {
            resource,
            location: Location::default(),
            created: self.now(),
            tenant: self.platform().tenant().to_owned(),
            principal,
            tags: Tags::default(),
        };
        self.keep_identity(&identity).await.map(drop)
    }

    async fn keep_identity(&self, identity: &Identity) -> Result<bool, ManageError> {
        let (store, row) = (Arc::clone(&self.common().store), IdentityRow::from(identity.clone()));
        Ok(blocking(move || store.create_identity(&row)).await?)
    }

    async fn forget_identity(&self, resource: &IdentityResource) -> Result<(), ManageError> {
        let (store, gone) = (Arc::clone(&self.common().store), resource.clone());
        blocking(move || store.delete_identity(gone.group().as_str(), gone.name())).await?;
        Ok(())
    }

    /// Rows have whole seconds.
    fn now(&self) -> OffsetDateTime {
        let now = self.common().clock.now();
        now.replace_nanosecond(0).unwrap_or(now)
    }

    fn insert(&self, registry: Registry) {
        self.write(|open| {
            open.push(registry);
            open.sort_by_key(|registry| {
                let name = registry.registry_name();
                (!name.is_local(), name.clone())
            });
        });
    }

    fn write(&self, change: impl FnOnce(&mut Vec<Registry>)) {
        change(&mut self.0.open.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// How a new registry is logged in to. What it is without a word is not written.
async fn set_access(registry: &Registry, access: AccessSettings) -> Result<(), Error> {
    let on = |is_on: bool| is_on.then_some(true);
    registry.set_access(on(access.admin_enabled), on(access.anonymous_pull)).await
}

/// Does what was begun, although nobody may wait for it any more.
pub(super) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, ManageError>> + Send + 'static,
) -> Result<T, ManageError> {
    tokio::spawn(work).await.map_err(Error::from)?
}

impl fmt::Debug for Registries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}
