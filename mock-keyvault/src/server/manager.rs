//! What a control plane that embeds the vault does in it: makes managed identities and lets them use keys.
//!
//! Called by the emulator, whose registries have identities of their own. It does not keep the vault alive: when that has
//! ended, everything here is refused. Like the handle, it is the owner of everything, and nothing is refused for want of
//! a role.

use std::io;
use std::sync::{Arc, Weak};

use crate::router::App;
use crate::vault::error::VaultError;
use crate::vault::lifecycle::VaultChangeError;
use crate::vault::names::VaultName;
use crate::vault::policy::{AccessPolicy, KeyPermission};
use azure_emulator_core::authorization::{
    AuthorizationError, NewRoleAssignment, PrincipalType, Scope, ScopeError, builtin,
};
use azure_emulator_core::durable::Check;
use azure_emulator_core::identity::{NewPrincipal, OWNER_OBJECT_ID, Principal, PrincipalError};
use azure_emulator_core::room;

/// The role that lets an identity use the keys of a vault for encryption.
const ROLE: &str = "Key Vault Crypto Service Encryption User";

/// Makes identities in a running vault, and lets them use keys. Clones do the same; none keeps the vault alive.
#[derive(Clone, Debug)]
pub struct Manager(Weak<App>);

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The vault has ended.
    #[error("the vault has ended")]
    Ended,
    /// Of a principal.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// Of what is in a vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Of a vault as a whole.
    #[error(transparent)]
    VaultChange(#[from] VaultChangeError),
    /// Of a role.
    #[error(transparent)]
    Role(#[from] AuthorizationError),
    /// Of the place where a role is given.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The call was cut short.
    #[error("the call was cut short")]
    CutShort(#[from] io::Error),
}

impl ManagerError {
    /// Whether the disk has too little room for it. Nothing was changed.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Principal(PrincipalError::Io(error))
            | Self::Role(AuthorizationError::Io(error))
            | Self::VaultChange(VaultChangeError::Authorization(AuthorizationError::Io(error))) => {
                room::is_lacking(error)
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

    /// Whether the data folder can only be read. Nothing was changed.
    pub fn is_read_only(&self) -> bool {
        match self {
            Self::Principal(PrincipalError::Io(error))
            | Self::Role(AuthorizationError::Io(error))
            | Self::VaultChange(VaultChangeError::Authorization(AuthorizationError::Io(error))) => {
                room::is_read_only(error)
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

    /// The managed identity of a resource: the one that there is, or a new one. It is durable.
    ///
    /// A call that was cut short and is made again finds what it had made.
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
                    && own.is_some_and(|(own, asked)| own.eq_ignore_ascii_case(asked))
            };
            if let Some(found) = app.issuer.principals().into_iter().find(|one| is_it(one)) {
                return Ok(found);
            }
            Ok(app.issuer.add_principal(new)?.principal)
        })
        .await
    }

    /// Removes a principal by its client id: it gets no more tokens, and its next call is refused. None of this id is as
    /// good.
    pub async fn remove_principal(&self, client_id: &str) -> Result<(), ManagerError> {
        let client_id = client_id.to_owned();
        self.call(move |app| match app.issuer.remove_principal(&client_id) {
            Err(PrincipalError::NotFound(_)) => Ok(()),
            other => Ok(other?),
        })
        .await
    }

    /// Takes away every role that was given at a resource or below it.
    pub async fn forget_roles(&self, resource_id: &str) -> Result<(), ManagerError> {
        let scope: Scope = resource_id.parse()?;
        self.call(move |app| Ok(app.vaults.authorization().remove_under(&scope)?)).await
    }

    /// Whether what is deleted in a vault stays until its time, whoever wants to purge it.
    pub async fn has_purge_protection(&self, vault: &str) -> Result<bool, ManagerError> {
        let vault: VaultName = vault.parse().map_err(VaultError::from)?;
        self.call(move |app| Ok(app.vaults.vault_named(&vault)?.settings.purge_protection)).await
    }

    /// Lets an identity, by its object id, get, wrap and unwrap with all keys of a vault: by a role or by an access
    /// policy, as the vault has it. What it was allowed before it is still.
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

    /// Takes everything from an identity that access policies of a vault allow it.
    pub async fn forget_policy(&self, vault: &str, object_id: &str) -> Result<(), ManagerError> {
        let vault: VaultName = vault.parse().map_err(VaultError::from)?;
        let object_id = object_id.to_owned();
        self.call(move |app| Ok(app.vaults.set_policy(&vault, &object_id, None)?)).await
    }

    /// Reads everything that the rows of the vault are stored in, and compares it. Damage of the journal is repaired from the
    /// index if that is right.
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
