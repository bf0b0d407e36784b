//! The facts of a request that every handler of the resource providers needs: the caller, the query and the vaults.

use std::sync::Arc;

use super::error::ArmError;
use super::roles::require;
use crate::control::Query;
use crate::host::Site;
use crate::model::Caller;
use crate::vault::Vaults;
use crate::vault::lifecycle::VaultChangeError;
use azure_emulator_core::authorization::Scope;

/// The request's facts that every handler needs.
pub(super) struct Context {
    pub(super) vaults: Arc<Vaults>,
    pub(super) site: Site,
    pub(super) caller: Caller,
    pub(super) query: Query,
    /// Whether a new vault uses access policies even if it asks for roles.
    pub(super) legacy_access_policies: bool,
}

impl Context {
    pub(super) fn require(&self, action: &'static str, at: &Scope) -> Result<(), ArmError> {
        require(&self.vaults, &self.caller, action, at)
    }

    /// Calls the domain on a thread that may block, with the caller's object id.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vaults, &str) -> Result<T, VaultChangeError> + Send + 'static,
    ) -> Result<T, ArmError> {
        let (vaults, by) = (Arc::clone(&self.vaults), self.caller.object_id.clone());
        let called = tokio::task::spawn_blocking(move || call(&vaults, &by)).await;
        Ok(called.map_err(|error| VaultChangeError::Internal(error.to_string()))??)
    }
}
