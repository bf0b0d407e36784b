//! The admin API of principals, under `/_keyvault/principals`: list, create, remove, and manage further secrets.
//!
//! Called by the admin API, which has checked that the request is allowed. A secret is only shown in the answer that
//! creates it.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::issuer::Issuer;
use super::principal::{NewPrincipal, Principal, PrincipalError, PrincipalKind};
use super::principals::CreatedSecret;
use crate::disk_space;

/// The first part of all paths that this module serves.
pub const PATH: &str = "/_keyvault/principals";
/// The largest body that is read.
const MAX_BODY: usize = 16 << 10;

/// The body of a request to create a principal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRequest {
    #[serde(default = "application")]
    kind: PrincipalKind,
    display_name: Option<String>,
    resource_id: Option<String>,
}

/// A principal as it is listed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed<'a> {
    #[serde(flatten)]
    principal: &'a Principal,
    secret_ids: Vec<String>,
}

/// The reason that a request fails.
#[derive(Debug, thiserror::Error)]
enum AdminError {
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    #[error("the request body is not valid: {0}")]
    Body(String),
    #[error(
        "an application needs a displayName, a userAssignedIdentity a displayName or a resourceId, a systemAssignedIdentity a resourceId"
    )]
    Incomplete,
    #[error("an application has no resourceId")]
    ApplicationWithResource,
    #[error(
        "no such path: use {PATH}, {PATH}/CLIENT-ID or {PATH}/CLIENT-ID/secrets, with GET, POST or DELETE"
    )]
    NotFound,
    #[error("the request was not completed")]
    CutShort,
}

/// Answers a request whose path begins with [`PATH`].
pub async fn answer(issuer: &Arc<Issuer>, request: Request<Body>) -> Response {
    let path = request.uri().path().to_owned();
    let rest = path.strip_prefix(PATH).unwrap_or_default();
    let segments: Vec<&str> = rest.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = request.method().clone();
    let answer = match (&method, segments.as_slice()) {
        (&Method::GET, []) => Ok(list(issuer)),
        (&Method::POST, []) => make(issuer, request.into_body()).await,
        (&Method::GET, [client_id]) => one(issuer, client_id),
        (&Method::DELETE, [client_id]) => remove(issuer, client_id).await,
        (&Method::POST, [client_id, "secrets"]) => add_secret(issuer, client_id).await,
        (&Method::DELETE, [client_id, "secrets", id]) => remove_secret(issuer, client_id, id).await,
        _ => Err(AdminError::NotFound),
    };
    answer.unwrap_or_else(IntoResponse::into_response)
}

fn list(issuer: &Issuer) -> Response {
    let all = issuer.principals();
    let listed: Vec<Listed<'_>> = all.iter().map(|principal| listed(issuer, principal)).collect();
    Json(json!({ "value": listed })).into_response()
}

fn one(issuer: &Issuer, client_id: &str) -> Result<Response, AdminError> {
    let principal = issuer.principal(client_id)?;
    Ok(Json(listed(issuer, &principal)).into_response())
}

fn listed<'a>(issuer: &Issuer, principal: &'a Principal) -> Listed<'a> {
    Listed { principal, secret_ids: issuer.secret_ids(principal.client_id()) }
}

async fn make(issuer: &Arc<Issuer>, body: Body) -> Result<Response, AdminError> {
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|error| AdminError::Body(error.to_string()))?.to_bytes();
    let request: NewRequest =
        serde_json::from_slice(&body).map_err(|error| AdminError::Body(error.to_string()))?;
    let new = NewPrincipal::try_from(request)?;
    let made = off_thread(issuer, move |issuer| issuer.add_principal(new)).await?;
    let mut answer = serde_json::to_value(listed(issuer, &made.principal))
        .map_err(|error| AdminError::Body(error.to_string()))?;
    if let (Some(made), Some(answer)) = (&made.secret, answer.as_object_mut()) {
        answer.insert("secret".to_owned(), json!(made.secret.expose()));
    }
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

