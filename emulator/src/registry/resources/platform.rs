//! The platform: the domain's interface to its environment, which the program implements.
//!
//! A registry reaches a vault only as one of its current identities: [`RegistryVaults`] checks this at each request, so
//! a removed identity fails at the next request. With an external vault, [`Platform::start_identity`] is the only
//! identity.

use std::sync::{Arc, PoisonError, RwLock};

use azure_emulator_core::clock::Clock;
use futures::future::BoxFuture;

use super::identity::{AssignedIdentity, IdentityOf, Principal};
use super::profile::{FormerIdentity, Profile};
use crate::keys::{Cause, IdentityId, KeyId, KeyVault, VaultAccess, VaultError, VaultName};
use crate::names::RegistryName;

/// Why the platform refuses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlatformError {
    /// The vault is external, so the emulator creates no identities and gives no permissions there.
    #[error(
        "the emulator has no owner's credentials for this vault, so it can make no identities and give no permissions there: use the identity {client_id} that it was started with"
    )]
    NotOurs {
        /// The only identity.
        client_id: String,
    },
    /// The disk of the vault has no room for it. Nothing was changed.
    #[error("the disk of the vault is full: {0}")]
    DiskFull(String),
    /// The data folder of the vault is read-only. Nothing was changed.
    #[error("{0}")]
    ReadOnly(String),
    /// The request failed.
    #[error("{0}")]
    Failed(String),
}

/// The environment of a registry: identities, and the vaults that they reach.
pub trait Platform: Send + Sync + 'static {
    /// The identity that the program was started with.
    fn start_identity(&self) -> &AssignedIdentity;

    /// The tenant of all identities.
    fn tenant(&self) -> &str;

    /// The vaults, as an identity reaches them. Any identity is accepted.
    fn vaults_as(&self, client_id: &str) -> Result<Arc<dyn KeyVault>, PlatformError>;

    /// The identifier of a key, at the address of its vault.
    fn key_identifier(&self, key: &KeyId) -> String;

    /// Creates an identity, or returns the existing one of the same owner.
    fn make_identity(&self, of: IdentityOf) -> BoxFuture<'_, Result<Principal, PlatformError>>;

    /// Removes an identity. Succeeds if there is none.
    fn remove_identity<'a>(
        &'a self,
        client_id: &'a str,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Removes every role assignment at a resource or below it: a new resource of its name must not get them.
    fn remove_roles<'a>(&'a self, resource_id: &'a str)
    -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Whether a vault keeps deleted keys until their retention ends. `None` if unknown.
    fn has_purge_protection<'a>(
        &'a self,
        vault: &'a VaultName,
    ) -> BoxFuture<'a, Result<Option<bool>, PlatformError>>;

    /// Creates a key unless one of this name exists.
    fn ensure_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Allows an identity to get, wrap and unwrap with the keys of a vault.
    fn allow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;

    /// Revokes this permission.
    fn disallow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>>;
}

/// The vaults, as the current identities of a registry reach them.
///
/// In strict parity a removed identity that was in use still reaches them for a while, as in Azure. Only its access to
/// the vault stays: the vault is asked as always, and a refusal ends everything at once.
pub(in crate::registry) struct RegistryVaults {
    pub(in crate::registry) registry: RegistryName,
    pub(in crate::registry) profile: Arc<CurrentProfile>,
    pub(in crate::registry) platform: Arc<dyn Platform>,
    /// Whether all registries are in strict parity.
    pub(in crate::registry) all_strict: bool,
    pub(in crate::registry) clock: Clock,
}

/// The current profile of a registry.
#[derive(Debug)]
pub(in crate::registry) struct CurrentProfile(RwLock<Arc<Profile>>);

impl CurrentProfile {
    pub(in crate::registry) fn new(profile: Profile) -> Arc<Self> {
        Arc::new(Self(RwLock::new(Arc::new(profile))))
    }

    pub(in crate::registry) fn get(&self) -> Arc<Profile> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(in crate::registry) fn set(&self, profile: Profile) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(profile);
    }
}

impl RegistryVaults {
    /// The client id of an identity, if the registry has it. `None`: the identity that the program was started with,
    /// which may have another client id at each start.
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
        let message = not_assigned(&id, &self.registry, named);
        VaultError::new(Some(Cause::IdentityRemoved), message)
    }
}

impl VaultAccess for RegistryVaults {
    fn vault(&self, identity: Option<&IdentityId>) -> Result<Arc<dyn KeyVault>, VaultError> {
        let assigned = self.client_id(identity);
        let client_id = match (assigned, self.former(identity)) {
            (Some(client_id), _) => client_id,
            (None, Some(former)) if former.works_until() <= self.clock.now() => {
                let cause = Cause::IdentityInactive;
                return Err(VaultError::new(Some(cause), cause.message()));
            }
            (None, Some(former)) => former.identity.principal.client_id,
            (None, None) => return Err(self.not_assigned(identity)),
        };
        self.platform
            .vaults_as(&client_id)
            .map_err(|error| VaultError::new(Some(Cause::VaultUnreachable), error.to_string()))
    }

    fn may_rotate(&self, identity: Option<&IdentityId>) -> Result<(), VaultError> {
        // A former identity that does not even reach the vault is refused there, and so is the registry.
        let is_former = self.client_id(identity).is_none() && self.former(identity).is_some();
        if is_former { Err(self.not_assigned(identity)) } else { Ok(()) }
    }

    fn identifier(&self, key: &KeyId) -> String {
        self.platform.key_identifier(key)
    }
}

/// Azure's message about an identity that a registry does not have.
pub(in crate::registry) fn not_assigned(
    resource_id: &str,
    registry: &RegistryName,
    identity: &str,
) -> String {
    format!(
        "Azure resource '{resource_id}' does not have access to identity '{identity}' Try forcibly adding the identity to the registry {registry}. For more information on bring your own key, please visit 'https://aka.ms/acr/cmk'."
    )
}
