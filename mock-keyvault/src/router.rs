//! Passes each request to the vault, the issuer or the admin API, by Host and path, and makes all checks in order.
//! The routes that an embedding program serves on the same listener come first.
//!
//! The checks of a vault are: network rules, vault exists, token, operation, api-version, permission; only then is the body read.
//! Every answer has the headers of the real service, and every call of an operation is recorded. The answer to a call that
//! uses a key is sent only after its record is written; otherwise the call is refused.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, EXPIRES, PRAGMA, USER_AGENT, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::admin;
use crate::api::{self, Context, Query};
use crate::arm;
use crate::audit::{self, AuditLog, Call};
use crate::auth;
use crate::connect;
use crate::error::{ApiError, ErrorCode};
use crate::graph;
use crate::guard::Guard;
use crate::host::{Role, Site};
use crate::interference::{self, FAULT};
use crate::model::error::VaultError;
use crate::model::material::KeyShape;
use crate::model::names::VaultName;
use crate::model::{Caller, KeyReference};
use crate::operation::{self, Operation};
use crate::server::Folder;
use crate::throttle::{Throttle, Weight};
use crate::vault::{Granted, Vaults};
use azure_emulator_core::authority::{Authority, host_of};
use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::{Effect, Faults, PROBE_HEADER};
use azure_emulator_core::files::{Access, write_whole};
use azure_emulator_core::front::FrontSlot;
use azure_emulator_core::identity::{self, Issuer, ManagedEndpoint};
use azure_emulator_core::listen::Wire;
use azure_emulator_core::retry::with_retry_after;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
pub(crate) const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
/// Longer client request ids are not echoed.
pub(crate) const MAX_CLIENT_REQUEST_ID: usize = 128;

/// All parts of a running vault.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) audit: AuditLog,
    pub(crate) clock: Clock,
    /// Reports every change after which the vault may give different answers.
    pub(crate) changes: Changes,
    /// The port of the listener.
    pub(crate) port: u16,
    /// Admits requests to the admin API and the managed-identity endpoints.
    pub(crate) guard: Guard,
    /// Whether a token of another issuer counts as the owner's.
    pub(crate) accept_any_token: bool,
    /// Whether a new vault uses access policies even if it asks for roles.
    pub(crate) legacy_access_policies: bool,
    /// The file that stores the setting of the clock, if the clock is this vault's own.
    pub(crate) clock_file: Option<PathBuf>,
    /// The faults to inject.
    pub(crate) faults: Faults,
    /// The limit on calls of a vault, if there is one.
    pub(crate) throttle: Throttle,
    /// The routes of an embedding program; they come first.
    pub(crate) front: FrontSlot,
    /// Cancelled when the vault ends: long work stops between two steps.
    pub(crate) stop: CancellationToken,
    /// The data folder. It is the last field, so that its lock is released after all users of the folder are dropped.
    pub(crate) folder: Folder,
}

impl App {
    /// Stores the setting of the clock so that it survives a restart, if the clock is this vault's own. Blocks.
    pub(crate) fn keep_clock(&self) -> io::Result<()> {
        match &self.clock_file {
            None => Ok(()),
            Some(path) => {
                let kept = self.clock.kept();
                let frozen = kept.frozen_at.map(|at| at.unix_timestamp().to_string());
                let offset = kept.offset.whole_seconds();
                let text = format!("{offset} {}", frozen.unwrap_or_default());
                write_whole(path, text.trim_end().as_bytes(), Access::Private)
            }
        }
    }
}

/// Builds the router of a vault, which listeners serve and tests may call.
pub(crate) fn build(app: Arc<App>) -> Router {
    Router::new()
        .fallback(dispatch)
        .with_state(app)
        .layer(CatchPanicLayer::new())
        .layer(map_response(with_retry_after))
}

async fn dispatch(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    if request.method() == Method::CONNECT {
        return connect::answer(&app, &request);
    }
    if let Some(front) = of_front(&app, &request) {
        let Ok::<Response, Infallible>(response) = front.oneshot(request).await;
        return response;
    }
    behind_front(&app, request).await
}

/// The answer of the vault itself, without the routes of an embedding program.
pub(crate) async fn behind_front(app: &Arc<App>, request: Request<Body>) -> Response {
    let site = Site::of(host_of(&request).unwrap_or("localhost"));
    if request.uri().path().starts_with(admin::PREFIX) {
        return admin::answer(app, &site.host, request).await;
    }
    let class = interference::class_of(&site, &request);
    let is_first_contact = interference::is_first_contact(&class, &request);
    let plan = if is_probe(request.headers()) {
        app.faults.foresee(&class, is_first_contact)
    } else {
        app.faults.plan(&class, is_first_contact)
    };
    if plan.effect == Some(Effect::Outage) {
        // An outage has neither a log nor the headers of the service.
        let gone = interference::in_place(plan.effect, &class);
        return interference::mark(&plan, gone.unwrap_or_default()).await;
    }
    tokio::time::sleep(plan.latency).await;
    let response = answer(app, &site, &class, plan.effect, request).await;
    interference::mark(&plan, response).await
}

