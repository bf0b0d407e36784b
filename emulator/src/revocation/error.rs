//! Why a key was not taken away, or not given back. `admin/` turns it into answers.

use thiserror::Error;

use super::Way;
use crate::keys::{KeyId, Status, VaultError};
use crate::registry::ManageError;
use crate::store::StoreError;

/// Why a key was not taken away, or not given back. Each is a sentence for people.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// The registry has no key that could be taken.
    #[error("the registry {0} has no customer-managed key")]
    NoKey(String),
    /// The vault belongs to somebody else.
    #[error("the vault {vault} is not ours to change: use its own tools, `{az}`")]
    NotOurs {
        /// The vault.
        vault: String,
        /// The command that does it there.
        az: String,
    },
    /// The way does not apply to this vault, and another one does.
    #[error("{why}: use `--by {instead}`")]
    Inapplicable {
        /// Why not.
        why: String,
        /// What does.
        instead: Way,
    },
    /// It is gone already, and it was not taken here.
    #[error("{0}")]
    NothingToTake(String),
    /// There is no such vault, or it is deleted.
    #[error("there is no vault {0}: it may be deleted")]
    NoVault(String),
    /// The vault did not do it.
    #[error("the vault did not do it: {0}")]
    Vault(#[from] VaultError),
    /// The registry did not do it.
    #[error("the registry did not do it: {0}")]
    Registry(#[from] ManageError),
    /// It was done, and the registry did not see it in time, or sees something else.
    #[error("the vault was changed, but the registry {registry} is {}", state(.status))]
    NotSeen {
        /// The registry.
        registry: String,
        /// What it sees.
        status: Status,
    },
    /// The begin or the end of it cannot be noted.
    #[error("the begin or the end of it cannot be noted in the data folder: {0}")]
    Intent(#[from] crate::registry::Error),
    /// What was taken cannot be noted.
    #[error("what was taken cannot be noted in the data folder")]
    Store(#[from] StoreError),
}

impl RevocationError {
    /// The key is not of this vault's keys to take.
    pub(super) fn not_ours(way: Way, key: &KeyId) -> Self {
        Self::NotOurs { vault: key.vault().to_string(), az: way.az(key) }
    }

    /// What was noted is not what this program notes.
    pub(super) fn damaged(what: &str) -> Self {
        StoreError::Damaged(format!("{what} in a note of a revocation cannot be read")).into()
    }
}

fn state(status: &Status) -> String {
    match (status.cause, &status.words) {
        (Some(cause), Some(words)) => format!("{} ({cause}): {words}", status.state),
        (Some(cause), None) => format!("{} ({cause})", status.state),
        (None, _) => status.state.to_string(),
    }
}
