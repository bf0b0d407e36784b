//! The actions of a control plane that embeds the vault: it creates managed identities and permits them to use keys.
//!
//! Called by the emulator, whose registries have identities of their own. The manager does not keep the vault alive: after the
//! vault has ended, it refuses everything. Like the handle, it acts as the owner of everything, and no call is refused for lack
//! of a role.

use std::io;
use std::sync::{Arc, Weak};

use crate::app::App;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::VaultName;
use crate::model::permission::KeyPermission;
use crate::model::policy::AccessPolicy;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::{
    AuthorizationError, NewRoleAssignment, PrincipalType, Scope, ScopeError, builtin,
};
use azure_emulator_core::disk_space;
use azure_emulator_core::durable::Check;
use azure_emulator_core::identity::{NewPrincipal, OWNER_OBJECT_ID, Principal, PrincipalError};

/// The role that permits an identity to use the keys of a vault for encryption.
const ROLE: &str = "Key Vault Crypto Service Encryption User";

/// Creates identities in a running vault, and permits them to use keys. Clones share the vault; no clone keeps it alive.
#[derive(Clone, Debug)]
pub struct Manager(Weak<App>);

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The vault has ended.
    #[error("the vault has ended")]
    Ended,
    /// An error of a principal.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// An error of a key or of another part of a vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An error of a vault as a whole.
    #[error(transparent)]
    VaultChange(#[from] VaultChangeError),
    /// An error of a role assignment.
    #[error(transparent)]
    Role(#[from] AuthorizationError),
    /// The scope of a role assignment is not valid.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The call ended without a result.
    #[error("the call ended early")]
    CutShort(#[from] io::Error),
}

impl ManagerError {
    /// Whether the disk has too little free space for the change. Nothing was changed.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Principal(PrincipalError::Io(error))
            | Self::Role(AuthorizationError::Io(error))
            | Self::VaultChange(VaultChangeError::Authorization(AuthorizationError::Io(error))) => {
                disk_space::is_out_of_space(error)
            }
            Self::Vault(VaultError::DiskFull)
            | Self::VaultChange(
                VaultChangeError::DiskFull
                | VaultChangeError::Authorization(AuthorizationError::DiskFull),
            )
            | Self::Role(AuthorizationError::DiskFull) => true,
            _ => false,
        }
    }

    /// Whether the data folder is read-only. Nothing was changed.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Principal(PrincipalError::Io(error))
            | Self::Role(AuthorizationError::Io(error))
            | Self::VaultChange(VaultChangeError::Authorization(AuthorizationError::Io(error))) => {
                disk_space::is_read_only(error)
            }
            Self::Vault(VaultError::ReadOnly) | Self::VaultChange(VaultChangeError::ReadOnly) => {
                true
            }
            _ => false,
        }
    }
}

