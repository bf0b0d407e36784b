//! The error answers of the admin API: `{"error":{"code","message"}}`, with state and cause where the key is the reason.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use super::wire_name;
use crate::faults::FaultDeskError;
use crate::keys::Cause;
use crate::registry::{AccessChangeError, Error, ManageError};
use crate::reset::ResetError;
use crate::revocation::RevocationError;
use crate::store::StoreError;

/// An error answer.
#[derive(Clone, Debug)]
pub struct AdminError {
    status: StatusCode,
    report: ErrorReport,
}

/// What an error says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorReport {
    /// A word for programs.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The state of the registry, where that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The cause of that state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
}

/// The body of an error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorReport,
}

impl AdminError {
    /// An error answer.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers hand over a literal, a text or an error"
    )]
    pub(super) fn new(status: StatusCode, code: &str, message: impl ToString) -> Self {
        let report = ErrorReport {
            code: code.to_owned(),
            message: message.to_string(),
            ..ErrorReport::default()
        };
        Self { status, report }
    }

    /// 400: the request is not one.
    pub(super) fn bad_request(message: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// 404 for a registry.
    pub(super) fn no_registry(name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "RegistryNotFound",
            format!("there is no registry {name:?}"),
        )
    }

    /// 409: not in this set-up or state.
    pub(super) fn conflict(message: impl ToString) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// Says which cause of a state it would be.
    pub(super) fn because_of(mut self, cause: Option<Cause>) -> Self {
        self.report.cause = cause.map(wire_name);
        self
    }

    /// What came of the registry itself, and not of a rule.
    pub(super) fn of_registry(error: ManageError) -> Self {
        match error {
            ManageError::Registry(Error::Name(error)) => Self::bad_request(error),
            ManageError::Registry(error) => error.into(),
            other => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", other),
        }
    }

    /// What the error says.
    pub(super) fn into_report(self) -> ErrorReport {
        self.report
    }
}

impl From<Error> for AdminError {
    fn from(error: Error) -> Self {
        if let Error::Refused(refusal) = &error {
            let status = if refusal.is_lasting() {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            let mut answer = Self::new(status, "KeyRefused", refusal.message());
            answer.report.state = Some(wire_name(refusal.state));
            answer.report.cause = refusal.cause.map(wire_name);
            return answer;
        }
        if matches!(error, Error::TaskRunUnknown(_)) {
            return Self::new(StatusCode::NOT_FOUND, "RunNotFound", error);
        }
        if matches!(error, Error::LogTooLong(_)) {
            return Self::new(StatusCode::PAYLOAD_TOO_LARGE, "LogTooLong", error);
        }
        if matches!(error, Error::BodyCut(_) | Error::MetadataTooLong) {
            return Self::bad_request(error);
        }
        if matches!(error, Error::DiskFull) {
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, "DiskFull", error);
        }
        tracing::error!(error = &error as &dyn std::error::Error, "an admin request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
    }
}

impl From<RevocationError> for AdminError {
    fn from(error: RevocationError) -> Self {
        let error = match error {
            RevocationError::Registry(error) => return error.into(),
            error => error,
        };
        let (status, code) = match &error {
            RevocationError::NoKey(_)
            | RevocationError::Registry(_)
            | RevocationError::NotOurs { .. }
            | RevocationError::NothingToTake(_)
            | RevocationError::NoVault(_) => (StatusCode::CONFLICT, "Conflict"),
            RevocationError::Inapplicable { .. } => (StatusCode::CONFLICT, "WayDoesNotApply"),
            RevocationError::Vault(_) => (StatusCode::BAD_GATEWAY, "VaultRefused"),
            RevocationError::NotSeen { .. } => (StatusCode::GATEWAY_TIMEOUT, "NotSeen"),
            RevocationError::Store(StoreError::DiskFull(_)) => {
                (StatusCode::INSUFFICIENT_STORAGE, "DiskFull")
            }
            RevocationError::Store(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a revocation failed");
                (StatusCode::INTERNAL_SERVER_ERROR, "Internal")
            }
        };
        Self::new(status, code, error)
    }
}

impl From<ResetError> for AdminError {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::Faults(error) => error.into(),
            ResetError::Revocation(error) => error.into(),
            ResetError::Registries(error) => error.into(),
            ResetError::Registry {
                source: error @ (Error::Refused(_) | Error::DiskFull), ..
            } => error.into(),
            error
            @ (ResetError::Vault(_) | ResetError::Registry { source: Error::Ring(_), .. }) => {
                Self::new(StatusCode::BAD_GATEWAY, "VaultRefused", error)
            }
            error @ (ResetError::Clock(_) | ResetError::Registry { .. }) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a reset failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal", error)
            }
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

impl From<FaultDeskError> for AdminError {
    fn from(error: FaultDeskError) -> Self {
        match &error {
            FaultDeskError::Rule(_) | FaultDeskError::Malformed(_) => Self::bad_request(error),
            FaultDeskError::NotOurs { .. } => Self::conflict(error),
            FaultDeskError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "FaultNotFound", error),
            FaultDeskError::Vault(_) => Self::new(StatusCode::BAD_GATEWAY, "VaultRefused", error),
        }
    }
}

impl From<JsonRejection> for AdminError {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), "BadRequest", rejection.body_text())
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
    AdminError::new(
        StatusCode::NOT_FOUND,
        "NotFound",
        format!("there is nothing at {}", uri.path()),
    )
}

/// The route is there, but not for this method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> AdminError {
    let message = format!("{method} is not supported at {}", uri.path());
    AdminError::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
}