/// The embedding program's routes, if the request is for them. Without TLS, [`answer`] tells the client to use it.
fn of_front(app: &App, request: &Request<Body>) -> Option<Router> {
    if request.extensions().get() == Some(&Wire::Plain) {
        return None;
    }
    let authority = Authority::of(request)?;
    app.front.router(authority.name(), request.uri().path())
}

/// The answer of the addressed service, or of an injected fault.
async fn answer(
    app: &Arc<App>,
    site: &Site,
    class: &str,
    effect: Option<Effect>,
    request: Request<Body>,
) -> Response {
    let fault = interference::in_place(effect, class);
    if !class.starts_with("keys/")
        && let Some(fault) = fault
    {
        return fault;
    }
    if let Some(endpoint) = ManagedEndpoint::of(request.uri().path()) {
        return managed_identity(app, site, endpoint, request);
    }
    if request.extensions().get() == Some(&Wire::Plain) {
        let words = "This listener speaks TLS: use https:// in place of http://.\n";
        return (StatusCode::BAD_REQUEST, words).into_response();
    }
    if site.is_of_arm(request.uri().path()) {
        return arm::answer(app, site, request).await;
    }
    if site.role == Role::Graph {
        return graph::answer(app, request).await;
    }
    let request = match &site.role {
        Role::Vault(_) | Role::Arm | Role::Graph | Role::Nothing => request,
        Role::Login | Role::Both => {
            match identity::answer(&app.issuer, &site.host, request).await {
                Ok(response) => return response,
                Err(_) if site.role == Role::Login => return StatusCode::NOT_FOUND.into_response(),
                Err(request) => request,
            }
        }
    };
    let request_id = Uuid::new_v4().to_string();
    let client_request_id = request.headers().get(CLIENT_REQUEST_ID).cloned();
    let mut response = match site.vault() {
        Some(vault) => {
            // In a separate task: the use of a key is recorded even if the client has disconnected.
            let (app, site, id) = (Arc::clone(app), site.clone(), request_id.clone());
            let answering = async move { of_vault(&app, &site, vault, request, fault, &id).await };
            tokio::spawn(answering).await.unwrap_or_else(|error| {
                ApiError::from(VaultError::Internal(error.to_string())).into_response()
            })
        }
        None => ApiError::NotFound(site.host.clone()).into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        auth::challenge(site, &mut response);
    }
    service_headers(&mut response, &request_id, client_request_id);
    response
}

/// A token for a managed identity, which needs no secret: only for peers that the guard admits.
fn managed_identity(
    app: &App,
    site: &Site,
    endpoint: ManagedEndpoint,
    request: Request<Body>,
) -> Response {
    if let Err(refusal) = app.guard.admit(&site.host, &request) {
        return (StatusCode::FORBIDDEN, format!("{refusal}\n")).into_response();
    }
    endpoint.answer(&app.issuer, &request.into_parts().0)
}

async fn of_vault(
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
    let asked = operation::asked(&head.method, head.uri.path());
    let Ok(known) = &asked else {
        let refused = admitted(&app.vaults, &vault, &query, caller, peer).err().or(asked.err());
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
        asked: known.clone(),
        used: Arc::default(),
    };
    let uses_key = context.asked.route.operation.uses_key();
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
    let route = context.asked.route;
    let key = context.asked.key.as_deref();
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

/// Whether the registry only reads the state with this request, which must use up no fault and no quota.
fn is_probe(headers: &HeaderMap) -> bool {
    headers.contains_key(PROBE_HEADER)
}

/// Whether a call exceeds the limit of the vault in this window.
fn is_throttled(app: &App, context: &Context, is_counted: bool) -> bool {
    if app.throttle.limits().is_none() {
        return false;
    }
    let operation = context.asked.route.operation;
    let creates = matches!(
        operation,
        Operation::CreateKey | Operation::ImportKey | Operation::RestoreKey | Operation::RotateKey
    );
    let name = context.asked.key.as_deref().and_then(|name| name.parse().ok());
    let at = name.map(|name| KeyReference { name, version: None });
    let found = at.and_then(|at| context.vaults.key(&context.vault, &at).ok());
    let weight = match found {
        Some(view) => {
            let bits = match view.version.public.shape() {
                KeyShape::Rsa(size) => Some(size.bits()),
                KeyShape::Ec(_) => None,
            };
            Weight::of(creates, view.version.kty.in_hsm(), bits)
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
fn service_headers(response: &mut Response, request_id: &str, client: Option<HeaderValue>) {
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
