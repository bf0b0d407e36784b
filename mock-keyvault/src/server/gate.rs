//! Authenticates and authorizes callers of a control plane that embeds the vault, with the vault's own tokens and roles.
//!
//! Called by the emulator for the resource providers that it adds. Refusals have the vault's own form. The gate does not keep
//! the vault alive: after the vault has ended, the gate refuses everything.

use std::sync::{Arc, Weak};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, Request};

use crate::app::App;
use crate::arm::{self, ArmError};
use crate::auth::{self, Accepted};
use crate::host::Site;
use crate::model::Caller;
use crate::model::settings::LOCAL_SUBSCRIPTION;
use crate::router;
use azure_emulator_core::authority::host_of;
use azure_emulator_core::authorization::Scope;
use azure_emulator_core::listing::Resource;

/// Authenticates and authorizes callers. Clones share the vault; no clone keeps it alive.
#[derive(Clone, Debug)]
pub struct Gate(Weak<App>);

/// A refusal in the form of the control plane.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct GateRefusal {
    error: ArmError,
    /// Host and port that the client used: the refusal tells the client where to get a token.
    host: String,
}

impl Gate {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }

    /// Makes a request in the name of a caller who was authenticated before, even if the caller's token has expired since. Only the
    /// program itself can do this: a request from the network has no extensions.
    pub fn vouch(request: &mut Request<Body>, caller: &Caller) {
        request.extensions_mut().insert(Accepted(caller.clone()));
    }

    /// The caller whose token is in these headers, or who was vouched for. `host` is the host that the client used.
    pub fn caller(
        &self,
        host: &str,
        headers: &HeaderMap,
        extensions: &Extensions,
    ) -> Result<Caller, GateRefusal> {
        if let Some(Accepted(caller)) = extensions.get() {
            return Ok(caller.clone());
        }
        let refuse = |error| GateRefusal { error, host: host.to_owned() };
        let app = self.0.upgrade().ok_or_else(|| refuse(ArmError::ended()))?;
        auth::manager(&app.issuer, app.accept_any_token, headers)
            .map_err(|error| refuse(ArmError::from_auth(error)))
    }

    /// The vault's own answer: of its resource providers, or the refusal of an unknown path.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        let Some(app) = self.0.upgrade() else {
            let host = host_of(&request).unwrap_or_default().to_owned();
            return GateRefusal { error: ArmError::ended(), host }.into_response();
        };
        router::behind_front(&app, request).await
    }

    /// The vaults that a caller may see, in the form of a list of resources of every type.
    pub fn vaults(
        &self,
        caller: &Caller,
        group: Option<&str>,
    ) -> Result<Vec<Resource>, GateRefusal> {
        let app = self.0.upgrade().ok_or_else(ArmError::ended);
        app.and_then(|app| arm::all_resources(&app.vaults, caller, LOCAL_SUBSCRIPTION, group))
            .map_err(|error| GateRefusal { error, host: String::new() })
    }

    /// The resource ids of all vaults in a group, also of those that the caller may not see.
    pub fn vault_ids(&self, group: &str) -> Result<Vec<String>, GateRefusal> {
        let app = self.0.upgrade().ok_or_else(ArmError::ended);
        let app = app.map_err(|error| GateRefusal { error, host: String::new() })?;
        let vaults = app.vaults.vaults_in(LOCAL_SUBSCRIPTION, Some(group));
        Ok(vaults.into_iter().map(|vault| vault.path.to_string()).collect())
    }

    /// Whether a group contains a vault, or a role assignment exists at the group or below it.
    pub fn is_in_use(&self, group: &Scope) -> bool {
        self.0.upgrade().is_some_and(|app| arm::is_in_use(&app.vaults, group))
    }

    /// Deletes every role assignment at a scope or below it, as Azure does when a resource is deleted.
    pub async fn remove_roles(&self, at: Scope) -> Result<(), GateRefusal> {
        let refuse = |error| GateRefusal { error, host: String::new() };
        let app = self.0.upgrade().ok_or_else(|| refuse(ArmError::ended()))?;
        arm::remove_roles(&app.vaults, at).await.map_err(refuse)
    }

    /// Whether a caller has a role for an action at a scope.
    pub fn may(&self, caller: &Caller, action: &str, at: &Scope) -> bool {
        self.0.upgrade().is_some_and(|app| arm::may(&app.vaults, caller, action, at))
    }

    /// Whether a caller has any role in the subscription, at any scope.
    pub fn has_any_role(&self, caller: &Caller) -> bool {
        self.0.upgrade().is_some_and(|app| arm::has_any_role(&app.vaults, caller))
    }

    /// Refuses a caller who has no role for an action at a scope.
    pub fn require(
        &self,
        caller: &Caller,
        action: &'static str,
        at: &Scope,
    ) -> Result<(), GateRefusal> {
        let app = self.0.upgrade().ok_or_else(ArmError::ended);
        app.and_then(|app| arm::require(&app.vaults, caller, action, at))
            .map_err(|error| GateRefusal { error, host: String::new() })
    }
}

impl IntoResponse for GateRefusal {
    fn into_response(self) -> Response {
        arm::refusal(&Site::from_host(&self.host), self.error)
    }
}
