//! The errors of a repair.

use mock_keyvault::repair::RepairError;

use crate::serve::StartError;
use crate::store::StoreError;
use crate::vault::ConnectionError;

/// The reason why a folder was not repaired, or not completely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RepairFailure {
    /// The rows of the registries, or the folder itself.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of the embedded vault.
    #[error(transparent)]
    Vault(#[from] RepairError),
    /// The vault did not start, or cannot be reached.
    #[error(
        "the rows are repaired, but the sealed files cannot be opened: the vault cannot be used"
    )]
    Start(#[from] StartError),
    /// The vault cannot be reached with the given settings.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// Content could not be recovered.
    #[error("the rows are repaired, but the sealed files cannot be read")]
    Recovery(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<crate::registry::Error> for RepairFailure {
    fn from(error: crate::registry::Error) -> Self {
        Self::Recovery(error.into())
    }
}

impl RepairFailure {
    /// Whether a process has the folder open.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Store(StoreError::InUse { .. }) | Self::Vault(RepairError::InUse(_)))
    }
}
