//! The environment of the registries: a mock vault, embedded or in another process, or an external vault.
//!
//! A mock vault makes any identity, and each gets its tokens from the endpoint of managed identities, without a secret. The
//! platform calls the embedded vault directly, and a vault in another process over its APIs with the credentials of its owner.
//! An external vault, such as Azure's, gives us no such credentials: there is only the identity that the program was started
//! with, and its administrator makes identities and grants permissions.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use azure_emulator_core::identity::{
    MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, NewPrincipal, PrincipalKind,
};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use mock_keyvault::{Manager, ManagerError, MockKeyVault};

use crate::keys::{KeyId, KeyVault, KeyVersion, VaultError, VaultName};
use crate::registry::{
    AssignedIdentity, IdentityOf, IdentityResource, Platform, PlatformError, Principal,
    ResourceGroup,
};
use crate::vault::{ConnectionError, OwnerVault, VaultConnection};

/// The name of the identity that the program is started with, in the default resource group.
const START_IDENTITY: &str = "sealyard";

/// A mock vault, or an external vault.
pub struct LocalPlatform {
    access: VaultConnection,
    owner: Option<OwnerVault>,
    /// Changes identities and permissions; `None` with an external vault.
    authority: Option<Authority>,
    start: AssignedIdentity,
    key_size: usize,
    /// The clients of the identities that were used, by client id. Each has its own token.
    clients: Mutex<HashMap<String, Arc<dyn KeyVault>>>,
}

/// The access that changes identities and permissions in the vault.
enum Authority {
    /// The embedded vault itself.
    Embedded(Manager),
    /// The owner of a mock vault in another process.
    Owner(OwnerVault),
}

impl LocalPlatform {
    /// The platform of a vault. It makes a client for the start identity at once, so that an error shows up at the start.
    pub fn new(
        access: VaultConnection,
        owner: Option<OwnerVault>,
        vault: Option<&MockKeyVault>,
        key_size: u32,
    ) -> Result<Self, ConnectionError> {
        let client_id = access.client_id().to_owned();
        let is_well_known = client_id.eq_ignore_ascii_case(MANAGED_IDENTITY_CLIENT_ID);
        let principal_id = if is_well_known { MANAGED_IDENTITY_OBJECT_ID } else { "" }.to_owned();
        let resource = IdentityResource::new(ResourceGroup::default(), START_IDENTITY)
            .map_err(|error| ConnectionError::Unusable(error.to_string()))?;
        let client = access.client_of(&client_id)?;
        let authority = match vault {
            Some(vault) => Some(Authority::Embedded(vault.manager())),
            None => owner.clone().map(Authority::Owner),
        };
        Ok(Self {
            access,
            owner,
            authority,
            clients: Mutex::new(HashMap::from([(client_id.to_ascii_lowercase(), client)])),
            start: AssignedIdentity { resource, principal: Principal { client_id, principal_id } },
            key_size: usize::try_from(key_size).unwrap_or(2048),
        })
    }

    /// The key of this name in the vault that the program was started with, without a version.
    pub fn key_of_local(&self, name: &str) -> Result<KeyId, ConnectionError> {
        self.access.key_id(name)
    }

    /// The access that changes identities and permissions, if the vault is a mock vault.
    fn authority(&self) -> Result<&Authority, PlatformError> {
        self.authority.as_ref().ok_or_else(|| self.external_vault())
    }

    fn external_vault(&self) -> PlatformError {
        PlatformError::NotOurs { client_id: self.start.principal.client_id.clone() }
    }
}

impl Platform for LocalPlatform {
    fn start_identity(&self) -> &AssignedIdentity {
        &self.start
    }

    fn tenant(&self) -> &str {
        self.access.tenant()
    }

