//! The errors of role-based access control. The routes turn them into responses.

use std::io;

use uuid::Uuid;

use crate::disk_space;

/// The reason that an assignment was not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// No role has this id.
    #[error("there is no role definition {0}")]
    RoleNotFound(Uuid),
    /// The same role is assigned to the same principal at the same scope already, under this name.
    #[error("the principal already has this role at this scope, by assignment {0}")]
    Exists(Uuid),
    /// An assignment of this name exists, with another principal, role or scope.
    #[error("the principal, role and scope of an assignment cannot be changed; make a new one")]
    UpdateNotPermitted,
    /// The principal is not given by an id.
    #[error("'{0}' is not the object id of a principal")]
    PrincipalNotValid(String),
    /// The description is too long.
    #[error("a description has at most {0} characters")]
    DescriptionTooLong(usize),
    /// The limit of assignments is reached.
    #[error("there are {0} role assignments already, which is the limit; remove one first")]
    TooMany(usize),
    /// The disk has too little space for a change. Nothing was changed, and reads still work.
    #[error("the disk is full")]
    DiskFull,
    /// The data folder failed. This is logged and never sent to a client.
    #[error("the role assignments cannot be written: {0}")]
    Io(io::Error),
}

impl From<io::Error> for AuthorizationError {
    fn from(error: io::Error) -> Self {
        if disk_space::is_out_of_space(&error) {
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
