//! Rotates the key of a registry: manually, and to a version that the owner of the vault made for it.

use serde::{Deserialize, Serialize};

use super::error::{ManageError, Warning};
use super::registries::{Registries, run_to_completion};
use crate::keys::{IdentityId, KeyId, RingError, Rotation, RotationTarget};
use crate::names::RegistryName;
use crate::registry::error::Error;
use crate::registry::intents::{Intent, Kind};
use crate::registry::parts::Registry;
use crate::registry::resources::{IdentityRef, Profile};

/// The target of a manual key rotation. Omitted properties stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChange {
    /// The key. Without a version, the registry follows it from then on; with a version, it does not.
    pub key: Option<KeyId>,
    /// The identity for the key from then on.
    pub identity: Option<IdentityRef>,
}

/// The data that a rotation to a version made for it needs to continue.
#[derive(Serialize, Deserialize)]
struct RotationSteps {
    registry: String,
    key: Option<KeyId>,
    /// The previous key. `None` if an older program began the rotation.
    #[serde(default)]
    before: Option<KeyId>,
    /// When the registry was created. `None` if an older program began the rotation.
    #[serde(default)]
    created: Option<i64>,
}

impl RotationSteps {
    /// Whether this is the registry of the rotation, with its previous key or with the rotation's result.
    fn is_wanted(&self, registry: &Registry) -> bool {
        let created = registry.profile().created.unix_timestamp();
        let is_same = self.created.is_none_or(|meant| meant == created);
        let now = registry.key_ring().describe().configured;
        is_same && (self.before.is_none() || now == self.before || now == self.key)
    }
}

impl Registries {
    /// Rotates the key of a registry manually: to its newest version, or to the named key.
    ///
    /// The old key must still be usable, and the new one is tried before anything is changed.
    pub async fn rotate_key(
        &self,
        name: &RegistryName,
        to: KeyChange,
    ) -> Result<(Registry, Rotation, Vec<Warning>), ManageError> {
        let (this, name) = (self.clone(), name.clone());
        run_to_completion(async move {
            let _lock = this.lock().await;
            this.end_waiting_update(&name).await?;
            let rotated = this.rotate_now(&name, to).await?;
            this.intents().replace(&[Kind::RotateKey], name.as_str()).await?;
            Ok(rotated)
        })
        .await
    }

    /// Makes a registry use the version that the owner made for it. `key` is the version, if the registry does not
    /// follow the newest one. If this returns without an error, the operation has ended.
    pub async fn adopt_version(&self, intent: Intent) -> Result<Rotation, RingError> {
        let steps: RotationSteps = intent.parameters().map_err(|_| RingError::BrokenOff)?;
        let _lock = self.lock().await;
        if intent.is_replaced() {
            return Err(RingError::BrokenOff);
        }
        let rotated = match self.get(&steps.registry) {
            // The key has changed since, or another registry has this name, so the rotation is obsolete.
            Some(registry) if !steps.is_wanted(&registry) => Err(RingError::BrokenOff),
            Some(registry) => {
                let target = RotationTarget { key: steps.key, ..RotationTarget::default() };
                registry.key_ring().rotate(target).await
            }
            None => Err(RingError::NoCustomerManagedKey),
        };
        // A refusing vault has answered: the caller of the rotation gets the error, and the state shows it as well.
        let is_away = |error: &RingError| matches!(error, RingError::Vault { source, .. } if source.cause().is_some_and(|cause| !cause.is_refusal()));
        match &rotated {
            Err(error) if is_away(error) => intent.failed(error),
            _ => {
                if let Err(error) = intent.end().await {
                    tracing::warn!(%error, "cannot record the end of a rotation");
                }
            }
        }
        rotated
    }

    /// Records that a registry will use a version made for it.
    pub async fn begin_rotation(
        &self,
        registry: &Registry,
        key: Option<KeyId>,
    ) -> Result<Intent, ManageError> {
        let _lock = self.lock().await;
        self.end_waiting_update(registry.registry_name()).await?;
        let steps = RotationSteps {
            registry: registry.name().to_owned(),
            key,
            before: registry.key_ring().describe().configured,
            created: Some(registry.profile().created.unix_timestamp()),
        };
        let intent = self.intents().begin(Kind::RotateKey, &steps).await?;
        // This operation's version is newer than theirs.
        self.intents().replace(&[Kind::RotateKey], registry.name()).await?;
        Ok(intent)
    }

    /// Continues an interrupted rotation.
    pub(super) async fn resume_rotation(&self, intent: Intent) -> Result<(), ManageError> {
        let rotated = self.adopt_version(intent).await;
        if let Err(error) = &rotated {
            tracing::warn!(%error, "cannot continue an interrupted rotation");
        }
        Ok(rotated.map(drop).map_err(Error::from)?)
    }

    pub(super) async fn rotate_now(
        &self,
        name: &RegistryName,
        to: KeyChange,
    ) -> Result<(Registry, Rotation, Vec<Warning>), ManageError> {
        let registry = self.open_one(name)?;
        let profile = registry.profile();
        if !profile.is_cmk() {
            return Err(ManageError::NothingToRotate(name.clone()));
        }
        let identity = match &to.identity {
            None => None,
            Some(named) => {
                let known = profile.identity_id(named);
                Some(known.ok_or_else(|| ManageError::not_assigned(name, &profile, named))?)
            }
        };
        let configured = registry.key_ring().describe();
        let key_identity = identity.as_ref().or(configured.identity.as_ref());
        let key_identity = key_identity.map_or_else(
            || self.platform().start_identity().principal.client_id.clone(),
            IdentityId::to_string,
        );
        let warnings = match to.key.as_ref().or(configured.configured.as_ref()) {
            Some(key) => self.check_vault(key.vault(), registry.is_strict()).await?,
            None => Vec::new(),
        };
        let old_is_deleted = match (&identity, &configured.identity) {
            (Some(_), Some(old)) => self.is_deleted(old, &profile).await?,
            _ => false,
        };
        let target = RotationTarget { key: to.key, identity, old_is_deleted };
        let rotation = registry
            .key_ring()
            .rotate(target)
            .await
            .map_err(|error| self.opening_error(Error::Ring(error), name, &key_identity))?;
        self.notify();
        Ok((registry, rotation, warnings))
    }

    /// Whether an identity is deleted: it cannot be assigned to any registry again.
    async fn is_deleted(&self, id: &IdentityId, profile: &Profile) -> Result<bool, ManageError> {
        if id.is_system() {
            return Ok(profile.system_identity.is_none());
        }
        match self.identity_of_client(id.as_str()).await {
            Ok(_) => Ok(false),
            Err(ManageError::NoIdentity(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }
}
