//! The list of properties: those of version 2025-11-01, and those that other versions add.
//!
//! A property that is in neither list is ignored, as Azure ignores it.

use super::property::{Property, Treatment};

const OPEN: &str = "A registry does not filter callers by address.";
const ONE_PLACE: &str = "A registry is in one place.";

/// `Microsoft.ContainerRegistry/registries` in version 2025-11-01: what a create or an update may carry, and what is
/// reported.
pub(super) const PROPERTIES: &[Property] = &[
    Property::inert("id", "Reports the resource id."),
    Property::inert("name", "Reports the name. The path of the request names the registry."),
    Property::inert("type", "Reports `Microsoft.ContainerRegistry/registries`."),
    Property::inert(
        "systemData",
        "Reports when the registry was created, by the clock of the emulator, and who did it.",
    ),
    Property::acted_on(
        "location",
        "It is kept and reported, and an update cannot change it. Everything is stored on this machine.",
    ),
    Property::acted_on(
        "tags",
        "They are kept and reported, and the list of resources can be filtered by them.",
    ),
    Property::acted_on(
        "sku.name",
        "A customer-managed key needs Premium, and Basic has no anonymous pull. Nothing is limited or billed. Classic is refused.",
    ),
    Property::inert("sku.tier", "Reports the value of `sku.name`."),
    Property::acted_on(
        "identity.type",
        "The registry gets or loses its own identity and its user-assigned ones.",
    ),
    Property::acted_on(
        "identity.userAssignedIdentities",
        "Each listed identity is assigned. `null` in an update removes one. If the registry uses its key with this identity, it refuses content at once; in strict parity after 90 days, as in Azure.",
    ),
    Property::inert(
        "identity.principalId",
        "Reports the principal id of the registry's own identity.",
    ),
    Property::inert("identity.tenantId", "Reports the tenant."),
    Property::inert(
        "properties.loginServer",
        "Reports the name by which the client reaches the registry.",
    ),
    Property::inert(
        "properties.creationDate",
        "Reports when the registry was created, by the clock of the emulator.",
    ),
    Property::inert(
        "properties.provisioningState",
        "Reports `Succeeded`: every request is done when it is answered.",
    ),
    Property::inert(
        "properties.status",
        "Reports `Ready`, `Checking` or `Unavailable`, the cause and since when. Azure does not list its labels.",
    ),
    Property::acted_on(
        "properties.adminUserEnabled",
        "The admin user can log in while it is true.",
    ),
    Property::acted_on("properties.anonymousPullEnabled", "Anyone can pull while it is true."),
    Property::acted_on(
        "properties.encryption.status",
        "It is chosen at creation: `enabled` needs a key and an identity.",
    ),
    Property::acted_on(
        "properties.encryption.keyVaultProperties.keyIdentifier",
        "The registry wraps its data keys with this key. Without a version it follows the newest one.",
    ),
    Property::acted_on(
        "properties.encryption.keyVaultProperties.identity",
        "The registry asks the vault as this identity.",
    ),
    Property::inert(
        "properties.encryption.keyVaultProperties.versionedKeyIdentifier",
        "Reports the key version in use.",
    ),
    Property::inert(
        "properties.encryption.keyVaultProperties.keyRotationEnabled",
        "Reports whether the registry follows new versions of the key.",
    ),
    Property::inert(
        "properties.encryption.keyVaultProperties.lastKeyRotationTimestamp",
        "Reports the time of the last rotation.",
    ),
    Property {
        path: "properties.policies.trustPolicy.status",
        treatment: Treatment::RefusedElsewhere,
        description: "Only `disabled` is accepted. Nothing signs or verifies images. A registry with a customer-managed key refuses it with `BlockedForEncryptionEnabledRegistry`, as Azure does.",
    },
    Property::inert(
        "properties.policies.trustPolicy.type",
        "Reports `Notary`, the only type that there is.",
    ),
    Property::only(
        "properties.policies.quarantinePolicy.status",
        "disabled",
        "the quarantine policy",
        "An image can be pulled as soon as it is pushed.",
    ),
    Property::only(
        "properties.policies.retentionPolicy.status",
        "disabled",
        "the retention policy",
        "A manifest without a tag stays until it is deleted; the command `gc --untagged` deletes such manifests.",
    ),
    Property::inert(
        "properties.policies.retentionPolicy.days",
        "Reports 7. The policy is always disabled.",
    ),
    Property::inert(
        "properties.policies.retentionPolicy.lastUpdatedTime",
        "Reports when the registry was created.",
    ),
    Property::only(
        "properties.policies.exportPolicy.status",
        "enabled",
        "the export policy",
        "Every login that can pull can copy images elsewhere.",
    ),
    Property::only(
        "properties.policies.azureADAuthenticationAsArmPolicy.status",
        "enabled",
        "the refusal of tokens for Azure Resource Manager",
        "A login accepts such tokens.",
    ),
    Property::only(
        "properties.publicNetworkAccess",
        "Enabled",
        "a registry that is closed to the public network",
        "A registry listens on the addresses that the command `serve` is told, and by default on the loopback interface only.",
    ),
    Property::only("properties.networkRuleSet.defaultAction", "Allow", "network rules", OPEN),
    Property::only("properties.networkRuleSet.ipRules", "[]", "network rules", OPEN),
    Property::acted_on(
        "properties.networkRuleBypassOptions",
        "It is kept and reported. There are no network rules to bypass.",
    ),
    Property::only(
        "properties.networkRuleBypassAllowedForTasks",
        "false",
        "tasks",
        "There are no network rules to bypass.",
    ),
    Property::only(
        "properties.dataEndpointEnabled",
        "false",
        "dedicated data endpoints",
        "Blobs come from the login server itself.",
    ),
    Property::inert("properties.dataEndpointHostNames", "Reports an empty list."),
    Property::inert("properties.privateEndpointConnections", "Reports an empty list."),
    Property::only("properties.zoneRedundancy", "Disabled", "zone redundancy", ONE_PLACE),
    Property::only(
        "properties.roleAssignmentMode",
        "LegacyRegistryPermissions",
        "role assignments with conditions on repositories",
        "A token with a scope map limits a login to repositories.",
    ),
];

