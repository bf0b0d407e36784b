//! The refusals of the resource providers and their wire form, `{"error":{"code","message"}}`, in one match.
//!
//! Codes and messages are Azure's where a recorded answer or a thread that quotes one is known; the others say so. A
//! mistake of the caller is never a 5xx, which clients would retry. An internal failure is logged here, once.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use time::OffsetDateTime;

use crate::auth::MANAGEMENT_AUDIENCES;
use crate::control::{RequestError, refusal};
use crate::error::{ApiError, WireError};
use crate::model::error::VaultError;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::{AuthorizationError, ScopeError};
use azure_emulator_core::disk_space;
use azure_emulator_core::identity::{TENANT, TokenRefused};
use azure_emulator_core::listing::ListError;

/// Why a request to the resource providers is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ArmError {
    /// There is no token, or it is not valid.
    #[error(transparent)]
    Token(ApiError),
    /// The request is refused before any resource is looked up.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The caller has no role for this action.
    #[error("{object_id} has no role for {action} at {scope}")]
    AuthorizationFailed {
        /// The client id of the caller.
        app_id: String,
        /// The caller's object id.
        object_id: String,
        /// The action of the request.
        action: &'static str,
        /// The scope of the request.
        scope: String,
    },
    /// The name of the resource group is not valid.
    #[error("'{0}' is not the name of a resource group")]
    GroupName(String),
    /// The name of the vault is not valid.
    #[error("'{0}' is not the name of a vault")]
    VaultName(String),
    /// The scope is not valid.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// The body is not what the route expects.
    #[error("the body cannot be read: {0}")]
    Content(String),
    /// The role definition does not exist.
    #[error("there is no role definition '{0}'")]
    NoRoleDefinition(String),
    /// The role assignment does not exist.
    #[error("there is no role assignment '{0}'")]
    NoRoleAssignment(String),
    /// The name of the role assignment is not valid.
    #[error("'{0}' is not the name of a role assignment")]
    AssignmentName(String),
    /// Azure has this feature, but this emulator does not.
    #[error("{0} is not served")]
    NotServed(&'static str),
    /// The vaults refuse the change.
    #[error(transparent)]
    Vault(#[from] VaultChangeError),
}

impl From<ListError> for ArmError {
    fn from(error: ListError) -> Self {
        Self::Request(error.into())
    }
}

impl ArmError {
    /// The vault has ended and cannot answer.
    pub(crate) fn ended() -> Self {
        VaultChangeError::Internal("the vault has ended".to_owned()).into()
    }

    pub(crate) fn from_auth(error: ApiError) -> Self {
        Self::Token(error)
    }

    /// The refusal of a name that another vault has.
    pub(super) fn name_taken(name: String) -> Self {
        VaultChangeError::NameTaken(name).into()
    }

    /// The message that the client gets.
    pub(super) fn message(&self) -> String {
        self.wire().2
    }

    fn wire(&self) -> (StatusCode, &'static str, String) {
        let bad = StatusCode::BAD_REQUEST;
        let gone = StatusCode::NOT_FOUND;
        match self {
            Self::Token(error) => of_token(error),
            Self::Request(error) => error.wire(),
            Self::AuthorizationFailed { app_id, object_id, action, scope } => (
                StatusCode::FORBIDDEN,
                "AuthorizationFailed",
                format!(
                    "The client '{app_id}' with object id '{object_id}' does not have authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
                ),
            ),
            Self::GroupName(name) => (
                bad,
                "InvalidResourceGroup",
                format!(
                    "The provided resource group name '{name}' has these invalid characters or is too long. The name can only be a letter, digit, '-', '.', '(', ')' or '_', and does not end with a period."
                ),
            ),
            Self::VaultName(name) => (
                bad,
                "VaultNameNotValid",
                format!(
                    "The vault name '{name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens."
                ),
            ),
            Self::Scope(error) => (bad, "InvalidScope", format!("{error}.")),
            Self::Content(error) => (
                bad,
                "InvalidRequestContent",
                format!(
                    "The request content was invalid and could not be deserialized: '{error}'."
                ),
            ),
            Self::NoRoleDefinition(id) => (
                gone,
                "RoleDefinitionDoesNotExist",
                format!("The specified role definition with ID '{id}' does not exist."),
            ),
            Self::NoRoleAssignment(name) => (
                gone,
                "RoleAssignmentNotFound",
                format!("The role assignment '{name}' is not found."),
            ),
            Self::AssignmentName(name) => (
                bad,
                "InvalidRoleAssignmentId",
                format!(
                    "The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
                ),
            ),
            Self::NotServed(what) => (
                bad,
                "NotSupported",
                format!("{what} is part of Azure, but this emulator does not serve it."),
            ),
            Self::Vault(error) => of_vault(error),
        }
    }
}

impl IntoResponse for ArmError {
    fn into_response(self) -> Response {
        if let Self::Vault(
            VaultChangeError::Internal(_)
            | VaultChangeError::Authorization(AuthorizationError::Io(_)),
        ) = &self
        {
            tracing::error!(error = %self, "a resource provider failed");
        }
        let (status, code, message) = self.wire();
        refusal(status, code, &message)
    }
}

fn of_token(error: &ApiError) -> (StatusCode, &'static str, String) {
    let status = StatusCode::UNAUTHORIZED;
    match error {
        ApiError::Token(TokenRefused::Audience { found }) => {
            let [current, former] = MANAGEMENT_AUDIENCES;
            (
                status,
                "InvalidAuthenticationTokenAudience",
                format!(
                    "The access token has been obtained for wrong audience or resource '{found}'. It should exactly match with one of the allowed audiences '{former}/','{former}','{current}/','{current}'."
                ),
            )
        }
        ApiError::Token(TokenRefused::Expired { end, now }) => (
            status,
            "ExpiredAuthenticationToken",
            format!(
                "The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
                when(*end),
                when(*now)
            ),
        ),
        ApiError::Token(TokenRefused::Issuer { expected, found }) => (
            status,
            "InvalidAuthenticationTokenTenant",
            format!(
                "The access token is from the wrong issuer '{found}'. It must match the tenant '{expected}' associated with this subscription. Please use the authority (URL) 'https://login.microsoftonline.com/{TENANT}' to get the token."
            ),
        ),
        ApiError::Token(refused) => (
            status,
            "InvalidAuthenticationToken",
            format!("The access token is invalid: {refused}."),
        ),
        // The check of a token returns no other error.
        _ => (
            status,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.".to_owned(),
        ),
    }
}

fn of_vault(error: &VaultChangeError) -> (StatusCode, &'static str, String) {
    let bad = |message: String| (StatusCode::BAD_REQUEST, "BadRequest", message);
    let conflict = StatusCode::CONFLICT;
    match error {
        VaultChangeError::NotFound(path) => (
            StatusCode::NOT_FOUND,
            "ResourceNotFound",
            format!(
                "The Resource 'Microsoft.KeyVault/vaults/{}' under resource group '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                path.spelling, path.group
            ),
        ),
        VaultChangeError::DeletedNotFound(name) => (
            StatusCode::NOT_FOUND,
            "DeletedVaultNotFound",
            format!("The specified deleted vault '{name}' does not exist."),
        ),
        VaultChangeError::NothingToRecover => (
            StatusCode::BAD_REQUEST,
            "SoftDeletedVaultDoesNotExist",
            "A soft deleted vault with the given name does not exist. Ensure that the name for the vault that is being attempted to recover is in a recoverable state.".to_owned(),
        ),
        VaultChangeError::NameTaken(name) => (
            conflict,
            "VaultAlreadyExists",
            format!("The vault name '{name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, soft delete and purging a vault follow this link https://go.microsoft.com/fwlink/?linkid=2147740."),
        ),
        VaultChangeError::NameDeleted => (
            conflict,
            "ConflictError",
            "A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.".to_owned(),
        ),
        VaultChangeError::Name(error) => (StatusCode::BAD_REQUEST, "VaultNameNotValid", format!("{error}.")),
        VaultChangeError::Fixed(property) => {
            bad(format!("The property \"{property}\" has been set already and it can't be modified."))
        }
        VaultChangeError::Irreversible(property) => bad(format!(
            "The property \"{property}\" cannot be set to false. Enabling the {} for a vault is an irreversible action.",
            if *property == "enableSoftDelete" { "soft delete" } else { "purge protection" }
        )),
        VaultChangeError::LocationChange { path, found, requested } => (
            conflict,
            "InvalidResourceLocation",
            format!(
                "The resource '{}' already exists in location '{found}' in resource group '{}'. A resource with the same name cannot be created in location '{requested}'. Please select a new resource name.",
                path.spelling, path.group
            ),
        ),
        VaultChangeError::Invalid(property) => {
            bad(format!("An invalid value was provided for '{property}'."))
        }
        VaultChangeError::Missing("location") => (
            StatusCode::BAD_REQUEST,
            "LocationRequired",
            "The location property is required for this definition.".to_owned(),
        ),
        VaultChangeError::Missing(property) => bad(format!("The parameter {property} is not specified.")),
        VaultChangeError::Policy(error) => {
            bad(format!("An invalid value was provided for 'accessPolicies': {error}."))
        }
        VaultChangeError::PolicyTwice(_) | VaultChangeError::TooManyPolicies(_) => {
            bad(format!("An invalid value was provided for 'accessPolicies': {error}."))
        }
        VaultChangeError::PurgeProtected => (
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "Operation 'DeletedVaultPurge' is not allowed.".to_owned(),
        ),
        VaultChangeError::Authorization(error) => of_authorization(error),
        VaultChangeError::DiskFull => as_data_plane(VaultError::DiskFull),
        VaultChangeError::ReadOnly => as_data_plane(VaultError::ReadOnly),
        VaultChangeError::Internal(_) => internal(),
    }
}

fn of_authorization(error: &AuthorizationError) -> (StatusCode, &'static str, String) {
    let bad = StatusCode::BAD_REQUEST;
    match error {
        AuthorizationError::RoleNotFound(id) => (
            StatusCode::NOT_FOUND,
            "RoleDefinitionDoesNotExist",
            format!("The specified role definition with ID '{}' does not exist.", id.simple()),
        ),
        AuthorizationError::Exists(_) => (
            StatusCode::CONFLICT,
            "RoleAssignmentExists",
            "The role assignment already exists.".to_owned(),
        ),
        AuthorizationError::UpdateNotPermitted => (
            bad,
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
                .to_owned(),
        ),
        AuthorizationError::PrincipalNotValid(_) => {
            (bad, "InvalidPrincipalId", format!("{error}."))
        }
        AuthorizationError::DescriptionTooLong(_) => {
            (bad, "RoleAssignmentDescriptionTooLong", format!("{error}."))
        }
        AuthorizationError::TooMany(_) => (
            bad,
            "RoleAssignmentLimitExceeded",
            "No more role assignments can be created.".to_owned(),
        ),
        AuthorizationError::DiskFull => as_data_plane(VaultError::DiskFull),
        AuthorizationError::Io(error) if disk_space::is_read_only(error) => {
            as_data_plane(VaultError::ReadOnly)
        }
        AuthorizationError::Io(_) => internal(),
    }
}

/// Gives the error the status, code and message that it has in the data plane.
fn as_data_plane(error: VaultError) -> (StatusCode, &'static str, String) {
    let WireError { status, code, message, .. } = ApiError::from(error).wire();
    (status, code, message)
}

fn internal() -> (StatusCode, &'static str, String) {
    let message = "The server encountered an internal error.".to_owned();
    (StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message)
}

fn when(seconds: i64) -> String {
    OffsetDateTime::from_unix_timestamp(seconds)
        .ok()
        .and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}
