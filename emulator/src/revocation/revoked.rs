//! The access that a revocation removes: looked up, removed, and restored exactly.
//!
//! [`RevocationTarget::look_up`] reads the access that a method removes, [`Revoked::remove`] removes it, and
//! [`Revoked::restore`] restores it.
//! The last two are idempotent.

use serde::{Deserialize, Serialize};

use super::context::RevocationContext;
use super::error::RevocationError;
use super::identity::RevokedIdentity;
use super::method::RevocationMethod;
use super::network::ClosedVault;
use super::policy::RevokedPolicy;
use super::role::RevokedRoles;
use super::vault::DeletedVault;
use crate::keys::{IdentityId, KeyId, KeyName, KeyVersion, VaultName};
use crate::registry::Registry;
use crate::vault::OwnerVault;

/// A registry's key, the method of its revocation, and the means for it.
pub(super) struct RevocationTarget<'a> {
    context: RevocationContext<'a>,
    method: RevocationMethod,
    /// The key in use, with its version.
    key: KeyId,
    registry: Registry,
    /// The identity that uses the key.
    identity: Option<IdentityId>,
}

/// The removed access. `Serialize` is the format of its record in the data folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase")]
pub(super) enum Revoked {
    /// An access policy.
    Policy(RevokedPolicy),
    /// Role assignments.
    Role(RevokedRoles),
    /// The use of a key version.
    Disable(RevokedKey),
    /// A key.
    Delete(RevokedKey),
    /// The network rules of a vault.
    Firewall(ClosedVault),
    /// A vault.
    Vault(DeletedVault),
    /// The identity of the registry.
    Identity(RevokedIdentity),
}

/// A key, or a version of one, without the address of its vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct RevokedKey {
    vault: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

impl<'a> RevocationTarget<'a> {
    /// Resolves the key and the identity that the method applies to.
    pub(super) fn new(
        registry: &Registry,
        context: RevocationContext<'a>,
        method: RevocationMethod,
    ) -> Result<Self, RevocationError> {
        let description = registry.key_ring().describe();
        let identity = description.identity.clone();
        let key = description.versioned.or(description.configured);
        let key = key.ok_or_else(|| RevocationError::NoKey(registry.name().to_owned()))?;
        Ok(Self { context, method, key, registry: registry.clone(), identity })
    }

    /// The access to remove, or `None` if it is missing already.
    pub(super) async fn look_up(&self) -> Result<Option<Revoked>, RevocationError> {
        let vault = self.key.vault();
        Ok(match self.method {
            RevocationMethod::Policy => {
                let (owner, identity) = (self.owner()?, self.object_id().await?);
                RevokedPolicy::look_up(owner, vault, &identity).await?.map(Revoked::Policy)
            }
            RevocationMethod::Role => {
                let (owner, identity) = (self.owner()?, self.object_id().await?);
                RevokedRoles::look_up(owner, vault, &identity).await?.map(Revoked::Role)
            }
            RevocationMethod::Disable => match self.owner()?.is_enabled(&self.key).await? {
                Some(true) => Some(Revoked::disabled(&self.key)),
                Some(false) | None => None,
            },
            RevocationMethod::Delete => {
                let key = self.key.unversioned();
                let is_there = self.owner()?.is_enabled(&key).await?.is_some();
                is_there.then(|| Revoked::Delete(RevokedKey::new(&key)))
            }
            RevocationMethod::Firewall => {
                ClosedVault::look_up(self.owner()?, vault).await?.map(Revoked::Firewall)
            }
            RevocationMethod::Vault => {
                DeletedVault::look_up(self.owner()?, vault).await?.map(Revoked::Vault)
            }
            RevocationMethod::Identity => {
                RevokedIdentity::look_up(self.context.registries, &self.registry)?
                    .map(Revoked::Identity)
            }
        })
    }

    /// The access that is still to remove after a stop, or `None` if it was removed before.
    pub(super) async fn look_up_remaining(&self) -> Result<Option<Revoked>, RevocationError> {
        match self.look_up().await {
            // The vault itself was deleted.
            Err(RevocationError::NoVault(_)) => Ok(None),
            other => other,
        }
    }

