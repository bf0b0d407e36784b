//! The identities of registries, as a vault knows them.
//!
//! An identity is either a resource ([`Identity`]) that any number of registries may have, or a registry's own,
//! system-assigned one.

use time::OffsetDateTime;

use super::identity_ref::IdentityResource;
use super::properties::{Location, Tags};
use crate::store::{AssignedRow, IdentityRow, PrincipalRow, StoreError};

/// An identity, as tokens and permissions name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The id that tokens name.
    pub client_id: String,
    /// The id that permissions name. With an external vault it is unknown, and empty.
    pub principal_id: String,
}

/// A user-assigned identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The resource.
    pub resource: IdentityResource,
    /// The location.
    pub location: Location,
    /// When it was created.
    pub created: OffsetDateTime,
    /// The tenant.
    pub tenant: String,
    /// Its ids.
    pub principal: Principal,
    /// The tags that users gave it.
    pub tags: Tags,
}

/// A user-assigned identity that a registry has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedIdentity {
    /// The resource.
    pub resource: IdentityResource,
    /// Its ids.
    pub principal: Principal,
}

/// The owner of an identity to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentityOf {
    /// A resource.
    Resource(IdentityResource),
    /// A registry, by its resource id.
    Registry(String),
}

impl From<Principal> for PrincipalRow {
    fn from(principal: Principal) -> Self {
        Self { client_id: principal.client_id, principal_id: principal.principal_id }
    }
}

impl From<PrincipalRow> for Principal {
    fn from(row: PrincipalRow) -> Self {
        Self { client_id: row.client_id, principal_id: row.principal_id }
    }
}

impl From<Identity> for IdentityRow {
    fn from(identity: Identity) -> Self {
        Self {
            name: identity.resource.name().to_owned(),
            group: identity.resource.group().to_string(),
            location: identity.location.to_string(),
            created: identity.created.unix_timestamp(),
            tenant: identity.tenant,
            principal: identity.principal.into(),
            tags: identity.tags.as_map().clone(),
        }
    }
}

impl TryFrom<IdentityRow> for Identity {
    type Error = StoreError;

    fn try_from(row: IdentityRow) -> Result<Self, StoreError> {
        let damaged = |error: &dyn std::fmt::Display| StoreError::Damaged(error.to_string());
        let group = row.group.parse().map_err(|error| damaged(&error))?;
        Ok(Self {
            resource: IdentityResource::new(group, &row.name).map_err(|error| damaged(&error))?,
            location: row.location.parse().map_err(|error| damaged(&error))?,
            created: OffsetDateTime::from_unix_timestamp(row.created)
                .map_err(|error| damaged(&error))?,
            tenant: row.tenant,
            principal: row.principal.into(),
            tags: row.tags.try_into().map_err(|error| damaged(&error))?,
        })
    }
}

impl From<Identity> for AssignedIdentity {
    fn from(identity: Identity) -> Self {
        Self { resource: identity.resource, principal: identity.principal }
    }
}

impl From<&AssignedIdentity> for AssignedRow {
    fn from(assigned: &AssignedIdentity) -> Self {
        Self {
            resource_id: assigned.resource.to_string(),
            principal: assigned.principal.clone().into(),
        }
    }
}
