//! The access that a revocation removes: looked up, removed, and restored exactly.
//!
//! [`Place::look`] reads the access that a method removes, [`Taken::take`] removes it, and [`Taken::give_back`] restores it.
//! The last two are idempotent.

use serde::{Deserialize, Serialize};

use super::error::RevocationError;
use super::hand::Hand;
use super::identity::TakenIdentity;
use super::network::ClosedVault;
use super::policy::TakenPolicy;
use super::role::TakenRoles;
use super::vault::DeletedVault;
use super::way::Way;
use crate::keys::{IdentityId, KeyId, KeyName, KeyVersion, VaultName};
use crate::registry::Registry;
use crate::vault::OwnerVault;

/// A registry's key, the method of its revocation, and the means for it.
pub(super) struct Place<'a> {
    hand: Hand<'a>,
    way: Way,
    /// The key in use, with its version.
    key: KeyId,
    registry: Registry,
    /// The identity that uses the key.
    identity: Option<IdentityId>,
}

/// The removed access. `Serialize` is the format of its record in the data folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub(super) enum Taken {
    /// An access policy.
    Policy(TakenPolicy),
    /// Role assignments.
    Role(TakenRoles),
    /// The use of a key version.
    Disable(TakenKey),
    /// A key.
    Delete(TakenKey),
    /// The network rules of a vault.
    Firewall(ClosedVault),
    /// A vault.
    Vault(DeletedVault),
    /// The identity of the registry.
    Identity(TakenIdentity),
}

/// A key, or a version of one, without the address of its vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TakenKey {
    vault: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl<'a> Place<'a> {
    /// Resolves the key and the identity that the method applies to.
    pub(super) fn of(
        registry: &Registry,
        hand: Hand<'a>,
        way: Way,
    ) -> Result<Self, RevocationError> {
        let description = registry.key_ring().describe();
        let identity = description.identity.clone();
        let key = description.versioned.or(description.configured);
        let key = key.ok_or_else(|| RevocationError::NoKey(registry.name().to_owned()))?;
        Ok(Self { hand, way, key, registry: registry.clone(), identity })
    }

    /// The access to remove, or `None` if it is missing already.
    pub(super) async fn look(&self) -> Result<Option<Taken>, RevocationError> {
        let vault = self.key.vault();
        Ok(match self.way {
            Way::Policy => {
                let (owner, identity) = (self.owner()?, self.object_id().await?);
                TakenPolicy::look(owner, vault, &identity).await?.map(Taken::Policy)
            }
            Way::Role => {
                let (owner, identity) = (self.owner()?, self.object_id().await?);
                TakenRoles::look(owner, vault, &identity).await?.map(Taken::Role)
            }
            Way::Disable => match self.owner()?.is_enabled(&self.key).await? {
                Some(true) => Some(Taken::disabled(&self.key)),
                Some(false) | None => None,
            },
            Way::Delete => {
                let key = self.key.unversioned();
                let is_there = self.owner()?.is_enabled(&key).await?.is_some();
                is_there.then(|| Taken::Delete(TakenKey::of(&key)))
            }
            Way::Firewall => ClosedVault::look(self.owner()?, vault).await?.map(Taken::Firewall),
            Way::Vault => DeletedVault::look(self.owner()?, vault).await?.map(Taken::Vault),
            Way::Identity => {
                TakenIdentity::look(self.hand.registries, &self.registry)?.map(Taken::Identity)
            }
        })
    }

    /// The access that is still to remove after a stop, or `None` if it was removed before.
    pub(super) async fn look_again(&self) -> Result<Option<Taken>, RevocationError> {
        match self.look().await {
            // The vault itself was deleted.
            Err(RevocationError::NoVault(_)) => Ok(None),
            other => other,
        }
    }

    /// The owner's access to the vault, for methods that change the vault.
    fn owner(&self) -> Result<&'a OwnerVault, RevocationError> {
        self.hand.owner.ok_or_else(|| RevocationError::not_ours(self.way, &self.key))
    }

    /// The object id of the identity that uses the key, as policies and roles contain it.
    async fn object_id(&self) -> Result<String, RevocationError> {
        Ok(self.owner()?.object_id(self.registry.name(), self.identity.as_ref()).await?)
    }

    /// The error for access that is missing without a record, because another change removed it.
    pub(super) fn nothing_to_take(&self) -> RevocationError {
        let Self { key, .. } = self;
        let vault = key.vault();
        RevocationError::NothingToTake(match self.way {
            Way::Policy => {
                format!("the registry's identity has no access policy in the vault {vault}")
            }
            Way::Role => {
                format!(
                    "the registry's identity has no role with permission to use keys of the vault {vault}"
                )
            }
            Way::Disable => {
                format!("the key {key} is disabled or deleted already, but not by `revoke`")
            }
            Way::Delete => format!("the key {key} is deleted already, but not by `revoke`"),
            Way::Firewall => {
                format!("the firewall of the vault {vault} is closed already, but not by `revoke`")
            }
            Way::Vault => format!("the vault {vault} is deleted already, but not by `revoke`"),
            Way::Identity => "the registry no longer has the identity that uses its key".to_owned(),
        })
    }
}

