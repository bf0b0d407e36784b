//! Creates keys and versions, and changes their attributes.
//!
//! Called by the routes and the fixture. A version is on disk, sealed, before any caller learns about it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::due::DueAction;
use super::rows::row_of;
use super::vaults::Vaults;
use super::view::KeyView;
use crate::model::KeyReference;
use crate::model::error::VaultError;
use crate::model::key::{Attributes, KeyOperation, KeyType};
use crate::model::material::{KeyShape, MaterialError, PrivateKey};
use crate::model::names::{KeyName, KeyVersion, VaultName};
use crate::model::schedule::Schedule;
use crate::model::settings::Sku;
use crate::model::version::{Key, PrivateSlot, Version};
use crate::store::{KeyRow, VersionAt};
use azure_emulator_core::events::EventKind;
use azure_emulator_core::random;

/// The request for a new key.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) shape: KeyShape,
    pub(crate) version: NewVersion,
}

/// The properties of a new version, except its key material.
#[derive(Clone, Debug)]
pub(crate) struct NewVersion {
    /// Whether a real vault would store it in hardware.
    pub(crate) in_hsm: bool,
    /// `None` means all operations that the type of key supports.
    pub(crate) operations: Option<Vec<KeyOperation>>,
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl NewKey {
    /// An enabled key of this shape with Azure's defaults.
    pub(crate) fn new(shape: KeyShape) -> Self {
        let version = NewVersion {
            in_hsm: false,
            operations: None,
            enabled: true,
            not_before: None,
            expires: None,
            tags: BTreeMap::new(),
        };
        Self { shape, version }
    }

    /// A version like another: enabled, valid from now on, and without an expiry.
    pub(super) fn like(version: &Version) -> Self {
        let mut new = Self::new(version.public.shape());
        new.version.in_hsm = version.kty.in_hsm();
        new.version.operations = Some(version.operations.clone());
        new.version.tags.clone_from(&version.tags);
        new
    }
}

/// The conditions under which a version is created, if it is not simply created now.
#[derive(Clone, Debug, Default)]
pub(super) struct CreateConditions {
    /// The creation time, if not now.
    pub(super) created: Option<i64>,
    /// Whether the key must exist already.
    pub(super) existing: bool,
    /// The version is created only if this is still due for that version when the lock is held.
    pub(super) due: Option<(KeyVersion, DueAction)>,
}

/// The changes of a version; `None` leaves an attribute unchanged.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyChanges {
    pub(crate) operations: Option<Vec<KeyOperation>>,
    pub(crate) enabled: Option<bool>,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

impl Vaults {
    /// Creates a key, or a new version of it. Blocks while RSA searches for primes.
    pub(crate) fn create(
        &self,
        vault: &VaultName,
        name: &KeyName,
        new: NewKey,
    ) -> Result<KeyView, VaultError> {
        self.purge_due(vault)?;
        let made = self.make(vault, name, new, &CreateConditions::default())?;
        made.ok_or_else(|| VaultError::Internal("a new key was not created".to_owned()))
    }

    /// Creates a version, unless [`CreateConditions`] no longer permits it. Blocks while RSA searches for primes.
    pub(super) fn make(
        &self,
        vault: &VaultName,
        name: &KeyName,
        new: NewKey,
        conditions: &CreateConditions,
    ) -> Result<Option<KeyView>, VaultError> {
        self.refuse_deleted(vault, name)?;
        self.refuse_hardware(vault, new.version.in_hsm, conditions)?;
        // Primes are found before the lock is acquired, so that other changes do not wait.
        let private = PrivateKey::generate(new.shape).map_err(|error| internal(&error))?;
        self.add_version(vault, name, private, new.version, conditions)
    }

