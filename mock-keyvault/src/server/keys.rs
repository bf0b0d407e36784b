//! The handle's methods for keys and access policies: what clients and administrators do over HTTP, without HTTP.
//!
//! Called by tests and by the emulator. The handle acts as the owner of everything; no call is refused for lack of a permission.

use std::sync::Arc;

use super::handle::MockKeyVault;
use crate::model::KeyReference;
use crate::model::ec::Curve;
use crate::model::error::VaultError;
use crate::model::material::KeyShape;
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::model::permission::KeyPermission;
use crate::model::policy::AccessPolicy;
use crate::model::rotation::{PolicyTerms, Trigger};
use crate::model::rsa::KeySize;
use crate::vault::{KeyChanges, NewKey, Vaults};
use azure_emulator_core::duration::IsoDuration;

impl MockKeyVault {
    /// Creates an RSA key, or a new version of it, and returns when it is durable.
    pub async fn create_key(
        &self,
        vault: &str,
        key: &str,
        size: KeySize,
    ) -> Result<KeyReference, VaultError> {
        self.create(vault, key, KeyShape::Rsa(size)).await
    }

    /// Creates a key on an elliptic curve, or a new version of it, and returns when it is durable.
    pub async fn create_ec_key(
        &self,
        vault: &str,
        key: &str,
        curve: Curve,
    ) -> Result<KeyReference, VaultError> {
        self.create(vault, key, KeyShape::Ec(curve)).await
    }

    /// The newest version of a key, or `None` if the key does not exist.
    pub async fn latest_version(
        &self,
        vault: &str,
        key: &str,
    ) -> Result<Option<KeyReference>, VaultError> {
        let at = KeyReference { name: key.parse()?, version: None };
        match self.call(vault, move |vaults, vault| vaults.key(vault, &at)).await {
            Ok(found) => {
                Ok(Some(KeyReference { name: found.name, version: Some(found.version.id.clone()) }))
            }
            Err(VaultError::KeyNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a new version of a key like its newest version, and returns when it is durable.
    pub async fn rotate_key(&self, vault: &str, key: &str) -> Result<KeyReference, VaultError> {
        let name: KeyName = key.parse()?;
        let made = self.call(vault, move |vaults, vault| vaults.rotate(vault, &name)).await?;
        Ok(KeyReference { name: made.name, version: Some(made.version.id.clone()) })
    }

    /// Rotates a key automatically this long after the creation of each version, in place of its earlier policy. These versions
    /// expire after `expiry`, if there is one. See [`Self::advance`].
    pub async fn rotate_automatically(
        &self,
        vault: &str,
        key: &str,
        after_create: IsoDuration,
        expiry: Option<IsoDuration>,
    ) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        let terms = PolicyTerms::new(Some(Trigger::AfterCreate(after_create)), None, expiry)?;
        self.call(vault, move |vaults, vault| vaults.set_rotation_policy(vault, &name, terms))
            .await
            .map(drop)
    }

    /// Enables or disables a version of a key, or its newest version.
    pub async fn set_key_enabled(
        &self,
        vault: &str,
        key: &str,
        version: Option<&str>,
        enabled: bool,
    ) -> Result<(), VaultError> {
        let version: Option<KeyVersion> = version.map(str::parse).transpose()?;
        let at = KeyReference { name: key.parse()?, version };
        let changes = KeyChanges { enabled: Some(enabled), ..KeyChanges::default() };
        self.call(vault, move |vaults, vault| vaults.update(vault, &at, changes)).await.map(drop)
    }

    /// Gives an identity, by its object id, these permissions in place of its earlier ones.
    pub async fn set_access_policy(
        &self,
        vault: &str,
        object_id: &str,
        permissions: &[KeyPermission],
    ) -> Result<(), VaultError> {
        let policy = AccessPolicy::new(object_id, permissions);
        let object_id = object_id.to_owned();
        self.call(vault, move |vaults, vault| vaults.set_policy(vault, &object_id, Some(policy)))
            .await
    }

    /// Removes the access policy of an identity.
    pub async fn remove_access_policy(
        &self,
        vault: &str,
        object_id: &str,
    ) -> Result<(), VaultError> {
        let object_id = object_id.to_owned();
        self.call(vault, move |vaults, vault| vaults.set_policy(vault, &object_id, None)).await
    }

    /// Deletes a key with all its versions; it can be recovered.
    pub async fn delete_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.delete(vault, &name)).await.map(drop)
    }

    /// Recovers a deleted key.
    pub async fn recover_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.recover(vault, &name)).await.map(drop)
    }

    /// Purges a deleted key for good.
    pub async fn purge_key(&self, vault: &str, key: &str) -> Result<(), VaultError> {
        let name: KeyName = key.parse()?;
        self.call(vault, move |vaults, vault| vaults.purge(vault, &name)).await
    }

    async fn create(
        &self,
        vault: &str,
        key: &str,
        shape: KeyShape,
    ) -> Result<KeyReference, VaultError> {
        let name: KeyName = key.parse()?;
        let made = self
            .call(vault, move |vaults, vault| vaults.create(vault, &name, NewKey::new(shape)))
            .await?;
        Ok(KeyReference { name: made.name, version: Some(made.version.id.clone()) })
    }

    async fn call<T: Send + 'static>(
        &self,
        vault: &str,
        call: impl FnOnce(&Vaults, &VaultName) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let vault: VaultName = vault.parse()?;
        let vaults = Arc::clone(&self.app.vaults);
        tokio::task::spawn_blocking(move || call(&vaults, &vault))
            .await
            .map_err(|error| VaultError::Internal(error.to_string()))?
    }
}
