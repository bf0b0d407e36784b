//! Backup and restore: a key with all its versions as one opaque blob, sealed under the key of the data folder.
//!
//! Called by the routes. A blob opens in any vault of the same data folder, even if the key has changed or is gone, and in no other
//! folder. The vault never stores it. Layout: the magic of the real service, then a sealed value whose content is JSON
//! ([`Backup`]). The real service continues with a JWE for the security world of a region; neither opens the other's blobs.
//! Rotation policies are not included.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::manage::context;
use super::rows::{row_of, version_of};
use super::vaults::Vaults;
use super::view::KeyView;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::names::{KeyName, VaultName};
use crate::model::schedule::Schedule;
use crate::model::version::{Key, Version};
use crate::store::{KeyRow, RestoredVersion, VersionAt, VersionRow};

/// The first bytes of a backup of the real service.
const MAGIC: &[u8] = b"&AzureKeyVaultKeyBackupV1.microsoft.com";
/// The context that the sealed part is bound to. It must not change: existing blobs are bound to it.
const CONTEXT: &[u8] = b"mock-keyvault backup 1";
/// The real service documents that a backup with more versions may fail.
const MAX_VERSIONS: usize = 500;

/// The content of a blob.
#[derive(Serialize, Deserialize)]
struct Backup {
    name: String,
    versions: Vec<BackupVersion>,
}

#[derive(Serialize, Deserialize)]
struct BackupVersion {
    id: String,
    row: VersionRow,
    tags: BTreeMap<String, String>,
    private: SealedForm,
}

/// The private part of a version, in base64url.
struct SealedForm(Zeroizing<Vec<u8>>);

impl Vaults {
    /// Backs up a key with all its versions, as a blob that [`Vaults::restore`] accepts.
    pub(crate) fn backup(&self, vault: &VaultName, name: &KeyName) -> Result<Vec<u8>, VaultError> {
        // The lock keeps others from purging the key meanwhile.
        let _changing = self.change();
        let key = self.with_vault(vault, |found| {
            let at = KeyReference { name: name.clone(), version: None };
            found.live(name).cloned().ok_or(VaultError::KeyNotFound(at))
        })?;
        if key.versions.len() > MAX_VERSIONS {
            return Err(VaultError::BadParameter(format!(
                "Key {} has more than {MAX_VERSIONS} versions and cannot be backed up.",
                key.name
            )));
        }
        let mut versions = Vec::with_capacity(key.versions.len());
        for version in &key.versions {
            let at = VersionAt { vault, key: &key.name, version: &version.id };
            versions.push(BackupVersion {
                id: version.id.to_string(),
                row: row_of(version),
                tags: version.tags.clone(),
                private: SealedForm(self.sealed_form(at)?),
            });
        }
        let backup = Backup { name: key.name.to_string(), versions };
        let json =
            serde_json::to_vec(&backup).map(Zeroizing::new).map_err(|error| failed(&error))?;
        Ok([MAGIC, &self.sealing.seal(CONTEXT, &json)?].concat())
    }

    /// Restores a key unchanged, under its own name. No other key may have that name, not even a deleted key.
    pub(crate) fn restore(&self, vault: &VaultName, blob: &[u8]) -> Result<KeyView, VaultError> {
        let mut key = self.opened(blob)?;
        self.purge_due(vault)?;

        let _changing = self.change();
        self.refuse_deleted(vault, &key.name)?;
        if key.versions.iter().any(|version| version.kty.in_hsm()) {
            self.require_premium(vault)?;
        }
        let newest = key.versions.last().ok_or(VaultError::NotABackup)?;
        if self.with_vault(vault, |found| Ok(found.live(&key.name).is_some()))? {
            let version = Some(newest.id.clone());
            return Err(VaultError::RestoreConflict(KeyReference { name: key.name, version }));
        }
        let newest = Arc::clone(newest);
        // Nothing was due before the restore.
        key.schedule.since = Some(self.clock.unix_now());
        let mut rows = Vec::with_capacity(key.versions.len());
        for version in &key.versions {
            let at = VersionAt { vault, key: &key.name, version: &version.id };
            let private = version.private.get().ok_or(VaultError::NotABackup)?;
            let form = private.to_sealed_form().map_err(|error| failed(&error))?;
            let sealed = self.sealing.seal(&context(at), &form)?;
            rows.push(RestoredVersion { at, row: row_of(version), tags: &version.tags, sealed });
        }
        let key_row = KeyRow { name: key.name.to_string(), deletion: None };
        self.store.add_key(vault, &key.name, &key_row, &key.schedule, &rows)?;
        drop(rows);
        let view = self.with_vault_mut(vault, |found| {
            let name = key.name.clone();
            found.keys.insert(name.folded().to_owned(), key);
            found.view(vault, &name, &newest, None)
        })?;
        self.schedule_changed.notify_one();
        Ok(view)
    }

    /// Opens the key in a blob. Every fault of a blob gets the same refusal.
    fn opened(&self, blob: &[u8]) -> Result<Key, VaultError> {
        let sealed = blob.strip_prefix(MAGIC).ok_or(VaultError::NotABackup)?;
        let json = self.sealing.open_sealed(CONTEXT, sealed).map_err(|_| VaultError::NotABackup)?;
        let backup: Backup = serde_json::from_slice(&json).map_err(|_| VaultError::NotABackup)?;
        let mut versions = Vec::with_capacity(backup.versions.len());
        for BackupVersion { id, row, tags, private } in backup.versions {
            let version = version_of(&id, row, tags).map_err(|_| VaultError::NotABackup)?;
            version
                .private
                .open(&version.public, &private.0)
                .map_err(|_| VaultError::NotABackup)?;
            versions.push(Arc::new(version));
        }
        versions.sort_by_key(|version: &Arc<Version>| version.sequence);
        let name = backup.name.parse().map_err(|_| VaultError::NotABackup)?;
        Ok(Key { name, versions, deletion: None, schedule: Schedule::default() })
    }
}

impl Serialize for SealedForm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(URL_SAFE_NO_PAD.encode(&*self.0)))
    }
}

impl<'de> Deserialize<'de> for SealedForm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).map(Zeroizing::new)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(serde::de::Error::custom)?;
        Ok(Self(Zeroizing::new(bytes)))
    }
}

fn failed(error: &impl ToString) -> VaultError {
    VaultError::Internal(error.to_string())
}
