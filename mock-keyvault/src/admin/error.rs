//! The refusals of the admin API. Each message is written for people.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::guard::NotAdmitted;
use crate::model::error::VaultError;

/// The prefix of all paths of the admin API.
pub(crate) const PREFIX: &str = "/_keyvault/";

/// Why a request is refused. Each message is written for people.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    /// The caller is not permitted to use the admin API.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The path is unknown.
    #[error(
        "there is nothing at {0}; the paths under {PREFIX} are health, clock, events, changes, audit, faults, verify and principals"
    )]
    NotFound(String),
    /// The path does not support this method.
    #[error("{0} does not support this method")]
    MethodNotAllowed(String),
    /// The body or the query is not valid.
    #[error("{0}")]
    Bad(String),
    /// The disk has too little free space.
    #[error(
        "not everything was done: the disk of the vault is full; make room on it and try again"
    )]
    DiskFull,
    /// The data folder is read-only.
    #[error(
        "nothing was changed: the data folder of the vault is read-only, because an earlier write failed or rows are damaged; restart the vault, and repair the folder if that does not help"
    )]
    ReadOnly,
    /// The vault failed. The error is logged and shown, since callers of this API are trusted.
    #[error("the vault failed: {0}")]
    Failed(String),
}

impl AdminError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotAdmitted(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::ReadOnly => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<VaultError> for AdminError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::DiskFull => Self::DiskFull,
            VaultError::ReadOnly => Self::ReadOnly,
            error => Self::Failed(error.to_string()),
        }
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        if let Self::Failed(error) = &self {
            tracing::error!(%error, "a request to the admin API failed");
        }
        let status = self.status();
        let error = json!({"code": status.as_u16(), "message": self.to_string()});
        (status, Json(json!({"error": error}))).into_response()
    }
}