impl Manager {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }

    /// Returns the managed identity of a resource, which it creates if there is none. The identity is durable.
    ///
    /// A repeated call finds the identity that an interrupted call has created.
    pub async fn managed_identity(
        &self,
        new: NewPrincipal,
    ) -> Result<Arc<Principal>, ManagerError> {
        self.call(move |app| {
            let resource = new.resource_id().map(str::to_owned);
            let kind = new.kind();
            let is_it = |one: &Principal| {
                let own = one.resource_id().zip(resource.as_deref());
                one.kind() == kind
                    && own.is_some_and(|(own, wanted)| own.eq_ignore_ascii_case(wanted))
            };
            if let Some(found) = app.issuer.principals().into_iter().find(|one| is_it(one)) {
                return Ok(found);
            }
            Ok(app.issuer.add_principal(new)?.principal)
        })
        .await
    }

    /// Removes a principal by its client id: it gets no more tokens, and its next call is refused. Succeeds if there is none.
    pub async fn remove_principal(&self, client_id: &str) -> Result<(), ManagerError> {
        let client_id = client_id.to_owned();
        self.call(move |app| match app.issuer.remove_principal(&client_id) {
            Err(PrincipalError::NotFound(_)) => Ok(()),
            other => Ok(other?),
        })
        .await
    }

    /// Deletes every role assignment at a resource or below it.
    pub async fn remove_roles(&self, resource_id: &str) -> Result<(), ManagerError> {
        let scope: Scope = resource_id.parse()?;
        self.call(move |app| Ok(app.vaults.authorization().remove_under(&scope)?)).await
    }

    /// Whether deleted keys stay until the end of their retention, because the vault refuses to purge them.
    pub async fn has_purge_protection(&self, vault: &str) -> Result<bool, ManagerError> {
        let vault: VaultName = vault.parse().map_err(VaultError::from)?;
        self.call(move |app| Ok(app.vaults.vault_named(&vault)?.settings.purge_protection)).await
    }

    /// Whether a vault has this key, or this version of it, and it is not deleted.
    pub async fn has_key(
        &self,
        vault: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<bool, ManagerError> {
        let vault: VaultName = vault.parse().map_err(VaultError::from)?;
        let name = key.parse().map_err(VaultError::from)?;
        let version = version.map(str::parse).transpose().map_err(VaultError::from)?;
        let at = KeyReference { name, version };
        self.call(move |app| match app.vaults.key(&vault, &at) {
            Ok(_) => Ok(true),
            Err(VaultError::KeyNotFound(_)) => Ok(false),
            Err(error) => Err(error.into()),
        })
        .await
    }

    /// Permits an identity, by its object id, to get, wrap and unwrap with all keys of a vault: by a role or by an access policy,
    /// depending on the vault's model. The identity keeps its other permissions.
    pub async fn allow_encryption(&self, vault: &str, object_id: &str) -> Result<(), ManagerError> {
        let vault: VaultName = vault.parse().map_err(VaultError::from)?;
        let object_id = object_id.to_owned();
        self.call(move |app| {
            let found = app.vaults.vault_named(&vault)?;
            if found.settings.rbac {
                let role = builtin::by_name(ROLE).ok_or(ManagerError::Ended)?;
                let new = NewRoleAssignment {
                    name: uuid::Uuid::new_v4(),
                    scope: found.path.to_string().parse()?,
                    role: role.id,
                    principal_id: object_id,
                    principal_type: PrincipalType::ServicePrincipal,
                    description: None,
                };
                return match app.vaults.authorization().assign(new, OWNER_OBJECT_ID) {
                    Ok(_) | Err(AuthorizationError::Exists(_)) => Ok(()),
                    Err(error) => Err(error.into()),
                };
            }
            let own = found.policies.iter().filter(|policy| policy.is_for(&object_id, ""));
            let held: Vec<KeyPermission> = KeyPermission::ALL
                .iter()
                .copied()
                .filter(|permission| {
                    KeyPermission::FOR_ENCRYPTION.contains(permission)
                        || own.clone().any(|policy| policy.allows(*permission))
                })
                .collect();
            let policy = AccessPolicy::new(&object_id, &held);
            Ok(app.vaults.set_policy(&vault, &object_id, Some(policy))?)
        })
        .await
    }

    /// Removes the access policy of an identity in a vault.
    pub async fn remove_policy(&self, vault: &str, object_id: &str) -> Result<(), ManagerError> {
        let vault: VaultName = vault.parse().map_err(VaultError::from)?;
        let object_id = object_id.to_owned();
        self.call(move |app| Ok(app.vaults.set_policy(&vault, &object_id, None)?)).await
    }

    /// Reads and compares all files that store the rows of the vault. Damage in the journal is repaired from the index if the index
    /// is intact.
    pub async fn check_rows(&self) -> Result<Check, ManagerError> {
        self.call(|app| Ok(app.vaults.check_rows()?)).await
    }

    async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&App) -> Result<T, ManagerError> + Send + 'static,
    ) -> Result<T, ManagerError> {
        let app = self.0.upgrade().ok_or(ManagerError::Ended)?;
        tokio::task::spawn_blocking(move || call(&app)).await.map_err(io::Error::other)?
    }
}
