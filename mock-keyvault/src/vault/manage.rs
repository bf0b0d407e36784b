//! Making keys and versions, and changing their attributes.
//!
//! Called by the routes and the fixture. A version is on disk, sealed, before anybody hears of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::agenda::{Agenda, Due};
use super::error::VaultError;
use super::key::{Attributes, Key, KeyOperation, KeyType, PrivateSlot, Version};
use super::names::{KeyName, KeyVersion, VaultName};
use super::rsa::{KeySize, RsaKey};
use super::view::KeyView;
use super::{KeyReference, Vaults, row_of};
use crate::events::EventKind;
use crate::random;
use crate::store::{KeyRow, VersionAt};

/// What a new version is to be.
#[derive(Clone, Debug)]
pub(crate) struct NewKey {
    pub(crate) kty: KeyType,
    pub(crate) size: KeySize,
    /// None means all that the kind of key can do.
    pub(crate) operations: Option<Vec<KeyOperation>>,
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) tags: BTreeMap<String, String>,
}

impl NewKey {
    /// An enabled RSA key of this size with Azure's defaults.
    pub(crate) fn rsa(size: KeySize) -> Self {
        Self {
            kty: KeyType::Rsa,
            size,
            operations: None,
            enabled: true,
            not_before: None,
            expires: None,
            tags: BTreeMap::new(),
        }
    }

    /// A version like another: enabled, valid from now on, and with no end.
    pub(super) fn like(version: &Version) -> Result<Self, VaultError> {
        let size = u32::try_from(version.public.modulus.len() * 8)
            .ok()
            .and_then(KeySize::from_bits)
            .ok_or_else(|| {
                VaultError::Internal("a key has a size that is not served".to_owned())
            })?;
        Ok(Self {
            kty: version.kty,
            operations: Some(version.operations.clone()),
            tags: version.tags.clone(),
            ..Self::rsa(size)
        })
    }
}

/// How a version comes about, other than that somebody makes it now.
#[derive(Clone, Debug, Default)]
pub(super) struct Making {
    /// When it was made, if not now.
    pub(super) created: Option<i64>,
    /// Whether there has to be a key already.
    pub(super) existing: bool,
    /// Nothing is made unless this is due for this version, also when the lock is held.
    pub(super) due: Option<(KeyVersion, Due)>,
}

/// What is to change in a version; what is none stays as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyChanges {
    pub(crate) operations: Option<Vec<KeyOperation>>,
    pub(crate) enabled: Option<bool>,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

impl Vaults {
    /// Makes a key, or a new version of it. Blocks for as long as RSA takes to find primes.
    pub(crate) fn create(
        &self,
        vault: &VaultName,
        name: &KeyName,
        new: NewKey,
    ) -> Result<KeyView, VaultError> {
        self.purge_due(vault)?;
        let made = self.make(vault, name, new, &Making::default())?;
        made.ok_or_else(|| VaultError::Internal("a new key was not made".to_owned()))
    }

    /// Makes a version, unless [`Making`] says that it is not wanted any more. Blocks for as long as RSA takes.
    pub(super) fn make(
        &self,
        vault: &VaultName,
        name: &KeyName,
        new: NewKey,
        making: &Making,
    ) -> Result<Option<KeyView>, VaultError> {
        self.refuse_deleted(vault, name)?;
        // Primes are found before the lock is taken: others change keys meanwhile.
        let private = RsaKey::generate(new.size).map_err(|error| internal(&error))?;
        let der = private.to_pkcs8().map_err(|error| internal(&error))?;
        let id = KeyVersion::from_bytes(random::bytes()?);

        let _changing = self.change();
        self.refuse_deleted(vault, name)?;
        let existing = self.with_vault(vault, |found| Ok(found.live(name).cloned()))?;
        // A new version keeps the spelling of the first.
        let name = existing.as_ref().map_or(name, |key| &key.name).clone();
        let last = existing.as_ref().and_then(|key| key.versions.last());
        let is_late = making.due.as_ref().is_some_and(|(version, due)| {
            let next = self.next_of(vault, name.folded());
            next.is_none_or(|(_, newest, next)| newest != *version || next != *due)
        });
        if is_late || (making.existing && last.is_none()) {
            return Ok(None);
        }
        let now = making.created.unwrap_or_else(|| self.clock.unix_now());
        let version = Version {
            id: id.clone(),
            sequence: last.map_or(0, |version| version.sequence + 1),
            kty: new.kty,
            public: private.public(),
            operations: new.operations.unwrap_or_else(|| KeyOperation::RSA_DEFAULT.to_vec()),
            attributes: Attributes {
                enabled: new.enabled,
                not_before: new.not_before,
                expires: new.expires,
                created: now,
                updated: now,
            },
            tags: new.tags,
            private: Arc::new(PrivateSlot(Arc::new(private).into())),
        };
        let at = VersionAt { vault, key: &name, version: &id };
        let sealed = self.sealing.seal(&context(at), &der)?;
        let key_row = KeyRow { name: name.as_str().to_owned(), deletion: None };
        self.store.add_version(at, &key_row, &row_of(&version), &version.tags, &sealed)?;
        let (view, has_agenda) = self.with_vault_mut(vault, |found| {
            let version = Arc::new(version);
            let key = found.keys.entry(name.folded().to_owned()).or_insert_with(|| Key {
                name: name.clone(),
                versions: Vec::new(),
                deletion: None,
                agenda: Agenda::default(),
            });
            key.versions.push(Arc::clone(&version));
            let has_agenda = Self::has_agenda(key);
            (found.view(vault, &name, &version, None), has_agenda)
        })?;
        self.announce(EventKind::NewVersionCreated, &view, now);
        if has_agenda {
            self.agenda_changed.notify_one();
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
        self.agenda_changed.notify_one();
        self.with_vault_mut(vault, |found| {
            let version = Arc::new(version);
            if let Some(key) = found.keys.get_mut(view.name.folded()) {
                for slot in &mut key.versions {
                    if slot.id == version.id {
                        *slot = Arc::clone(&version);
                    }
                }
            }
            found.view(vault, &view.name, &version, None)
        })
    }

    fn refuse_deleted(&self, vault: &VaultName, name: &KeyName) -> Result<(), VaultError> {
        self.with_vault(vault, |found| match found.keys.get(name.folded()) {
            Some(key) if key.deletion.is_some() => {
                Err(VaultError::DeletedButRecoverable(key.name.clone()))
            }
            _ => Ok(()),
        })
    }
}

/// What the sealed private part of a version is bound to. It must stay: sealed values on disk are bound to it.
pub(super) fn context(at: VersionAt<'_>) -> Vec<u8> {
    format!("mock-keyvault key 1\0{}\0{}\0{}", at.vault, at.key.folded(), at.version).into_bytes()
}

fn internal(error: &super::rsa::RsaError) -> VaultError {
    VaultError::Internal(error.to_string())
}
