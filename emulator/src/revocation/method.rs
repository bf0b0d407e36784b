//! The methods by which an owner revokes a registry's access to its key, with their names and tools.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::keys::{Cause, KeyId, KeyVersion};

/// A method to revoke a registry's access to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RevocationMethod {
    /// By removing the access policy of the registry's identity from the vault.
    Policy,
    /// By removing the roles that let the registry's identity use the key.
    Role,
    /// By disabling the key version in use.
    Disable,
    /// By deleting the key, which can be recovered.
    Delete,
    /// By closing the firewall of the vault, also to trusted services.
    Firewall,
    /// By deleting the vault, which can be recovered.
    Vault,
    /// By removing the identity that uses the key from the registry.
    Identity,
}

impl RevocationMethod {
    /// All methods.
    pub const ALL: [Self; 7] = [
        Self::Policy,
        Self::Role,
        Self::Disable,
        Self::Delete,
        Self::Firewall,
        Self::Vault,
        Self::Identity,
    ];

    /// The name of the method, as typed and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Role => "role",
            Self::Disable => "disable",
            Self::Delete => "delete",
            Self::Firewall => "firewall",
            Self::Vault => "vault",
            Self::Identity => "identity",
        }
    }

    /// The method that leads to this cause. Changes without `revoke` can lead to it too.
    pub fn from_cause(cause: Cause) -> Option<Self> {
        match cause {
            Cause::PolicyRemoved => Some(Self::Policy),
            Cause::RoleRemoved => Some(Self::Role),
            Cause::KeyDisabled => Some(Self::Disable),
            Cause::KeyDeleted => Some(Self::Delete),
            Cause::VaultFirewall => Some(Self::Firewall),
            Cause::VaultDeleted => Some(Self::Vault),
            Cause::IdentityRemoved | Cause::IdentityInactive => Some(Self::Identity),
            Cause::KeyExpired
            | Cause::RotationBlocked
            | Cause::KeyPurged
            | Cause::VaultUnreachable
            | Cause::VaultThrottled
            | Cause::IssuerDown
            | Cause::AuditUnavailable => None,
        }
    }

    /// The command of the Azure CLI that does the same to an external vault.
    pub(crate) fn az_command(self, key: &KeyId) -> String {
        let (vault, name) = (key.vault(), key.name());
        match self {
            Self::Policy => {
                format!("az keyvault delete-policy --name {vault} --object-id IDENTITY")
            }
            Self::Role => format!(
                "az role assignment delete --assignee IDENTITY --scope VAULT-RESOURCE-ID-OF-{vault}"
            ),
            Self::Disable => {
                let version = key.version().map_or_else(String::new, |version: &KeyVersion| {
                    format!(" --version {version}")
                });
                format!(
                    "az keyvault key set-attributes --vault-name {vault} --name {name}{version} --enabled false"
                )
            }
            Self::Delete => format!("az keyvault key delete --vault-name {vault} --name {name}"),
            Self::Firewall => {
                format!("az keyvault update --name {vault} --default-action Deny --bypass None")
            }
            Self::Vault => format!("az keyvault delete --name {vault}"),
            Self::Identity => "az acr identity remove --identities IDENTITY".to_owned(),
        }
    }
}

impl fmt::Display for RevocationMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_serialized_under_its_name() {
        for method in RevocationMethod::ALL {
            assert_eq!(serde_json::to_value(method).unwrap(), method.name());
        }
    }
}
