//! User-assigned identities: created, looked up and tagged. Each has a row here and a principal in the vault.
//!
//! A principal without a row would stay in the vault forever, and a row without a principal could not be used. So
//! creation and deletion have an intent: an interrupted creation is undone, an interrupted deletion is finished (`identity_deletion.rs`).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::ManageError;
use super::registries::{Registries, run_to_completion};
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind, Note};
use crate::registry::parts::Registry;
use crate::registry::resources::{
    AssignedIdentity, Identity, IdentityOf, IdentityResource, Location, PlatformError, Principal,
    Tags,
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

    pub(super) async fn begin_identity(
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
}

/// The data that the creation or deletion of an identity needs to continue.
#[derive(Serialize, Deserialize)]
pub(super) struct IdentityParameters {
    pub(super) identity: String,
    /// The client id of the identity. `None`: it was not created yet, or an older program began the operation.
    #[serde(default)]
    pub(super) client_id: Option<String>,
}
