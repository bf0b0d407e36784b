//! Changes that an embedding program makes, to registries, keys, revocations and faults, and the state that it reads.
//!
//! A change is a request of the admin API without HTTP, with the same rules. It returns when the registry has seen the change,
//! so the next request of a test meets the new state. A change through [`Sealyard::vault`] returns when the vault has made
//! it; the registry sees it a moment later.

use azure_emulator_core::faults::FaultRule;
use serde_json::json;

use crate::admin::{
    self, AdminError, CollectRequest, CollectedReport, CreateIdentity, CreateRegistry,
    CreatedRegistry, EventReport, FaultList, IdentityReport, KeyOperation, KeyReply, KeyRequest,
    RegistryReport, RestoreReply, RestoreRequest, RevokeReply, RevokeRequest, VerifyRequest,
};
use crate::registry::{Error, Verified};
use crate::revocation::RevocationMethod;
use crate::serve::Sealyard;

impl Sealyard {
    /// The state of a registry with its cause, its key and its content. This changes nothing.
    pub async fn status(&self, registry: &str) -> Result<RegistryReport, AdminError> {
        admin::registry_status(&self.app, registry).await
    }

    /// The events of a registry since the start, such as changes of its state, the newest last. Only the newest events of
    /// the emulator stay in memory.
    pub async fn events(&self, registry: &str) -> Result<Vec<EventReport>, AdminError> {
        admin::events_of(&self.app, registry).await
    }

    /// Creates a registry of this name with its own key: an identity and a key in the vault `local`, both of its name,
    /// the identity's permission to use the key, and the registry.
    pub async fn create_registry(&self, name: &str) -> Result<(), AdminError> {
        let new = CreateRegistry { name: name.to_owned(), ..CreateRegistry::default() };
        self.create_registry_as(new).await.map(drop)
    }

    /// Like [`Sealyard::create_registry`], with all fields of the admin API: for example another SKU, no key, or the key and
    /// the identity of the caller's choice.
    pub async fn create_registry_as(
        &self,
        new: CreateRegistry,
    ) -> Result<CreatedRegistry, AdminError> {
        self.refuse_in_reset()?;
        admin::create_registry(&self.app, new).await
    }

    /// Deletes a registry with everything in it. The identity and the key that [`Sealyard::create_registry`] created stay.
    pub async fn delete_registry(&self, name: &str) -> Result<(), AdminError> {
        self.refuse_in_reset()?;
        admin::delete_registry(&self.app, name).await
    }

    /// Creates a user-assigned identity in the group `sealyard`, without permissions.
    pub async fn create_identity(&self, name: &str) -> Result<IdentityReport, AdminError> {
        self.refuse_in_reset()?;
        let new = CreateIdentity { name: name.to_owned(), ..CreateIdentity::default() };
        admin::create_identity(&self.app, new).await
    }

    /// Removes the garbage of a registry.
    pub async fn collect(
        &self,
        registry: &str,
        request: CollectRequest,
    ) -> Result<CollectedReport, AdminError> {
        self.refuse_in_reset()?;
        admin::collect_garbage(&self.app, registry, request).await
    }

    /// Verifies all stored content of a registry, and repairs it if the request says so.
    pub async fn verify(
        &self,
        registry: &str,
        request: VerifyRequest,
    ) -> Result<Verified, AdminError> {
        self.refuse_in_reset()?;
        admin::verify_registry(&self.app, registry, request).await
    }

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
