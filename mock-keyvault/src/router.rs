//! Passes each request to the vault, the issuer or the admin API, by Host and path, and injects faults.
//! The routes that an embedding program serves on the same listener come first.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use crate::admin;
use crate::app::App;
use crate::arm;
use crate::auth;
use crate::calls;
use crate::connect;
use crate::error::ApiError;
use crate::fault_injection;
use crate::graph;
use crate::headers::CLIENT_REQUEST_ID;
use crate::host::{Role, Site};
use crate::model::error::VaultError;
use azure_emulator_core::authority::{Authority, host_of};
use azure_emulator_core::faults::Effect;
use azure_emulator_core::identity::{self, ManagedEndpoint};
use azure_emulator_core::listen::Wire;
use azure_emulator_core::retry::with_retry_after;

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
    if let Some(routes) = embedded_routes(&app, &request) {
        let Ok::<Response, Infallible>(response) = routes.oneshot(request).await;
        return response;
    }
    behind_front(&app, request).await
}

/// The answer of the vault itself, without the routes of an embedding program.
pub(crate) async fn behind_front(app: &Arc<App>, request: Request<Body>) -> Response {
    let site = Site::from_host(host_of(&request).unwrap_or("localhost"));
    if request.uri().path().starts_with(admin::PREFIX) {
        return admin::answer(app, &site.host, request).await;
    }
    let class = fault_injection::class_of(&site, &request);
    let is_first_contact = fault_injection::is_first_contact(&class, &request);
    let plan = if calls::is_probe(request.headers()) {
        app.faults.foresee(&class, is_first_contact)
    } else {
        app.faults.plan(&class, is_first_contact)
    };
    if plan.effect == Some(Effect::Outage) {
        // An outage has neither a log nor the headers of the service.
        let gone = fault_injection::in_place(plan.effect, &class);
        return fault_injection::mark(&plan, gone.unwrap_or_default()).await;
    }
    tokio::time::sleep(plan.latency).await;
    let response = answer(app, &site, &class, plan.effect, request).await;
    fault_injection::mark(&plan, response).await
}

/// The embedding program's routes, if the request is for them. Without TLS, [`answer`] tells the client to use it.
fn embedded_routes(app: &App, request: &Request<Body>) -> Option<Router> {
    if request.extensions().get() == Some(&Wire::Plain) {
        return None;
    }
    let authority = Authority::from_request(request)?;
    app.host_router.router(authority.name(), request.uri().path())
}

/// The answer of the addressed service, or of an injected fault.
async fn answer(
    app: &Arc<App>,
    site: &Site,
    class: &str,
    effect: Option<Effect>,
    request: Request<Body>,
) -> Response {
    let fault = fault_injection::in_place(effect, class);
    if !class.starts_with("keys/")
        && let Some(fault) = fault
    {
        return fault;
    }
    if let Some(endpoint) = ManagedEndpoint::from_path(request.uri().path()) {
        return managed_identity(app, site, endpoint, request);
    }
    if request.extensions().get() == Some(&Wire::Plain) {
        let message = "This listener speaks TLS: use https:// in place of http://.\n";
        return (StatusCode::BAD_REQUEST, message).into_response();
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
            let answering =
                async move { calls::answer(&app, &site, vault, request, fault, &id).await };
            tokio::spawn(answering).await.unwrap_or_else(|error| {
                ApiError::from(VaultError::Internal(error.to_string())).into_response()
            })
        }
        None => ApiError::NotFound(site.host.clone()).into_response(),
    };
    if response.status() == StatusCode::UNAUTHORIZED {
        auth::challenge(site, &mut response);
    }
    calls::service_headers(&mut response, &request_id, client_request_id);
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