/// Properties that other versions of the API have.
pub(super) const ADDED: &[Property] = &[
    Property::only(
        "properties.policies.softDeletePolicy.status",
        "disabled",
        "the soft-delete policy",
        "A deleted image cannot be restored.",
    ),
    Property::inert(
        "properties.policies.softDeletePolicy.retentionDays",
        "Reports 7. The policy is always disabled.",
    ),
    Property::only("properties.networkRuleSet.virtualNetworkRules", "[]", "network rules", OPEN),
    Property::only(
        "properties.autoGeneratedDomainNameLabelScope",
        "Unsecure",
        "generated labels in login servers",
        "A login server begins with the name of its registry.",
    ),
    Property::only("properties.regionalEndpoints", "Disabled", "regional endpoints", ONE_PLACE),
    Property::only(
        "properties.endpointProtocol",
        "IPv4",
        "the choice of the network protocol",
        "A registry listens on the addresses that the command `serve` is told.",
    ),
    Property::only(
        "properties.metadataSearch",
        "Disabled",
        "the search of metadata",
        "Nothing is indexed.",
    ),
    Property::only(
        "properties.writableCacheRepos",
        "Disabled",
        "repositories that are a cache",
        "Push the images that clients pull.",
    ),
];

/// The properties of supported parts and actions of a registry.
#[cfg(test)]
pub(super) const PARTS: &[(&str, &[Property])] = &[
    (
        "registries/scopeMaps",
        &[
            Property::acted_on("properties.description", "It is kept and reported."),
            Property::acted_on(
                "properties.actions",
                "A token with this scope map can do these actions, and no others.",
            ),
            Property::inert("properties.type", "Reports `UserDefined` or `SystemDefined`."),
            Property::inert("properties.creationDate", "Reports when the scope map was created."),
            Property::inert("properties.provisioningState", "Reports `Succeeded`."),
        ],
    ),
    (
        "registries/tokens",
        &[
            Property::acted_on(
                "properties.scopeMapId",
                "The token can do what this scope map allows.",
            ),
            Property::acted_on("properties.status", "A disabled token cannot log in."),
            Property::acted_on(
                "properties.credentials.passwords",
                "A password that an update leaves out is removed.",
            ),
            Property {
                path: "properties.credentials.certificates",
                treatment: Treatment::RefusedElsewhere,
                description: "Only an empty list is accepted. A token logs in with its name and a password.",
            },
            Property::inert("properties.creationDate", "Reports when the token was created."),
            Property::inert("properties.provisioningState", "Reports `Succeeded`."),
        ],
    ),
    (
        "registries/regenerateCredential",
        &[Property::acted_on("name", "This password of the admin user is replaced.")],
    ),
    (
        "registries/generateCredentials",
        &[
            Property::acted_on("tokenId", "The passwords are made for this token."),
            Property::acted_on(
                "name",
                "Only this password is made. Without this property, both passwords are made.",
            ),
            Property::acted_on(
                "expiry",
                "The passwords end at this time, by the clock of the emulator.",
            ),
        ],
    ),
    (
        "checkNameAvailability",
        &[
            Property::acted_on("name", "The answer says whether a registry can have this name."),
            Property::acted_on("type", "It has to be `Microsoft.ContainerRegistry/registries`."),
        ],
    ),
];
