//! Maps the errors of creating, changing and deleting registries and identities to status and code, in one match.
//!
//! Azure publishes one of these codes, `BlockedForEncryptionEnabledRegistry`. The others are our own, and so is the choice of
//! 400 for errors that only the caller can correct.

use http::StatusCode;

use super::error::AdminError;
use crate::registry::{ManageError, PlatformError};

impl From<ManageError> for AdminError {
    fn from(error: ManageError) -> Self {
        use StatusCode as S;
        let cause = match &error {
            ManageError::NoAccess { cause, .. } => *cause,
            ManageError::MissingPermission(missing) => missing.source.cause(),
            _ => None,
        };
        let (status, code) = match error {
            ManageError::Resource(_) | ManageError::NoAnonymousPull(_) => {
                (S::BAD_REQUEST, "BadRequest")
            }
            ManageError::NameTaken(_) | ManageError::IdentityTaken(_) => {
                (S::CONFLICT, "AlreadyExists")
            }
            ManageError::NoRegistry(_) => (S::NOT_FOUND, "RegistryNotFound"),
            ManageError::NoDeployment(_) => (S::NOT_FOUND, "DeploymentNotFound"),
            ManageError::NoGroup(_) => (S::NOT_FOUND, "ResourceGroupNotFound"),
            ManageError::GroupStays(_) | ManageError::GroupInUse(_) => {
                (S::CONFLICT, "ResourceGroupInUse")
            }
            ManageError::NoIdentity(_) => (S::NOT_FOUND, "IdentityNotFound"),
            ManageError::LocalStays
            | ManageError::StartIdentityStays(_)
            | ManageError::IdentityInUse { .. }
            | ManageError::Platform(PlatformError::NotOurs { .. }) => (S::CONFLICT, "Conflict"),
            ManageError::PremiumOnly(_) => (S::BAD_REQUEST, "CMKNotSupportedForSku"),
            ManageError::NoUserAssignedIdentity => (S::BAD_REQUEST, "IdentityRequired"),
            ManageError::EnabledLater(_) => (S::BAD_REQUEST, "CMKOnlyAtCreation"),
            ManageError::CannotBeDisabled(_) => (S::BAD_REQUEST, "CMKCannotBeDisabled"),
            ManageError::NothingToRotate(_) => (S::CONFLICT, "CMKNotEnabled"),
            ManageError::IdentityNotAssigned { .. } => (S::BAD_REQUEST, "IdentityNotAssigned"),
            ManageError::KeyType { .. } => (S::BAD_REQUEST, "InvalidKeyType"),
            ManageError::MissingPermission(_) | ManageError::NoAccess { .. } => {
                (S::BAD_REQUEST, "KeyAccessDenied")
            }
            ManageError::NoAnswer { .. } => (S::SERVICE_UNAVAILABLE, "KeyVaultUnavailable"),
            ManageError::NoPurgeProtection(_) => (S::BAD_REQUEST, "PurgeProtectionRequired"),
            ManageError::NoContentTrust => (S::BAD_REQUEST, "NotSupported"),
            ManageError::ContentTrust(_) => (S::BAD_REQUEST, "BlockedForEncryptionEnabledRegistry"),
            ManageError::Platform(PlatformError::DiskFull(_)) => {
                (S::INSUFFICIENT_STORAGE, "DiskFull")
            }
            ManageError::Platform(PlatformError::ReadOnly(_)) => {
                (S::SERVICE_UNAVAILABLE, "ReadOnly")
            }
            ManageError::Platform(PlatformError::Failed(_)) => (S::BAD_GATEWAY, "VaultRefused"),
            ManageError::Registry(error) => return error.into(),
        };
        Self::new(status, code, error).with_cause(cause)
    }
}
