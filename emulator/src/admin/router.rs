//! The routes of the admin API, each behind the guard.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};

use super::authority::CA_PATH;
use super::error::AdminError;
use super::{
    access, audit, authority, clock, content, diagnosis, error, events, faults, health, identities,
    key, metrics, registries, reset, revocation, status, task_runs, verify,
};
use crate::app::App;

/// The path prefix of the admin API.
pub const PREFIX: &str = "/_sealyard";

/// The routes of the admin API.
pub fn router(app: App) -> Router {
    let guard = app.guard.clone();
    let routes = Router::new()
        .route("/status", get(status::status))
        .route("/registries", get(registries::list).post(registries::create))
        .route(
            "/registries/{name}",
            get(registries::show).patch(registries::change).delete(registries::delete),
        )
        .route("/registries/{name}/rotate-key", post(registries::rotate_key))
        .route("/identities", get(identities::list).post(identities::create))
        .route("/identities/{name}", delete(identities::delete))
        .route("/registries/{name}/key", get(key::list).post(key::operate))
        .route("/registries/{name}/revoke", get(revocation::list).post(revocation::revoke))
        .route("/registries/{name}/restore", post(revocation::restore))
        .route("/registries/{name}/access", get(access::read).post(access::change))
        .route("/registries/{name}/tokens", post(access::make_token))
        .route("/registries/{name}/runs", get(task_runs::list).post(task_runs::add))
        .route("/registries/{name}/runs/{id}", get(task_runs::show).delete(task_runs::delete))
        .route("/registries/{name}/runs/{id}/log", get(task_runs::log))
        .route("/diagnosis", get(diagnosis::diagnose))
        .route("/clock", get(clock::read).post(clock::change))
        .route("/audit", get(audit::newest))
        .route("/events", get(events::events))
        .route("/metrics", get(metrics::metrics))
        .route_layer(from_fn_with_state(app.clone(), reset::refuse_changes))
        // The following routes help to complete a reset, or request one.
        .route("/reset", get(reset::preview).post(reset::reset))
        .route("/faults", get(faults::list).post(faults::add).delete(faults::clear))
        .route("/faults/{id}", delete(faults::remove))
        .route("/registries/{name}/verify", post(verify::verify))
        .route("/registries/{name}/gc", post(content::collect))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app.clone());
    let public = Router::new()
        .route(&format!("{PREFIX}/health"), get(health::health))
        .route(&format!("{PREFIX}{CA_PATH}"), get(authority::certificates))
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(app);
    let public = guard.protect_public::<AdminError>(public);
    public.merge(Router::new().nest(PREFIX, guard.protect::<AdminError>(routes)))
}