impl Taken {
    /// Whether all of this is a part of `whole`: role assignments are removed one by one, so some of them may be left.
    pub(super) fn is_part_of(&self, whole: &Self) -> bool {
        match (self, whole) {
            (Self::Role(rest), Self::Role(whole)) => rest.is_part_of(whole),
            (rest, whole) => rest == whole,
        }
    }

    /// The use of a key version.
    pub(super) fn disabled(key: &KeyId) -> Self {
        Self::Disable(TakenKey::of(key))
    }

    pub(super) fn way(&self) -> Way {
        match self {
            Self::Policy(_) => Way::Policy,
            Self::Role(_) => Way::Role,
            Self::Disable(_) => Way::Disable,
            Self::Delete(_) => Way::Delete,
            Self::Firewall(_) => Way::Firewall,
            Self::Vault(_) => Way::Vault,
            Self::Identity(_) => Way::Identity,
        }
    }

    /// Whether both have the same subject, in any form; then the newer one replaces the older one.
    pub(super) fn is_of_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Policy(one), Self::Policy(other)) => one.is_of_the_same(other),
            (Self::Firewall(one), Self::Firewall(other)) => one.is_of_the_same(other),
            (Self::Vault(one), Self::Vault(other)) => one.is_of_the_same(other),
            // Some of several roles may be restored already; the others are still to restore.
            _ => self == other,
        }
    }

    pub(super) async fn take(&self, place: &Place<'_>) -> Result<(), RevocationError> {
        match self {
            Self::Policy(policy) => policy.take(place.owner()?).await?,
            Self::Role(roles) => roles.take(place.owner()?).await?,
            Self::Disable(key) => place.owner()?.set_enabled(&key.id()?, false).await?,
            Self::Delete(key) => place.owner()?.delete(&key.id()?).await?,
            Self::Firewall(closed) => closed.take(place.owner()?).await?,
            Self::Vault(deleted) => deleted.take(place.owner()?).await?,
            Self::Identity(identity) => {
                identity.take(place.hand.registries, &place.registry).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn give_back(&self, place: &Place<'_>) -> Result<(), RevocationError> {
        match self {
            Self::Policy(policy) => policy.give_back(place.owner()?).await?,
            Self::Role(roles) => roles.give_back(place.owner()?).await?,
            Self::Disable(key) => place.owner()?.set_enabled(&key.id()?, true).await?,
            Self::Delete(key) => {
                let (owner, key) = (place.owner()?, key.id()?);
                // A user may have recovered it already.
                if owner.is_enabled(&key).await?.is_none() {
                    owner.recover(&key).await?;
                }
            }
            Self::Firewall(closed) => closed.give_back(place.owner()?).await?,
            Self::Vault(deleted) => deleted.give_back(place.owner()?).await?,
            Self::Identity(identity) => {
                identity.give_back(place.hand.registries, &place.registry).await?;
            }
        }
        Ok(())
    }
}

impl TakenKey {
    fn of(key: &KeyId) -> Self {
        Self {
            vault: key.vault().to_string(),
            name: key.name().to_string(),
            version: key.version().map(ToString::to_string),
        }
    }

    fn id(&self) -> Result<KeyId, RevocationError> {
        let damaged = |_| RevocationError::damaged("the name of a key");
        let vault: VaultName = self.vault.parse().map_err(damaged)?;
        let name: KeyName = self.name.parse().map_err(damaged)?;
        let version: Option<KeyVersion> =
            self.version.as_deref().map(str::parse).transpose().map_err(damaged)?;
        Ok(KeyId::new(vault, name, version))
    }
}
