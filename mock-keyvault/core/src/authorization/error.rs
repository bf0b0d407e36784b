//! What role-based access control refuses, in words of its own. The wire forms are with the routes.

use std::io;

use uuid::Uuid;

use crate::room;

/// Why an assignment is not made or removed.
#[derive(Debug, thiserror::Error)]
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
    /// The disk has too little room for a change. Nothing was changed, and reading goes on.
    #[error("the disk is full")]
    DiskFull,
    /// The data folder failed. Logged, never shown.
    #[error("the role assignments cannot be kept: {0}")]
    Io(io::Error),
}

impl From<io::Error> for AuthorizationError {
    fn from(error: io::Error) -> Self {
        if room::is_lacking(&error) {
            return Self::DiskFull;
        }
        Self::Io(error)
    }
}

impl From<AuthorizationError> for io::Error {
    fn from(error: AuthorizationError) -> Self {
        match error {
            AuthorizationError::DiskFull => io::ErrorKind::StorageFull.into(),
            AuthorizationError::Io(error) => error,
            other => Self::other(other),
        }
    }
}
