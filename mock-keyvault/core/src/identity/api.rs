//! The HTTP API of the issuer: the token endpoint in both forms, the discovery document, and the public keys.
//!
//! Called by the router for each path that may be the issuer's. All addresses in answers use the host that the client
//! used.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use percent_encoding::percent_decode_str;
use serde_json::json;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::error::EntraError;
use super::form::field;
use super::issuer::Issuer;
use super::principal::Principal;
use super::secret::Secret;
use super::token::TOKEN_LIFETIME;
use super::well_known::TENANT;

/// The largest form that is read.
const MAX_FORM: usize = 64 << 10;

/// The scopes of `OpenID` Connect (`OpenID` Connect Core, sections 5.4 and 11). They name no resource.
const OPENID: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");

/// The two token endpoints, which name the resource differently.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    V1,
    V2,
}

/// Answers a request if its path is the issuer's; otherwise returns the request. `host` is the host that the client used.
pub async fn answer(
    issuer: &Issuer,
    host: &str,
    request: Request<Body>,
) -> Result<Response, Request<Body>> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = request.method().clone();
    let is = |allowed: &Method| method == *allowed;
    let found = match segments.as_slice() {
        ["common", "discovery", "instance"] if is(&Method::GET) => instance(host),
        [tenant, rest @ ..] => match rest {
            ["oauth2", "v2.0", "token"] if is(&Method::POST) => {
                let tenant = (*tenant).to_owned();
                return Ok(token(issuer, &tenant, Form::V2, request).await);
            }
            ["oauth2", "token"] if is(&Method::POST) => {
                let tenant = (*tenant).to_owned();
                return Ok(token(issuer, &tenant, Form::V1, request).await);
            }
            ["v2.0", ".well-known", "openid-configuration"]
            | [".well-known", "openid-configuration"]
                if is(&Method::GET) =>
            {
                known(issuer, tenant, || discovery(issuer, host))
            }
            ["discovery", "v2.0", "keys"] | ["discovery", "keys"] if is(&Method::GET) => {
                known(issuer, tenant, || keys(issuer))
            }
            _ => return Err(request),
        },
        [] => return Err(request),
    };
    Ok(found)
}

async fn token(issuer: &Issuer, tenant: &str, form: Form, request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_FORM).collect().await {
        Ok(body) => body,
        Err(error) => return refused(issuer, &EntraError::Form(error.to_string())),
    };
    let body = Zeroizing::new(body.to_bytes().to_vec());
    match grant(issuer, tenant, form, &head.headers, &body) {
        Err(error) => refused(issuer, &error),
        Ok(Granted { token: Err(error), .. }) => {
            tracing::error!(%error, "cannot issue a token");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Ok(Granted { token: Ok(token), resource, now }) => {
            // Entra counts from the end of the answer: one second less than the token itself.
            let left = TOKEN_LIFETIME - 1;
            let body = match form {
                Form::V2 => json!({
                    "token_type": "Bearer",
                    "expires_in": left,
                    "ext_expires_in": left,
                    "access_token": token.expose(),
                }),
                Form::V1 => json!({
                    "token_type": "Bearer",
                    "expires_in": left.to_string(),
                    "ext_expires_in": left.to_string(),
                    "expires_on": (now + TOKEN_LIFETIME).to_string(),
                    "not_before": now.to_string(),
                    "resource": resource,
                    "access_token": token.expose(),
                }),
            };
            ([(CACHE_CONTROL, "no-store, no-cache"), (PRAGMA, "no-cache")], Json(body))
                .into_response()
        }
    }
}

struct Granted {
    token: std::io::Result<Secret>,
    resource: String,
    now: i64,
}

