//! Who asks the control plane, and what they may.
//!
//! Made by the dispatch for every request but those that need no token.

use mock_keyvault::authorization::Scope;
use mock_keyvault::control;
use mock_keyvault::vault::Caller;

use super::Arm;
use super::error::ArmError;

/// Who asks.
pub(super) struct Context {
    pub(super) arm: Arm,
    pub(super) caller: Caller,
    /// Host and port that the client used.
    pub(super) host: String,
}

impl Context {
    /// Who asks, by the token; then the version is asked for. `host` is what the client used.
    pub(super) fn of(arm: &Arm, host: &str, head: &http::request::Parts) -> Result<Self, ArmError> {
        let caller = arm.gate.caller(host, &head.headers)?;
        control::require_api_version(head.uri.query().unwrap_or_default())?;
        Ok(Self { arm: arm.clone(), caller, host: host.to_owned() })
    }

    /// Refuses a caller who has no role for an action at a scope.
    pub(super) fn require(&self, action: &'static str, at: &Scope) -> Result<(), ArmError> {
        Ok(self.arm.gate.require(&self.caller, action, at)?)
    }

    /// Whether the caller has a role for an action at a scope.
    pub(super) fn may(&self, action: &str, at: &Scope) -> bool {
        self.arm.gate.may(&self.caller, action, at)
    }
}
