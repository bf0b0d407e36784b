//! A registry's properties outside its content: SKU, location, tags, identities, policies.
//!
//! It is read when the registry opens, replaced as a whole by `manage/change.rs`, and shown by the modules above. The
//! current key and its identity are not here but in the ring, where both change in one commit.

use time::OffsetDateTime;

use super::identity::{AssignedIdentity, Principal};
use super::identity_ref::{IdentityRef, IdentityResource};
use super::properties::{Location, ResourceGroup, Sku, Tags};
use crate::keys::{IdentityId, KeyId};
use crate::names::RegistryName;
use crate::store::{AssignedRow, AuthorRow, RegistryRecord, RegistryRow, StoreError};

/// How long a removed identity still works for its registry. Azure says about three months.
pub const FORMER_IDENTITY_WORKS: time::Duration = time::Duration::days(90);

/// The stored value for "trusted services cannot bypass network rules".
const NO_BYPASS: &str = "None";

/// A registry's properties outside its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its id, which distinguishes it from earlier and later registries of its name. `None`: it was created before
    /// these ids existed.
    pub id: Option<String>,
    /// When it was created, in emulator time.
    pub created: OffsetDateTime,
    /// The SKU.
    pub sku: Sku,
    /// The location.
    pub location: Location,
    /// The resource group.
    pub group: ResourceGroup,
    /// The tags that users gave it.
    pub tags: Tags,
    /// The customer-managed key that it was created with. Its ring knows the current one.
    pub made_with: Option<KeyId>,
    /// The user-assigned identities that it has.
    pub identities: Vec<AssignedIdentity>,
    /// Its own, system-assigned identity.
    pub system_identity: Option<Principal>,
    /// Whether its content needs no login.
    pub anonymous: bool,
    /// Whether it lacks the features that a real one lacks.
    pub strict: bool,
    /// Whether trusted Azure services could not bypass network rules. There are no rules, so it is only stored and
    /// reported.
    pub no_bypass: bool,
    /// The port that it last had.
    pub port: Option<u16>,
    /// Its author. `None`: the local owner, or an older program that did not store it.
    pub created_by: Option<Author>,
    /// The identity for its key that was removed, in strict parity. It keeps working for a while.
    pub former_identity: Option<FormerIdentity>,
}

/// The author of a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The id that the token named.
    pub client_id: String,
    /// Whether it is a managed identity; otherwise it is an application.
    pub is_managed_identity: bool,
}

/// A user-assigned identity that a registry had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerIdentity {
    /// The identity.
    pub identity: AssignedIdentity,
    /// When it was removed, in emulator time.
    pub removed: OffsetDateTime,
}

impl FormerIdentity {
    /// Whether this is the identity that a ring names. `None`: the identity that the program was started with.
    pub(in crate::registry) fn is(
        &self,
        identity: Option<&IdentityId>,
        start: &IdentityResource,
    ) -> bool {
        match identity {
            None => self.identity.resource == *start,
            Some(id) => self.identity.principal.client_id.eq_ignore_ascii_case(id.as_str()),
        }
    }

    /// When it stops working, in emulator time.
    pub fn works_until(&self) -> OffsetDateTime {
        self.removed.saturating_add(FORMER_IDENTITY_WORKS)
    }
}

impl Profile {
    /// Whether it has a customer-managed key. This never changes.
    pub fn is_cmk(&self) -> bool {
        self.made_with.is_some()
    }

    /// The identity that is this resource, if the registry has it.
    pub fn assigned(&self, resource: &IdentityResource) -> Option<&AssignedIdentity> {
        self.identities.iter().find(|own| own.resource == *resource)
    }

