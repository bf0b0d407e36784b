//! The admin API of the emulator, under `/_sealyard/` on the registry's listener: health, status, keys, checks, the clock.
//!
//! Its clients are the command line and test suites in any language. It answers in every state of the key.
//! Bodies are JSON; an error is `{"error":{"code","message"}}`. This module has types for the bodies, which
//! the command line uses as well.
//!
//! Invariant: every route goes through [`crate::listeners::Guard`], because a web page in the user's browser can reach the loopback too, and must
//! not be able to disable a key.

mod access;
mod audit;
mod authority;
mod clock;
mod content;
mod diagnosis;
mod endpoints_file;
mod error;
mod events;
mod faults;
mod health;
mod identities;
mod key;
mod manage;
mod metrics;
mod registries;
mod reset;
mod revocation;
mod sent;
mod status;
mod task_runs;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use serde::Serialize;

pub use self::access::{AccessReport, AccessRequest, TokenReply, TokenRequest};
pub use self::audit::AuditReport;
pub use self::authority::CA_PATH;
pub use self::clock::ClockReport;
pub use self::content::{CollectRequest, CollectedReport, KeptReport};
pub use self::diagnosis::{
    DiagnosisReport, IdentityDiagnosis, KeyDiagnosis, RegistryDiagnosis, RotationDiagnosis,
};
pub use self::endpoints_file::ENDPOINTS_FILE;
pub(crate) use self::endpoints_file::{EndpointsFile, read as read_endpoints};
pub use self::error::{AdminError, ErrorBody, ErrorReport};
pub use self::events::{EventList, EventReport};
pub(crate) use self::faults::all as all_faults;
pub use self::faults::{FaultAdded, FaultList};
pub use self::health::{HealthReport, RegistryHealth};
pub use self::identities::{
    CreateIdentity, DeleteIdentity, IdentityList, IdentityReport, PrincipalReport,
};
pub(crate) use self::key::change as change_key;
pub use self::key::{
    KeyList, KeyOperation, KeyReply, KeyRequest, KeyVersionReport, RotationReport,
};
pub use self::registries::{
    ChangeRegistry, CreateRegistry, CreatedRegistry, Policies, Policy, RegistryDetails,
    RegistryList, RotateKey, RotatedKey, Status,
};
pub use self::reset::{ResetPreview, ResetReply, ResetRequest};
pub use self::revocation::{
    RestoreReply, RestoreRequest, RevocationList, RevokeReply, RevokeRequest,
};
pub(crate) use self::revocation::{give_back, take};
pub use self::status::{KeyReport, PasswordPlace, RegistryReport, StatusReport, UnfinishedReport};
pub use self::task_runs::{TaskRunList, TaskRunReport};
pub use self::verify::{VerifyLine, VerifyRequest};
use crate::app::App;
use crate::registry::Registry;

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

/// The registry in a path.
fn find(app: &App, name: &str) -> Result<Registry, AdminError> {
    app.registry(name).ok_or_else(|| AdminError::no_registry(name))
}

/// The JSON name of an enumeration's value.
fn wire_name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests;
mod verify;
