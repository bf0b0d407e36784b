//! The identity that asks for the key, taken from the registry itself.
//!
//! The vault is not asked: what is changed is the registry's own. An identity that a registry has by itself cannot be given
//! back as it was, for another one of it is another principal; so it is not taken.

use serde::{Deserialize, Serialize};

use super::Way;
use super::error::RevocationError;
use crate::keys::IdentityId;
use crate::registry::{Change, IdentityRef, IdentityResource, ManageError, Registries, Registry};

/// A user-assigned identity of a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TakenIdentity {
    identity: String,
}

impl TakenIdentity {
    /// The identity that asks for the key. None: the registry does not have it any more.
    pub(super) fn look(
        registries: &Registries,
        registry: &Registry,
    ) -> Result<Option<Self>, RevocationError> {
        let profile = registry.profile();
        let own = match &registry.key_ring().describe().identity {
            Some(id) if id.is_system() => {
                let why = "the registry asks for its key as the identity that it has by itself, which could not be given back as it was".to_owned();
                return Err(RevocationError::Inapplicable { why, instead: Way::Policy });
            }
            Some(id) => profile.by_client_id(IdentityId::as_str(id)),
            None => profile.assigned(&registries.start_identity().resource),
        };
        Ok(own.map(|own| Self { identity: own.resource.to_string() }))
    }

    pub(super) async fn take(
        &self,
        registries: &Registries,
        registry: &Registry,
    ) -> Result<(), RevocationError> {
        let remove = vec![IdentityRef::Resource(self.identity()?)];
        let change = Change { remove, ..Change::default() };
        let taken = registries.change(registry.registry_name(), change).await;
        match taken {
            Ok(_) | Err(ManageError::IdentityNotAssigned { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn give_back(
        &self,
        registries: &Registries,
        registry: &Registry,
    ) -> Result<(), RevocationError> {
        let assign = vec![self.identity()?];
        let change = Change { assign, ..Change::default() };
        registries.change(registry.registry_name(), change).await?;
        Ok(())
    }

    fn identity(&self) -> Result<IdentityResource, RevocationError> {
        self.identity.parse().map_err(|_| RevocationError::damaged("the id of an identity"))
    }
}
