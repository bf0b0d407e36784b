//! A resource as the list of resources of all types shows it.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

/// The properties of a resource that a list shows and a filter can use.
#[derive(Clone, Debug)]
pub struct Resource {
    /// The resource id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The type, such as `Microsoft.KeyVault/vaults`.
    pub kind: String,
    /// The resource group.
    pub group: String,
    /// The location.
    pub location: String,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// The SKU, if lists show one for the type.
    pub sku: Option<Value>,
    /// The identity, if it has one.
    pub identity: Option<Value>,
    /// When it was created, if that is known.
    pub created: Option<OffsetDateTime>,
    /// When it was last changed, if that is known.
    pub changed: Option<OffsetDateTime>,
}
