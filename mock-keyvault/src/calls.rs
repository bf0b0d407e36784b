//! Answers the calls of a vault: makes all checks in order, performs the operation, and records the call.
//!
//! Called by the router. The checks are: network rules, vault exists, token, operation, api-version, permission; only then is the
//! body read. Every answer has the headers of the real service, and every call of an operation is recorded. The answer to a call
//! that uses a key is sent only after its record is written; otherwise the call is refused.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, EXPIRES, PRAGMA, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

use crate::api::{self, Context, Query};
use crate::app::App;
use crate::audit::{self, Call};
use crate::auth;
use crate::error::{ApiError, ErrorCode};
use crate::fault_injection::FAULT;
use crate::headers::{CLIENT_REQUEST_ID, MAX_CLIENT_REQUEST_ID, REQUEST_ID};
use crate::host::Site;
use crate::model::error::VaultError;
use crate::model::material::KeyShape;
use crate::model::names::VaultName;
use crate::model::{Caller, KeyReference};
use crate::operation::{self, Operation};
use crate::throttle::Weight;
use crate::vault::{Granted, Vaults};
use azure_emulator_core::faults::PROBE_HEADER;

/// Answers a call of a vault, and records it.
pub(crate) async fn answer(
    app: &App,
    site: &Site,
    vault: VaultName,
    request: Request<Body>,
    fault: Option<Response>,
    request_id: &str,
) -> Response {
    let started = app.clock.elapsed();
    let (head, body) = request.into_parts();
    let query = Query::parse(head.uri.query().unwrap_or_default());
    let text = |name: &HeaderName| {
        head.headers.get(name).and_then(|value| value.to_str().ok()).map(audit::cut)
    };
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let caller = auth::caller(&app.issuer, app.accept_any_token, &head.headers);
    let matched = operation::match_path(&head.method, head.uri.path());
    let Ok(known) = &matched else {
        let refused = admitted(&app.vaults, &vault, &query, caller, peer).err().or(matched.err());
        return refused
            .map_or_else(|| StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response);
    };
    let mut call = Call {
        time: app.clock.now(),
        operation: known.route.operation,
        vault: vault.to_string(),
        resource_id: app.vaults.resource_id(&vault),
        key: known.key.as_deref().map(audit::cut),
        version: known.version.as_deref().map(audit::cut),
        used_version: None,
        app_id: caller.as_ref().ok().map(|caller| caller.app_id.clone()),
        object_id: caller.as_ref().ok().map(|caller| caller.object_id.clone()),
        status: 0,
        code: None,
        description: None,
        client: peer.map(|peer| peer.to_string()),
        user_agent: text(&USER_AGENT),
        request_uri: audit::request_uri(&site.host, &head.uri),
        api_version: query.api_version.as_deref().map(audit::cut),
        duration: Duration::ZERO,
        request_id: request_id.to_owned(),
        client_request_id: text(&CLIENT_REQUEST_ID),
        is_allowed: None,
        by_roles: false,
    };
    let context = Context {
        vaults: Arc::clone(&app.vaults),
        vault,
        host: site.host.clone(),
        query,
        matched: known.clone(),
        used: Arc::default(),
    };
    let uses_key = context.matched.route.operation.uses_key();
    let allowed = allowed(&context, caller, peer);
    (call.is_allowed, call.by_roles) = decision(&allowed);
    let allowed = match allowed {
        Ok(_) if uses_key && fault.is_none() => {
            let ready = app.audit.ready().await.map_err(VaultError::AuditUnavailable);
            ready.map_err(ApiError::from).and(allowed)
        }
        other => other,
    };
    let response = match allowed {
        _ if fault.is_some() => fault.unwrap_or_default(),
        Ok(_) if is_throttled(app, &context, !is_probe(&head.headers)) => {
            let mut response = ApiError::Throttled.into_response();
            response.headers_mut().insert(FAULT, HeaderValue::from_static("throttling"));
            response
        }
        Ok(granted) => {
            let performed = api::perform(&context, body).await;
            let mut response = performed.unwrap_or_else(IntoResponse::into_response);
            role_headers(&mut response, granted);
            response
        }
        Err(error) => error.into_response(),
    };
    call.status = response.status().as_u16();
    if let Some(error) = response.extensions().get::<ErrorCode>() {
        call.code = Some(error.inner.unwrap_or(error.code));
        call.description = Some(audit::described(&error.message));
    }
    call.used_version = context.used.get().map(ToString::to_string);
    call.duration = app.clock.elapsed().saturating_sub(started);
    let is_done = response.status().is_success();
    let written = app.audit.record(call);
    if uses_key
        && is_done
        && let Err(why) = written.await
    {
        return ApiError::from(VaultError::AuditUnavailable(why)).into_response();
    }
    response
}

