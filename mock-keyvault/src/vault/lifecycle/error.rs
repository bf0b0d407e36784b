//! What those who manage vaults are refused, in words of the domain. The wire forms are with the routes, in one match.

use std::io;

use crate::vault::names::NameError;
use crate::vault::policy::PolicyError;
use crate::vault::settings::VaultPath;
use azure_emulator_core::authorization::AuthorizationError;
use azure_emulator_core::room;

/// Why a vault is not made, changed, deleted or brought back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultChangeError {
    /// There is no such vault, or it is deleted.
    #[error("there is no vault at {0}")]
    NotFound(VaultPath),
    /// There is no deleted vault of this name.
    #[error("there is no deleted vault '{0}'")]
    DeletedNotFound(String),
    /// There is no deleted vault to bring back at this path.
    #[error("there is no deleted vault of this name to recover")]
    NothingToRecover,
    /// The name belongs to a vault elsewhere.
    #[error("the vault name '{0}' is in use")]
    NameTaken(String),
    /// The name belongs to a vault that is deleted and can be recovered.
    #[error("a deleted vault has this name")]
    NameDeleted,
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A property has been set for good.
    #[error("the property {0} cannot be changed")]
    Fixed(&'static str),
    /// A protection is turned on for good.
    #[error("the property {0} cannot be turned off")]
    Irreversible(&'static str),
    /// A vault stays where it is.
    #[error("the vault is in '{found}' and not in '{asked}'")]
    LocationChange {
        /// Which vault.
        path: VaultPath,
        /// Where it is.
        found: String,
        /// Where it was asked for.
        asked: String,
    },
    /// A property has a value that it cannot have.
    #[error("an invalid value was provided for {0}")]
    Invalid(&'static str),
    /// A property is missing.
    #[error("the property {0} is missing")]
    Missing(&'static str),
    /// An access policy cannot be one.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Two access policies are for the same identity.
    #[error("two access policies are for the identity {0}")]
    PolicyTwice(String),
    /// There are more access policies than there may be.
    #[error("a vault has at most {0} access policies")]
    TooManyPolicies(usize),
    /// The deleted vault has purge protection.
    #[error("the deleted vault is protected from purging")]
    PurgeProtected,
    /// Role-based access control failed or refused.
    #[error(transparent)]
    Authorization(#[from] AuthorizationError),
    /// The disk has too little room for a change. Nothing was changed, and reading goes on.
    #[error("the disk is full")]
    DiskFull,
    /// The data folder can only be read, because an earlier write failed or rows are damaged. Nothing was changed.
    #[error("the data folder can only be read")]
    ReadOnly,
    /// The data folder failed. Logged, never shown.
    #[error("the vault failed: {0}")]
    Internal(String),
}

impl From<io::Error> for VaultChangeError {
    fn from(error: io::Error) -> Self {
        if room::is_lacking(&error) {
            return Self::DiskFull;
        }
        if room::is_read_only(&error) {
            tracing::error!(%error, "a change was refused");
            return Self::ReadOnly;
        }
        Self::Internal(error.to_string())
    }
}
