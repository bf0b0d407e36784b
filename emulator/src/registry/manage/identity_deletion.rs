//! The deletion of a user-assigned identity: its roles, its principal in the vault, and its row, in this order.

use std::sync::Arc;

use azure_emulator_core::disk_space::Purpose;

use super::error::ManageError;
use super::identities::IdentityParameters;
use super::registries::{Registries, run_to_completion};
use crate::registry::blocking::blocking;
use crate::registry::intents::{Intent, Kind};
use crate::registry::parts::Registry;
use crate::registry::resources::{
    AssignedIdentity, Identity, IdentityResource, PlatformError, Profile,
};
use crate::store::End;

impl Registries {
    /// Deletes a user-assigned identity. With `force`, even if registries have it: a registry that uses it for its key
    /// goes dark, and a new identity of the same name does not help. Continues if the caller is dropped.
    pub async fn delete_identity(
        &self,
        resource: &IdentityResource,
        force: bool,
    ) -> Result<(), ManageError> {
        let (this, resource) = (self.clone(), resource.clone());
        run_to_completion(async move { this.delete_identity_now(&resource, force).await }).await
    }

    async fn delete_identity_now(
        &self,
        resource: &IdentityResource,
        force: bool,
    ) -> Result<(), ManageError> {
        // The lock keeps others from assigning it to a registry meanwhile.
        let _lock = self.lock().await;
        self.delete_identity_locked(resource, force).await
    }

    /// The same, for callers that hold the lock.
    pub(super) async fn delete_identity_locked(
        &self,
        resource: &IdentityResource,
        force: bool,
    ) -> Result<(), ManageError> {
        let identity = self.identity(resource).await?;
        if *resource == self.platform().start_identity().resource {
            return Err(ManageError::StartIdentityStays(identity.resource));
        }
        let users = self.users_of(resource);
        if !force && !users.is_empty() {
            let registries =
                users.iter().map(|registry| registry.registry_name().clone()).collect();
            return Err(ManageError::IdentityInUse { identity: identity.resource, registries });
        }
        let client_id = Some(identity.principal.client_id.clone());
        let intent = self.begin_identity(Kind::DeleteIdentity, resource, client_id).await?;
        if let Err(error) = self.platform().remove_roles(&resource.to_string()).await {
            intent.end().await?;
            return Err(error.into());
        }
        // This comes only now: a refused deletion replaces no other operation.
        self.intents().replace(&[Kind::DeleteIdentity], &resource.to_string()).await?;
        let gone = self.remove_known(&identity, intent.end_with()).await;
        self.end_operation(intent, gone).await
    }

    /// Removes an identity that has a row, with its principal. `end` ends with it.
    async fn remove_known(&self, identity: &Identity, end: End) -> Result<(), ManageError> {
        let _making = self.lock_identities().await;
        match self.platform().remove_identity(&identity.principal.client_id).await {
            // In an external vault, principals belong to others.
            Ok(()) | Err(PlatformError::NotOurs { .. }) => (),
            Err(error) => return Err(error.into()),
        }
        // This comes before the row is deleted: an attempt after a kill finds the row and repeats it.
        let former = self.remove_former(&identity.resource).await?;
        self.remove_identity_row(&identity.resource, end).await?;
        for registry in self.users_of(&identity.resource).into_iter().chain(former) {
            registry.key_ring().check().await;
        }
        Ok(())
    }

    /// Stops the access that a deleted identity still has, in strict parity, for registries that it was removed from.
    /// Returns those registries.
    async fn remove_former(
        &self,
        resource: &IdentityResource,
    ) -> Result<Vec<Registry>, ManageError> {
        let mut all = self.all();
        all.retain(|registry| {
            let former = &registry.profile().former_identity;
            former.as_ref().is_some_and(|former| former.identity.resource == *resource)
        });
        for registry in &all {
            let profile = Profile { former_identity: None, ..Profile::clone(&registry.profile()) };
            self.store_profile(registry.registry_name(), &profile, End::Nothing, Purpose::Removal)
                .await?;
            registry.set_profile(profile);
        }
        if !all.is_empty() {
            self.notify();
        }
        Ok(all)
    }

    /// Whether an identity that a registry has, or had, was deleted. A newer identity of the same name does not count.
    pub(super) async fn was_deleted(
        &self,
        identity: &AssignedIdentity,
    ) -> Result<bool, ManageError> {
        match self.identity(&identity.resource).await {
            // The identity of the start can get other ids at the next start, and cannot be deleted.
            Ok(found) => Ok(found.principal != identity.principal
                && identity.resource != self.start_identity().resource),
            Err(ManageError::NoIdentity(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// Continues an interrupted deletion of an identity.
    pub(super) async fn resume_identity_deletion(&self, intent: Intent) -> Result<(), ManageError> {
        let IdentityParameters { identity, client_id } = intent.parameters()?;
        let resource: IdentityResource = identity.parse()?;
        let _lock = self.lock().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let is_meant = |identity: &Identity| {
            client_id.as_ref().is_none_or(|id| *id == identity.principal.client_id)
        };
        match self.identity(&resource).await {
            // Another identity has this name now.
            Ok(identity) if !is_meant(&identity) => self.end_without_row(intent, Ok(())).await,
            Ok(identity) => {
                let gone = async {
                    self.platform().remove_roles(&resource.to_string()).await?;
                    self.remove_known(&identity, intent.end_with()).await
                };
                let gone = gone.await;
                self.end_operation(intent, gone).await
            }
            Err(ManageError::NoIdentity(_)) => self.end_without_row(intent, Ok(())).await,
            Err(error) => Err(error),
        }
    }

    pub(super) async fn remove_identity_row(
        &self,
        resource: &IdentityResource,
        end: End,
    ) -> Result<(), ManageError> {
        let (store, gone) = (Arc::clone(&self.common().store), resource.clone());
        blocking(move || store.delete_identity(gone.group().as_str(), gone.name(), &end)).await?;
        Ok(())
    }
}
