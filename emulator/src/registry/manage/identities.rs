//! User-assigned identities: created, looked up, tagged and deleted. Each has a row here and a principal in the vault.
//!
//! A principal without a row would stay in the vault forever, and a row without a principal could not be used. So
//! creation and deletion have an intent: an interrupted creation is undone, an interrupted deletion is finished.

use std::sync::Arc;

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};

use super::error::ManageError;
use super::registries::{Registries, run_to_completion};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind, Note};
use crate::registry::parts::Registry;
use crate::registry::resources::{
    AssignedIdentity, Identity, IdentityOf, IdentityResource, Location, PlatformError, Principal,
    Profile, Tags,
};
use crate::store::{End, IdentityRow, IntentNote, StoreError};

impl Registries {
    /// The identity that the program was started with.
    pub fn start_identity(&self) -> &AssignedIdentity {
        self.platform().start_identity()
    }

    /// All user-assigned identities.
    pub async fn identities(&self) -> Result<Vec<Identity>, ManageError> {
        let store = Arc::clone(&self.common().store);
        let rows = blocking(move || store.identities()).await?;
        let all: Result<_, StoreError> = rows.into_iter().map(Identity::try_from).collect();
        Ok(all?)
    }

    /// The identity that is this resource.
    pub async fn identity(&self, resource: &IdentityResource) -> Result<Identity, ManageError> {
        let (store, key) = (Arc::clone(&self.common().store), resource.clone());
        let row = blocking(move || store.identity(key.group().as_str(), key.name())).await?;
        let row = row.ok_or_else(|| ManageError::NoIdentity(resource.to_string()))?;
        Ok(row.try_into()?)
    }

    /// The identity of this client id.
    pub(super) async fn identity_of_client(
        &self,
        client_id: &str,
    ) -> Result<Identity, ManageError> {
        let mut all = self.identities().await?.into_iter();
        all.find(|identity| identity.principal.client_id.eq_ignore_ascii_case(client_id))
            .ok_or_else(|| ManageError::NoIdentity(client_id.to_owned()))
    }

    /// Creates a user-assigned identity. It has no permissions yet.
    pub async fn create_identity(
        &self,
        resource: IdentityResource,
        location: Location,
        tags: Tags,
    ) -> Result<Identity, ManageError> {
        let this = self.clone();
        run_to_completion(async move {
            let made = this.create_identity_for(resource, location, tags, |_| Ok(None)).await;
            made.map(|(identity, _)| identity)
        })
        .await
    }

    /// Creates an identity for another operation. `note` returns new parameters of that operation, which are stored in one
    /// transaction with the identity. So the operation knows this identity exactly if the identity is stored.
    pub(super) async fn create_identity_for(
        &self,
        resource: IdentityResource,
        location: Location,
        tags: Tags,
        note: impl FnOnce(&Principal) -> Result<Option<Note>, Error>,
    ) -> Result<(Identity, Option<Note>), ManageError> {
        self.intents().refuse_in_reset()?;
        let _lock = self.lock_identities().await;
        match self.identity(&resource).await {
            Ok(_) => return Err(ManageError::IdentityTaken(resource)),
            Err(ManageError::NoIdentity(_)) => (),
            Err(error) => return Err(error),
        }
        self.ensure_group(resource.group(), &location).await?;
        // If the intent is dropped without an end, the runner removes the principal, which has no row.
        let intent = self.begin_identity(Kind::CreateIdentity, &resource, None).await?;
        let kinds = [Kind::CreateIdentity, Kind::DeleteIdentity];
        self.intents().replace(&kinds, &resource.to_string()).await?;
        let of = IdentityOf::Resource(resource.clone());
        let principal = self.platform().make_identity(of).await?;
        intent.passed().await?;
        let note = note(&principal)?;
        let identity = Identity {
            resource,
            location,
            created: self.now(),
            tenant: self.platform().tenant().to_owned(),
            principal,
            tags,
        };
        let row = note.as_ref().map(|note| note.row.clone());
        if self.store_identity(&identity, intent.end_with(), row).await? {
            intent.ended().await;
            Ok((identity, note))
        } else {
            Err(ManageError::IdentityTaken(identity.resource))
        }
    }

    /// Replaces the tags of a user-assigned identity.
    pub async fn tag_identity(
        &self,
        resource: &IdentityResource,
        tags: Tags,
    ) -> Result<Identity, ManageError> {
        let identity = Identity { tags, ..self.identity(resource).await? };
        let (store, row) = (Arc::clone(&self.common().store), IdentityRow::from(identity.clone()));
        if blocking(move || store.replace_identity_tags(&row)).await? {
            Ok(identity)
        } else {
            Err(ManageError::NoIdentity(resource.to_string()))
        }
    }

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

    /// Continues an interrupted creation of an identity: undoes it, unless the identity exists.
    pub(super) async fn resume_identity_creation(&self, intent: Intent) -> Result<(), ManageError> {
        let IdentityParameters { identity, .. } = intent.parameters()?;
        let resource: IdentityResource = identity.parse()?;
        let _lock = self.lock_identities().await;
        if intent.is_replaced() {
            return Ok(());
        }
        let undone = match self.identity(&resource).await {
            Ok(_) => Ok(()),
            Err(ManageError::NoIdentity(_)) => {
                self.drop_principal(IdentityOf::Resource(resource)).await
            }
            Err(error) => Err(error),
        };
        self.end_without_row(intent, undone).await
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

    /// Removes the principal of a resource that does not exist, if it was created.
    pub(super) async fn drop_principal(&self, of: IdentityOf) -> Result<(), ManageError> {
        // Creating it returns the existing one.
        match self.platform().make_identity(of).await {
            Ok(principal) => Ok(self.platform().remove_identity(&principal.client_id).await?),
            Err(PlatformError::NotOurs { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn users_of(&self, resource: &IdentityResource) -> Vec<Registry> {
        let all = self.all().into_iter();
        all.filter(|registry| registry.profile().assigned(resource).is_some()).collect()
    }

    async fn begin_identity(
        &self,
        kind: Kind,
        resource: &IdentityResource,
        client_id: Option<String>,
    ) -> Result<Intent, ManageError> {
        let parameters = IdentityParameters { identity: resource.to_string(), client_id };
        Ok(self.intents().begin(kind, &parameters).await?)
    }

    pub(super) async fn store_identity(
        &self,
        identity: &Identity,
        end: End,
        note: Option<IntentNote>,
    ) -> Result<bool, ManageError> {
        let (store, row) = (Arc::clone(&self.common().store), IdentityRow::from(identity.clone()));
        Ok(blocking(move || store.create_identity(&row, &end, note.as_ref())).await?)
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

/// The data that the creation or deletion of an identity needs to continue.
#[derive(Serialize, Deserialize)]
struct IdentityParameters {
    identity: String,
    /// The client id of the identity. `None`: it was not created yet, or an older program began the operation.
    #[serde(default)]
    client_id: Option<String>,
}