async fn remove(issuer: &Arc<Issuer>, client_id: &str) -> Result<Response, AdminError> {
    let client_id = client_id.to_owned();
    off_thread(issuer, move |issuer| issuer.remove_principal(&client_id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn add_secret(issuer: &Arc<Issuer>, client_id: &str) -> Result<Response, AdminError> {
    let client_id = client_id.to_owned();
    let CreatedSecret { id, secret } =
        off_thread(issuer, move |issuer| issuer.add_secret(&client_id)).await?;
    let body = Json(json!({ "secretId": id, "secret": secret.expose() }));
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], body).into_response())
}

async fn remove_secret(
    issuer: &Arc<Issuer>,
    client_id: &str,
    id: &str,
) -> Result<Response, AdminError> {
    let (client_id, id) = (client_id.to_owned(), id.to_owned());
    off_thread(issuer, move |issuer| issuer.remove_secret(&client_id, &id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Calls the issuer on a thread that may block.
async fn off_thread<T: Send + 'static>(
    issuer: &Arc<Issuer>,
    call: impl FnOnce(&Issuer) -> Result<T, PrincipalError> + Send + 'static,
) -> Result<T, AdminError> {
    let issuer = Arc::clone(issuer);
    let called = tokio::task::spawn_blocking(move || call(&issuer)).await;
    Ok(called.map_err(|_| AdminError::CutShort)??)
}

fn application() -> PrincipalKind {
    PrincipalKind::Application
}

impl TryFrom<NewRequest> for NewPrincipal {
    type Error = AdminError;

    fn try_from(request: NewRequest) -> Result<Self, AdminError> {
        let NewRequest { kind, display_name, resource_id } = request;
        let new = match (kind, &display_name, &resource_id) {
            (PrincipalKind::Application, Some(name), None) => Self::application(name)?,
            (PrincipalKind::Application, _, Some(_)) => {
                return Err(AdminError::ApplicationWithResource);
            }
            (PrincipalKind::UserAssignedIdentity, _, Some(id)) => {
                Self::user_assigned_identity_at(id)?
            }
            (PrincipalKind::UserAssignedIdentity, Some(name), None) => {
                Self::user_assigned_identity(name)?
            }
            (PrincipalKind::SystemAssignedIdentity, _, Some(id)) => {
                Self::system_assigned_identity(id)?
            }
            (_, _, None) => return Err(AdminError::Incomplete),
        };
        Ok(match display_name {
            Some(name) => new.called(&name)?,
            None => new,
        })
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Principal(PrincipalError::NotFound(_) | PrincipalError::SecretNotFound(_))
            | Self::NotFound => StatusCode::NOT_FOUND,
            Self::Principal(PrincipalError::WellKnown(_) | PrincipalError::ResourceTaken(_)) => {
                StatusCode::CONFLICT
            }
            Self::Principal(
                PrincipalError::DisplayName
                | PrincipalError::ResourceId(_)
                | PrincipalError::HasNoSecrets(_),
            )
            | Self::Body(_)
            | Self::Incomplete
            | Self::ApplicationWithResource => StatusCode::BAD_REQUEST,
            Self::Principal(PrincipalError::Io(error)) if disk_space::is_out_of_space(error) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Self::Principal(PrincipalError::Io(error)) if disk_space::is_read_only(error) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Principal(PrincipalError::Io(_)) | Self::CutShort => {
                tracing::error!(error = %self, "cannot change the principals");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let message = match &self {
            Self::Principal(PrincipalError::Io(error)) if disk_space::is_out_of_space(error) => {
                "the disk is full, and nothing was changed".to_owned()
            }
            Self::Principal(PrincipalError::Io(error)) if disk_space::is_read_only(error) => {
                "the data folder is read-only, and nothing was changed; make it writable for the program, and start the program again".to_owned()
            }
            // The cause of an internal failure is only in the log.
            Self::Principal(PrincipalError::Io(_)) => "the principals cannot be stored".to_owned(),
            other => other.to_string(),
        };
        let error = json!({"error": {"code": status.as_u16(), "message": message}});
        (status, Json(error)).into_response()
    }
}
