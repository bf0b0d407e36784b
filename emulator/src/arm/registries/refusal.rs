//! What is refused of registries and of what they have, beyond what the domain refuses: one match to status and code.
//!
//! Azure publishes few of the codes: `BlockedForEncryptionEnabledRegistry`, `UnAuthorizedForCredentialOperations`,
//! `FailedIdentityOperation`, `LinkedAuthorizationFailed`, `InvalidResourceLocation` and `AlreadyInUse` are its own. `BadRequest` is what it says where
//! nothing better is known. The others are ours.

use http::StatusCode;
use thiserror::Error;

use crate::arm::error::{ArmError, sentence};
use crate::keys::InvalidKeyId;
use crate::registry::{AccessChangeError, Error as DomainError, ManageError};

/// Why something of a registry is not done. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A new resource has to have a field.
    #[error("The property '{0}' is missing.")]
    Missing(&'static str),
    /// A registry stays where it is. The text is Azure's.
    #[error(
        "The resource '{name}' already exists in location '{there}' in resource group '{group}'. A resource with the same name cannot be created in location '{asked}'. Please select a new resource name."
    )]
    OtherLocation {
        /// The registry.
        name: String,
        /// Its group.
        group: String,
        /// Its place.
        there: String,
        /// The place that was asked for.
        asked: String,
    },
    /// The name is one that no registry can have. The text is Azure's.
    #[error(
        "Resource names may contain alpha numeric characters only and must be between 5 and 50 characters."
    )]
    Name,
    /// The name belongs to a registry of another group. The text is Azure's.
    #[error(
        "The registry DNS name {0}.azurecr.io is already in use. You can check if the name is already claimed using following API: https://docs.microsoft.com/en-us/rest/api/containerregistry/registries/checknameavailability"
    )]
    InUse(String),
    /// Encryption is on, and the key or the identity is not named.
    #[error(
        "The property 'properties.encryption.keyVaultProperties.{0}' is required when 'properties.encryption.status' is 'enabled'. For more information on customer-managed keys, please visit 'https://aka.ms/acr/cmk'."
    )]
    NoKeyProperty(&'static str),
    /// The key identifier is none.
    #[error("The key identifier is not valid: {0}.")]
    Key(#[from] InvalidKeyId),
    /// A principal id stands where a client id should.
    #[error(
        "'{principal_id}' is the principal id of {whose}. The property 'properties.encryption.keyVaultProperties.identity' is to be '{expected}', its client id."
    )]
    PrincipalId {
        /// What was named.
        principal_id: String,
        /// Whose it is.
        whose: String,
        /// What should have been named.
        expected: String,
    },
    /// Who asks for a key is named neither by a client id nor as the registry itself.
    #[error(
        "The property 'properties.encryption.keyVaultProperties.identity' is to be the client id of a user-assigned identity, or 'system', and not '{0}'."
    )]
    Asker(String),
    /// Identities and the type of identity do not go together.
    #[error(
        "The identity type '{0}' and the property 'identity.userAssignedIdentities' do not go together: user-assigned identities are listed if and only if the type names UserAssigned."
    )]
    IdentityType(String),
    /// An identity that is to be assigned is not there. The beginning is Azure's.
    #[error("Failed to perform resource identity operation. The resource '{0}' was not found.")]
    NoIdentity(String),
    /// The caller may change the registry, and not give it this identity. The text is Azure's.
    #[error(
        "The client '{app_id}' with object id '{object_id}' has permission to perform action 'Microsoft.ContainerRegistry/registries/write' on scope '{registry}'; however, it does not have permission to perform action(s) 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked scope(s) '{identity}' (respectively) or the linked scope(s) are invalid."
    )]
    MayNotAssign {
        /// Who asks.
        app_id: String,
        /// Who that is to roles.
        object_id: String,
        /// The registry.
        registry: String,
        /// The identity.
        identity: String,
    },
    /// A property has another value than the only one that is accepted.
    #[error(
        "Sealyard does not emulate {feature}: leave the property '{path}' out, or set it to '{only}'. {instead}"
    )]
    Property {
        /// Where it is in the body.
        path: &'static str,
        /// The value that is accepted.
        only: &'static str,
        /// What another value would ask for.
        feature: &'static str,
        /// What there is in its place.
        instead: &'static str,
    },
    /// The emulator does not have it.
    #[error("Sealyard does not emulate {0}. {1}")]
    NotEmulated(&'static str, &'static str),
    /// The admin user is disabled. The text is Azure's.
    #[error(
        "Cannot perform credential operations for {0} as admin user is disabled. Kindly enable admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/container-registry-authentication#admin-account"
    )]
    AdminDisabled(String),
    /// A login is not made, changed or taken away.
    #[error("{}", sentence(.0))]
    Access(AccessChangeError),
    /// A part of a registry is not there.
    #[error(
        "The Resource '{0}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    )]
    NoPart(String),
    /// A part is to be made of a registry that is not there. The text is Azure's.
    #[error(
        "Failed to perform 'write' on resource(s) of type 'registries/{kind}', because the parent resource '{registry}' could not be found."
    )]
    NoParent {
        /// What was to be made.
        kind: &'static str,
        /// The id that the registry would have.
        registry: String,
    },
}

impl Refusal {
    /// What is refused about the logins of a registry. `id` is that of the registry.
    pub(super) fn access(error: AccessChangeError, id: &str) -> ArmError {
        let refusal = match error {
            AccessChangeError::AdminDisabled => Self::AdminDisabled(id.to_owned()),
            AccessChangeError::TokenUnknown(name) => {
                Self::NoPart(format!("{id}/tokens/{}", shorten(&name)))
            }
            AccessChangeError::ScopeMapUnknown(name) => {
                Self::NoPart(format!("{id}/scopeMaps/{}", shorten(&name)))
            }
            AccessChangeError::Registry(error) => return ManageError::from(error).into(),
            other => Self::Access(other),
        };
        refusal.into()
    }

    /// Status and code: the one table. The message is the error's own text.
    pub(in crate::arm) fn wire(&self) -> (StatusCode, &'static str) {
        use StatusCode as S;
        match self {
            Self::OtherLocation { .. } => (S::CONFLICT, "InvalidResourceLocation"),
            Self::Name => (S::BAD_REQUEST, "InvalidResourceName"),
            Self::InUse(_) => (S::CONFLICT, "AlreadyInUse"),
            Self::Missing(_)
            | Self::NoKeyProperty(_)
            | Self::Key(_)
            | Self::PrincipalId { .. }
            | Self::Asker(_)
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

fn shorten(name: &str) -> String {
    name.chars().take(100).collect()
}
