//! The errors of registries and their parts, apart from the domain's: one match to status and code.
//!
//! Azure publishes few of the codes: `BlockedForEncryptionEnabledRegistry`, `UnAuthorizedForCredentialOperations`,
//! `FailedIdentityOperation`, `LinkedAuthorizationFailed`, `InvalidResourceLocation` and `AlreadyInUse` are its own.
//! `BadRequest` is its code for errors without a better one. The others are ours.

use http::StatusCode;
use thiserror::Error;

use super::sentence::sentence;
use crate::keys::InvalidKeyId;
use crate::registry::{AccessChangeError, Error as DomainError};

/// Why a request for a registry is refused. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A new resource lacks a required field.
    #[error("The property '{0}' is missing.")]
    Missing(&'static str),
    /// A registry cannot move to another location. The text is Azure's.
    #[error(
        "The resource '{name}' already exists in location '{there}' in resource group '{group}'. A resource with the same name cannot be created in location '{requested}'. Please select a new resource name."
    )]
    OtherLocation {
        /// The registry.
        name: String,
        /// Its group.
        group: String,
        /// Its location.
        there: String,
        /// The requested location.
        requested: String,
    },
    /// A registry cannot have this name. The text is Azure's.
    #[error(
        "Resource names may contain alpha numeric characters only and must be between 5 and 50 characters."
    )]
    Name,
    /// A registry in another group has this name. The text is Azure's.
    #[error(
        "The registry DNS name {0}.azurecr.io is already in use. You can check if the name is already claimed using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
    )]
    InUse(String),
    /// Encryption is on, and the key or the identity is missing.
    #[error(
        "The property 'properties.encryption.keyVaultProperties.{0}' is required when 'properties.encryption.status' is 'enabled'. For more information on customer-managed keys, please visit 'https://aka.ms/acr/cmk'."
    )]
    NoKeyProperty(&'static str),
    /// The key identifier is invalid.
    #[error("The key identifier is not valid: {0}.")]
    Key(#[from] InvalidKeyId),
    /// The body names a principal id instead of a client id.
    #[error(
        "'{principal_id}' is the principal id of {whose}. The property 'properties.encryption.keyVaultProperties.identity' must be '{expected}', its client id."
    )]
    PrincipalId {
        /// The given id.
        principal_id: String,
        /// The owner of the id.
        whose: String,
        /// The expected id.
        expected: String,
    },
    /// The identity for the key is neither a client id nor the registry's own.
    #[error(
        "The property 'properties.encryption.keyVaultProperties.identity' must be the client id of a user-assigned identity, or 'system', and not '{0}'."
    )]
    InvalidKeyIdentity(String),
    /// The listed identities do not match the identity type.
    #[error(
        "The identity type '{0}' and the property 'identity.userAssignedIdentities' do not go together: user-assigned identities are listed if and only if the type names UserAssigned."
    )]
    IdentityType(String),
    /// An identity to assign does not exist. The beginning is Azure's.
    #[error("Failed to perform resource identity operation. The resource '{0}' was not found.")]
    NoIdentity(String),
    /// The caller may change the registry but not assign this identity to it. The text is Azure's.
    #[error(
        "The client '{app_id}' with object id '{object_id}' has permission to perform action 'Microsoft.ContainerRegistry/registries/write' on scope '{registry}'; however, it does not have permission to perform action(s) 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '{identity}' (respectively) or the linked scope(s) are invalid."
    )]
    MayNotAssign {
        /// The caller's app id.
        app_id: String,
        /// The caller's object id in role assignments.
        object_id: String,
        /// The registry.
        registry: String,
        /// The identity.
        identity: String,
    },
    /// A property does not have the only accepted value.
    #[error(
        "Sealyard does not emulate {feature}: leave the property '{path}' out, or set it to '{only}'. {instead}"
    )]
    Property {
        /// The path of the property in the body.
        path: &'static str,
        /// The accepted value.
        only: &'static str,
        /// The feature that another value would request.
        feature: &'static str,
        /// The alternative, as a sentence.
        instead: &'static str,
    },
    /// The emulator does not support this feature.
    #[error("Sealyard does not emulate {0}. {1}")]
    NotEmulated(&'static str, &'static str),
    /// The admin user is disabled. The text is Azure's.
    #[error(
        "Cannot perform credential operations for {0} as admin user is disabled. Kindly enable admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account"
    )]
    AdminDisabled(String),
    /// A login cannot be created, changed or deleted.
    #[error("{}", sentence(.0))]
    Access(AccessChangeError),
    /// A part of a registry does not exist.
    #[error(
        "The Resource '{0}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )]
    NoPart(String),
    /// The registry of a new part does not exist. The text is Azure's.
    #[error(
        "Failed to perform 'write' on resource(s) of type 'registries/{kind}', because the parent resource '{registry}' could not be found."
    )]
    NoParent {
        /// The type of the new part.
        kind: &'static str,
        /// The id that the registry would have.
        registry: String,
    },
}

impl Refusal {
    /// Status and code, in one table. The message is the error's own text.
    pub(super) fn wire(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::OtherLocation { .. } => (S::CONFLICT, "InvalidResourceLocation"),
            Self::Name => (S::BAD_REQUEST, "InvalidResourceName"),
            Self::InUse(_) => (S::CONFLICT, "AlreadyInUse"),
            Self::Missing(_)
            | Self::NoKeyProperty(_)
            | Self::Key(_)
            | Self::PrincipalId { .. }
            | Self::InvalidKeyIdentity(_)
            | Self::IdentityType(_) => (S::BAD_REQUEST, "BadRequest"),
            Self::NoIdentity(_) => (S::BAD_REQUEST, "FailedIdentityOperation"),
            Self::MayNotAssign { .. } => (S::FORBIDDEN, "LinkedAuthorizationFailed"),
            Self::NotEmulated(..) | Self::Property { .. } => (S::BAD_REQUEST, "NotSupported"),
            Self::AdminDisabled(_) => (S::BAD_REQUEST, "UnAuthorizedForCredentialOperations"),
            Self::Access(error) => access(error),
            Self::NoPart(_) => (S::NOT_FOUND, "ResourceNotFound"),
            Self::NoParent { .. } => (S::NOT_FOUND, "ParentResourceNotFound"),
        }
    }
}

fn access(error: &AccessChangeError) -> (StatusCode, &'static str) {
    use StatusCode as S;
    match error {
        AccessChangeError::AdminDisabled => (S::BAD_REQUEST, "UnAuthorizedForCredentialOperations"),
        AccessChangeError::Name(_) => (S::BAD_REQUEST, "InvalidResourceName"),
        AccessChangeError::TokenUnknown(_) | AccessChangeError::ScopeMapUnknown(_) => {
            (S::NOT_FOUND, "ResourceNotFound")
        }
        AccessChangeError::ScopeMapUsed { .. } | AccessChangeError::SystemScopeMap(_) => {
            (S::CONFLICT, "Conflict")
        }
        AccessChangeError::Action(_)
        | AccessChangeError::TooManyActions(_)
        | AccessChangeError::ExpiryPast => (S::BAD_REQUEST, "BadRequest"),
        // These go through the table of the domain.
        AccessChangeError::Registry(DomainError::DiskFull) => (S::INSUFFICIENT_STORAGE, "DiskFull"),
        AccessChangeError::Registry(DomainError::RowsNotProven | DomainError::RowsReadOnly(_)) => {
            (S::SERVICE_UNAVAILABLE, "ServiceUnavailable")
        }
        AccessChangeError::Registry(_) => (S::INTERNAL_SERVER_ERROR, "InternalServerError"),
    }
}
