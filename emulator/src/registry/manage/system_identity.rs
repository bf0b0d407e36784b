//! The system-assigned identity of a registry: a principal in the vault that is created and removed with a field of its
//! row.
//!
//! An interrupted change is completed by the row: if the row has no identity, the principal is removed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::ManageError;
use super::registries::Registries;
use crate::names::RegistryName;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind};
use crate::registry::resources::{IdentityOf, PlatformError, Principal, ResourceGroup};

/// The data that a change of the identity needs to continue.
#[derive(Serialize, Deserialize)]
struct SystemIdentityParameters {
    registry: String,
    /// The resource id of the registry.
    resource: String,
}

impl Registries {
    /// Creates the identity of a registry.
    pub(super) async fn make_system_identity(
        &self,
        group: &ResourceGroup,
        name: &RegistryName,
    ) -> Result<Principal, ManageError> {
        let of = IdentityOf::Registry(group.registry_id(name));
        Ok(self.platform().make_identity(of).await?)
    }

    /// Records that the identity of a registry will be created or removed. The caller must hold the lock.
    pub(super) async fn begin_system_identity(
        &self,
        group: &ResourceGroup,
        name: &RegistryName,
        goes: bool,
    ) -> Result<Intent, ManageError> {
        let resource = group.registry_id(name);
        let parameters = SystemIdentityParameters { registry: name.as_str().to_owned(), resource };
        let intents = self.intents();
        let intent = if goes {
            intents.begin_removal(Kind::SystemIdentity, &parameters).await?
        } else {
            intents.begin(Kind::SystemIdentity, &parameters).await?
        };
        // The new operation also finishes the rest of an older one.
        intents.replace(&[Kind::SystemIdentity], name.as_str()).await?;
        Ok(intent)
    }

    /// Removes the principal if the row of the registry has no identity, and ends the operation. If the vault cannot
    /// remove it now, the registry works without it, and the runner retries.
    pub(super) async fn finish_system_identity(&self, intent: Intent) {
        let matched = self.match_system_identity(&intent).await;
        if let Err(error) = self.end_without_row(intent, matched).await {
            tracing::warn!(%error, "cannot remove a system-assigned identity from the vault");
        }
    }

    /// Continues an interrupted change.
    pub(super) async fn resume_system_identity(&self, intent: Intent) -> Result<(), ManageError> {
        let _lock = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let matched = self.match_system_identity(&intent).await;
        self.end_without_row(intent, matched).await
    }

    async fn match_system_identity(&self, intent: &Intent) -> Result<(), ManageError> {
        let SystemIdentityParameters { registry, resource } = intent.parameters()?;
        let name: RegistryName = registry.parse().map_err(Error::from)?;
        let store = Arc::clone(&self.common().store);
        let record = blocking(move || store.registry(&name)).await?;
        if record.is_some_and(|record| record.row.system_identity.is_some()) {
            return Ok(());
        }
        match self.drop_principal(IdentityOf::Registry(resource)).await {
            Err(ManageError::Platform(PlatformError::NotOurs { .. })) => Ok(()),
            other => other,
        }
    }
}
