//! The handle's methods for vaults, network rules and roles: what administrators of vaults do over HTTP, without HTTP.
//!
//! Called by tests and by the emulator. The handle acts as the owner of everything; no call is refused for lack of a role.

use std::sync::Arc;

use uuid::Uuid;

use super::handle::MockKeyVault;
use crate::model::names::VaultName;
use crate::model::network::NetworkRules;
use crate::model::permission::KeyPermission;
use crate::model::policy::AccessPolicy;
use crate::model::settings::{Sku, VaultPath};
use crate::vault::Vaults;
use crate::vault::lifecycle::{Mode, VaultChangeError, VaultChanges};
use azure_emulator_core::authorization::{
    Authorization, AuthorizationError, NewRoleAssignment, PrincipalType, RoleDefinition, Scope,
    ScopeError, builtin,
};
use azure_emulator_core::directory::Directory;
use azure_emulator_core::identity::{OWNER_OBJECT_ID, TENANT};

/// Why a role cannot be assigned or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// No built-in role has this name or id.
    #[error("there is no role '{0}'")]
    NoRole(String),
    /// The scope is not valid.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The assignment is refused.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// The call ended without a result.
    #[error("the call ended early: {0}")]
    CutShort(String),
}

impl MockKeyVault {
    /// Creates a vault in the local resource group. Settings that are absent in `settings` get Azure's defaults, except that the
    /// owner has every permission on keys unless the vault uses roles or policies are given.
    pub async fn create_vault(
        &self,
        vault: &str,
        settings: VaultChanges,
    ) -> Result<(), VaultChangeError> {
        let name: VaultName = vault.parse()?;
        let policies = if settings.rbac == Some(true) {
            Vec::new()
        } else {
            vec![AccessPolicy::new(OWNER_OBJECT_ID, KeyPermission::ALL)]
        };
        let whole = VaultChanges {
            location: Some(settings.location.unwrap_or_else(|| "eastus".to_owned())),
            tenant_id: Some(settings.tenant_id.unwrap_or_else(|| TENANT.to_owned())),
            sku: Some(settings.sku.unwrap_or(Sku::Standard)),
            policies: Some(settings.policies.unwrap_or(policies)),
            ..settings
        };
        let path = VaultPath::local(&name);
        self.manage(move |vaults| vaults.put_vault(&path, &whole, Mode::Whole, OWNER_OBJECT_ID))
            .await
            .map(drop)
    }

    /// Changes the named settings of a vault, and no others.
    pub async fn change_vault(
        &self,
        vault: &str,
        changes: VaultChanges,
    ) -> Result<(), VaultChangeError> {
        let name: VaultName = vault.parse()?;
        self.manage(move |vaults| {
            let path = vaults.vault_named(&name)?.path;
            vaults.patch_vault(&path, &changes, OWNER_OBJECT_ID)
        })
        .await
        .map(drop)
    }

    /// Sets the network rules of a vault. [`NetworkRules::closed`] admits no client, and the default admits every client.
    pub async fn set_network_rules(
        &self,
        vault: &str,
        rules: NetworkRules,
    ) -> Result<(), VaultChangeError> {
        let changes = VaultChanges { network: Some(rules), ..VaultChanges::default() };
        self.change_vault(vault, changes).await
    }

    /// Deletes a vault; it can be recovered. Its role assignments are deleted for good.
    pub async fn delete_vault(&self, vault: &str) -> Result<(), VaultChangeError> {
        let name: VaultName = vault.parse()?;
        self.manage(move |vaults| {
            let path = vaults.vault_named(&name)?.path;
            vaults.delete_vault(&path)
        })
        .await
        .map(drop)
    }

    /// Recovers a deleted vault, with its keys and access policies.
    pub async fn recover_vault(&self, vault: &str) -> Result<(), VaultChangeError> {
        let name: VaultName = vault.parse()?;
        self.manage(move |vaults| {
            let path = vaults.deleted_named(&name)?.path;
            vaults.put_vault(&path, &VaultChanges::default(), Mode::Recover, OWNER_OBJECT_ID)
        })
        .await
        .map(drop)
    }

    /// Purges a deleted vault with all its keys, for good.
    pub async fn purge_vault(&self, vault: &str) -> Result<(), VaultChangeError> {
        let name: VaultName = vault.parse()?;
        self.manage(move |vaults| {
            let settings = vaults.deleted_named(&name)?.settings;
            vaults.purge_vault(settings.subscription, &settings.location, &name)
        })
        .await
    }

    /// The resource id of a vault: the scope of roles on everything in it.
    pub fn vault_id(&self, vault: &str) -> Result<String, VaultChangeError> {
        Ok(self.app.vaults.vault_named(&vault.parse()?)?.path.to_string())
    }

    /// Assigns a role at a scope to a principal, by its object id. The role is a name or an id. Returns the assignment's name.
    pub async fn assign_role(
        &self,
        scope: &str,
        role: &str,
        principal_id: &str,
    ) -> Result<Uuid, RoleError> {
        let new = NewRoleAssignment {
            name: Uuid::new_v4(),
            scope: scope.parse()?,
            role: role_of(role)?.id,
            principal_id: principal_id.to_owned(),
            principal_type: PrincipalType::ServicePrincipal,
            description: None,
        };
        let roles = Arc::clone(self.authorization());
        let made = tokio::task::spawn_blocking(move || roles.assign(new, OWNER_OBJECT_ID)).await;
        Ok(made.map_err(|error| RoleError::CutShort(error.to_string()))??.0.name)
    }

    /// Removes a principal's role assignment at a scope, if it exists.
    pub async fn remove_role(
        &self,
        scope: &str,
        role: &str,
        principal_id: &str,
    ) -> Result<(), RoleError> {
        let (scope, role): (Scope, _) = (scope.parse()?, role_of(role)?);
        let (roles, principal) = (Arc::clone(self.authorization()), principal_id.to_owned());
        tokio::task::spawn_blocking(move || roles.remove_grant(&scope, role, &principal))
            .await
            .map_err(|error| RoleError::CutShort(error.to_string()))??;
        Ok(())
    }

    /// The directory of principals and their roles, for a data plane that uses the same roles.
    pub fn directory(&self) -> Directory {
        Directory::new(Arc::clone(&self.app.issuer), Arc::clone(self.authorization()))
    }

    /// The role assignments, for a control plane that uses the same roles.
    pub fn authorization(&self) -> &Arc<Authorization> {
        self.app.vaults.authorization()
    }

    async fn manage<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vaults) -> Result<T, VaultChangeError> + Send + 'static,
    ) -> Result<T, VaultChangeError> {
        let vaults = Arc::clone(&self.app.vaults);
        tokio::task::spawn_blocking(move || call(&vaults))
            .await
            .map_err(|error| VaultChangeError::Internal(error.to_string()))?
    }
}

fn role_of(text: &str) -> Result<&'static RoleDefinition, RoleError> {
    builtin::by_name(text)
        .or_else(|| Uuid::parse_str(text).ok().and_then(builtin::by_id))
        .ok_or_else(|| RoleError::NoRole(text.to_owned()))
}