    /// The owner's access to the vault, for methods that change the vault.
    fn owner(&self) -> Result<&'a OwnerVault, RevocationError> {
        self.context.owner.ok_or_else(|| RevocationError::external_vault(self.method, &self.key))
    }

    /// The object id of the identity that uses the key, as policies and roles contain it.
    async fn object_id(&self) -> Result<String, RevocationError> {
        Ok(self.owner()?.object_id(self.registry.name(), self.identity.as_ref()).await?)
    }

    /// The error for access that is missing without a record, because another change removed it.
    pub(super) fn nothing_to_revoke(&self) -> RevocationError {
        let Self { key, .. } = self;
        let vault = key.vault();
        RevocationError::NothingToRevoke(match self.method {
            RevocationMethod::Policy => {
                format!("the registry's identity has no access policy in the vault {vault}")
            }
            RevocationMethod::Role => {
                format!(
                    "the registry's identity has no role with permission to use keys of the vault {vault}"
                )
            }
            RevocationMethod::Disable => {
                format!("the key {key} is disabled or deleted already, but not by `revoke`")
            }
            RevocationMethod::Delete => {
                format!("the key {key} is deleted already, but not by `revoke`")
            }
            RevocationMethod::Firewall => {
                format!("the firewall of the vault {vault} is closed already, but not by `revoke`")
            }
            RevocationMethod::Vault => {
                format!("the vault {vault} is deleted already, but not by `revoke`")
            }
            RevocationMethod::Identity => {
                "the registry no longer has the identity that uses its key".to_owned()
            }
        })
    }
}

impl Revoked {
    /// Whether all of this is a part of `whole`: role assignments are removed one by one, so some of them may be left.
    pub(super) fn is_part_of(&self, whole: &Self) -> bool {
        match (self, whole) {
            (Self::Role(rest), Self::Role(whole)) => rest.is_part_of(whole),
            (rest, whole) => rest == whole,
        }
    }

    /// The use of a key version.
    pub(super) fn disabled(key: &KeyId) -> Self {
        Self::Disable(RevokedKey::new(key))
    }

    pub(super) fn method(&self) -> RevocationMethod {
        match self {
            Self::Policy(_) => RevocationMethod::Policy,
            Self::Role(_) => RevocationMethod::Role,
            Self::Disable(_) => RevocationMethod::Disable,
            Self::Delete(_) => RevocationMethod::Delete,
            Self::Firewall(_) => RevocationMethod::Firewall,
            Self::Vault(_) => RevocationMethod::Vault,
            Self::Identity(_) => RevocationMethod::Identity,
        }
    }

    /// Whether both have the same subject, in any form; then the newer one replaces the older one.
    pub(super) fn has_same_subject(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Policy(one), Self::Policy(other)) => one.has_same_subject(other),
            (Self::Firewall(one), Self::Firewall(other)) => one.has_same_subject(other),
            (Self::Vault(one), Self::Vault(other)) => one.has_same_subject(other),
            // Some of several roles may be restored already; the others are still to restore.
            _ => self == other,
        }
    }

    pub(super) async fn remove(
        &self,
        target: &RevocationTarget<'_>,
    ) -> Result<(), RevocationError> {
        match self {
            Self::Policy(policy) => policy.remove(target.owner()?).await?,
            Self::Role(roles) => roles.remove(target.owner()?).await?,
            Self::Disable(key) => target.owner()?.set_enabled(&key.id()?, false).await?,
            Self::Delete(key) => target.owner()?.delete(&key.id()?).await?,
            Self::Firewall(closed) => closed.remove(target.owner()?).await?,
            Self::Vault(deleted) => deleted.remove(target.owner()?).await?,
            Self::Identity(identity) => {
                identity.remove(target.context.registries, &target.registry).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn restore(
        &self,
        target: &RevocationTarget<'_>,
    ) -> Result<(), RevocationError> {
        match self {
            Self::Policy(policy) => policy.restore(target.owner()?).await?,
            Self::Role(roles) => roles.restore(target.owner()?).await?,
            Self::Disable(key) => target.owner()?.set_enabled(&key.id()?, true).await?,
            Self::Delete(key) => {
                let (owner, key) = (target.owner()?, key.id()?);
                // A user may have recovered it already.
                if owner.is_enabled(&key).await?.is_none() {
                    owner.recover(&key).await?;
                }
            }
            Self::Firewall(closed) => closed.restore(target.owner()?).await?,
            Self::Vault(deleted) => deleted.restore(target.owner()?).await?,
            Self::Identity(identity) => {
                identity.restore(target.context.registries, &target.registry).await?;
            }
        }
        Ok(())
    }
}

impl RevokedKey {
    fn new(key: &KeyId) -> Self {
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
