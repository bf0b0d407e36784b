//! Revokes access by removing the identity that uses the key from the registry itself.
//!
//! The vault is not asked, because only the registry changes. A system-assigned identity cannot be restored
//! exactly, because a new one is a different principal, so it is not removed.

use serde::{Deserialize, Serialize};

use super::error::RevocationError;
use super::method::RevocationMethod;
use crate::keys::IdentityId;
use crate::registry::{Change, IdentityRef, IdentityResource, ManageError, Registries, Registry};

/// A user-assigned identity of a registry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RevokedIdentity {
    identity: String,
}

impl RevokedIdentity {
    /// The identity that uses the key, or `None` if the registry no longer has it.
    pub(super) fn look_up(
        registries: &Registries,
        registry: &Registry,
    ) -> Result<Option<Self>, RevocationError> {
        let profile = registry.profile();
        let own = match &registry.key_ring().describe().identity {
            Some(id) if id.is_system() => {
                let why = "the registry uses its key with its system-assigned identity, which cannot be restored after a removal".to_owned();
                return Err(RevocationError::Inapplicable {
                    why,
                    instead: RevocationMethod::Policy,
                });
            }
            Some(id) => profile.by_client_id(IdentityId::as_str(id)),
            None => profile.assigned(&registries.start_identity().resource),
        };
        Ok(own.map(|own| Self { identity: own.resource.to_string() }))
    }

    pub(super) async fn remove(
        &self,
        registries: &Registries,
        registry: &Registry,
    ) -> Result<(), RevocationError> {
        let remove = vec![IdentityRef::Resource(self.identity()?)];
        let change = Change { remove, ..Change::default() };
        let changed = registries.change(registry.registry_name(), change).await;
        match changed {
            Ok(_) | Err(ManageError::IdentityNotAssigned { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn restore(
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
