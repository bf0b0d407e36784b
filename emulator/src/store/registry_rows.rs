//! The rows of a registry and of a new one. The domain knows the meaning of the fields and their valid values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::access::AccessRow;
use super::encoding::last_part;
use super::error::StoreError;
use super::intents::End;
use crate::names::RegistryName;

/// The properties of a registry, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryRecord {
    /// Its name.
    pub name: String,
    /// The short properties.
    pub row: RegistryRow,
    /// Its tags, as Azure knows them: names and values.
    pub tags: BTreeMap<String, String>,
    /// The user-assigned identities that it has, by resource id in lower case.
    pub identities: BTreeMap<String, AssignedRow>,
}

/// The rows of a new registry that are stored in one transaction, without its ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRegistryRows {
    /// The properties.
    pub record: RegistryRecord,
    /// The login settings, if they are not the default.
    pub access: Option<AccessRow>,
    /// The operation that ends with the transaction.
    pub end: End,
}

/// The row of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryRow {
    /// The id that distinguishes it from earlier and later registries of its name; `None` if it is older than such ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When it was made: seconds since 1970, emulator time.
    pub created: i64,
    /// The price class.
    pub sku: String,
    /// The location.
    pub location: String,
    /// The resource group.
    pub group: String,
    /// The customer-managed key that it was made with, opaque to the store. The ring has the current one.
    pub key: Option<serde_json::Value>,
    /// Its system-assigned identity.
    pub system_identity: Option<PrincipalRow>,
    /// Whether content trust was on. Older versions could set it without effect; it is no longer read.
    pub content_trust: bool,
    /// Whether anonymous clients may use its content.
    pub anonymous: bool,
    /// Whether it has only the features of a real registry.
    pub strict: bool,
    /// The last port of its listener.
    pub port: Option<u16>,
    /// The services that bypass network rules, as Azure spells it; `None` if trusted services do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bypass: Option<String>,
    /// Its author, if that is not the local owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<AuthorRow>,
    /// The identity in use that was removed from it in strict parity, and when: seconds since 1970, emulator time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub former_identity: Option<(AssignedRow, i64)>,
}

/// The author of a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuthorRow {
    /// Whom the token named.
    pub client_id: String,
    /// Whether it is a managed identity; else it is an application.
    pub is_managed_identity: bool,
}

/// An identity, as tokens and permissions know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalRow {
    /// The id in tokens.
    pub client_id: String,
    /// The id in permissions.
    pub principal_id: String,
}

/// A user-assigned identity of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedRow {
    /// The resource, as it was written.
    pub resource_id: String,
    /// Its client id and principal id.
    #[serde(flatten)]
    pub principal: PrincipalRow,
}

impl RegistryRecord {
    /// Its name. Fails if the row has no valid name, or the name in another form than it is written in.
    pub fn registry_name(&self) -> Result<RegistryName, StoreError> {
        last_part(self.name.as_bytes())
    }
}

impl From<RegistryRecord> for NewRegistryRows {
    fn from(record: RegistryRecord) -> Self {
        Self { record, access: None, end: End::Nothing }
    }
}
