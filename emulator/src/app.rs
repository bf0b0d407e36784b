//! What a running emulator is made of, and the routes that it serves.
//!
//! `serve.rs` builds an [`App`] and binds its routes to listeners; tests use the same function. Nothing here decides:
//! it only puts the parts together.

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

/// The name of a request in answers and in the log, as Azure Container Registry spells it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");

/// The parts of a running emulator. Clones share them.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// What [`App`] shares.
#[derive(Debug)]
pub struct Parts {
    /// The registries, the one called `local` first.
    pub registries: Registries,
    /// The clock of everything.
    pub clock: Clock,
    /// What was asked for at the start.
    pub config: Config,
    /// Where everything is to be found.
    pub endpoints: Endpoints,
    /// What happens to the keys of all registries.
    pub events: Events,
    /// The ports of the registries beside `local`.
    pub ports: Ports,
    /// The owner's hand on the vault; none with a vault that is not ours to change.
    pub owner: Option<OwnerVault>,
    /// The embedded vault, whose rows `verify` checks; none with a vault in another process.
    pub embedded: Option<Manager>,
    /// What `revoke` took, until `restore` gives it back.
    pub revocations: Revocations,
    /// What is to go wrong because somebody asked for it.
    pub faults: FaultDesk,
    /// Held while everything begins again.
    pub resetting: tokio::sync::Mutex<()>,
    /// Moves the clock, and has everything done that becomes due.
    pub agenda: Arc<Agenda>,
    /// Keeps the states of the registries true.
    pub state_watch: Arc<StateWatch>,
    /// Says who may do what in registries that want a login.
    pub doorkeeper: Doorkeeper,
    /// The requests that are under way.
    pub under_way: UnderWay,
    /// What the admin API and `local` ask for where the listener can be reached from outside.
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

    /// Takes a registry away with everything in it, and the notes of what was revoked from it.
    pub async fn delete_registry(&self, name: &RegistryName) -> Result<(), ManageError> {
        self.registries.delete(name).await?;
        if let Err(error) = self.revocations.forget_gone(&self.registries).await {
            // The next start forgets them.
            tracing::warn!(registry.name = %name, %error, "notes of revocations outlive the registry");
        }
        Ok(())
    }

    /// Forgets with each registry that goes what was revoked from it: the control plane deletes registries, and groups of
    /// them, as well. Until `stop`; to be spawned.
    pub async fn forget_what_goes(self, stop: CancellationToken) {
        let mut changes = self.registries.changes();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            if let Err(error) = self.revocations.forget_gone(&self.registries).await {
                tracing::warn!(%error, "notes of revocations outlive a registry");
            }
        }
    }

    /// What revocations are made with.
    pub fn hand(&self) -> Hand<'_> {
        Hand { owner: self.owner(), registries: &self.registries }
    }

    /// The owner's hand on the vault.
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

/// The routes of a listener of registries alone. `own` answers there where the `Host` names no other.
pub fn registry_routes(app: &App, guard: &Guard, own: &str, ping: Ping) -> Router {
    with_layers(app, content(app, guard, own, ping))
}

/// Content, and the tokens for it: behind the choice of the registry, the guard of its listener, the registry's gate, and
/// the faults that somebody asked for.
fn content(app: &App, guard: &Guard, own: &str, ping: Ping) -> Router {
    let site = Site::new(app.registries.clone(), own);
    let strike = from_fn_with_state(Arc::clone(app.faults.of_registry()), faults::strike);
    let content = oci::router().merge(acr::router()).layer(strike);
    let content = acr::protect(content, app.doorkeeper.clone(), ping);
    let content = content.merge(acr::login_router(app.doorkeeper.clone()));
    let content = Proxies::new(&app.config.trusted_proxy).note_for(content);
    // The registry first: the guard asks for its own password only where a registry has no logins.
    let content = site.select_for(guard.protect_content(content));
    let content = content.layer(map_response(acr::complete_401));
    match app.config.cors_origin.as_slice() {
        [] => content,
        origins => content.layer(cors(origins)),
    }
}

/// Lets scripts of these origins use a registry, as the pages of registry browsers do. A preflight asks for nothing, so it is
/// answered before a login is asked for (Fetch Standard, "CORS-preflight fetch").
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

/// What no route takes. The target of CONNECT is a host and a port, so that none takes it.
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

/// The layers, from the outside in: a request id, the log, the net under panics. There is no limit on bodies here:
/// each handler has its own.
fn with_layers(app: &App, routes: Router) -> Router {
    let azure = app.endpoints.azure().map(str::to_owned);
    routes
        .fallback(async move |method: Method| nothing_here(&method, azure.as_deref()))
        .layer(CatchPanicLayer::custom(|_| {
            // A panic is a defect. The client gets the error body all the same, and the process goes on.
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
