//! The error answers of the admin API: `{"error":{"code","message"}}`, with state and cause if the key is the reason.

use std::fmt;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::wire::{known, reason};
use crate::faults::FaultRulesError;
use crate::keys::{Cause, Refusal, RingError, State as KeyState, VaultError};
use crate::listeners::GuardRefusal;
use crate::registry::{AccessChangeError, Error};
use crate::reset::ResetError;
use crate::revocation::RevocationError;
use crate::store::StoreError;

/// An error answer.
#[derive(Clone, Debug)]
pub struct AdminError {
    status: StatusCode,
    report: ErrorReport,
}

/// The content of an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// The code for programs.
    pub code: String,
    /// The message for people.
    pub message: String,
    /// The state of the registry, if that is the reason.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub state: Option<KeyState>,
    /// The cause of that state.
    #[serde(default, deserialize_with = "known", skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The registry whose state it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
}

/// The body of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorReport,
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report.message)
    }
}

impl From<GuardRefusal> for AdminError {
    fn from(refusal: GuardRefusal) -> Self {
        Self::new(refusal.status, refusal.code, refusal.message)
    }
}

impl std::error::Error for AdminError {}

impl AdminError {
    /// The content of the error: code, message, and the state of the registry if that is the reason.
    pub fn report(&self) -> &ErrorReport {
        &self.report
    }

    /// An error answer.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass a literal, a text or an error")]
    pub(super) fn new(status: StatusCode, code: &str, message: impl ToString) -> Self {
        let report = ErrorReport {
            code: code.to_owned(),
            message: message.to_string(),
            ..ErrorReport::default()
        };
        Self { status, report }
    }

    /// 400: the request is invalid.
    pub(super) fn bad_request(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 404: there is no such registry.
    pub(super) fn no_registry(name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "RegistryNotFound",
            format!("there is no registry {name:?}"),
        )
    }

    /// 409: the operation is not possible in this configuration or state.
    pub(super) fn conflict(message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// Sets the registry of the state.
    pub(super) fn with_registry(mut self, name: &str) -> Self {
        self.report.registry = Some(name.to_owned());
        self
    }

    /// Sets the cause that the state would have.
    pub(super) fn with_cause(mut self, cause: Option<Cause>) -> Self {
        self.report.cause = cause;
        self
    }

    /// 500: an internal error. The log has the error and its origin.
    fn internal(error: &(dyn std::error::Error + 'static), what: &str) -> Self {
        tracing::error!(error, "{what}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
    }

    /// The error of a request to the vault: 507 or 503 if its data folder is the reason, otherwise 502.
    pub(super) fn from_vault(error: &VaultError, message: impl ToString) -> Self {
        if error.is_disk_full() {
            Self::disk_full(message)
        } else if error.is_read_only() {
            Self::read_only(message)
        } else {
            Self::new(StatusCode::BAD_GATEWAY, "VaultRefused", message)
        }
    }

    /// The error of a rotation: 503, 507 or 500 if the ring or the use of the key could not be stored, otherwise 409.
    pub(super) fn not_rotated(error: RingError, message: String) -> Self {
        match error {
            RingError::Vault { source, .. } if source.is_disk_full() || source.is_read_only() => {
                Self::from_vault(&source, message)
            }
            RingError::Vault { source, .. } if source.cause() == Some(Cause::AuditUnavailable) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "KeyRefused", message)
                    .with_cause(source.cause())
            }
            RingError::Store(error) => match error.into_cause().downcast::<StoreError>() {
                Ok(error) => {
                    let mut answer = Self::from(Error::from(*error));
                    answer.report.message = message;
                    answer
                }
                Err(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", message),
            },
            _ => Self::conflict(message),
        }
    }

    /// 503: nothing can be stored until the data folder is repaired.
    pub(super) fn read_only(message: impl ToString) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ReadOnly", message)
    }

    /// 507: the disk is full.
    pub(super) fn disk_full(message: impl ToString) -> Self {
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "DiskFull", message)
    }

    /// 403, or 503 for an outage: the key of the registry cannot be used.
    fn key_refused(refusal: &Refusal) -> Self {
        let status = if refusal.is_lasting() {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let mut answer = Self::new(status, "KeyRefused", refusal.message());
        answer.report.state = Some(refusal.state);
        answer.with_cause(refusal.cause)
    }

    /// The content of the error.
    pub(super) fn into_report(self) -> ErrorReport {
        self.report
    }
}

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::key_refused(&refusal),
            Error::Name(_) | Error::BodyCut(_) | Error::MetadataTooLong => Self::bad_request(error),
            Error::TaskRunUnknown(_) => Self::new(StatusCode::NOT_FOUND, "RunNotFound", error),
            Error::LogTooLong(_) => Self::new(StatusCode::PAYLOAD_TOO_LARGE, "LogTooLong", error),
            Error::DiskFull => Self::disk_full(error),
            Error::RowsNotProven | Error::RowsReadOnly(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "RowsNotWritable", error)
            }
            Error::ResetUnfinished { .. } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "ResetUnfinished", error)
            }
            Error::Replaced => Self::new(StatusCode::CONFLICT, "OperationReplaced", error),
            Error::DamagedObject(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ContentDamaged", error)
            }
            // The other errors occur only in requests for content.
            error => Self::internal(&error, "an admin request failed"),
        }
    }
}