/// Makes every check before the vault is looked up: a caller without a token learns nothing about the vaults.
fn admitted(
    vaults: &Vaults,
    vault: &VaultName,
    query: &Query,
    caller: Result<Caller, ApiError>,
    peer: Option<IpAddr>,
) -> Result<Caller, ApiError> {
    if !vaults.contains(vault) {
        return Err(VaultError::VaultNotFound(vault.clone()).into());
    }
    let caller = caller?;
    if query.api_version.is_none() {
        return Err(ApiError::NoApiVersion);
    }
    vaults.admit(vault, &caller, peer)?;
    Ok(caller)
}

/// Makes every check before the body is read.
fn allowed(
    context: &Context,
    caller: Result<Caller, ApiError>,
    peer: Option<IpAddr>,
) -> Result<Granted, ApiError> {
    let caller = admitted(&context.vaults, &context.vault, &context.query, caller, peer)?;
    let route = context.matched.route;
    let key = context.matched.key.as_deref();
    let granted = context.vaults.authorize(&context.vault, &caller, route.permission, key)?;
    if !route.served {
        return Err(not_served(route.operation));
    }
    Ok(granted)
}

/// Adds the headers of answers of a vault with the role-based model. Nothing is cached here, so every age is zero.
fn role_headers(response: &mut Response, granted: Granted) {
    let Some(assignment) = granted.assignment else { return };
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&assignment.simple().to_string()) {
        headers.insert(HeaderName::from_static("x-ms-keyvault-rbac-assignment-id"), value);
    }
    headers.insert(
        HeaderName::from_static("x-ms-keyvault-rbac-cache"),
        HeaderValue::from_static("ra_age=0;da_age=0;rd_age=0;brd_age=0;ra_notif_age=0;dec_lev=1;"),
    );
}

/// Whether a call exceeds the limit of the vault in this window.
fn is_throttled(app: &App, context: &Context, is_counted: bool) -> bool {
    if app.throttle.limits().is_none() {
        return false;
    }
    let operation = context.matched.route.operation;
    let creates = matches!(
        operation,
        Operation::CreateKey | Operation::ImportKey | Operation::RestoreKey | Operation::RotateKey
    );
    let name = context.matched.key.as_deref().and_then(|name| name.parse().ok());
    let at = name.map(|name| KeyReference { name, version: None });
    let found = at.and_then(|at| context.vaults.key(&context.vault, &at).ok());
    let weight = match found {
        Some(view) => {
            let bits = match view.version.public.shape() {
                KeyShape::Rsa(size) => Some(size.bits()),
                KeyShape::Ec(_) => None,
            };
            Weight::new(creates, view.version.kty.in_hsm(), bits)
        }
        // A key that does not exist yet counts as a key in software.
        None => Weight { creates, ..Weight::PLAIN },
    };
    !app.throttle.admits(&context.vault, weight, is_counted)
}

/// Whether the caller has the permission, `None` if that was not checked, and whether roles decided it.
fn decision(checked: &Result<Granted, ApiError>) -> (Option<bool>, bool) {
    match checked {
        Ok(granted) => (Some(true), granted.assignment.is_some()),
        Err(ApiError::NotServed(_)) => (Some(true), false),
        Err(ApiError::Vault(VaultError::Denied { .. })) => (Some(false), false),
        Err(ApiError::Vault(VaultError::DeniedByRoles { .. })) => (Some(false), true),
        Err(_) => (None, false),
    }
}

fn not_served(operation: Operation) -> ApiError {
    ApiError::NotServed(format!("The operation {operation}"))
}

/// Adds the headers of every answer of the real service except `Strict-Transport-Security`: a browser that saw it once on
/// `localhost` would no longer open any plain page there, such as the registry's.
pub(crate) fn service_headers(
    response: &mut Response,
    request_id: &str,
    client: Option<HeaderValue>,
) {
    const FIXED: [(HeaderName, HeaderValue); 7] = [
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (PRAGMA, HeaderValue::from_static("no-cache")),
        (EXPIRES, HeaderValue::from_static("-1")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (
            HeaderName::from_static("x-ms-keyvault-network-info"),
            HeaderValue::from_static("conn_type=Ipv4;addr=127.0.0.1;act_addr_fam=InterNetwork;"),
        ),
        (HeaderName::from_static("x-ms-keyvault-region"), HeaderValue::from_static("eastus")),
        (
            HeaderName::from_static("x-ms-keyvault-service-version"),
            HeaderValue::from_static("1.9.1054.1"),
        ),
    ];
    let headers = response.headers_mut();
    for (name, value) in FIXED {
        headers.insert(name, value);
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(value) = client.filter(|value| value.len() <= MAX_CLIENT_REQUEST_ID) {
        headers.insert(CLIENT_REQUEST_ID, value);
    }
}

/// Whether the registry only reads the state with this request, which must use up no fault and no quota.
pub(crate) fn is_probe(headers: &HeaderMap) -> bool {
    headers.contains_key(PROBE_HEADER)
}