    fn vaults_as(&self, client_id: &str) -> Result<Arc<dyn KeyVault>, PlatformError> {
        let id = client_id.to_ascii_lowercase();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&id) {
            return Ok(Arc::clone(client));
        }
        self.authority()?;
        let client = self.access.client_of(&id).map_err(failed)?;
        clients.insert(id, Arc::clone(&client));
        Ok(client)
    }

    fn key_identifier(&self, key: &KeyId) -> String {
        self.access.key_identifier(key)
    }

    fn make_identity(&self, of: IdentityOf) -> BoxFuture<'_, Result<Principal, PlatformError>> {
        async move {
            let manager = match self.authority()? {
                Authority::Embedded(manager) => manager,
                Authority::Owner(owner) => {
                    let (kind, id) = match of {
                        IdentityOf::Resource(resource) => {
                            (PrincipalKind::UserAssignedIdentity, resource.to_string())
                        }
                        IdentityOf::Registry(id) => (PrincipalKind::SystemAssignedIdentity, id),
                    };
                    return owner.managed_identity(kind, &id).await.map_err(from_vault);
                }
            };
            let new = match of {
                IdentityOf::Resource(resource) => {
                    NewPrincipal::user_assigned_identity_at(&resource.to_string())
                }
                IdentityOf::Registry(id) => NewPrincipal::system_assigned_identity(&id),
            };
            let made =
                manager.managed_identity(new.map_err(failed)?).await.map_err(from_manager)?;
            Ok(Principal {
                client_id: made.client_id().to_owned(),
                principal_id: made.object_id().to_owned(),
            })
        }
        .boxed()
    }

    fn remove_identity<'a>(
        &'a self,
        client_id: &'a str,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            match self.authority()? {
                Authority::Embedded(manager) => {
                    manager.remove_principal(client_id).await.map_err(from_manager)?;
                }
                Authority::Owner(owner) => {
                    owner.remove_principal(client_id).await.map_err(from_vault)?;
                }
            }
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.remove(&client_id.to_ascii_lowercase());
            Ok(())
        }
        .boxed()
    }

    fn remove_roles<'a>(
        &'a self,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            match &self.authority {
                Some(Authority::Embedded(manager)) => {
                    manager.remove_roles(resource_id).await.map_err(from_manager)
                }
                Some(Authority::Owner(owner)) => {
                    owner.remove_roles(resource_id).await.map_err(from_vault)
                }
                // An external vault's roles belong to its administrator.
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn has_purge_protection<'a>(
        &'a self,
        vault: &'a VaultName,
    ) -> BoxFuture<'a, Result<Option<bool>, PlatformError>> {
        async move {
            let has = match &self.authority {
                Some(Authority::Embedded(manager)) => {
                    manager.has_purge_protection(vault.as_str()).await.map_err(from_manager)?
                }
                Some(Authority::Owner(owner)) => {
                    owner.has_purge_protection(vault).await.map_err(from_vault)?
                }
                None => return Ok(None),
            };
            Ok(Some(has))
        }
        .boxed()
    }

    fn ensure_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            let owner = self.owner.as_ref().ok_or_else(|| self.external_vault())?;
            // Usually the key exists. The embedded vault itself says so without a connection and a token of the owner.
            if let Some(Authority::Embedded(manager)) = &self.authority {
                let version = key.version().map(KeyVersion::as_str);
                let found = manager.has_key(key.vault().as_str(), key.name().as_str(), version);
                if found.await.is_ok_and(|found| found) {
                    return Ok(());
                }
            }
            owner.ensure_key(key, self.key_size).await.map_err(from_vault)
        }
        .boxed()
    }

    fn allow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            let object_id = &principal.principal_id;
            match self.authority()? {
                Authority::Embedded(manager) => {
                    manager.allow_encryption(vault.as_str(), object_id).await.map_err(from_manager)
                }
                Authority::Owner(owner) => {
                    owner.allow_encryption(vault, object_id).await.map_err(from_vault)
                }
            }
        }
        .boxed()
    }

    fn disallow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            let object_id = &principal.principal_id;
            match self.authority()? {
                Authority::Embedded(manager) => {
                    manager.remove_policy(vault.as_str(), object_id).await.map_err(from_manager)
                }
                Authority::Owner(owner) => {
                    owner.remove_policy(vault, object_id).await.map_err(from_vault)
                }
            }
        }
        .boxed()
    }
}

impl fmt::Debug for LocalPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPlatform").field("access", &self.access).finish_non_exhaustive()
    }
}

/// Converts an error of the embedded vault.
fn from_manager(error: ManagerError) -> PlatformError {
    if error.is_disk_full() {
        PlatformError::DiskFull(error.to_string())
    } else if error.is_read_only() {
        PlatformError::ReadOnly(error.to_string())
    } else {
        failed(error)
    }
}

/// Converts an error that a vault returned over its protocol.
fn from_vault(error: VaultError) -> PlatformError {
    if error.is_disk_full() {
        PlatformError::DiskFull(error.to_string())
    } else if error.is_read_only() {
        PlatformError::ReadOnly(error.to_string())
    } else {
        failed(error)
    }
}

fn failed(error: impl fmt::Display) -> PlatformError {
    PlatformError::Failed(error.to_string())
}