impl From<RevocationError> for AdminError {
    fn from(error: RevocationError) -> Self {
        match error {
            RevocationError::Registry(error) => error.into(),
            RevocationError::Intent(error) => error.into(),
            RevocationError::NoKey(_)
            | RevocationError::ExternalVault { .. }
            | RevocationError::NothingToRevoke(_)
            | RevocationError::NoVault(_) => Self::conflict(error),
            RevocationError::Inapplicable { .. } => {
                Self::new(StatusCode::CONFLICT, "WayDoesNotApply", error)
            }
            RevocationError::Vault(ref source) => Self::from_vault(source, &error),
            RevocationError::NotSeen { ref registry, ref status } => {
                let mut answer = Self::new(StatusCode::GATEWAY_TIMEOUT, "NotSeen", &error);
                // With a cause the registry is unavailable for another reason, which another command repairs.
                answer.report.state = status.cause.map(|_| status.state);
                answer.with_registry(registry).with_cause(status.cause)
            }
            RevocationError::Store(StoreError::DiskFull(_)) => Self::disk_full(error),
            RevocationError::Store(
                error @ (StoreError::NotProven(_) | StoreError::ReadOnly(_)),
            ) => Error::from(error).into(),
            RevocationError::Store(_) => Self::internal(&error, "a revocation failed"),
        }
    }
}

impl From<ResetError> for AdminError {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Faults(error) => error.into(),
            ResetError::Revocation(error) => error.into(),
            ResetError::Registries(error) => error.into(),
            ResetError::Registry {
                name,
                source:
                    error @ (Error::Refused(_)
                    | Error::DiskFull
                    | Error::RowsNotProven
                    | Error::RowsReadOnly(_)),
            } => Self::from(error).with_registry(&name),
            ResetError::Vault(ref source)
            | ResetError::Registry {
                source: Error::Ring(RingError::Vault { ref source, .. }),
                ..
            } => Self::from_vault(source, &error),
            ResetError::Registry { source: Error::Ring(_), .. } => {
                Self::new(StatusCode::BAD_GATEWAY, "VaultRefused", error)
            }
            ResetError::Clock(error) => error.into(),
            ResetError::Registry { .. } => Self::internal(&error, "a reset failed"),
        }
    }
}

impl From<AccessChangeError> for AdminError {
    fn from(error: AccessChangeError) -> Self {
        match error {
            AccessChangeError::Registry(error) => error.into(),
            AccessChangeError::Name(_)
            | AccessChangeError::Action(_)
            | AccessChangeError::TooManyActions(_)
            | AccessChangeError::ExpiryPast => Self::bad_request(error),
            AccessChangeError::AdminDisabled
            | AccessChangeError::ScopeMapUsed { .. }
            | AccessChangeError::SystemScopeMap(_) => Self::conflict(error),
            AccessChangeError::TokenUnknown(_) | AccessChangeError::ScopeMapUnknown(_) => {
                Self::new(StatusCode::NOT_FOUND, "LoginNotFound", error)
            }
        }
    }
}

impl From<FaultRulesError> for AdminError {
    fn from(error: FaultRulesError) -> Self {
        match &error {
            FaultRulesError::Rule(_) | FaultRulesError::Malformed(_) => Self::bad_request(error),
            FaultRulesError::ExternalVault { .. } => Self::conflict(error),
            FaultRulesError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "FaultNotFound", error),
            FaultRulesError::Vault(source) => Self::from_vault(source, &error),
        }
    }
}

impl From<JsonRejection> for AdminError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "BadRequest", reason(&rejection.body_text()))
    }
}

impl From<QueryRejection> for AdminError {
    fn from(rejection: QueryRejection) -> Self {
        Self::bad_request(rejection.body_text())
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        (self.status, Json(ErrorBody { error: self.report })).into_response()
    }
}

/// There is no such route.
pub(super) async fn not_found(uri: Uri) -> AdminError {
    AdminError::new(StatusCode::NOT_FOUND, "NotFound", format!("there is no route {}", uri.path()))
}

/// The route exists, but not for this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> AdminError {
    let message = format!("{method} is not supported at {}", uri.path());
    AdminError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}
