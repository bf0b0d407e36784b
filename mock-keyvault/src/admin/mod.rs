//! The admin API of a vault, under `/_keyvault/`: its clock, logs, faults and principals, its health, and the check of its
//! stored rows.
//!
//! Called by the router. Test suites and people control a vault with it; it is not part of Azure. The vault answers a health
//! request of any client, and all other requests only if [`crate::guard`] permits them. Bodies are JSON; an unknown field is
//! refused, so that a misspelt field is not silently ignored. Errors are `{"error":{"code","message"}}`; the message says what
//! to do.

mod audit;
mod changes;
mod clock;
mod events;
mod faults;
mod health;
mod verify;

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::guard::NotAdmitted;
use crate::model::error::VaultError;
use crate::router::App;
use azure_emulator_core::identity;

/// The prefix of all paths of the admin API.
pub(crate) const PREFIX: &str = "/_keyvault/";
/// The largest body that is read, in bytes.
const MAX_BODY: usize = 64 << 10;

/// Why a request is refused. Each message is written for people.
#[derive(Debug, thiserror::Error)]
enum AdminError {
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

/// Answers a request whose path begins with [`PREFIX`]. `host` is the host that the client used.
pub(crate) async fn answer(app: &Arc<App>, host: &str, request: Request<Body>) -> Response {
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if path == "/_keyvault/health" {
        return health::answer(app);
    }
    if let Err(refusal) = app.guard.admit(host, &request) {
        return AdminError::from(refusal).into_response();
    }
    if path.starts_with(identity::PRINCIPALS_PATH) {
        return identity::answer_principals(&app.issuer, request).await;
    }
    let noun = path.strip_prefix(PREFIX).unwrap_or_default().to_owned();
    let answered = match noun.as_str() {
        "audit" => audit::answer(app, &request),
        "changes" => changes::answer(app, &request),
        "clock" => clock::answer(app, request).await,
        "events" => events::answer(app, host, &request),
        "faults" => faults::answer(app, "", request).await,
        "verify" => verify::answer(app, request).await,
        fault if fault.starts_with("faults/") => {
            faults::answer(app, fault.trim_start_matches("faults/"), request).await
        }
        _ => Err(AdminError::NotFound(path)),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
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

fn only(method: &Method, request: &Request<Body>) -> Result<(), AdminError> {
    if request.method() == method {
        return Ok(());
    }
    Err(AdminError::MethodNotAllowed(request.uri().path().to_owned()))
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, AdminError> {
    let bytes = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map_err(|error| AdminError::Bad(format!("the body cannot be read: {error}")))?
        .to_bytes();
    serde_json::from_slice(&bytes)
        .map_err(|error| AdminError::Bad(format!("the body is not valid: {error}")))
}

/// The parts of a query, decoded, in their order.
fn query(request: &Request<Body>) -> Vec<(String, String)> {
    let plain =
        |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let text = request.uri().query().unwrap_or_default();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

/// Parses a moment in a query: RFC 3339, or seconds since 1970.
fn moment(name: &str, text: &str) -> Result<time::OffsetDateTime, AdminError> {
    use time::OffsetDateTime;
    use time::format_description::well_known::Rfc3339;

    let seconds = text.parse().ok().and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    // HTML forms encode a space in a query as a plus sign.
    seconds.or_else(|| OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339).ok()).ok_or_else(
        || {
            AdminError::Bad(format!(
                "{name} must be a time such as 2026-01-01T00:00:00Z, or seconds since 1970"
            ))
        },
    )
}
