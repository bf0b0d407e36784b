//! Decides who may use a vault and its keys: network rules first, then access policies or roles.
//!
//! Called by the router before each operation, and before its body is read. Every call is decided anew: after a permission, a
//! role or an address is removed, the next call is refused.

use std::net::IpAddr;

use uuid::Uuid;

use super::state::Vault;
use super::vaults::Vaults;
use crate::model::Caller;
use crate::model::error::VaultError;
use crate::model::names::VaultName;
use crate::model::permission::KeyPermission;
use azure_emulator_core::authorization::{Action, Authorization};

/// Why a call is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    /// The role assignment that permits the call, in a vault of the role-based model.
    pub(crate) assignment: Option<Uuid>,
}

impl Vaults {
    /// Refuses a caller whose address the network rules do not admit.
    pub(crate) fn admit(
        &self,
        name: &VaultName,
        caller: &Caller,
        address: Option<IpAddr>,
    ) -> Result<(), VaultError> {
        self.with_vault(name, |vault| {
            let settings = &vault.settings;
            let rules = settings.network.clone().unwrap_or_default();
            // Azure admits its own services, such as a registry, which come with a managed identity. Here no other client has a
            // managed identity, so every caller with one counts as a trusted service.
            if rules.bypass_for_services && caller.kind.is_managed_identity() {
                return Ok(());
            }
            let location = settings.location.clone();
            if !settings.public_network_access {
                return Err(VaultError::ClosedToPublic {
                    services_pass: rules.bypass_for_services,
                    vault: name.clone(),
                    location,
                });
            }
            if rules.allows(address) {
                return Ok(());
            }
            Err(VaultError::ClosedToAddress {
                caller: caller.clone(),
                client: address
                    .map_or_else(|| "unknown".to_owned(), |ip| ip.to_canonical().to_string()),
                vault: name.clone(),
                location,
            })
        })
    }

    /// Refuses a caller whose access policy lacks the permission, or who has no role that permits the action.
    pub(crate) fn authorize(
        &self,
        name: &VaultName,
        caller: &Caller,
        permission: KeyPermission,
        key: Option<&str>,
    ) -> Result<Granted, VaultError> {
        self.with_vault(name, |vault| {
            if vault.settings.rbac {
                vault.by_roles(&self.authorization, name, caller, permission, key)
            } else {
                vault.by_policies(name, caller, permission)
            }
        })
    }
}

impl Vault {
    fn by_policies(
        &self,
        name: &VaultName,
        caller: &Caller,
        permission: KeyPermission,
    ) -> Result<Granted, VaultError> {
        let mut policies =
            self.policies.iter().filter(|policy| policy.is_for(&caller.object_id, &caller.app_id));
        let has_policy = policies.clone().next().is_some();
        if policies.any(|policy| policy.allows(permission)) {
            return Ok(Granted { assignment: None });
        }
        Err(VaultError::Denied {
            caller: caller.clone(),
            permission,
            vault: name.clone(),
            location: self.settings.location.clone(),
            has_policy,
        })
    }

    fn by_roles(
        &self,
        roles: &Authorization,
        name: &VaultName,
        caller: &Caller,
        permission: KeyPermission,
        key: Option<&str>,
    ) -> Result<Granted, VaultError> {
        let action = permission.data_action();
        // For an invalid key name, the roles at the vault decide: the name is refused later, with its own message.
        let scope = self.settings.scope(name, key).or_else(|| self.settings.scope(name, None));
        let granted = scope.as_ref().and_then(|at| {
            let may = |action| roles.decide(&caller.object_id, Action::Data(action), at);
            // Every key here is asymmetric, so a caller who may read it has its public part.
            may(action).or_else(|| {
                let reads = permission.needs_only_the_public_part();
                reads.then(|| may(KeyPermission::Get.data_action())).flatten()
            })
        });
        if granted.is_some() {
            return Ok(Granted { assignment: granted });
        }
        // Recorded refusals name the resource in lower case. Whether this applies to the key's own name is not known.
        let vault_path = self.settings.path(name).to_string().to_lowercase();
        Err(VaultError::DeniedByRoles {
            caller: caller.clone(),
            action,
            resource: match key {
                Some(key) => format!("{vault_path}/keys/{key}"),
                None => vault_path,
            },
            vault: name.clone(),
            location: self.settings.location.clone(),
        })
    }
}
