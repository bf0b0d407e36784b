//! The bodies of the routes of registries, which the command line uses as well.
//!
//! Names are Azure Container Registry's where it has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::identities::{IdentityReport, PrincipalReport};
use super::json_body::RequestBody;
use super::key_bodies::RotationReport;
use super::status::RegistryReport;

/// The body of `POST /_sealyard/registries`. An omitted field has Azure's default, or its resource is created.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct CreateRegistry {
    /// 5 to 50 letters and digits.
    pub name: String,
    /// `Basic`, `Standard` or `Premium`, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The location; `eastus` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// `sealyard` by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group: Option<String>,
    /// Names and values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// `enabled`, which is the default, or `disabled`: without a customer-managed key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<FeatureStatus>,
    /// The key: an identifier, or the name of a key in the vault `local`. By default, a key with the registry's name is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_identifier: Option<String>,
    /// The identity that uses the key. By default, an identity with the registry's name is created and permitted to use the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// Further identities.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub user_assigned_identities: Vec<String>,
    /// Whether it has a system-assigned identity.
    pub system_assigned_identity: bool,
    /// Policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Policies>,
    /// Whether it lacks the features that Azure's registries with a customer-managed key lack.
    pub strict_parity: bool,
    /// Whether every client that can connect may do everything, which is the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// Whether clients may pull without a login if the registry is not open; by default they may not. Needs the SKU
    /// `Standard` or `Premium`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anonymous_pull_enabled: bool,
}

/// The body of `PATCH /_sealyard/registries/NAME`. An omitted field changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChangeRegistry {
    /// The SKU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sku: Option<String>,
    /// The new set of all tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
    /// Only the current value is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<FeatureStatus>,
    /// Identities to assign.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub assign_identities: Vec<String>,
    /// Identities to remove.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove_identities: Vec<String>,
    /// Whether it has a system-assigned identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system_assigned_identity: Option<bool>,
    /// Policies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<Policies>,
    /// Whether it lacks the features that Azure's registries with a customer-managed key lack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict_parity: Option<bool>,
}

/// The body of `POST /_sealyard/registries/NAME/rotate-key`. If it is empty, the key rotates to the newest version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct RotateKey {
    /// The key: an identifier, or the name of a key in the vault `local`. Without a version it rotates automatically.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_identifier: Option<String>,
    /// The identity that uses the key from then on: a name, a client id, a resource id, or `[system]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

/// `enabled` or `disabled`, as in Azure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FeatureStatus {
    /// On.
    Enabled,
    /// Off.
    Disabled,
}

/// The policies of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policies {
    /// Content trust.
    pub trust_policy: Policy,
}

/// One policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Whether it is on.
    pub status: FeatureStatus,
}

/// All registries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryList {
    /// `local` first.
    pub registries: Vec<RegistryDetails>,
}

/// A registry with all its details.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryDetails {
    /// The report of `status`.
    #[serde(flatten)]
    pub report: RegistryReport,
    /// Its resource id.
    pub id: String,
    /// The SKU.
    pub sku: String,
    /// The location.
    pub location: String,
    /// The resource group.
    pub resource_group: String,
    /// Names and values.
    pub tags: BTreeMap<String, String>,
    /// When it was created, in emulator time.
    #[serde(with = "time::serde::rfc3339")]
    pub creation_date: OffsetDateTime,
    /// Whether it has a customer-managed key.
    pub encryption: FeatureStatus,
    /// The identity that uses the key: a client id, or `system`.
    pub key_identity: Option<String>,
    /// When the identity that uses the key stops working, in emulator time, because it was removed from the registry.
    /// Only in strict parity; otherwise it stops at once.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "time::serde::rfc3339::option"
    )]
    pub key_identity_works_until: Option<OffsetDateTime>,
    /// The user-assigned identities that it has.
    pub user_assigned_identities: Vec<IdentityReport>,
    /// The system-assigned identity.
    pub system_assigned_identity: Option<PrincipalReport>,
    /// Its policies.
    pub policies: Policies,
    /// Whether it lacks the features that Azure's registries with a customer-managed key lack.
    pub strict_parity: bool,
}

/// A created registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedRegistry {
    /// The registry.
    pub registry: RegistryDetails,
    /// Warnings.
    pub warnings: Vec<String>,
}

/// The result of a manual rotation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RotatedKey {
    /// The registry.
    pub registry: RegistryDetails,
    /// The rotation.
    pub rotation: RotationReport,
    /// Warnings.
    pub warnings: Vec<String>,
}

impl RequestBody for CreateRegistry {
    const SHAPE: &'static str = r#"{"name": NAME, "sku"?, "location"?, "resourceGroup"?, "tags"?, "encryption"?: "enabled" or "disabled", "keyIdentifier"?, "identity"?, "userAssignedIdentities"?, "systemAssignedIdentity"?, "policies"?, "strictParity"?, "open"?: true or false, "anonymousPullEnabled"?: true or false}"#;
}

impl RequestBody for ChangeRegistry {
    const SHAPE: &'static str = r#"{"sku"?, "tags"?, "encryption"?: "enabled" or "disabled", "assignIdentities"?, "removeIdentities"?, "systemAssignedIdentity"?, "policies"?, "strictParity"?}"#;
}

impl RequestBody for RotateKey {
    const SHAPE: &'static str = r#"{"keyIdentifier"?, "identity"?}"#;
}

impl Policies {
    pub(super) fn trust(self) -> bool {
        self.trust_policy.status == FeatureStatus::Enabled
    }
}

impl From<bool> for FeatureStatus {
    fn from(is_on: bool) -> Self {
        if is_on { Self::Enabled } else { Self::Disabled }
    }
}
