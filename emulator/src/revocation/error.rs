//! The errors of revocations and restorations. `admin/` turns them into answers.

use thiserror::Error;

use super::method::RevocationMethod;
use crate::keys::{KeyId, Status, VaultError};
use crate::registry::ManageError;
use crate::store::StoreError;

/// The reason why a key was not revoked or not restored. Each message is a sentence for people.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The registry has no key that could be revoked.
    #[error("the registry {0} has no customer-managed key to revoke or restore")]
    NoKey(String),
    /// The emulator may not change the vault.
    #[error("the emulator may not change the vault {vault}: use Azure's tools, `{az}`")]
    ExternalVault {
        /// The vault.
        vault: String,
        /// The command of the Azure CLI for this change.
        az: String,
    },
    /// The method does not apply to this vault, but another one does.
    #[error("{why}: use `--by {instead}`")]
    Inapplicable {
        /// The reason.
        why: String,
        /// The method that applies.
        instead: RevocationMethod,
    },
    /// The access is missing already, and `revoke` did not remove it.
    #[error("{0}")]
    NothingToRevoke(String),
    /// There is no such vault, or it is deleted.
    #[error("there is no vault {0}: it may be deleted")]
    NoVault(String),
    /// The vault did not make the change.
    #[error("the vault did not make the change: {0}")]
    Vault(#[from] VaultError),
    /// The registry did not make the change.
    #[error("the registry did not make the change: {0}")]
    Registry(#[from] ManageError),
    /// The vault was changed, but the registry did not see the change in time, or has another state.
    #[error("the vault was changed, but the registry {registry} is {}", state(.status))]
    NotSeen {
        /// The registry.
        registry: String,
        /// The state of the registry.
        status: Status,
    },
    /// The intent of the operation cannot be written.
    #[error("cannot record the begin or the end of the operation in the data folder: {0}")]
    Intent(#[from] crate::registry::Error),
    /// The record of the revocation cannot be written.
    #[error("cannot record the revocation in the data folder")]
    Store(#[from] StoreError),
}

impl RevocationError {
    /// The error for a vault that the emulator may not change.
    pub(super) fn external_vault(method: RevocationMethod, key: &KeyId) -> Self {
        Self::ExternalVault { vault: key.vault().to_string(), az: method.az_command(key) }
    }

    /// The error for a record that this program cannot read.
    pub(super) fn damaged(what: &str) -> Self {
        StoreError::Damaged(format!("cannot read {what} in the record of a revocation")).into()
    }
}

fn state(status: &Status) -> String {
    match (status.cause, &status.message) {
        (Some(cause), Some(message)) => format!("{} ({cause}): {message}", status.state),
        (Some(cause), None) => format!("{} ({cause})", status.state),
        (None, _) => status.state.to_string(),
    }
}
