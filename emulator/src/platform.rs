//! The world around the registries, as they see it: the embedded vault, or one that is not ours.
//!
//! The embedded vault makes any identity, and each gets its tokens from the endpoint of managed identities, without a
//! secret. With a vault in another process there is the one identity that the program was started with: its owner makes
//! identities and gives permissions, not we.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use mock_keyvault::identity::{
    MANAGED_IDENTITY_CLIENT_ID, MANAGED_IDENTITY_OBJECT_ID, NewPrincipal,
};
use mock_keyvault::{Manager, MockKeyVault};

use crate::keys::{KeyId, KeyVault, VaultName};
use crate::registry::{
    AssignedIdentity, IdentityOf, IdentityResource, Platform, PlatformError, Principal,
    ResourceGroup,
};
use crate::serve::StartError;
use crate::vault_owner::{OwnerVault, VaultConnection};

/// The name of the identity that the program is started with, in the group of all that nobody put elsewhere.
const START_IDENTITY: &str = "sealyard";

/// The embedded vault, or one that is not ours.
pub struct LocalPlatform {
    access: VaultConnection,
    owner: Option<OwnerVault>,
    /// The hand on identities and permissions; none with a vault that is not ours.
    manager: Option<Manager>,
    start: AssignedIdentity,
    key_size: usize,
    /// The clients of identities that were asked for, by client id. Each has a token of its own.
    clients: Mutex<HashMap<String, Arc<dyn KeyVault>>>,
}

impl LocalPlatform {
    /// The platform of a vault. A client for the identity of the start is made at once, to see that it can be.
    pub fn new(
        access: VaultConnection,
        owner: Option<OwnerVault>,
        vault: Option<&MockKeyVault>,
        key_size: u32,
    ) -> Result<Self, StartError> {
        let client_id = access.client_id().to_owned();
        let is_well_known = client_id.eq_ignore_ascii_case(MANAGED_IDENTITY_CLIENT_ID);
        let principal_id = if is_well_known { MANAGED_IDENTITY_OBJECT_ID } else { "" }.to_owned();
        let resource = IdentityResource::new(ResourceGroup::default(), START_IDENTITY)
            .map_err(|error| StartError::VaultAccess(error.to_string()))?;
        let client = access.client_of(&client_id)?;
        Ok(Self {
            access,
            owner,
            manager: vault.map(MockKeyVault::manager),
            clients: Mutex::new(HashMap::from([(client_id.to_ascii_lowercase(), client)])),
            start: AssignedIdentity { resource, principal: Principal { client_id, principal_id } },
            key_size: usize::try_from(key_size).unwrap_or(2048),
        })
    }

    /// The key of this name in the vault that the program was started with, without a version.
    pub fn key_of_local(&self, name: &str) -> Result<KeyId, StartError> {
        self.access.key_id(name)
    }

    /// The hand on identities and permissions, if the vault is ours.
    fn manager(&self) -> Result<&Manager, PlatformError> {
        self.manager.as_ref().ok_or_else(|| self.not_ours())
    }

    fn not_ours(&self) -> PlatformError {
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
        self.manager()?;
        let client = self.access.client_of(&id).map_err(failed)?;
        clients.insert(id, Arc::clone(&client));
        Ok(client)
    }

    fn key_identifier(&self, key: &KeyId) -> String {
        self.access.key_identifier(key)
    }

    fn make_identity(&self, of: IdentityOf) -> BoxFuture<'_, Result<Principal, PlatformError>> {
        async move {
            let new = match of {
                IdentityOf::Resource(resource) => {
                    NewPrincipal::user_assigned_identity_at(&resource.to_string())
                }
                IdentityOf::Registry(id) => NewPrincipal::system_assigned_identity(&id),
            };
            let made = self.manager()?.managed_identity(new.map_err(failed)?).await;
            let made = made.map_err(failed)?;
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
            self.manager()?.remove_principal(client_id).await.map_err(failed)?;
            let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
            clients.remove(&client_id.to_ascii_lowercase());
            Ok(())
        }
        .boxed()
    }

    fn forget_roles<'a>(
        &'a self,
        resource_id: &'a str,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            // The roles of a vault that is not ours are not ours.
            let Some(manager) = &self.manager else { return Ok(()) };
            manager.forget_roles(resource_id).await.map_err(failed)
        }
        .boxed()
    }

    fn has_purge_protection<'a>(
        &'a self,
        vault: &'a VaultName,
    ) -> BoxFuture<'a, Result<Option<bool>, PlatformError>> {
        async move {
            let Some(manager) = &self.manager else { return Ok(None) };
            manager.has_purge_protection(vault.as_str()).await.map(Some).map_err(failed)
        }
        .boxed()
    }

    fn ensure_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            let owner = self.owner.as_ref().ok_or_else(|| self.not_ours())?;
            owner.ensure_key(key, self.key_size).await.map_err(failed)
        }
        .boxed()
    }

    fn allow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            let manager = self.manager()?;
            let allowed = manager.allow_encryption(vault.as_str(), &principal.principal_id).await;
            allowed.map_err(failed)
        }
        .boxed()
    }

    fn disallow<'a>(
        &'a self,
        vault: &'a VaultName,
        principal: &'a Principal,
    ) -> BoxFuture<'a, Result<(), PlatformError>> {
        async move {
            let manager = self.manager()?;
            let taken = manager.forget_policy(vault.as_str(), &principal.principal_id).await;
            taken.map_err(failed)
        }
        .boxed()
    }
}

impl fmt::Debug for LocalPlatform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPlatform").field("access", &self.access).finish_non_exhaustive()
    }
}

fn failed(error: impl fmt::Display) -> PlatformError {
    PlatformError::Failed(error.to_string())
}