fn grant(
    issuer: &Issuer,
    tenant: &str,
    form: Form,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Granted, EntraError> {
    our_tenant(tenant)?;
    let field = |name| field(body, name);
    let grant = field("grant_type").ok_or(EntraError::MissingParameter("grant_type"))?;
    if *grant != "client_credentials" {
        return Err(EntraError::UnsupportedGrant(grant.to_string()));
    }
    let principal = proven(issuer, headers, body)?;
    let resource = match form {
        Form::V1 => field("resource")
            .filter(|resource| !resource.is_empty())
            .ok_or(EntraError::MissingParameter("resource"))?
            .to_string(),
        Form::V2 => {
            let scope = field("scope").ok_or(EntraError::MissingParameter("scope"))?;
            resource_of(&scope).ok_or_else(|| EntraError::InvalidScope(scope.to_string()))?
        }
    };
    let token = issuer.token_for(&principal, &resource);
    Ok(Granted { token, resource, now: issuer.clock.unix_now() })
}

/// The only resource that a scope names. The scope may also contain those of `OpenID` Connect, in any order (RFC 6749,
/// section 3.3): MSAL for Go and for Java always send them.
fn resource_of(scope: &str) -> Option<String> {
    let mut named = scope.split(' ').filter(|word| !word.is_empty() && !OPENID.contains(word));
    let first = named.next()?;
    if named.any(|other| other != first) {
        return None;
    }
    let resource = first.strip_suffix("/.default").filter(|resource| !resource.is_empty())?;
    Some(resource.to_owned())
}

/// Refuses every tenant except ours. A placeholder cannot be resolved, since an application has no home tenant.
fn our_tenant(tenant: &str) -> Result<(), EntraError> {
    if tenant.eq_ignore_ascii_case(TENANT) {
        Ok(())
    } else if is_placeholder(tenant) {
        Err(EntraError::NoTenant(tenant.to_owned()))
    } else {
        Err(EntraError::UnknownTenant(tenant.to_owned()))
    }
}

/// Whether this is a placeholder for any tenant of some kind.
fn is_placeholder(tenant: &str) -> bool {
    ["common", "organizations", "consumers"].iter().any(|name| tenant.eq_ignore_ascii_case(name))
}

/// The application whose secret is in the body or in the header.
fn proven(issuer: &Issuer, headers: &HeaderMap, body: &[u8]) -> Result<Arc<Principal>, EntraError> {
    let (client_id, secret) = if let Some((client_id, secret)) = basic(headers) {
        (client_id, Some(secret))
    } else {
        let id = field(body, "client_id").ok_or(EntraError::MissingParameter("client_id"))?;
        (id, field(body, "client_secret"))
    };
    let entry = issuer
        .principals
        .find(&client_id)
        .ok_or_else(|| EntraError::UnknownApplication(client_id.to_string()))?;
    let secret = match secret {
        Some(secret) => secret,
        None if field(body, "client_assertion").is_some() => {
            return Err(EntraError::ClientAssertion);
        }
        None => return Err(EntraError::NoSecret),
    };
    if entry.proves(&secret) {
        Ok(entry.principal)
    } else {
        Err(EntraError::WrongSecret(client_id.to_string()))
    }
}

/// Client id and secret of HTTP Basic authentication, each form-encoded (RFC 6749, section 2.3.1).
fn basic(headers: &HeaderMap) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    let plain = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8().ok()?;
        Some(Zeroizing::new(decoded.into_owned()))
    };
    Some((plain(id)?, plain(secret)?))
}

fn known(issuer: &Issuer, tenant: &str, answer: impl FnOnce() -> Response) -> Response {
    if tenant.eq_ignore_ascii_case(TENANT) || is_placeholder(tenant) {
        answer()
    } else {
        refused(issuer, &EntraError::UnknownTenant(tenant.to_owned()))
    }
}

fn discovery(issuer: &Issuer, host: &str) -> Response {
    Json(json!({
        "token_endpoint": format!("https://{host}/{TENANT}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "jwks_uri": format!("https://{host}/{TENANT}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["token"],
        "grant_types_supported": ["client_credentials"],
        "scopes_supported": ["openid"],
        "issuer": issuer.name(),
        "authorization_endpoint": format!("https://{host}/{TENANT}/oauth2/v2.0/authorize"),
        "claims_supported": ["aud", "iss", "iat", "nbf", "exp", "appid", "oid", "sub", "tid", "ver"],
        "tenant_region_scope": null,
        "cloud_instance_name": "microsoftonline.com",
    }))
    .into_response()
}

/// The document that MSAL requests before it trusts an authority.
fn instance(host: &str) -> Response {
    let endpoint = format!("https://{host}/{TENANT}/v2.0/.well-known/openid-configuration");
    Json(json!({
        "tenant_discovery_endpoint": endpoint,
        "api-version": "1.1",
        "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
    }))
    .into_response()
}

fn keys(issuer: &Issuer) -> Response {
    let key = &issuer.key;
    Json(json!({"keys": [{
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": key.id,
        "x5t": key.id,
        "n": key.modulus,
        "e": key.exponent,
        "issuer": issuer.name(),
    }]}))
    .into_response()
}

fn refused(issuer: &Issuer, error: &EntraError) -> Response {
    let (status, code, number) = error.wire();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
    let timestamp = issuer.clock.now().format(TIMESTAMP).unwrap_or_default();
    let description =
        format!("{error} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}");
    let body = Json(json!({
        "error": code,
        "error_description": description,
        "error_codes": [number],
        "timestamp": timestamp,
        "trace_id": trace,
        "correlation_id": correlation,
    }));
    (status, [(CACHE_CONTROL, "no-store, no-cache"), (PRAGMA, "no-cache")], body).into_response()
}
