//! The errors of a reset.

use thiserror::Error;

use crate::faults::FaultRulesError;
use crate::keys::VaultError;
use crate::registry::{Error, ManageError, RegistryName};
use crate::revocation::RevocationError;
use crate::scheduler::SchedulerError;

/// The reason why a reset did not complete. Once it has begun to remove, it continues by itself until it completes.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ResetError {
    /// The faults could not be cleared.
    #[error("cannot clear the fault rules: {0}")]
    Faults(#[from] FaultRulesError),
    /// Revocations could not be undone.
    #[error("cannot restore revoked access: {0}")]
    Revocation(#[from] RevocationError),
    /// The vault could not be created anew.
    #[error("cannot reset the vault: {0}")]
    Vault(#[from] VaultError),
    /// The other registries and identities could not be deleted.
    #[error("cannot delete the registries: {0}")]
    Registries(#[from] ManageError),
    /// The clock could not be set back.
    #[error("cannot set the clock back: {0}")]
    Clock(#[from] SchedulerError),
    /// A registry could not be reset.
    #[error("cannot reset the registry {name}: {source}")]
    Registry {
        /// Its name.
        name: String,
        /// The reason.
        source: Error,
    },
}

pub(super) fn local_error(source: Error) -> ResetError {
    registry_error(RegistryName::LOCAL, source)
}

pub(super) fn registry_error(name: &str, source: Error) -> ResetError {
    ResetError::Registry { name: name.to_owned(), source }
}
