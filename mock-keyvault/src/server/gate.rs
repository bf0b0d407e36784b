//! Who asks and what they may, for a control plane that embeds the vault: by the same tokens and roles as the vault's own.
//!
//! Called by the emulator for the resource providers that it adds. Refusals are rendered as the vault renders its own. It
//! does not keep the vault alive: when that has ended, everything is refused.

use std::sync::{Arc, Weak};

use axum::response::{IntoResponse, Response};
use http::HeaderMap;

use crate::arm::{self, ArmError};
use crate::auth;
use crate::authorization::{Action, Scope};
use crate::host::Site;
use crate::router::App;

/// Says who asks and what they may. Clones do the same; none keeps the vault alive.
#[derive(Clone, Debug)]
pub struct Gate(Weak<App>);

/// Whoever holds the token of a request to the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The client id.
    pub client_id: String,
    /// The object id, which roles go by.
    pub object_id: String,
}

/// A refusal in the words of the control plane.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct GateRefusal {
    error: ArmError,
    /// Host and port that the client used: it is told where to get a token.
    host: String,
}

impl Gate {
    pub(super) fn new(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }

    /// Whoever holds the token in these headers. `host` is what the client used.
    pub fn caller(&self, host: &str, headers: &HeaderMap) -> Result<Caller, GateRefusal> {
        let refuse = |error| GateRefusal { error, host: host.to_owned() };
        let app = self.0.upgrade().ok_or_else(|| refuse(ArmError::ended()))?;
        let caller = auth::manager(&app.issuer, app.accept_any_token, headers)
            .map_err(|error| refuse(ArmError::from_auth(error)))?;
        Ok(Caller { client_id: caller.app_id, object_id: caller.object_id })
    }

    /// Whether a caller has a role for an action at a scope.
    pub fn may(&self, caller: &Caller, action: &str, at: &Scope) -> bool {
        let Some(app) = self.0.upgrade() else { return false };
        app.vaults.authorization().decide(&caller.object_id, Action::Control(action), at).is_some()
    }

    /// Refuses a caller who has no role for an action at a scope.
    pub fn require(
        &self,
        caller: &Caller,
        action: &'static str,
        at: &Scope,
    ) -> Result<(), GateRefusal> {
        if self.may(caller, action, at) {
            return Ok(());
        }
        let error = ArmError::AuthorizationFailed {
            app_id: caller.client_id.clone(),
            object_id: caller.object_id.clone(),
            action,
            scope: at.as_str().to_owned(),
        };
        Err(GateRefusal { error, host: String::new() })
    }
}

impl IntoResponse for GateRefusal {
    fn into_response(self) -> Response {
        arm::refusal(&Site::of(&self.host), self.error)
    }
}
