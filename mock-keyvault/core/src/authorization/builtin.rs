//! The built-in roles that this emulator knows, under Azure's ids and with Azure's actions.
//!
//! Called by [`super::Authorization`] and the routes. The descriptions are not Azure's. Roles of other services are left
//! out, and custom roles cannot be made.

use uuid::{Uuid, uuid};

use super::action::{Action, matches};

/// A role.
#[derive(Debug, PartialEq, Eq)]
pub struct RoleDefinition {
    /// Its id.
    pub id: Uuid,
    /// Its name, such as `Key Vault Crypto User`.
    pub name: &'static str,
    /// Its purpose.
    pub description: &'static str,
    /// The actions that it allows on the control plane.
    pub actions: &'static [&'static str],
    /// The exceptions from `actions`.
    pub not_actions: &'static [&'static str],
    /// The actions that it allows on data planes.
    pub data_actions: &'static [&'static str],
}

impl RoleDefinition {
    /// Whether it allows an action.
    pub fn allows(&self, action: Action<'_>) -> bool {
        let any = |patterns: &[&str], action| patterns.iter().any(|p| matches(p, action));
        match action {
            Action::Control(action) => any(self.actions, action) && !any(self.not_actions, action),
            Action::Data(action) => any(self.data_actions, action),
        }
    }
}

/// The role of this id.
pub fn by_id(id: Uuid) -> Option<&'static RoleDefinition> {
    ALL.iter().copied().find(|role| role.id == id)
}

/// The role of this name, in any letter case.
pub fn by_name(name: &str) -> Option<&'static RoleDefinition> {
    ALL.iter().copied().find(|role| role.name.eq_ignore_ascii_case(name))
}

/// The actions of the control plane that the roles of a vault's data plane allow.
const SEES_VAULTS: &[&str] = &[
    "Microsoft.Authorization/*/read",
    "Microsoft.Insights/alertRules/*",
    "Microsoft.Resources/deployments/*",
    "Microsoft.Resources/subscriptions/resourceGroups/read",
    "Microsoft.Support/*",
    "Microsoft.KeyVault/checkNameAvailability/read",
    "Microsoft.KeyVault/deletedVaults/read",
    "Microsoft.KeyVault/locations/*/read",
    "Microsoft.KeyVault/vaults/*/read",
    "Microsoft.KeyVault/operations/read",
];

/// Allows all actions of the control plane, including role assignments.
pub const OWNER: &RoleDefinition = &RoleDefinition {
    id: uuid!("8e3af657-a8ff-443c-a75c-2fe8c4bcb635"),
    name: "Owner",
    description: "Manages everything, including the access of others.",
    actions: &["*"],
    not_actions: &[],
    data_actions: &[],
};

/// Allows all actions of the control plane except role assignments.
pub const CONTRIBUTOR: &RoleDefinition = &RoleDefinition {
    id: uuid!("b24988ac-6180-42a0-ab88-20f7382dd24c"),
    name: "Contributor",
    description: "Manages everything except the access of others.",
    actions: &["*"],
    not_actions: &[
        "Microsoft.Authorization/*/Delete",
        "Microsoft.Authorization/*/Write",
        "Microsoft.Authorization/elevateAccess/Action",
        "Microsoft.Blueprint/blueprintAssignments/write",
        "Microsoft.Blueprint/blueprintAssignments/delete",
        "Microsoft.Compute/galleries/share/action",
        "Microsoft.Purview/consents/write",
        "Microsoft.Purview/consents/delete",
    ],
    data_actions: &[],
};

/// Reads everything of the control plane.
pub const READER: &RoleDefinition = &RoleDefinition {
    id: uuid!("acdd72a7-3385-48ef-bd42-f606fba81ae7"),
    name: "Reader",
    description: "Reads everything and changes nothing.",
    actions: &["*/read"],
    not_actions: &[],
    data_actions: &[],
};

/// Manages access.
pub const USER_ACCESS_ADMINISTRATOR: &RoleDefinition = &RoleDefinition {
    id: uuid!("18d7d88d-d35e-4fb5-a5c3-7773c20a72d9"),
    name: "User Access Administrator",
    description: "Manages the access of principals.",
    actions: &["*/read", "Microsoft.Authorization/*", "Microsoft.Support/*"],
    not_actions: &[],
    data_actions: &[],
};

/// Assigns roles.
pub const RBAC_ADMINISTRATOR: &RoleDefinition = &RoleDefinition {
    id: uuid!("f58310d9-a9f6-439a-9e8d-f62e7b41a168"),
    name: "Role Based Access Control Administrator",
    description: "Assigns roles.",
    actions: &[
        "Microsoft.Authorization/roleAssignments/write",
        "Microsoft.Authorization/roleAssignments/delete",
        "*/read",
        "Microsoft.Support/*",
    ],
    not_actions: &[],
    data_actions: &[],
};

