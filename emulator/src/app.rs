//! The parts of a running emulator, and the routes that it serves.
//!
//! `serve.rs` builds an [`App`] and binds its routes to listeners; tests use the same function. This module makes no
//! decisions: it only puts the parts together.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use azure_emulator_core::clock::Clock;
use azure_emulator_core::listen::connect_refusal;
use azure_emulator_core::retry::with_retry_after;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use mock_keyvault::Manager;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::CorsLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::trace::TraceLayer;
use tracing::Span;

use crate::acr::{self, Ping, Proxies};
use crate::admin::{self, Endpoints, Guard};
use crate::agenda::Agenda;
use crate::config::{Config, Origin};
use crate::faults::{self, FaultDesk};
use crate::listeners::{Ports, Site};
use crate::oci::{self, Code, ErrorReply};
use crate::registry::{Doorkeeper, Events, ManageError, Registries, Registry, RegistryName};
use crate::revocation::{Hand, Revocations};
use crate::serve::LOCAL;
use crate::state_watch::StateWatch;
use crate::under_way::UnderWay;
use crate::vault_owner::OwnerVault;

/// The header with the id of a request in responses and in the log, as Azure Container Registry spells it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");

/// The parts of a running emulator. Clones share them.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The state that [`App`] shares.
#[derive(Debug)]
pub struct Parts {
    /// The registries, with `local` first.
    pub registries: Registries,
    /// The clock of the registries and the vault.
    pub clock: Clock,
    /// The configuration of the start.
    pub config: Config,
    /// The addresses of all listeners.
    pub endpoints: Endpoints,
    /// The events of the keys of all registries.
    pub events: Events,
    /// The ports of the registries other than `local`.
    pub ports: Ports,
    /// The owner's access to the vault; `None` with an external vault, which the emulator cannot change.
    pub owner: Option<OwnerVault>,
    /// The embedded vault, whose rows `verify` checks; `None` with a vault in another process.
    pub embedded: Option<Manager>,
    /// The changes that `revoke` made, until `restore` undoes them.
    pub revocations: Revocations,
    /// The faults that a client of the admin API asked for.
    pub faults: FaultDesk,
    /// Held during a reset.
    pub resetting: tokio::sync::Mutex<()>,
    /// Moves the clock, and runs everything that becomes due.
    pub agenda: Arc<Agenda>,
    /// Keeps the states of the registries up to date.
    pub state_watch: Arc<StateWatch>,
    /// Authenticates and authorizes callers of registries that require a login.
    pub doorkeeper: Doorkeeper,
    /// The requests in progress.
    pub under_way: UnderWay,
    /// The password that the admin API and `local` require when the listener can be reached from outside.
    pub guard: Guard,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// A registry by its name.
    pub fn registry(&self, name: &str) -> Option<Registry> {
        self.0.registries.get(name)
    }

    /// Deletes a registry with everything in it, and its revocation records.
    pub async fn delete_registry(&self, name: &RegistryName) -> Result<(), ManageError> {
        self.registries.delete(name).await?;
        if let Err(error) = self.revocations.forget_gone(&self.registries).await {
            // The next start deletes them.
            tracing::warn!(registry.name = %name, %error, "could not delete the revocation records of the registry");
        }
        Ok(())
    }

    /// Deletes the revocation records of each registry that is deleted: the control plane also deletes registries, and
    /// groups of them. Runs until `stop`; the caller spawns it.
    pub async fn forget_what_goes(self, stop: CancellationToken) {
        let mut changes = self.registries.changes();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            if let Err(error) = self.revocations.forget_gone(&self.registries).await {
                tracing::warn!(%error, "could not delete the revocation records of a deleted registry");
            }
        }
    }

    /// The context that revocations need.
    pub fn hand(&self) -> Hand<'_> {
        Hand { owner: self.owner(), registries: &self.registries }
    }

    /// The owner's access to the vault.
    pub fn owner(&self) -> Option<&OwnerVault> {
        self.0.owner.as_ref()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// The routes of the listener of `local`: the content of registries, and the admin API.
pub fn routes(app: &App) -> Router {
    let content = content(app, &app.guard, LOCAL, Ping::Open);
    with_layers(app, content.merge(admin::router(app.clone())))
}

/// The routes of a listener that serves registries only. `own` answers requests whose `Host` names no other registry.
pub fn registry_routes(app: &App, guard: &Guard, own: &str, ping: Ping) -> Router {
    with_layers(app, content(app, guard, own, ping))
}

/// Content, and the tokens for it: behind the selection of the registry, the guard of its listener, the registry's gate,
/// and the requested faults.
fn content(app: &App, guard: &Guard, own: &str, ping: Ping) -> Router {
    let site = Site::new(app.registries.clone(), own);
    let strike = from_fn_with_state(Arc::clone(app.faults.of_registry()), faults::strike);
    let content = oci::router().merge(acr::router()).layer(strike);
    let content = acr::protect(content, app.doorkeeper.clone(), ping);
    let content = content.merge(acr::login_router(app.doorkeeper.clone()));
    let content = Proxies::new(&app.config.trusted_proxy).note_for(content);
    // The registry comes first: the guard asks for its own password only if a registry has no logins.
    let content = site.select_for(guard.protect_content(content));
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
    let words = "there is nothing at this path";
    ErrorReply::new(StatusCode::NOT_FOUND, Code::Unsupported, words, ().into()).into_response()
}

/// The layers, from the outside in: a request id, the log, the handler of panics. There is no limit on bodies here:
/// each handler has its own.
fn with_layers(app: &App, routes: Router) -> Router {
    let azure = app.endpoints.azure().map(str::to_owned);
    routes
        .fallback(async move |method: Method| nothing_here(&method, azure.as_deref()))
        .layer(CatchPanicLayer::custom(|_| {
            // A panic is a defect. The client still gets the error body, and the process goes on.
            let words = "internal error";
            ErrorReply::new(StatusCode::INTERNAL_SERVER_ERROR, Code::Unknown, words, ().into()).into_response()
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
        .layer(from_fn_with_state(app.under_way.clone(), UnderWay::note))
        .layer(PropagateRequestIdLayer::new(REQUEST_ID))
        .layer(SetRequestIdLayer::new(REQUEST_ID, MakeRequestUuid))
}
