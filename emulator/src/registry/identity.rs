//! The identities of registries: who a registry is to a vault, and the platform that makes identities.
//!
//! An identity is a resource of its own ([`Identity`]) that any number of registries may have, or the one that a registry
//! has by itself. A registry reaches a vault only as one of those that it has at that moment: [`RegistryVaults`] looks at
//! each question, so that one that was taken away is missed at the next.
//!
//! [`Platform`] is what the domain needs of the world around it; the program fills it. With a vault that is not ours,
//! there is one identity, the one that the program was started with.

use std::sync::{Arc, PoisonError, RwLock};

use azure_emulator_core::clock::Clock;
use futures::future::BoxFuture;
use time::OffsetDateTime;

use super::names::RegistryName;
use super::profile::{FormerIdentity, Profile};
use super::resource::{IdentityResource, Location, Tags};
use crate::keys::{Cause, IdentityId, KeyId, KeyVault, VaultAccess, VaultError, VaultName};
use crate::store::{AssignedRow, IdentityRow, PrincipalRow, StoreError};

/// An identity, as tokens and permissions know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Whom tokens name.
    pub client_id: String,
    /// What permissions go by. With a vault that is not ours it is not known, and empty.
    pub principal_id: String,
}

/// A user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The resource.
    pub resource: IdentityResource,
    /// The place.
    pub location: Location,
    /// When it was made.
    pub created: OffsetDateTime,
    /// The tenant.
    pub tenant: String,
    /// Who it is.
    pub principal: Principal,
    /// What people call it.
    pub tags: Tags,
}

/// A user-assigned identity that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedIdentity {
    /// The resource.
    pub resource: IdentityResource,
    /// Who it is.
    pub principal: Principal,
}

/// An identity that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityOf {
    /// A resource of its own.
    Resource(IdentityResource),
    /// The one of a registry, by its resource id.
    Registry(String),
}

/// Why the platform does not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// The vault is not ours, so we make no identities and give no permissions there.
    #[error(
        "the emulator has no owner's credentials for this vault, so it can make no identities and give no permissions there: use the identity {client_id} that it was started with"
    )]
    NotOurs {
        /// The one identity there is.
        client_id: String,
    },
    /// The disk of the vault has no room for it. Nothing was changed.
    #[error("the disk of the vault is full: {0}")]
    DiskFull(String),
    /// The data folder of the vault can only be read. Nothing was changed.
    #[error("{0}")]
    ReadOnly(String),
    /// It was asked and did not do it.
    #[error("{0}")]
    Failed(String),
}

/// What a registry needs around it: identities, and the ways to vaults that they open.
pub trait Platform: Send + Sync + 'static {
    /// The identity that the program was started with.
    fn start_identity(&self) -> &AssignedIdentity;

    /// The tenant of all identities.
    fn tenant(&self) -> &str;

    /// The vaults, as an identity reaches them. It is of no matter here whose identity it is.
    fn vaults_as(&self, client_id: &str) -> Result<Arc<dyn KeyVault>, PlatformError>;

    /// The identifier of a key, at the address of its vault.
    fn key_identifier(&self, key: &KeyId) -> String;

    /// Makes an identity, or finds the one that was made for the same.
    fn make_identity(&self, of: IdentityOf) -> BoxFuture<'_, Result<Principal, PlatformError>>;

    /// Takes an identity away. None of this id is as good.
    fn remove_identity<'a>(
        &'a self,
        client_id: &'a str,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Takes away every role that was given at a resource or below it: another one of its name is another one.
    fn forget_roles<'a>(&'a self, resource_id: &'a str)
    -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Whether what is deleted in a vault stays until its time. None: nobody knows.
    fn has_purge_protection<'a>(
        &'a self,
        vault: &'a VaultName,
    ) -> BoxFuture<'a, Result<Option<bool>, PlatformError>>;

    /// Makes a key if there is none of this name.
    fn ensure_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Lets an identity get, wrap and unwrap with the keys of a vault.
    fn allow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Takes that from it.
    fn disallow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;
}

/// The vaults, as the identities reach them that a registry has at the moment.
///
/// In strict parity the identity in use that was removed still reaches them for a while, as in Azure. Only the way there
/// stays open: the vault is asked as ever, and its refusal ends everything at once.
pub(super) struct RegistryVaults {
    pub(super) registry: RegistryName,
    pub(super) profile: Arc<CurrentProfile>,
    pub(super) platform: Arc<dyn Platform>,
    /// Whether all registries are in strict parity.
    pub(super) all_strict: bool,
    pub(super) clock: Clock,
}

/// What a registry is at the moment.
#[derive(Debug)]
pub(super) struct CurrentProfile(RwLock<Arc<Profile>>);

impl CurrentProfile {
    pub(super) fn new(profile: Profile) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(profile))))
    }

    pub(super) fn get(&self) -> Arc<Profile> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn set(&self, profile: Profile) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(profile);
    }
}

