//! The refusals of requests to manage vaults, in terms of the domain. The wire forms are with the routes, in one match.

use std::io;

use crate::model::names::NameError;
use crate::model::policy::PolicyError;
use crate::model::settings::VaultPath;
use azure_emulator_core::authorization::AuthorizationError;
use azure_emulator_core::disk_space;

/// Why a vault is not created, changed, deleted or recovered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultChangeError {
    /// The vault does not exist, or it is deleted.
    #[error("there is no vault at {0}")]
    NotFound(VaultPath),
    /// No deleted vault has this name.
    #[error("there is no deleted vault '{0}'")]
    DeletedNotFound(String),
    /// There is no deleted vault at this path to recover.
    #[error("there is no deleted vault of this name to recover")]
    NothingToRecover,
    /// A vault at another path has the name.
    #[error("the vault name '{0}' is in use")]
    NameTaken(String),
    /// A deleted, recoverable vault has the name.
    #[error("a deleted vault has this name")]
    NameDeleted,
    /// The name is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The property cannot be changed once it is set.
    #[error("the property {0} cannot be changed")]
    Fixed(&'static str),
    /// The protection cannot be turned off once it is on.
    #[error("the property {0} cannot be turned off")]
    Irreversible(&'static str),
    /// The location of a vault cannot be changed.
    #[error("the vault is in '{found}' and not in '{requested}'")]
    LocationChange {
        /// The path of the vault.
        path: VaultPath,
        /// The location of the vault.
        found: String,
        /// The location in the request.
        requested: String,
    },
    /// A property has an invalid value.
    #[error("an invalid value was provided for {0}")]
    Invalid(&'static str),
    /// A property is missing.
    #[error("the property {0} is missing")]
    Missing(&'static str),
    /// An access policy is not valid.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Two access policies are for the same identity.
    #[error("two access policies are for the identity {0}")]
    PolicyTwice(String),
    /// There are too many access policies.
    #[error("a vault has at most {0} access policies")]
    TooManyPolicies(usize),
    /// The deleted vault has purge protection.
    #[error("the deleted vault is protected from purging")]
    PurgeProtected,
    /// Role-based access control refused the change or failed.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// The disk has too little space for a change. Nothing was changed, and reading still works.
    #[error("the disk is full")]
    DiskFull,
    /// The data folder is read-only, because an earlier write failed or rows are damaged. Nothing was changed.
    #[error("the data folder is read-only")]
    ReadOnly,
    /// The data folder failed. Logged, never shown.
    #[error("the vault failed: {0}")]
    Internal(String),
}

impl From<io::Error> for VaultChangeError {
    fn from(error: io::Error) -> Self {
        if disk_space::is_out_of_space(&error) {
            return Self::DiskFull;
        }
        if disk_space::is_read_only(&error) {
            tracing::error!(%error, "a change was refused");
            return Self::ReadOnly;
        }
        Self::Internal(error.to_string())
    }
}