/// Manages all content of a vault.
pub const KEY_VAULT_ADMINISTRATOR: &RoleDefinition = &RoleDefinition {
    id: uuid!("00482a5a-887f-4fb3-b363-3b7fe8e74483"),
    name: "Key Vault Administrator",
    description: "Manages all content of a vault of the role-based model.",
    actions: SEES_VAULTS,
    not_actions: &[],
    data_actions: &["Microsoft.KeyVault/vaults/*"],
};

/// Manages vaults, without access to their content.
pub const KEY_VAULT_CONTRIBUTOR: &RoleDefinition = &RoleDefinition {
    id: uuid!("f25e0fa2-a7c8-4377-a976-54943a77a395"),
    name: "Key Vault Contributor",
    description: "Manages vaults, without access to their content.",
    actions: &[
        "Microsoft.Authorization/*/read",
        "Microsoft.Insights/alertRules/*",
        "Microsoft.KeyVault/*",
        "Microsoft.ResourceHealth/availabilityStatuses/read",
        "Microsoft.Resources/deployments/*",
        "Microsoft.Resources/subscriptions/resourceGroups/read",
        "Microsoft.Support/*",
    ],
    not_actions: &[
        "Microsoft.KeyVault/locations/deletedVaults/purge/action",
        "Microsoft.KeyVault/hsmPools/*",
        "Microsoft.KeyVault/managedHsms/*",
    ],
    data_actions: &[],
};

/// Manages keys.
pub const KEY_VAULT_CRYPTO_OFFICER: &RoleDefinition = &RoleDefinition {
    id: uuid!("14b46e9e-c2b7-41b4-b07b-48a6ebf60603"),
    name: "Key Vault Crypto Officer",
    description: "Manages and uses the keys of a vault of the role-based model.",
    actions: SEES_VAULTS,
    not_actions: &[],
    data_actions: &[
        "Microsoft.KeyVault/vaults/keys/*",
        "Microsoft.KeyVault/vaults/keyrotationpolicies/*",
    ],
};

/// Uses keys.
pub const KEY_VAULT_CRYPTO_USER: &RoleDefinition = &RoleDefinition {
    id: uuid!("12338af0-0e69-4776-bea7-57ae8d297424"),
    name: "Key Vault Crypto User",
    description: "Uses the keys of a vault of the role-based model.",
    actions: &[],
    not_actions: &[],
    data_actions: &[
        "Microsoft.KeyVault/vaults/keys/read",
        "Microsoft.KeyVault/vaults/keys/update/action",
        "Microsoft.KeyVault/vaults/keys/backup/action",
        "Microsoft.KeyVault/vaults/keys/encrypt/action",
        "Microsoft.KeyVault/vaults/keys/decrypt/action",
        "Microsoft.KeyVault/vaults/keys/wrap/action",
        "Microsoft.KeyVault/vaults/keys/unwrap/action",
        "Microsoft.KeyVault/vaults/keys/sign/action",
        "Microsoft.KeyVault/vaults/keys/verify/action",
    ],
};

/// The role of a service that encrypts with a key, such as a registry's identity.
pub const KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER: &RoleDefinition = &RoleDefinition {
    id: uuid!("e147488a-f6f5-4113-8e2d-b22465e65bf6"),
    name: "Key Vault Crypto Service Encryption User",
    description: "Reads keys, wraps and unwraps with them.",
    actions: &[
        "Microsoft.EventGrid/eventSubscriptions/write",
        "Microsoft.EventGrid/eventSubscriptions/read",
        "Microsoft.EventGrid/eventSubscriptions/delete",
    ],
    not_actions: &[],
    data_actions: &[
        "Microsoft.KeyVault/vaults/keys/read",
        "Microsoft.KeyVault/vaults/keys/wrap/action",
        "Microsoft.KeyVault/vaults/keys/unwrap/action",
    ],
};

/// Reads metadata of a vault's content, never a secret.
pub const KEY_VAULT_READER: &RoleDefinition = &RoleDefinition {
    id: uuid!("21090545-7ca7-4776-b22c-e363652d74d2"),
    name: "Key Vault Reader",
    description: "Reads metadata of the content of a vault of the role-based model, never a secret.",
    actions: SEES_VAULTS,
    not_actions: &[],
    data_actions: &[
        "Microsoft.KeyVault/vaults/*/read",
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    ],
};

/// Manages secrets, which are not served here: it is known so that scripts can assign it.
pub const KEY_VAULT_SECRETS_OFFICER: &RoleDefinition = &RoleDefinition {
    id: uuid!("b86a8fe4-44ce-4948-aee5-eccb2c155cd7"),
    name: "Key Vault Secrets Officer",
    description: "Manages the secrets of a vault of the role-based model.",
    actions: SEES_VAULTS,
    not_actions: &[],
    data_actions: &["Microsoft.KeyVault/vaults/secrets/*"],
};

