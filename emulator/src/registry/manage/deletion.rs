//! Deletes a registry: its roles in the vault, its row and ring, its content, and its own identity.
//!
//! Once row and ring are deleted, the deletion cannot be undone and continues until it has ended. The name is free only
//! then: otherwise a new registry of this name would get the identity that is being deleted.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::ManageError;
use super::registries::{Registries, run_to_completion};
use crate::names::RegistryName;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind};
use crate::registry::resources::PlatformError;

/// The data that the deletion of a registry needs to continue.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Deletion {
    registry: String,
    /// The resource id; `None` if an older program began the deletion.
    resource: Option<String>,
    /// The client id of its system-assigned identity.
    system_identity: Option<String>,
    /// When it was created, to recognize it among registries of its name. `None` if an older program began the
    /// deletion.
    #[serde(default)]
    created: Option<i64>,
}

/// The operations on a registry that end when it is deleted or a new one of its name is created.
pub(super) const OF_REGISTRY: [Kind; 3] =
    [Kind::UpdateRegistry, Kind::RotateKey, Kind::DeleteRegistry];

impl Registries {
    /// Deletes a registry with everything in it. On return, its files are deleted. Continues if the caller is dropped.
    pub async fn delete(&self, name: &RegistryName) -> Result<(), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        run_to_completion(async move { this.delete_now(&name).await }).await
    }

    async fn delete_now(&self, name: &RegistryName) -> Result<(), ManageError> {
        if name.is_local() {
            return Err(ManageError::LocalStays);
        }
        let _lock = self.lock().await;
        let registry = self.open_one(name)?;
        let profile = registry.profile();
        let system_identity = profile.system_identity.clone();
        let deletion = Deletion {
            registry: name.as_str().to_owned(),
            resource: Some(registry.resource_id()),
            system_identity: system_identity.map(|identity| identity.client_id),
            created: Some(profile.created.unix_timestamp()),
        };
        let intent = self.intents().begin(Kind::DeleteRegistry, &deletion).await?;
        if let Err(error) = self.begin_deletion(name, &deletion).await {
            // An unfinished earlier deletion would remove content that is pushed now.
            let earlier = self.intents().parameters::<Deletion>(Kind::DeleteRegistry);
            if !earlier.iter().any(|(id, of)| *id != intent.id() && of.registry == name.as_str()) {
                registry.reopen();
            }
            intent.end().await?;
            return Err(error);
        }
        // This comes only now: a refused deletion replaces no other operation.
        self.intents().replace(&OF_REGISTRY, name.as_str()).await?;
        let gone = self.finish_deletion(name, &intent, &deletion).await;
        // For clients the registry is deleted, whatever the vault answers about its identity.
        match self.end_operation(intent, gone).await {
            Err(ManageError::Platform(error)) => {
                tracing::warn!(registry.name = %name, %error, "cannot remove the identity of a deleted registry from the vault");
                Ok(())
            }
            other => other,
        }
    }

    /// Continues an interrupted deletion.
    pub(super) async fn resume_deletion(&self, intent: Intent) -> Result<(), ManageError> {
        let _lock = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let deletion: Deletion = intent.parameters()?;
        let name: RegistryName = deletion.registry.parse().map_err(Error::from)?;
        let other = self.get(name.as_str()).filter(|registry| {
            let created = registry.profile().created.unix_timestamp();
            deletion.created.is_some_and(|meant| meant != created)
        });
        if other.is_some() {
            // Another registry has the name now, so the deletion has nothing left to do.
            return self.end_without_row(intent, Ok(())).await;
        }
        let gone = async {
            self.begin_deletion(&name, &deletion).await?;
            self.finish_deletion(&name, &intent, &deletion).await
        };
        let gone = gone.await;
        self.end_operation(intent, gone).await
    }

    /// Adopts the deletions that an older program began: it stored no intents.
    pub(super) async fn adopt_old_deletions(&self) -> Result<(), ManageError> {
        let store = Arc::clone(&self.common().store);
        for registry in blocking(move || store.leaving()).await? {
            let name = registry.as_str().to_owned();
            let is_it = |known: &Deletion| known.registry == registry.as_str();
            let deletion =
                Deletion { registry: name, resource: None, system_identity: None, created: None };
            self.intents().adopt(Kind::DeleteRegistry, is_it, &deletion).await?;
        }
        Ok(())
    }

    /// The part up to the point of no return. It can be repeated.
    async fn begin_deletion(
        &self,
        name: &RegistryName,
        deletion: &Deletion,
    ) -> Result<(), ManageError> {
        if let Some(registry) = self.get(name.as_str()) {
            registry.close();
        }
        // Roles are removed before the registry, so that an interruption leaves no role for the next registry of this
        // name.
        if let Some(resource) = &deletion.resource {
            self.platform().remove_roles(resource).await?;
        }
        let (store, row) = (Arc::clone(&self.common().store), name.clone());
        blocking(move || store.begin_leaving(&row)).await?;
        if self.get(name.as_str()).is_some() {
            self.write(|open| open.retain(|other| other.name() != name.as_str()));
            self.notify();
        }
        Ok(())
    }

    /// The rest. It can be repeated.
    async fn finish_deletion(
        &self,
        registry: &RegistryName,
        intent: &Intent,
        deletion: &Deletion,
    ) -> Result<(), ManageError> {
        intent.passed().await?;
        let (store, name) = (Arc::clone(&self.common().store), registry.clone());
        blocking(move || store.empty_leaving(&name)).await?;
        intent.passed().await?;
        if let Some(client_id) = &deletion.system_identity {
            match self.platform().remove_identity(client_id).await {
                // In an external vault, principals belong to others.
                Ok(()) | Err(PlatformError::NotOurs { .. }) => (),
                Err(error) => return Err(error.into()),
            }
        }
        intent.passed().await?;
        let (store, name) = (Arc::clone(&self.common().store), registry.clone());
        let end = intent.end_with();
        blocking(move || store.end_leaving(&name, &end)).await?;
        tracing::info!(registry.name = registry.as_str(), "deleted a registry");
        Ok(())
    }
}