impl RegistryVaults {
    /// The client id of an identity, if the registry has it. None: the identity that the program was started with,
    /// whichever client id that has at this start.
    fn client_id(&self, identity: Option<&IdentityId>) -> Option<String> {
        let profile = self.profile.get();
        let start = self.platform.start_identity();
        match identity {
            None => profile.assigned(&start.resource).map(|_| start.principal.client_id.clone()),
            Some(id) if id.is_system() => {
                profile.system_identity.as_ref().map(|own| own.client_id.clone())
            }
            Some(id) => {
                profile.by_client_id(id.as_str()).map(|own| own.principal.client_id.clone())
            }
        }
    }
}

impl RegistryVaults {
    /// The former identity, if it is this one and still in use.
    fn former(&self, identity: Option<&IdentityId>) -> Option<FormerIdentity> {
        let profile = self.profile.get();
        let is_strict = profile.strict || self.all_strict;
        let start = &self.platform.start_identity().resource;
        profile.former_identity.clone().filter(|former| is_strict && former.is(identity, start))
    }

    fn not_assigned(&self, identity: Option<&IdentityId>) -> VaultError {
        let start = &self.platform.start_identity().principal.client_id;
        let named = identity.map_or(start.as_str(), IdentityId::as_str);
        let id = self.profile.get().group.registry_id(&self.registry);
        let words = not_assigned(&id, &self.registry, named);
        VaultError::new(Some(Cause::IdentityRemoved), words)
    }
}

impl VaultAccess for RegistryVaults {
    fn vault(&self, identity: Option<&IdentityId>) -> Result<Arc<dyn KeyVault>, VaultError> {
        let assigned = self.client_id(identity);
        let client_id = match (assigned, self.former(identity)) {
            (Some(client_id), _) => client_id,
            (None, Some(former)) if former.works_until() <= self.clock.now() => {
                let cause = Cause::IdentityInactive;
                return Err(VaultError::new(Some(cause), cause.words()));
            }
            (None, Some(former)) => former.identity.principal.client_id,
            (None, None) => return Err(self.not_assigned(identity)),
        };
        self.platform
            .vaults_as(&client_id)
            .map_err(|error| VaultError::new(Some(Cause::VaultUnreachable), error.to_string()))
    }

    fn may_rotate(&self, identity: Option<&IdentityId>) -> Result<(), VaultError> {
        // One that does not even reach the vault is refused there, and the registry with it.
        let is_former = self.client_id(identity).is_none() && self.former(identity).is_some();
        if is_former { Err(self.not_assigned(identity)) } else { Ok(()) }
    }

    fn identifier(&self, key: &KeyId) -> String {
        self.platform.key_identifier(key)
    }
}

/// What Azure says of an identity that a registry does not have.
pub(super) fn not_assigned(resource_id: &str, registry: &RegistryName, identity: &str) -> String {
    format!(
        "Azure resource '{resource_id}' does not have access to identity '{identity}' Try forcibly adding the identity to the registry {registry}. For more information on bring your own key, please visit 'https://aka.ms/acr/cmk'."
    )
}

impl From<Principal> for PrincipalRow {
    fn from(principal: Principal) -> Self {
        Self { client_id: principal.client_id, principal_id: principal.principal_id }
    }
}

impl From<PrincipalRow> for Principal {
    fn from(row: PrincipalRow) -> Self {
        Self { client_id: row.client_id, principal_id: row.principal_id }
    }
}

impl From<Identity> for IdentityRow {
    fn from(identity: Identity) -> Self {
        Self {
            name: identity.resource.name().to_owned(),
            group: identity.resource.group().to_string(),
            location: identity.location.to_string(),
            created: identity.created.unix_timestamp(),
            tenant: identity.tenant,
            principal: identity.principal.into(),
            tags: identity.tags.as_map().clone(),
        }
    }
}

impl TryFrom<IdentityRow> for Identity {
    type Error = StoreError;

    fn try_from(row: IdentityRow) -> Result<Self, StoreError> {
        let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged(error.to_string());
        let group = row.group.parse().map_err(|error| damaged(&error))?;
        Ok(Self {
            resource: IdentityResource::new(group, &row.name).map_err(|error| damaged(&error))?,
            location: row.location.parse().map_err(|error| damaged(&error))?,
            created: OffsetDateTime::from_unix_timestamp(row.created)
                .map_err(|error| damaged(&error))?,
            tenant: row.tenant,
            principal: row.principal.into(),
            tags: row.tags.try_into().map_err(|error| damaged(&error))?,
        })
    }
}

impl From<Identity> for AssignedIdentity {
    fn from(identity: Identity) -> Self {
        Self { resource: identity.resource, principal: identity.principal }
    }
}

impl From<&AssignedIdentity> for AssignedRow {
    fn from(assigned: &AssignedIdentity) -> Self {
        Self {
            resource_id: assigned.resource.to_string(),
            principal: assigned.principal.clone().into(),
        }
    }
}