    /// The user-assigned identity of this client id, if the registry has it.
    pub fn by_client_id(&self, client_id: &str) -> Option<&AssignedIdentity> {
        self.identities.iter().find(|own| own.principal.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The user-assigned identity of a reference, if the registry has it.
    pub fn user_assigned(&self, named: &IdentityRef) -> Option<&AssignedIdentity> {
        match named {
            IdentityRef::System => None,
            IdentityRef::ClientId(client_id) => self.by_client_id(client_id),
            IdentityRef::Resource(resource) => self.assigned(resource),
            IdentityRef::Name(name) => {
                self.identities.iter().find(|own| own.resource.name().eq_ignore_ascii_case(name))
            }
        }
    }

    /// The identity of a reference, as the ring names it, if the registry has it.
    pub(in crate::registry) fn identity_id(&self, named: &IdentityRef) -> Option<IdentityId> {
        match named {
            IdentityRef::System => self.system_identity.as_ref().map(|_| IdentityId::system()),
            _ => self.user_assigned(named)?.principal.client_id.parse().ok(),
        }
    }

    /// The stored form.
    pub(in crate::registry) fn record(&self, name: &RegistryName) -> RegistryRecord {
        let row = RegistryRow {
            id: self.id.clone(),
            created: self.created.unix_timestamp(),
            sku: self.sku.to_string(),
            location: self.location.to_string(),
            group: self.group.to_string(),
            key: self.made_with.as_ref().and_then(|key| serde_json::to_value(key).ok()),
            system_identity: self.system_identity.clone().map(Into::into),
            content_trust: false,
            anonymous: self.anonymous,
            strict: self.strict,
            port: self.port,
            bypass: self.no_bypass.then(|| NO_BYPASS.to_owned()),
            created_by: self.created_by.clone().map(|Author { client_id, is_managed_identity }| {
                AuthorRow { client_id, is_managed_identity }
            }),
            former_identity: self
                .former_identity
                .as_ref()
                .map(|former| ((&former.identity).into(), former.removed.unix_timestamp())),
        };
        let identities = self.identities.iter().map(|own| {
            let row = AssignedRow::from(own);
            (row.resource_id.to_lowercase(), row)
        });
        RegistryRecord {
            name: name.as_str().to_owned(),
            row,
            tags: self.tags.as_map().clone(),
            identities: identities.collect(),
        }
    }

    /// Parses the stored form.
    pub(in crate::registry) fn from_record(
        record: RegistryRecord,
    ) -> Result<(RegistryName, Self), StoreError> {
        let registry = record.registry_name()?;
        let RegistryRecord { name, row, tags, identities } = record;
        let damaged =
            |what: &str| StoreError::Damaged(format!("the row of {name:?} has no {what}"));
        let identity = |assigned: AssignedRow| {
            let resource = assigned.resource_id.parse().map_err(|_| damaged("identity"))?;
            Ok::<_, StoreError>(AssignedIdentity { resource, principal: assigned.principal.into() })
        };
        let identities = identities.into_values().map(identity);
        let former = row.former_identity.map(|(assigned, removed)| {
            Ok::<_, StoreError>(FormerIdentity {
                identity: identity(assigned)?,
                removed: OffsetDateTime::from_unix_timestamp(removed)
                    .map_err(|_| damaged("time"))?,
            })
        });
        let profile = Self {
            id: row.id,
            created: OffsetDateTime::from_unix_timestamp(row.created)
                .map_err(|_| damaged("time"))?,
            sku: row.sku.parse().map_err(|_| damaged("SKU"))?,
            location: row.location.parse().map_err(|_| damaged("location"))?,
            group: row.group.parse().map_err(|_| damaged("group"))?,
            tags: tags.try_into().map_err(|_| damaged("tags"))?,
            made_with: row
                .key
                .map(serde_json::from_value)
                .transpose()
                .map_err(|_| damaged("key"))?,
            identities: identities.collect::<Result<_, StoreError>>()?,
            system_identity: row.system_identity.map(Into::into),
            anonymous: row.anonymous,
            strict: row.strict,
            port: row.port,
            no_bypass: row.bypass.as_deref() == Some(NO_BYPASS),
            created_by: row.created_by.map(|AuthorRow { client_id, is_managed_identity }| Author {
                client_id,
                is_managed_identity,
            }),
            former_identity: former.transpose()?,
        };
        Ok((registry, profile))
    }
}
