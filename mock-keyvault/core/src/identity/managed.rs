//! The endpoints that issue tokens to managed identities without a secret: those of virtual machines and of App Service.
//!
//! Called by the router, which admits only local peers, with or without TLS: SDKs ask without TLS. The first endpoint is
//! IMDS (`/metadata/identity/oauth2/token`), and `IDENTITY_ENDPOINT` names the second (`/msi/token`). If the query names no
//! identity, the token is for the well-known managed identity. Applications never get a token here.
//!
//! Error messages are those of the two services, where SDKs or people quote them.

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, PRAGMA};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::form::field;
use super::issuer::Issuer;
use super::principal::Principal;
use super::token::TOKEN_LIFETIME;
use super::well_known::MANAGED_IDENTITY_CLIENT_ID;

/// The path of the endpoint of virtual machines.
pub const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
/// The path of the endpoint of App Service, whose whole address is in `IDENTITY_ENDPOINT`.
pub const APP_SERVICE_PATH: &str = "/msi/token";

/// An endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The Instance Metadata Service of virtual machines.
    Imds,
    /// App Service, Functions and container apps.
    AppService,
}

/// The reason that no token is issued.
#[derive(Debug, thiserror::Error)]
enum ManagedError {
    /// The header is missing that protects IMDS against forged requests, such as those of a web page.
    #[error("Required metadata header not specified")]
    NoMetadataHeader,
    /// A proxy would pass tokens on to its clients. The real service refuses as well; its message is not known.
    #[error("The request has an X-Forwarded-For header: it came through a proxy")]
    Forwarded,
    /// The header does not have the value of `IDENTITY_HEADER`. The message is not Azure's.
    #[error("The X-IDENTITY-HEADER header does not have the value of IDENTITY_HEADER")]
    WrongHeader,
    /// A parameter is missing.
    #[error("Required query variable '{0}' is missing")]
    Missing(&'static str),
    /// Several identities are named. The message is not Azure's.
    #[error("At most one of client_id, object_id and msi_res_id can be given")]
    SeveralIdentities,
    /// There is no such managed identity.
    #[error("Identity not found")]
    NotFound,
    /// Only GET is allowed.
    #[error("The method is not allowed")]
    Method,
    /// The token could not be issued.
    #[error("The token could not be issued")]
    Token(#[source] std::io::Error),
}

impl Endpoint {
    /// The endpoint of this path.
    pub fn from_path(path: &str) -> Option<Self> {
        match path.trim_end_matches('/') {
            IMDS_PATH => Some(Self::Imds),
            APP_SERVICE_PATH => Some(Self::AppService),
            _ => None,
        }
    }

    /// Answers a request of an admitted peer.
    pub fn answer(self, issuer: &Issuer, request: &Parts) -> Response {
        match self.token(issuer, request) {
            Ok(body) => {
                let headers = [(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")];
                (headers, Json(body)).into_response()
            }
            Err(error) => self.refused(&error),
        }
    }

    fn token(self, issuer: &Issuer, request: &Parts) -> Result<Value, ManagedError> {
        if request.method != Method::GET {
            return Err(ManagedError::Method);
        }
        self.proven(issuer, &request.headers)?;
        let query = request.uri.query().unwrap_or_default().as_bytes();
        let given = |name| field(query, name).filter(|value| !value.is_empty());
        given("api-version").ok_or(ManagedError::Missing("api-version"))?;
        let resource = given("resource").ok_or(ManagedError::Missing("resource"))?;
        let principal = named(issuer, query)?;
        let now = issuer.clock.unix_now();
        let token = issuer.token_for(&principal, &resource).map_err(ManagedError::Token)?;
        let mut body = json!({
            "access_token": token.expose(),
            "client_id": principal.client_id(),
            "expires_on": (now + TOKEN_LIFETIME).to_string(),
            "resource": resource.as_str(),
            "token_type": "Bearer",
        });
        if self == Self::Imds {
            let left = (TOKEN_LIFETIME - 1).to_string();
            body["expires_in"] = json!(left);
            body["ext_expires_in"] = json!(left);
            body["not_before"] = json!(now.to_string());
        }
        Ok(body)
    }

    /// Whether the client meant to ask this endpoint: no web page and no proxy sends these headers by itself.
    fn proven(self, issuer: &Issuer, headers: &HeaderMap) -> Result<(), ManagedError> {
        if headers.contains_key("x-forwarded-for") {
            return Err(ManagedError::Forwarded);
        }
        match self {
            Self::Imds => {
                let metadata = headers.get("metadata").map(http::HeaderValue::as_bytes);
                let is_true = metadata.is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
                is_true.then_some(()).ok_or(ManagedError::NoMetadataHeader)
            }
            Self::AppService => {
                let own = issuer.identity_header().expose().as_bytes();
                let given =
                    headers.get("x-identity-header").map_or(&b""[..], |value| value.as_bytes());
                bool::from(own.ct_eq(given)).then_some(()).ok_or(ManagedError::WrongHeader)
            }
        }
    }

    fn refused(self, error: &ManagedError) -> Response {
        if let ManagedError::Token(source) = error {
            tracing::error!(error = %source, "cannot issue a token");
        }
        let status = match error {
            ManagedError::NoMetadataHeader
            | ManagedError::Forwarded
            | ManagedError::Missing(_)
            | ManagedError::SeveralIdentities
            | ManagedError::NotFound => StatusCode::BAD_REQUEST,
            ManagedError::WrongHeader => StatusCode::UNAUTHORIZED,
            ManagedError::Method => StatusCode::METHOD_NOT_ALLOWED,
            ManagedError::Token(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let body = match (self, error) {
            (Self::Imds, _) => {
                json!({"error": "invalid_request", "error_description": error.to_string()})
            }
            (Self::AppService, ManagedError::NotFound) => json!({
                "statusCode": status.as_u16(),
                "message": "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
            }),
            (Self::AppService, _) => {
                json!({"statusCode": status.as_u16(), "message": error.to_string()})
            }
        };
        (status, Json(body)).into_response()
    }
}

/// The managed identity that the query names, with a parameter of either service, or the well-known one.
fn named(issuer: &Issuer, query: &[u8]) -> Result<Arc<Principal>, ManagedError> {
    let given = |names: &[&str]| {
        names.iter().find_map(|name| field(query, name).filter(|value| !value.is_empty()))
    };
    let client_id = given(&["client_id", "clientid"]);
    let object_id = given(&["object_id", "principal_id"]);
    let resource_id = given(&["msi_res_id", "mi_res_id"]);
    let is_it = |principal: &Principal| match (&client_id, &object_id, &resource_id) {
        (Some(id), _, _) => principal.client_id().eq_ignore_ascii_case(id),
        (_, Some(id), _) => principal.object_id().eq_ignore_ascii_case(id),
        (_, _, Some(id)) => principal.is_of(id),
        (None, None, None) => principal.client_id() == MANAGED_IDENTITY_CLIENT_ID,
    };
    if [&client_id, &object_id, &resource_id].into_iter().flatten().count() > 1 {
        return Err(ManagedError::SeveralIdentities);
    }
    let found = issuer.principals.find_by(|one| one.kind().is_managed_identity() && is_it(one));
    found.ok_or(ManagedError::NotFound)
}
