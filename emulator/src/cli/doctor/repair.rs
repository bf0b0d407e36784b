//! Chooses the command that makes a registry available again, by the cause of its state.
//!
//! `restore` undoes exactly what `revoke` did. Other changes of the key or the registry have a command of `sealyard`, and
//! changes of the vault have a command of the Azure CLI, because users make such changes with it. For a vault that the
//! emulator may not change, all commands are of the Azure CLI.

use crate::admin::{KeyDiagnosis, RegistryDiagnosis};
use crate::cli::hints::{CommandLine, Hint, Hints, KeyTarget};
use crate::keys::Cause;
use crate::revocation::RevocationMethod;

/// The role that permits an identity only to use keys for encryption.
const ROLE: &str = "Key Vault Crypto Service Encryption User";

/// Writes commands for one registry.
pub(super) struct Repair<'a> {
    pub(super) registry: &'a RegistryDiagnosis,
    /// All registries, because a revocation from one registry can affect others.
    pub(super) all: &'a [RegistryDiagnosis],
    /// Whether the emulator may change the vault.
    pub(super) vault_is_ours: bool,
    /// Whether the vault is a part of the emulator, which then is a control plane for `az` too.
    pub(super) is_embedded: bool,
    pub(super) has_faults: bool,
    pub(super) hints: &'a Hints,
}

impl Repair<'_> {
    /// The command for a cause, or `None` if no command repairs it.
    pub(super) fn for_cause(&self, cause: Cause) -> Option<String> {
        if let Some(revoked) =
            RevocationMethod::from_cause(cause).and_then(|method| self.revoked_from(method))
        {
            return Some(self.hints.line(&Hint::Restore { registry: revoked }));
        }
        let key = self.registry.key.as_ref()?;
        match cause {
            Cause::KeyDisabled => Some(self.enable(key, key.version.as_deref())),
            Cause::KeyDeleted if self.vault_is_ours => Some(
                self.hints
                    .line(&Hint::KeyRecover { key: KeyTarget::for_registry(&self.registry.name) }),
            ),
            Cause::KeyDeleted => Some(self.az(
                "keyvault key recover",
                &[("--vault-name", key.vault.as_str()), ("--name", key.name.as_str())],
            )),
            Cause::KeyPurged => {
                let options = [("--vault-name", key.vault.as_str()), ("--file", "BACKUP")];
                Some(self.az("keyvault key restore", &options))
            }
            Cause::KeyExpired => Some(self.new_version(key)),
            Cause::PolicyRemoved => Some(self.permit(key, false)),
            Cause::RoleRemoved => Some(self.permit(key, true)),
            Cause::VaultFirewall => {
                let options = [("--name", key.vault.as_str()), ("--bypass", "AzureServices")];
                Some(self.az("keyvault update", &options))
            }
            Cause::VaultDeleted => {
                Some(self.az("keyvault recover", &[("--name", key.vault.as_str())]))
            }
            Cause::IdentityRemoved | Cause::IdentityInactive => self.assign(key),
            Cause::VaultUnreachable | Cause::VaultThrottled | Cause::IssuerDown => {
                self.has_faults.then(|| self.hints.line(&Hint::ClearFaults))
            }
            Cause::AuditUnavailable => {
                Some(self.hints.line(&Hint::GcNow { registry: &self.registry.name }))
            }
            Cause::RotationBlocked => None,
        }
    }

    /// The registry whose revocation by this method affects this one: itself, or another registry that shares the key.
    fn revoked_from(&self, method: RevocationMethod) -> Option<&str> {
        let own = self.registry;
        let shares = |other: &RegistryDiagnosis| match (&own.key, &other.key) {
            (Some(one), Some(other)) => {
                one.vault == other.vault
                    && match method {
                        RevocationMethod::Vault | RevocationMethod::Firewall => true,
                        RevocationMethod::Disable => {
                            (&one.name, &one.version) == (&other.name, &other.version)
                        }
                        RevocationMethod::Delete => one.name == other.name,
                        RevocationMethod::Policy | RevocationMethod::Role => {
                            one.identity.client_id == other.identity.client_id
                        }
                        RevocationMethod::Identity => false,
                    }
            }
            _ => false,
        };
        let was_revoked = |registry: &&RegistryDiagnosis| registry.revoked.contains(&method);
        let found = std::iter::once(own)
            .find(was_revoked)
            .or_else(|| self.all.iter().filter(was_revoked).find(|other| shares(other)));
        found.map(|registry| registry.name.as_str())
    }

    /// Enables a version.
    pub(super) fn enable(&self, key: &KeyDiagnosis, version: Option<&str>) -> String {
        if self.vault_is_ours {
            let key = KeyTarget::for_registry(&self.registry.name);
            return self.hints.line(&Hint::KeyEnable { key, version });
        }
        let mut options = vec![("--vault-name", key.vault.as_str()), ("--name", key.name.as_str())];
        options.extend(version.map(|version| ("--version", version)));
        options.push(("--enabled", "true"));
        self.az("keyvault key set-attributes", &options)
    }

    /// Turns on purge protection for the vault of the key.
    pub(super) fn protect(&self, key: &KeyDiagnosis) -> String {
        let vault = key.vault.as_str();
        self.az("keyvault update", &[("--name", vault), ("--enable-purge-protection", "true")])
    }

    /// Creates a version and rotates to it.
    pub(super) fn new_version(&self, key: &KeyDiagnosis) -> String {
        if self.vault_is_ours {
            return self.hints.line(&Hint::KeyRotate { registry: &self.registry.name });
        }
        self.az(
            "keyvault key rotate",
            &[("--vault-name", key.vault.as_str()), ("--name", key.name.as_str())],
        )
    }

    /// Permits the identity to use the key: with a role if `by_role` or if the vault uses roles, else with an access policy.
    pub(super) fn permit(&self, key: &KeyDiagnosis, by_role: bool) -> String {
        let principal = key.identity.principal_id.as_deref().unwrap_or("OBJECT-ID-OF-THE-IDENTITY");
        if by_role || key.goes_by_roles == Some(true) {
            let scope = key.vault_id.as_deref().unwrap_or("RESOURCE-ID-OF-THE-VAULT");
            let options = [
                ("--role", ROLE),
                ("--assignee-object-id", principal),
                ("--assignee-principal-type", "ServicePrincipal"),
                ("--scope", scope),
            ];
            return self.az("role assignment create", &options);
        }
        let mut args = az_args(
            "keyvault set-policy",
            &[
                ("--name", key.vault.as_str()),
                ("--object-id", principal),
                ("--key-permissions", "get"),
            ],
        );
        args.extend(["wrapKey", "unwrapKey"].map(str::to_owned));
        self.az_line(args)
    }

    /// Assigns the identity that uses the registry's key. `None` if the identity is deleted, or if the registry
    /// has it already.
    fn assign(&self, key: &KeyDiagnosis) -> Option<String> {
        let identity = key.identity.resource_id.as_ref().filter(|_| !key.identity.assigned)?;
        Some(self.hints.line(&Hint::AssignIdentity { registry: &self.registry.name, identity }))
    }

    /// A command of the Azure CLI: against the emulator, or against Azure if the vault is external.
    fn az(&self, command: &str, options: &[(&str, &str)]) -> String {
        self.az_line(az_args(command, options))
    }

    fn az_line(&self, args: Vec<String>) -> String {
        if self.is_embedded {
            return self.hints.line(&Hint::Az(args));
        }
        args.iter().fold(CommandLine::default().arg("az"), CommandLine::arg).to_string()
    }
}

