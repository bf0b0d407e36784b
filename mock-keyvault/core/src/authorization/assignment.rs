//! Role assignments: each gives a role to a principal at a scope.
//!
//! Only [`super::Authorization::assign`] makes them. A principal is given by its object id. Nothing checks whether the
//! directory has it, so an assignment can be made before its principal.

use std::fmt;

use uuid::Uuid;

use super::builtin::{self, RoleDefinition};
use super::error::AuthorizationError;
use super::scope::Scope;

/// Azure allows 1024; a few less keep the row below 4 KiB whatever the characters.
const MAX_DESCRIPTION: usize = 1000;

/// The kind of a principal, as the caller states it. No decision depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrincipalType {
    /// An application or a managed identity.
    #[default]
    ServicePrincipal,
    /// A person.
    User,
    /// A group. Its members get no access, since groups are not served.
    Group,
    /// A group of another directory.
    ForeignGroup,
    /// A device.
    Device,
}

/// An assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Its name.
    pub name: Uuid,
    /// Where it applies.
    pub scope: Scope,
    /// The role that it gives.
    pub role: &'static RoleDefinition,
    /// The object id of the principal, in lower case.
    pub principal_id: String,
    /// The kind of the principal.
    pub principal_type: PrincipalType,
    /// Its purpose, as text.
    pub description: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it was last changed.
    pub updated: i64,
    /// The object id of the principal that made it.
    pub created_by: String,
    /// The object id of the principal that last changed it.
    pub updated_by: String,
}

/// A request to make an assignment.
#[derive(Clone, Debug)]
pub struct NewRoleAssignment {
    /// Its name.
    pub name: Uuid,
    /// Where it will apply.
    pub scope: Scope,
    /// The id of the role.
    pub role: Uuid,
    /// The object id of the principal.
    pub principal_id: String,
    /// The kind of the principal.
    pub principal_type: PrincipalType,
    /// Its purpose, as text.
    pub description: Option<String>,
}

/// A query for assignments.
#[derive(Clone, Debug)]
pub struct AssignmentQuery {
    /// The scope: assignments at it, above it and below it.
    pub at: Scope,
    /// Leaves out the assignments below the scope: Azure's `atScope()`.
    pub at_or_above: bool,
    /// Only the assignments of this principal.
    pub principal: Option<String>,
}

impl PrincipalType {
    /// Azure's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ServicePrincipal => "ServicePrincipal",
            Self::User => "User",
            Self::Group => "Group",
            Self::ForeignGroup => "ForeignGroup",
            Self::Device => "Device",
        }
    }

    /// The kind with this spelling, in any letter case.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::ServicePrincipal, Self::User, Self::Group, Self::ForeignGroup, Self::Device]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for PrincipalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RoleAssignment {
    /// Whether both give the same principal the same role at the same scope.
    pub(super) fn grants_the_same(&self, other: &Self) -> bool {
        self.principal_id == other.principal_id
            && self.role.id == other.role.id
            && self.scope == other.scope
    }
}

impl NewRoleAssignment {
    pub(super) fn into_assignment(
        self,
        by: &str,
        now: i64,
    ) -> Result<RoleAssignment, AuthorizationError> {
        let role = builtin::by_id(self.role).ok_or(AuthorizationError::RoleNotFound(self.role))?;
        let Ok(principal) = Uuid::parse_str(&self.principal_id) else {
            return Err(AuthorizationError::PrincipalNotValid(self.principal_id));
        };
        if self.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
            return Err(AuthorizationError::DescriptionTooLong(MAX_DESCRIPTION));
        }
        Ok(RoleAssignment {
            name: self.name,
            scope: self.scope,
            role,
            principal_id: principal.to_string(),
            principal_type: self.principal_type,
            description: self.description,
            created: now,
            updated: now,
            created_by: by.to_owned(),
            updated_by: by.to_owned(),
        })
    }
}

impl AssignmentQuery {
    pub(super) fn matches(&self, assignment: &RoleAssignment) -> bool {
        let is_above = assignment.scope.contains(&self.at);
        let is_below = !self.at_or_above && self.at.contains(&assignment.scope);
        let is_theirs = self
            .principal
            .as_ref()
            .is_none_or(|id| assignment.principal_id.eq_ignore_ascii_case(id));
        (is_above || is_below) && is_theirs
    }
}
