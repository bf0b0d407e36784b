//! Who asks and what they may, for a control plane that embeds the vault: by the same tokens and roles as the vault's own.
//!
//! Called by the emulator for the resource providers that it adds. Refusals are rendered as the vault renders its own. It
//! does not keep the vault alive: when that has ended, everything is refused.

use std::sync::{Arc, Weak};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, Request};

use crate::arm::{self, ArmError};
use crate::auth;
use crate::host::Site;
use crate::router::{self, App};
use crate::vault::Caller;
use crate::vault::settings::LOCAL_SUBSCRIPTION;
use azure_emulator_core::authority::host_of;
use azure_emulator_core::authorization::Scope;
use azure_emulator_core::listing::Resource;

/// Says who asks and what they may. Clones do the same; none keeps the vault alive.
#[derive(Clone, Debug)]
pub struct Gate(Weak<App>);

/// A refusal in the words of the control plane.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct GateRefusal {
    error: ArmError,
    /// Host and port that the client used: it is told where to get a token.
    host: String,
}

/// Who was accepted before, on a request that the embedding program makes in their name.
#[derive(Clone, Debug)]
pub(crate) struct Accepted(pub(crate) Caller);

impl Gate {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }

    /// Makes a request one of a caller who was accepted before, whatever has become of their token since. Only the program
    /// itself can: nothing that comes over the wire has extensions.
    pub fn vouch(request: &mut Request<Body>, caller: &Caller) {
        request.extensions_mut().insert(Accepted(caller.clone()));
    }

    /// Whoever holds the token in these headers, or was vouched for. `host` is what the client used.
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

    /// What the vault answers by itself: its own resource providers, and the refusal of what nobody serves.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        let Some(app) = self.0.upgrade() else {
            let host = host_of(&request).unwrap_or_default().to_owned();
            return GateRefusal { error: ArmError::ended(), host }.into_response();
        };
        router::behind_front(&app, request).await
    }

    /// The vaults that a caller may see, as a list of resources of every type has them.
    pub fn vaults(
        &self,
        caller: &Caller,
        group: Option<&str>,
    ) -> Result<Vec<Resource>, GateRefusal> {
        let app = self.0.upgrade().ok_or_else(ArmError::ended);
        app.and_then(|app| arm::all_resources(&app.vaults, caller, LOCAL_SUBSCRIPTION, group))
            .map_err(|error| GateRefusal { error, host: String::new() })
    }

    /// The resource ids of all vaults in a group, whoever may see them.
    pub fn vault_ids(&self, group: &str) -> Result<Vec<String>, GateRefusal> {
        let app = self.0.upgrade().ok_or_else(ArmError::ended);
        let app = app.map_err(|error| GateRefusal { error, host: String::new() })?;
        let vaults = app.vaults.vaults_in(LOCAL_SUBSCRIPTION, Some(group));
        Ok(vaults.into_iter().map(|vault| vault.path.to_string()).collect())
    }

    /// Whether there is a vault in a group, or a role at the group or below it, whoever may see them.
    pub fn is_in_use(&self, group: &Scope) -> bool {
        self.0.upgrade().is_some_and(|app| arm::is_in_use(&app.vaults, group))
    }

    /// Takes away every role that was given at a scope or below it, as Azure does when a resource is deleted.
    pub async fn forget_roles(&self, at: Scope) -> Result<(), GateRefusal> {
        let refuse = |error| GateRefusal { error, host: String::new() };
        let app = self.0.upgrade().ok_or_else(|| refuse(ArmError::ended()))?;
        arm::forget_roles(&app.vaults, at).await.map_err(refuse)
    }

    /// Whether a caller has a role for an action at a scope.
    pub fn may(&self, caller: &Caller, action: &str, at: &Scope) -> bool {
        self.0.upgrade().is_some_and(|app| arm::may(&app.vaults, caller, action, at))
    }

    /// Whether a caller has any role in the subscription, at whatever is in it.
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
        arm::refusal(&Site::of(&self.host), self.error)
    }
}
