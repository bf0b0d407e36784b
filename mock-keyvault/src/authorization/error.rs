//! What role-based access control refuses, in words of its own. The wire forms are with the routes.

use std::io;

use uuid::Uuid;

/// Why an assignment is not made or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// No role has this id.
    #[error("there is no role definition {0}")]
    RoleNotFound(Uuid),
    /// The same role is assigned to the same principal at the same scope already, under this name.
    #[error("the role is assigned already, as {0}")]
    Exists(Uuid),
    /// An assignment of this name grants something else.
    #[error("principal, role and scope of an assignment do not change")]
    UpdateNotPermitted,
    /// The principal is no id.
    #[error("'{0}' is not the object id of a principal")]
    PrincipalNotValid(String),
    /// The description is too long.
    #[error("a description has at most {0} characters")]
    DescriptionTooLong(usize),
    /// There are as many assignments as there may be.
    #[error("there are {0} role assignments already")]
    TooMany(usize),
    /// The data folder failed. Logged, never shown.
    #[error("the role assignments cannot be kept: {0}")]
    Io(#[from] io::Error),
}
