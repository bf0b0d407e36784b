//! The errors of this part of the control plane, in one match. The errors of all parts, and the wire form, are in
//! [`mock_keyvault::control`].
//!
//! Codes and messages are Azure's where they are known. An error of the caller is never a 5xx, which clients retry.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http_body_util::BodyExt as _;
use mock_keyvault::GateRefusal;
use mock_keyvault::control::{RequestError, refusal};
use serde_json::Value;
use thiserror::Error;

use super::deployment::DeploymentError;
use super::registry::Refusal;
use super::sentence::sentence;
use crate::arm::locations;
use crate::registry::{
    AccessChangeError, Error as DomainError, Location, ManageError, PlatformError, ResourceError,
    ResourceGroup,
};

/// Why a request is refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArmError {
    /// There is no valid token, or its holder has no role for this.
    #[error(transparent)]
    Refused(#[from] GateRefusal),
    /// It is refused before any lookup.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The host of the request is invalid.
    #[error("the Host '{0}' is not valid")]
    Host(String),
    /// The body is not valid for the route.
    #[error("the body cannot be read: {0}")]
    Content(String),
    /// The body names no location.
    #[error("the resource has no location")]
    NoLocation,
    /// Azure has no such location.
    #[error("there is no location '{requested}'")]
    NoSuchLocation {
        /// The requested location.
        requested: Location,
        /// The type of the resource; `None` for a group.
        kind: Option<&'static str>,
    },
    /// A resource name is invalid.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// There is no such resource in the group.
    #[error("there is no {kind} '{name}' in the group '{group}'")]
    NoResource {
        /// The type of the resource.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The group.
        group: String,
    },
    /// No resource provider has this name.
    #[error("there is no resource provider '{0}'")]
    NoNamespace(String),
    /// There is no such operation, or it has expired.
    #[error("there is no operation '{0}'")]
    NoOperation(String),
    /// The resource does not match the condition in this header.
    #[error("the condition {0} is not met")]
    Condition(&'static str),
    /// The group is being deleted.
    #[error("the group {0} is being deleted")]
    GroupBeingDeleted(ResourceGroup),
    /// A group cannot move to another location.
    #[error("the group is in {is}, not in {requested}")]
    GroupElsewhere {
        /// The requested location.
        requested: Location,
        /// The group's location.
        is: Location,
    },
    /// A deployment is refused.
    #[error(transparent)]
    Deployment(#[from] DeploymentError),
    /// The domain refuses it.
    #[error(transparent)]
    Manage(#[from] ManageError),
    /// A registry, or a part of one, is refused.
    #[error(transparent)]
    Registry(#[from] Refusal),
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => error.into_response(),
            Self::Request(error) => error.into_response(),
            Self::Host(host) => {
                let message = format!("The host '{host}' is not valid.");
                refusal(StatusCode::BAD_REQUEST, "InvalidHostHeader", &message)
            }
            Self::Content(error) => {
                let message = format!(
                    "The request content was invalid and could not be deserialized: '{error}'."
                );
                refusal(StatusCode::BAD_REQUEST, "InvalidRequestContent", &message)
            }
            Self::NoLocation => {
                let message = "The location property is required for this definition.";
                refusal(StatusCode::BAD_REQUEST, "LocationRequired", message)
            }
            Self::NoSuchLocation { requested, kind } => {
                let all = locations::list();
                let (code, message) = match kind {
                    Some(kind) => (
                        "LocationNotAvailableForResourceType",
                        format!(
                            "The provided location '{requested}' is not available for resource type '{kind}'. List of available regions for the resource type is '{all}'."
                        ),
                    ),
                    None => (
                        "LocationNotAvailableForResourceGroup",
                        format!(
                            "The provided location '{requested}' is not available for resource group. List of available regions is '{all}'."
                        ),
                    ),
                };
                refusal(StatusCode::BAD_REQUEST, code, &message)
            }
            Self::Resource(error) => name_error(&error),
            Self::NoResource { kind, name, group } => {
                let message = format!(
                    "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
                );
                refusal(StatusCode::NOT_FOUND, "ResourceNotFound", &message)
            }
            Self::NoNamespace(namespace) => {
                let message = format!("The resource namespace '{namespace}' is invalid.");
                refusal(StatusCode::NOT_FOUND, "InvalidResourceNamespace", &message)
            }
            Self::NoOperation(id) => {
                let message = format!("The operation '{id}' could not be found.");
                refusal(StatusCode::NOT_FOUND, "OperationNotFound", &message)
            }
            Self::Condition(header) => {
                let message = format!(
                    "The condition '{header}' is not met: the resource does not match it. Get it again and retry."
                );
                refusal(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", &message)
            }
            Self::GroupBeingDeleted(group) => {
                let message = format!(
                    "The resource group '{group}' is in deprovisioning state and cannot perform this operation."
                );
                refusal(StatusCode::CONFLICT, "ResourceGroupBeingDeleted", &message)
            }
            Self::GroupElsewhere { requested, is } => {
                let message = format!(
                    "Invalid resource group location '{requested}'. The Resource group already exists in location '{is}'."
                );
                refusal(StatusCode::CONFLICT, "InvalidResourceGroupLocation", &message)
            }
            Self::Deployment(error) => {
                let (status, code) = error.wire();
                refusal(status, code, &error.to_string())
            }
            Self::Manage(error) => domain_error(&error),
            Self::Registry(error) => {
                let (status, code) = error.wire();
                refusal(status, code, &error.to_string())
            }
        }
    }
}

impl ArmError {
    /// The refusal of a change to a registry's logins. `id` is that of the registry.
    pub(in crate::arm) fn from_access_change(error: AccessChangeError, id: &str) -> Self {
        let refusal = match error {
            AccessChangeError::AdminDisabled => Refusal::AdminDisabled(id.to_owned()),
            AccessChangeError::TokenUnknown(name) => {
                Refusal::NoPart(format!("{id}/tokens/{}", shorten(&name)))
            }
            AccessChangeError::ScopeMapUnknown(name) => {
                Refusal::NoPart(format!("{id}/scopeMaps/{}", shorten(&name)))
            }
            AccessChangeError::Registry(error) => return ManageError::from(error).into(),
            other => Refusal::Access(other),
        };
        refusal.into()
    }

    /// The `error` of the answer, for an operation that failed with it.
    pub(in crate::arm) async fn report(self) -> Value {
        self.status_and_report().await.1
    }

    /// The `error` and the status of the answer.
    pub(in crate::arm) async fn status_and_report(self) -> (StatusCode, Value) {
        let response = self.into_response();
        let status = response.status();
        let collected = response.into_body().collect().await;
        let bytes = collected.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        (status, body["error"].clone())
    }
}

fn shorten(name: &str) -> String {
    name.chars().take(100).collect()
}

/// An invalid name. The codes are Azure's; its messages name the resource as ours do.
fn name_error(error: &ResourceError) -> Response {
    let code = match error {
        ResourceError::Group(_) => "InvalidResourceGroup",
        ResourceError::Location(_) => "LocationNotAvailableForResourceType",
        ResourceError::Sku(_) => "InvalidSku",
        ResourceError::Tags => "InvalidTag",
        ResourceError::IdentityName(_) => "InvalidResourceName",
        ResourceError::Deployment(_) => "InvalidDeploymentName",
        ResourceError::Identity(_) => "InvalidIdentity",
    };
    refusal(StatusCode::BAD_REQUEST, code, &sentence(error))
}

fn domain_error(error: &ManageError) -> Response {
    let (status, code) = match error {
        ManageError::Resource(error) => return name_error(error),
        ManageError::NoRegistry(_)
        | ManageError::NoIdentity(_)
        | ManageError::Registry(DomainError::RegistryGone) => {
            (StatusCode::NOT_FOUND, "ResourceNotFound")
        }
        ManageError::NoGroup(group) => {
            let message = format!("Resource group '{group}' could not be found.");
            return refusal(StatusCode::NOT_FOUND, "ResourceGroupNotFound", &message);
        }
        ManageError::NoDeployment(name) => {
            let message = format!("Deployment '{name}' could not be found.");
            return refusal(StatusCode::NOT_FOUND, "DeploymentNotFound", &message);
        }
        ManageError::GroupStays(_) => (StatusCode::CONFLICT, "ResourceGroupDeletionBlocked"),
        ManageError::NameTaken(_) => (StatusCode::CONFLICT, "AlreadyInUse"),
        ManageError::LocalStays
        | ManageError::IdentityTaken(_)
        | ManageError::GroupInUse(_)
        | ManageError::IdentityInUse { .. }
        | ManageError::StartIdentityStays(_)
        | ManageError::Registry(DomainError::Replaced) => (StatusCode::CONFLICT, "Conflict"),
        // Azure's own message, which begins in lower case.
        ManageError::ContentTrust(_) => {
            let code = "BlockedForEncryptionEnabledRegistry";
            return refusal(StatusCode::BAD_REQUEST, code, &error.to_string());
        }
        ManageError::NoContentTrust => (StatusCode::BAD_REQUEST, "NotSupported"),
        // Azure publishes no codes for these. An error of the caller is never a 5xx, which clients retry.
        ManageError::PremiumOnly(_) => (StatusCode::BAD_REQUEST, "CMKNotSupportedForSku"),
        ManageError::NoAnonymousPull(_)
        | ManageError::NoUserAssignedIdentity
        | ManageError::EnabledLater(_)
        | ManageError::CannotBeDisabled(_)
        | ManageError::NothingToRotate(_)
        | ManageError::IdentityNotAssigned { .. }
        | ManageError::KeyType { .. }
        | ManageError::MissingPermission(_)
        | ManageError::NoAccess { .. }
        | ManageError::NoAnswer { .. }
        | ManageError::NoPurgeProtection(_)
        | ManageError::Platform(PlatformError::NotOurs { .. }) => {
            (StatusCode::BAD_REQUEST, "BadRequest")
        }
        ManageError::Registry(DomainError::DiskFull)
        | ManageError::Platform(PlatformError::DiskFull(_)) => {
            (StatusCode::INSUFFICIENT_STORAGE, "DiskFull")
        }
        ManageError::Registry(DomainError::RowsNotProven | DomainError::RowsReadOnly(_))
        | ManageError::Platform(PlatformError::ReadOnly(_)) => {
            (StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")
        }
        ManageError::Registry(DomainError::ResetUnfinished { .. }) => {
            (StatusCode::SERVICE_UNAVAILABLE, "ResetUnfinished")
        }
        ManageError::Platform(PlatformError::Failed(_)) | ManageError::Registry(_) => {
            tracing::error!(%error, "the control plane failed");
            (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")
        }
    };
    refusal(status, code, &sentence(error))
}