/// Reads secrets, which are not served here: it is known so that scripts can assign it.
pub const KEY_VAULT_SECRETS_USER: &RoleDefinition = &RoleDefinition {
    id: uuid!("4633458b-17de-408a-b874-0445c86b69e6"),
    name: "Key Vault Secrets User",
    description: "Reads the secrets of a vault of the role-based model.",
    actions: &[],
    not_actions: &[],
    data_actions: &[
        "Microsoft.KeyVault/vaults/secrets/getSecret/action",
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
    ],
};

/// A role of the registry with actions of the control plane only.
const fn registry(
    id: Uuid,
    name: &'static str,
    description: &'static str,
    actions: &'static [&'static str],
) -> RoleDefinition {
    RoleDefinition { id, name, description, actions, not_actions: &[], data_actions: &[] }
}

/// A role of the registry for some of its repositories.
const fn repositories(
    id: Uuid,
    name: &'static str,
    description: &'static str,
    data_actions: &'static [&'static str],
) -> RoleDefinition {
    RoleDefinition { id, name, description, actions: &[], not_actions: &[], data_actions }
}

/// Pulls.
pub const ACR_PULL: &RoleDefinition = &registry(
    uuid!("7f951dda-4ed3-4680-a7ca-43fe172d538d"),
    "AcrPull",
    "Pulls from a registry.",
    &["Microsoft.ContainerRegistry/registries/pull/read"],
);

/// Pulls and pushes.
pub const ACR_PUSH: &RoleDefinition = &registry(
    uuid!("8311e382-0749-4cb8-b61a-304f252e45ec"),
    "AcrPush",
    "Pulls from a registry and pushes to it.",
    &[
        "Microsoft.ContainerRegistry/registries/pull/read",
        "Microsoft.ContainerRegistry/registries/push/write",
    ],
);

/// Deletes.
pub const ACR_DELETE: &RoleDefinition = &registry(
    uuid!("c2f4ef07-c644-48eb-af81-4b1b4947fb11"),
    "AcrDelete",
    "Deletes from a registry.",
    &["Microsoft.ContainerRegistry/registries/artifacts/delete"],
);

