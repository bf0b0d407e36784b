//! The routes that the listeners serve: content of registries, and the admin API.
//!
//! `serve/` binds them to listeners; tests use the same functions.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::listen::connect_refusal;
use azure_emulator_core::retry::with_retry_after;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;

use crate::acr::{self, Ping, Proxies};
use crate::admin;
use crate::app::App;
use crate::config::Origin;
use crate::faults;
use crate::inflight::InflightRequests;
use crate::listeners::{Guard, RegistryRoutes, RegistrySelector};
use crate::oci::{self, Code, ErrorReply};
use crate::registry::{Registries, RegistryName};

/// The header with the id of a request in responses and in the log, as Azure Container Registry spells it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");

/// The routes of the listener of `local`: the content of registries, and the admin API.
pub(crate) fn routes(app: &App) -> Router {
    let content = content(app, &app.guard, RegistryName::LOCAL, Ping::Open);
    with_layers(app, content.merge(admin::router(app.clone())))
}

/// The routes of a listener that serves registries only. `own` answers requests whose `Host` names no other registry.
pub(crate) fn registry_routes(app: &App, guard: &Guard, own: &str, ping: Ping) -> Router {
    with_layers(app, content(app, guard, own, ping))
}

impl RegistryRoutes for App {
    fn registries(&self) -> &Registries {
        &self.registries
    }

    fn routes_of(&self, registry: &str) -> Router {
        registry_routes(self, &self.guard, registry, Ping::Open)
    }
}

/// Content, and the tokens for it: behind the selection of the registry, the guard of its listener, the registry's gate,
/// and the requested faults.
fn content(app: &App, guard: &Guard, own: &str, ping: Ping) -> Router {
    let selector = RegistrySelector::new(app.registries.clone(), own);
    let inject = from_fn_with_state(Arc::clone(app.faults.registry_faults()), faults::inject);
    let gated = |routes: Router| {
        acr::protect(routes.layer(inject.clone()), app.authenticator.clone(), ping)
    };
    // A path is parsed once, before the gate. The gate, the faults and the handler read the result.
    let content = oci::parse_paths(gated(oci::router()))
        .merge(acr::parse_paths(gated(acr::router())))
        .merge(acr::login_router(app.authenticator.clone()));
    let content = Proxies::new(&app.config.trusted_proxy).add_to(content);
    // The registry comes first: the guard asks for its own password only if a registry has no logins.
    let content = selector.select_for(guard.protect_content(content));
    let content = content.layer(map_response(acr::complete_401));
    match app.config.cors_origin.as_slice() {
        [] => content,
        origins => content.layer(cors(origins)),
    }
}

/// Lets scripts of these origins use a registry, as the pages of registry browsers do. A preflight carries no credentials, so
/// the emulator answers it before it asks for a login (Fetch Standard, "CORS-preflight fetch").
fn cors(origins: &[Origin]) -> CorsLayer {
    use http::header::{
        ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
        IF_MATCH, IF_NONE_MATCH, IF_RANGE, LINK, LOCATION, RANGE, WWW_AUTHENTICATE,
    };
    let named = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(origins.iter().map(Origin::value).collect::<Vec<_>>())
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([
            ACCEPT,
            AUTHORIZATION,
            CACHE_CONTROL,
            CONTENT_RANGE,
            CONTENT_TYPE,
            IF_MATCH,
            IF_NONE_MATCH,
            IF_RANGE,
            RANGE,
            named("x-requested-with"),
        ])
        .expose_headers([
            CONTENT_LENGTH,
            CONTENT_RANGE,
            LINK,
            LOCATION,
            WWW_AUTHENTICATE,
            REQUEST_ID,
            named("docker-content-digest"),
            named("docker-upload-uuid"),
            named("oci-filters-applied"),
            named("oci-subject"),
            named("oci-tag"),
        ])
        .max_age(Duration::from_mins(10))
}

/// The response to a request that no route matches. The target of CONNECT is a host and a port, so no route matches it.
fn nothing_here(method: &Method, azure: Option<&str>) -> Response {
    if method == Method::CONNECT {
        let proxy = azure.and_then(|azure| azure.strip_prefix("https://"));
        let proxy = proxy.map(|at| format!(" The proxy of this emulator is http://{at}."));
        let sentence = format!(
            "CONNECT is refused: this port serves a registry and is no proxy.{}",
            proxy.unwrap_or_default()
        );
        return connect_refusal(StatusCode::METHOD_NOT_ALLOWED, &sentence);
    }
    let message = "there is nothing at this path";
    ErrorReply::new(StatusCode::NOT_FOUND, Code::Unsupported, message, ().into()).into_response()
}

/// The layers, from the outside in: a request id, the log, the handler of panics. There is no limit on bodies here:
/// each handler has its own.
fn with_layers(app: &App, routes: Router) -> Router {
    let azure = app.endpoints.azure().map(str::to_owned);
    routes
        .fallback(async move |method: Method| nothing_here(&method, azure.as_deref()))
        .layer(CatchPanicLayer::custom(|_| {
            // A panic is a defect. The client still gets the error body, and the process goes on.
            let message = "internal error";
            ErrorReply::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown, message, ().into()).into_response()
        }))
        .layer(map_response(with_retry_after))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(|request: &http::Request<_>| {
                    let id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("");
                    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
                })
                .on_request(())
                .on_response(|response: &http::Response<_>, latency: Duration, _: &Span| {
                    tracing::debug!(status = response.status().as_u16(), duration_ms = latency.as_millis(), "answered");
                })
                .on_failure(()),
        )
        .layer(from_fn_with_state(app.inflight.clone(), InflightRequests::track))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
}
