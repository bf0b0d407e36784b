//! Changes that an embedding program makes: to the keys of registries, to revocations, and to faults.
//!
//! A change is a request of the admin API without HTTP, with the same rules. It returns when the registry has seen the change,
//! so the next request of a test meets the new state. A change through [`Sealyard::vault`] returns when the vault has made
//! it; the registry sees it a moment later.

use azure_emulator_core::faults::FaultRule;
use serde_json::json;

use crate::admin::{
    self, AdminError, FaultList, KeyOperation, KeyReply, KeyRequest, RestoreReply, RestoreRequest,
    RevokeReply, RevokeRequest,
};
use crate::registry::Error;
use crate::revocation::RevocationMethod;
use crate::serve::Sealyard;

impl Sealyard {
    /// Enables or disables the key version that a registry uses, and returns when the registry has seen it.
    ///
    /// Fails if there is no such registry, if it has no customer-managed key, or if the vault is external.
    pub async fn set_key_enabled(
        &self,
        registry: &str,
        enabled: bool,
    ) -> Result<KeyReply, AdminError> {
        let operation = if enabled { KeyOperation::Enable } else { KeyOperation::Disable };
        self.change_key(registry, operation).await
    }

    /// Changes the key of a registry as its owner, and returns when the registry has seen it, or, for a rotation,
    /// when the registry uses the new version. Fails as [`Sealyard::set_key_enabled`] does.
    pub async fn change_key(
        &self,
        registry: &str,
        operation: KeyOperation,
    ) -> Result<KeyReply, AdminError> {
        let request = KeyRequest { operation, vault: None, key: None, version: None, wait: true };
        self.change_key_as(registry, request).await
    }

    /// Like [`Sealyard::change_key`], for any key and version, with all fields of the admin API.
    pub async fn change_key_as(
        &self,
        registry: &str,
        request: KeyRequest,
    ) -> Result<KeyReply, AdminError> {
        self.refuse_in_reset()?;
        admin::change_key(&self.app, registry, request).await
    }

    /// Revokes a registry's access to its key with the given method, and returns when the registry refuses its content.
    /// [`Sealyard::restore`] undoes exactly these changes.
    pub async fn revoke(
        &self,
        registry: &str,
        by: RevocationMethod,
    ) -> Result<RevokeReply, AdminError> {
        self.refuse_in_reset()?;
        admin::revoke_access(&self.app, registry, RevokeRequest { by, wait: true }).await
    }

    /// Restores everything that was revoked from a registry, and returns when the registry has seen it. Fails if the
    /// registry still does not serve its content, because of another change to its key.
    pub async fn restore(&self, registry: &str) -> Result<RestoreReply, AdminError> {
        self.refuse_in_reset()?;
        admin::restore_access(&self.app, registry, RestoreRequest { by: None, wait: true }).await
    }

    /// Adds a fault rule for the registries or the vault, or replaces the rule with the same name. Returns the id that removes it.
    pub async fn add_fault(&self, rule: FaultRule) -> Result<String, AdminError> {
        self.refuse_in_reset()?;
        let app = &self.app;
        Ok(app.faults.add(json!(rule), app.owner()).await?)
    }

    /// The fault rules that are still active.
    pub async fn faults(&self) -> Result<FaultList, AdminError> {
        admin::all_faults(&self.app).await
    }

    /// Removes a fault rule.
    pub async fn remove_fault(&self, id: &str) -> Result<(), AdminError> {
        self.refuse_in_reset()?;
        let app = &self.app;
        Ok(app.faults.remove(id, app.owner()).await?)
    }

    /// Removes all fault rules, and the vault's call limits.
    pub async fn clear_faults(&self) -> Result<(), AdminError> {
        self.refuse_in_reset()?;
        let app = &self.app;
        Ok(app.faults.clear(app.owner()).await?)
    }

    /// Fails during a reset, which would undo the change.
    fn refuse_in_reset(&self) -> Result<(), Error> {
        self.app.registries.intents().refuse_in_reset()
    }
}