    /// Stores key material as the first or a new version of a key, unless [`CreateConditions`] no longer permits it.
    pub(super) fn add_version(
        &self,
        vault: &VaultName,
        name: &KeyName,
        private: PrivateKey,
        new: NewVersion,
        conditions: &CreateConditions,
    ) -> Result<Option<KeyView>, VaultError> {
        let public = private.public();
        let kty = KeyType::new(public.shape(), new.in_hsm);
        let operations = new.operations.unwrap_or_else(|| kty.operations().to_vec());
        refuse_unsupported(kty, &operations)?;
        let form = private.to_sealed_form().map_err(|error| internal(&error))?;
        let id = KeyVersion::from_bytes(random::bytes()?);

        let _changing = self.change();
        self.refuse_deleted(vault, name)?;
        self.refuse_hardware(vault, new.in_hsm, conditions)?;
        let existing = self.with_vault(vault, |found| Ok(found.live(name).cloned()))?;
        // A new version keeps the first spelling of the name.
        let name = existing.as_ref().map_or(name, |key| &key.name).clone();
        let last = existing.as_ref().and_then(|key| key.versions.last());
        let is_late = conditions.due.as_ref().is_some_and(|(version, due)| {
            let next = self.next_of(vault, name.folded());
            next.is_none_or(|(_, newest, next)| newest != *version || next != *due)
        });
        if is_late || (conditions.existing && last.is_none()) {
            return Ok(None);
        }
        let now = conditions.created.unwrap_or_else(|| self.clock.unix_now());
        let version = Version {
            id: id.clone(),
            sequence: last.map_or(0, |version| version.sequence + 1),
            kty,
            public,
            operations,
            attributes: Attributes {
                enabled: new.enabled,
                not_before: new.not_before,
                expires: new.expires,
                created: now,
                updated: now,
            },
            tags: new.tags,
            private: Arc::new(PrivateSlot::filled(private)),
        };
        let at = VersionAt { vault, key: &name, version: &id };
        let sealed = self.sealing.seal(&context(at), &form)?;
        let key_row = KeyRow { name: name.as_str().to_owned(), deletion: None };
        self.store.add_version(at, &key_row, &row_of(&version), &version.tags, &sealed)?;
        let (view, has_scheduled_action) = self.with_vault_mut(vault, |found| {
            let version = Arc::new(version);
            let key = found.keys.entry(name.folded().to_owned()).or_insert_with(|| Key {
                name: name.clone(),
                versions: Vec::new(),
                deletion: None,
                schedule: Schedule::default(),
            });
            key.versions.push(Arc::clone(&version));
            let has_scheduled_action = Self::has_scheduled_action(key);
            (found.view(vault, &name, &version, None), has_scheduled_action)
        })?;
        self.announce(EventKind::NewVersionCreated, &view, now);
        if has_scheduled_action {
            self.schedule_changed.notify_one();
        }
        Ok(Some(view))
    }

    /// Changes a version, or the newest.
    pub(crate) fn update(
        &self,
        vault: &VaultName,
        at: &KeyReference,
        changes: KeyChanges,
    ) -> Result<KeyView, VaultError> {
        let _changing = self.change();
        let view = self.key(vault, at)?;
        let mut version = Version::clone(&view.version);
        if let Some(operations) = changes.operations {
            refuse_unsupported(version.kty, &operations)?;
            version.operations = operations;
        }
        if let Some(tags) = changes.tags {
            version.tags = tags;
        }
        let attributes = &mut version.attributes;
        attributes.enabled = changes.enabled.unwrap_or(attributes.enabled);
        attributes.not_before = changes.not_before.or(attributes.not_before);
        attributes.expires = changes.expires.or(attributes.expires);
        attributes.updated = self.clock.unix_now();
        let row_at = VersionAt { vault, key: &view.name, version: &version.id };
        self.store.put_version(row_at, &row_of(&version), &version.tags)?;
        let changed = self.with_vault_mut(vault, |found| {
            let version = Arc::new(version);
            if let Some(key) = found.keys.get_mut(view.name.folded()) {
                for slot in &mut key.versions {
                    if slot.id == version.id {
                        *slot = Arc::clone(&version);
                    }
                }
            }
            found.view(vault, &view.name, &version, None)
        });
        // Not before memory shows the change: the woken task looks there.
        self.schedule_changed.notify_one();
        changed
    }

    /// Refuses a new hardware key in a standard vault. An existing hardware key still works, and so it rotates.
    fn refuse_hardware(
        &self,
        vault: &VaultName,
        in_hsm: bool,
        conditions: &CreateConditions,
    ) -> Result<(), VaultError> {
        if in_hsm && !conditions.existing { self.require_premium(vault) } else { Ok(()) }
    }

    /// Refuses a vault that does not create hardware keys.
    pub(super) fn require_premium(&self, vault: &VaultName) -> Result<(), VaultError> {
        self.with_vault(vault, |found| match found.settings.sku {
            Sku::Premium => Ok(()),
            Sku::Standard => Err(VaultError::HardwareInStandardVault),
        })
    }

    pub(super) fn refuse_deleted(
        &self,
        vault: &VaultName,
        name: &KeyName,
    ) -> Result<(), VaultError> {
        self.with_vault(vault, |found| match found.keys.get(name.folded()) {
            Some(key) if key.deletion.is_some() => {
                Err(VaultError::DeletedButRecoverable(key.name.clone()))
            }
            _ => Ok(()),
        })
    }
}

/// The context that the sealed private part of a version is bound to. It must not change: sealed values on disk are bound to it.
pub(super) fn context(at: VersionAt<'_>) -> Vec<u8> {
    format!("mock-keyvault key 1\0{}\0{}\0{}", at.vault, at.key.folded(), at.version).into_bytes()
}

/// Refuses operations that a key of this type never supports.
fn refuse_unsupported(kty: KeyType, requested: &[KeyOperation]) -> Result<(), VaultError> {
    if kty == KeyType::RsaHsm && requested == [KeyOperation::Import] {
        return Ok(());
    }
    let supported = kty.operations();
    let unsupported = requested.iter().filter(|operation| !supported.contains(operation));
    let requested: Vec<String> =
        unsupported.map(|operation| operation.permission().to_string()).collect();
    if requested.is_empty() {
        return Ok(());
    }
    Err(VaultError::UnsupportedOperations { requested, supported })
}

fn internal(error: &MaterialError) -> VaultError {
    VaultError::Internal(error.to_string())
}
