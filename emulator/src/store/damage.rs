//! Marks of damage: which stored files are known as damaged, missing or unreadable, so that they are not served.
//!
//! A failed read or a verification leaves a mark; `registry/content/damage.rs` decides when. A mark belongs to a file, not to a
//! digest: the transaction that replaces or deletes the file removes it (`View::disown_file`), so it never applies to the
//! new file.
//!
//! A mark of a failed read is not durable: the next read finds the damage again.

use std::fmt;

use azure_emulator_core::disk_space::Purpose;
use serde::{Deserialize, Serialize};

use super::encoding::{damage_key, key};
use super::error::StoreError;
use super::file_id::FileId;
use super::handle::Store;
use super::new_object::NewObject;
use super::objects::Presence;
use super::rows::{ManifestRow, ObjectRow};
use super::tables::Table;
use crate::names::{Digest, RegistryName, RepositoryName};

/// The longest message that a mark keeps, in characters.
const MAX_MESSAGE: usize = 400;

/// The kind of damage of a stored file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Damage {
    /// It does not authenticate, has another length, or holds other content.
    Damaged,
    /// It does not exist.
    Missing,
    /// The system cannot read it.
    Unreadable,
    /// The data key that it is sealed under is not in the ring, or does not open.
    KeyLost,
}

/// The mark of a file that cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamageRow {
    /// The kind of damage.
    pub damage: Damage,
    /// When it was found: seconds since 1970, emulator time.
    pub found: i64,
    /// The message of the failed read.
    #[serde(rename = "words")] // prose: the name in rows
    pub message: String,
}

impl Damage {
    /// The name for programs, as it is serialized.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Missing => "missing",
            Self::Unreadable => "unreadable",
            Self::KeyLost => "keyLost",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Damaged => "its stored file is damaged",
            Self::Missing => "its stored file is missing",
            Self::Unreadable => "its stored file cannot be read",
            Self::KeyLost => "the data key of its stored file is lost",
        })
    }
}

impl Store {
    /// The mark of the file of an object, or `None` if no damage was found.
    pub fn damage(
        &self,
        registry: &RegistryName,
        object: &ObjectRow,
    ) -> Result<Option<DamageRow>, StoreError> {
        self.database.row(Table::Damages, &damage_key(registry, object.file))
    }

    /// Checks that the file of an object exists and has its length, without opening it. `None` if both are right.
    ///
    /// [`Damage::Missing`] is also the result if the object was deleted since its row was read: read the row again.
    pub fn look_at_file(&self, object: &ObjectRow) -> Result<Option<Damage>, StoreError> {
        let len = match self.objects.look(object.file)? {
            Presence::Missing => return Ok(Some(Damage::Missing)),
            Presence::NotAnObject => return Ok(Some(Damage::Unreadable)),
            Presence::Len(len) => len,
        };
        let has_its_length = match object.sealed_len {
            Some(sealed_len) => len == sealed_len,
            // Sealing adds to the length, so that a shorter file is incomplete.
            None => object.size < len,
        };
        Ok((!has_its_length).then_some(Damage::Damaged))
    }

    /// Marks the file of an object. Returns false if the object was replaced or deleted meanwhile, or has this mark already.
    pub fn mark_damaged(
        &self,
        registry: &RegistryName,
        object: &ObjectRow,
        damage: Damage,
        message: &str,
        now: i64,
    ) -> Result<bool, StoreError> {
        let at = damage_key(registry, object.file);
        let message: String = message.chars().take(MAX_MESSAGE).collect();
        let row = DamageRow { damage, found: now, message };
        self.database.transact(|view| {
            let known = view.row::<DamageRow>(Table::Damages, &at)?;
            let is_news = known.is_none_or(|known| known.damage != damage);
            if !is_news || !view.has(Table::Files, object.file.as_bytes())? {
                return Ok(false);
            }
            view.put(Table::Damages, at.clone(), &row)?;
            Ok(true)
        })
    }

    /// Removes the mark of a file that was read to its end without a fault. Returns false if it had none.
    pub fn clear_damage(
        &self,
        registry: &RegistryName,
        object: &ObjectRow,
    ) -> Result<bool, StoreError> {
        let at = damage_key(registry, object.file);
        if !self.database.has(Table::Damages, &at)? {
            return Ok(false);
        }
        self.database
            .transact_for(Purpose::Removal, |view| view.remove(Table::Damages, at.clone()))?;
        Ok(true)
    }

    /// Makes the marks of a registry durable.
    pub fn keep_marks(&self) -> Result<(), StoreError> {
        self.database.commit()
    }

    /// Replaces the damaged file of a manifest; its row, tags and references stay. Durable.
    /// Returns false if the manifest was replaced or deleted meanwhile.
    pub fn replace_manifest_file(
        &self,
        registry: &RegistryName,
        repository: &RepositoryName,
        digest: &Digest,
        condemned: FileId,
        object: &ObjectRow,
        new: NewObject,
    ) -> Result<bool, StoreError> {
        let (_claim, writer) = new.into_parts();
        let finished = writer.finish()?;
        let at = key(&[registry, repository, digest]);
        let replaced = self.database.transact(|view| {
            let Some(mut row) = view.row::<ManifestRow>(Table::Manifests, &at)? else {
                return Ok(false);
            };
            if row.object.file != condemned {
                return Ok(false);
            }
            view.own_file(registry, object.file, object.data_key)?;
            view.disown_file(registry, row.object.file, row.object.data_key)?;
            row.object = ObjectRow { created: row.object.created, ..object.clone() };
            view.put(Table::Manifests, at.clone(), &row)?;
            view.attach(&finished);
            Ok(true)
        });
        // The row may return at the next start; if it does not, the file is an orphan.
        if replaced.is_err() && self.is_outcome_unknown() {
            finished.keep();
            return replaced;
        }
        if !replaced? {
            return Ok(false);
        }
        finished.keep();
        self.database.commit()?;
        self.delete_replaced(condemned);
        Ok(true)
    }
}
