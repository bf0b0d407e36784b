//! What a program that holds the emulator changes: the keys of registries, what is revoked from them, and faults.
//!
//! A change is a request of the admin API without HTTP, with the same rules, and it returns when the registry has seen it.
//! So the next request of a test meets the new state. A change through [`Sealyard::vault`] returns when the vault has made
//! it; the registry sees it a moment later.

use azure_emulator_core::faults::FaultRule;
use serde_json::json;

use crate::admin::{
    self, AdminError, FaultList, KeyOperation, KeyReply, KeyRequest, RestoreReply, RestoreRequest,
    RevokeReply, RevokeRequest,
};
use crate::registry::Error;
use crate::revocation::Way;
use crate::serve::Sealyard;

impl Sealyard {
    /// Enables or disables the version that a registry uses of its key, and returns when the registry has seen it.
    ///
    /// Fails for a registry that is not there or has no customer-managed key, and with a vault that is not ours to change.
    pub async fn set_key_enabled(
        &self,
        registry: &str,
        enabled: bool,
    ) -> Result<KeyReply, AdminError> {
        let operation = if enabled { KeyOperation::Enable } else { KeyOperation::Disable };
        self.change_key(registry, operation).await
    }

    /// Does something to the key of a registry as its owner, and returns when the registry has seen it, or, for a rotation,
    /// when the registry uses the new version. Fails as [`Sealyard::set_key_enabled`] does.
    pub async fn change_key(
        &self,
        registry: &str,
        operation: KeyOperation,
    ) -> Result<KeyReply, AdminError> {
        let request = KeyRequest { operation, vault: None, key: None, version: None, wait: true };
        self.change_key_as(registry, request).await
    }

    /// The same for any key and version, with everything that the admin API takes.
    pub async fn change_key_as(
        &self,
        registry: &str,
        request: KeyRequest,
    ) -> Result<KeyReply, AdminError> {
        self.refuse_in_reset()?;
        admin::change_key(self.app(), registry, request).await
    }

    /// Revokes the key of a registry in one of the ways there are, and returns when the registry refuses its content.
    /// [`Sealyard::restore`] gives back exactly what was taken.
    pub async fn revoke(&self, registry: &str, by: Way) -> Result<RevokeReply, AdminError> {
        self.refuse_in_reset()?;
        admin::take(self.app(), registry, RevokeRequest { by, wait: true }).await
    }

    /// Gives back everything that was revoked from a registry, and returns when the registry has seen it. Fails if the
    /// registry does not serve its content then, because of something else that was done to its key.
    pub async fn restore(&self, registry: &str) -> Result<RestoreReply, AdminError> {
        self.refuse_in_reset()?;
        admin::give_back(self.app(), registry, RestoreRequest { by: None, wait: true }).await
    }

    /// Adds a fault rule for the registries or the vault, or replaces the one of its name. Returns what it is removed by.
    pub async fn add_fault(&self, rule: FaultRule) -> Result<String, AdminError> {
        self.refuse_in_reset()?;
        let app = self.app();
        Ok(app.faults.add(json!(rule), app.owner()).await?)
    }

    /// The fault rules that have not ended.
    pub async fn faults(&self) -> Result<FaultList, AdminError> {
        admin::all_faults(self.app()).await
    }

    /// Removes a fault rule.
    pub async fn remove_fault(&self, id: &str) -> Result<(), AdminError> {
        self.refuse_in_reset()?;
        let app = self.app();
        Ok(app.faults.remove(id, app.owner()).await?)
    }

    /// Removes all fault rules, and the limits of calls of the vault.
    pub async fn clear_faults(&self) -> Result<(), AdminError> {
        self.refuse_in_reset()?;
        let app = self.app();
        Ok(app.faults.clear(app.owner()).await?)
    }

    /// A reset that has not ended would undo the change.
    fn refuse_in_reset(&self) -> Result<(), Error> {
        self.app().registries.intents().refuse_in_reset()
    }
}