fn az_args(command: &str, options: &[(&str, &str)]) -> Vec<String> {
    let options = options.iter().flat_map(|(name, value)| [*name, *value]);
    command.split(' ').chain(options).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::IdentityDiagnosis;
    use crate::keys::State;

    fn diagnosed(cause: Cause) -> RegistryDiagnosis {
        RegistryDiagnosis {
            name: "team1".to_owned(),
            state: State::Unavailable,
            cause: Some(cause),
            message: None,
            key: Some(KeyDiagnosis {
                vault: "kv1".to_owned(),
                vault_id: None,
                goes_by_roles: None,
                name: "key1".to_owned(),
                version: Some("v1".to_owned()),
                identity: IdentityDiagnosis {
                    client_id: "c".to_owned(),
                    principal_id: Some("p".to_owned()),
                    resource_id: None,
                    assigned: true,
                },
            }),
            revoked: Vec::new(),
            warnings: Vec::new(),
            upload_bytes: 0,
            rotation: None,
        }
    }

    #[test]
    fn an_external_vault_is_repaired_with_the_azure_cli() {
        let hints = Hints::new(Some(&"sealyard".into()), None);
        let command = |cause: Cause| {
            let registry = diagnosed(cause);
            let repair = Repair {
                registry: &registry,
                all: &[],
                vault_is_ours: false,
                is_embedded: false,
                has_faults: false,
                hints: &hints,
            };
            repair.for_cause(cause)
        };

        for (cause, expected) in [
            (
                Cause::KeyDisabled,
                "az keyvault key set-attributes --vault-name kv1 --name key1 --version v1 --enabled true",
            ),
            (Cause::KeyDeleted, "az keyvault key recover --vault-name kv1 --name key1"),
            (Cause::KeyPurged, "az keyvault key restore --vault-name kv1 --file BACKUP"),
            (Cause::KeyExpired, "az keyvault key rotate --vault-name kv1 --name key1"),
            (
                Cause::PolicyRemoved,
                "az keyvault set-policy --name kv1 --object-id p --key-permissions get wrapKey unwrapKey",
            ),
            (Cause::VaultFirewall, "az keyvault update --name kv1 --bypass AzureServices"),
            (Cause::VaultDeleted, "az keyvault recover --name kv1"),
        ] {
            assert_eq!(command(cause).as_deref(), Some(expected), "{cause}");
        }
        let role = command(Cause::RoleRemoved).unwrap();
        assert!(role.starts_with("az role assignment create --role 'Key Vault Crypto"), "{role}");
        for cause in [Cause::IdentityRemoved, Cause::VaultUnreachable, Cause::IssuerDown] {
            assert_eq!(command(cause), None, "{cause}");
        }
    }

    #[test]
    fn a_revocation_from_another_registry_is_undone_for_that_registry() {
        let hints = Hints::new(Some(&"sealyard".into()), None);
        let revoked = RegistryDiagnosis {
            name: "local".to_owned(),
            revoked: vec![RevocationMethod::Firewall, RevocationMethod::Delete],
            key: diagnosed(Cause::KeyDisabled)
                .key
                .map(|key| KeyDiagnosis { name: "key2".to_owned(), ..key }),
            ..diagnosed(Cause::VaultFirewall)
        };
        let command = |cause: Cause| {
            let all = [revoked.clone(), diagnosed(cause)];
            let repair = Repair {
                registry: &all[1],
                all: &all,
                vault_is_ours: true,
                is_embedded: true,
                has_faults: false,
                hints: &hints,
            };
            repair.for_cause(cause).unwrap()
        };

        assert_eq!(command(Cause::VaultFirewall), "sealyard restore");
        assert_eq!(command(Cause::KeyDeleted), "sealyard key recover --registry team1");
    }
}