/// Every role, by name.
pub const ALL: &[&RoleDefinition] = &[
    ACR_DELETE,
    &registry(
        uuid!("6cef56e8-d556-48e5-a04f-b8e64114680f"),
        "AcrImageSigner",
        "Signs images of a registry.",
        &["Microsoft.ContainerRegistry/registries/sign/write"],
    ),
    ACR_PULL,
    ACR_PUSH,
    &RoleDefinition {
        id: uuid!("cdda3590-29a3-44f6-95f2-9f980659eb04"),
        name: "AcrQuarantineReader",
        description: "Pulls images that are in quarantine.",
        actions: &["Microsoft.ContainerRegistry/registries/quarantine/read"],
        not_actions: &[],
        data_actions: &["Microsoft.ContainerRegistry/registries/quarantinedArtifacts/read"],
    },
    &RoleDefinition {
        id: uuid!("c8d4ff99-41c3-41a8-9f60-21dfdad59608"),
        name: "AcrQuarantineWriter",
        description: "Puts images into quarantine and takes them out.",
        actions: &[
            "Microsoft.ContainerRegistry/registries/quarantine/read",
            "Microsoft.ContainerRegistry/registries/quarantine/write",
        ],
        not_actions: &[],
        data_actions: &[
            "Microsoft.ContainerRegistry/registries/quarantinedArtifacts/read",
            "Microsoft.ContainerRegistry/registries/quarantinedArtifacts/write",
        ],
    },
    // The ids of the next seven are Azure's. Their actions follow from their names and were not checked against a source.
    &registry(
        uuid!("577a9874-89fd-4f24-9dbd-b5034d0ad23a"),
        "Container Registry Data Importer and Data Reader",
        "Imports images into a registry and pulls them.",
        &[
            "Microsoft.ContainerRegistry/registries/read",
            "Microsoft.ContainerRegistry/registries/importImage/action",
            "Microsoft.ContainerRegistry/registries/pull/read",
        ],
    ),
    &repositories(
        uuid!("bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7"),
        "Container Registry Repository Catalog Lister",
        "Lists the repositories of a registry.",
        &["Microsoft.ContainerRegistry/registries/catalog/read"],
    ),
    &repositories(
        uuid!("2efddaa5-3f1f-4df3-97df-af3f13818f4c"),
        "Container Registry Repository Contributor",
        "Pulls, pushes and deletes in repositories.",
        &[
            "Microsoft.ContainerRegistry/registries/repositories/content/read",
            "Microsoft.ContainerRegistry/registries/repositories/content/write",
            "Microsoft.ContainerRegistry/registries/repositories/content/delete",
            "Microsoft.ContainerRegistry/registries/repositories/metadata/read",
            "Microsoft.ContainerRegistry/registries/repositories/metadata/write",
            "Microsoft.ContainerRegistry/registries/repositories/metadata/delete",
        ],
    ),
    &repositories(
        uuid!("b93aa761-3e63-49ed-ac28-beffa264f7ac"),
        "Container Registry Repository Reader",
        "Pulls from repositories.",
        &[
            "Microsoft.ContainerRegistry/registries/repositories/content/read",
            "Microsoft.ContainerRegistry/registries/repositories/metadata/read",
        ],
    ),
    &repositories(
        uuid!("2a1e307c-b015-4ebd-883e-5b7698a07328"),
        "Container Registry Repository Writer",
        "Pulls from repositories and pushes to them.",
        &[
            "Microsoft.ContainerRegistry/registries/repositories/content/read",
            "Microsoft.ContainerRegistry/registries/repositories/content/write",
            "Microsoft.ContainerRegistry/registries/repositories/metadata/read",
            "Microsoft.ContainerRegistry/registries/repositories/metadata/write",
        ],
    ),
    &registry(
        uuid!("fb382eab-e894-4461-af04-94435c366c3f"),
        "Container Registry Tasks Contributor",
        "Manages the tasks of a registry.",
        &[
            "Microsoft.ContainerRegistry/registries/read",
            "Microsoft.ContainerRegistry/registries/tasks/*",
            "Microsoft.ContainerRegistry/registries/taskruns/*",
            "Microsoft.ContainerRegistry/registries/runs/*",
            "Microsoft.ContainerRegistry/registries/agentpools/*",
        ],
    ),
    &registry(
        uuid!("bf94e731-3a51-4a7c-8c54-a1ab9971dfc1"),
        "Container Registry Transfer Pipeline Contributor",
        "Manages the transfer pipelines of a registry.",
        &[
            "Microsoft.ContainerRegistry/registries/exportPipelines/*",
            "Microsoft.ContainerRegistry/registries/importPipelines/*",
            "Microsoft.ContainerRegistry/registries/pipelineRuns/*",
        ],
    ),
    CONTRIBUTOR,
    KEY_VAULT_ADMINISTRATOR,
    KEY_VAULT_CONTRIBUTOR,
    KEY_VAULT_CRYPTO_OFFICER,
    KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER,
    KEY_VAULT_CRYPTO_USER,
    KEY_VAULT_READER,
    KEY_VAULT_SECRETS_OFFICER,
    KEY_VAULT_SECRETS_USER,
    OWNER,
    READER,
    RBAC_ADMINISTRATOR,
    USER_ACCESS_ADMINISTRATOR,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_names_are_unique_and_are_found() {
        for (at, role) in ALL.iter().enumerate() {
            assert_eq!(by_id(role.id).unwrap().name, role.name);
            assert_eq!(by_name(&role.name.to_uppercase()).unwrap().id, role.id);
            for other in ALL.iter().skip(at + 1) {
                assert_ne!(role.id, other.id, "{}", role.name);
            }
        }
    }

    #[test]
    fn roles_allow_what_their_names_say() {
        let data = |action| Action::Data(action);
        let control = |action| Action::Control(action);
        let encryption = KEY_VAULT_CRYPTO_SERVICE_ENCRYPTION_USER;

        assert!(encryption.allows(data("Microsoft.KeyVault/vaults/keys/unwrap/action")));
        assert!(!encryption.allows(data("Microsoft.KeyVault/vaults/keys/sign/action")));
        assert!(KEY_VAULT_CRYPTO_OFFICER.allows(data("Microsoft.KeyVault/vaults/keys/delete")));
        assert!(!KEY_VAULT_CRYPTO_USER.allows(data("Microsoft.KeyVault/vaults/keys/delete")));
        assert!(KEY_VAULT_READER.allows(data("Microsoft.KeyVault/vaults/keys/read")));
        assert!(!OWNER.allows(data("Microsoft.KeyVault/vaults/keys/read")));
        assert!(CONTRIBUTOR.allows(control("Microsoft.KeyVault/vaults/write")));
        assert!(!CONTRIBUTOR.allows(control("Microsoft.Authorization/roleAssignments/write")));
        assert!(
            !KEY_VAULT_CONTRIBUTOR
                .allows(control("Microsoft.KeyVault/locations/deletedVaults/purge/action"))
        );
        assert!(ACR_PUSH.allows(control("Microsoft.ContainerRegistry/registries/pull/read")));
    }
}
