//! A key and its versions in the memory of the vault.
//!
//! Called by [`crate::vault`]; the rows on disk are in [`crate::store`]. A version never changes in place: an update replaces it
//! by a new value, so that a running operation sees one consistent version. The private part is opened at its first use and wiped
//! when the last reference to the version is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use super::key::{Attributes, Deletion, KeyOperation, KeyType};
use super::material::{MaterialError, PrivateKey, PublicKey};
use super::names::{KeyName, KeyVersion};
use super::schedule::Schedule;

/// One version of a key.
#[derive(Clone)]
pub(crate) struct Version {
    pub(crate) id: KeyVersion,
    /// The number of the version within the key; the newest has the highest number.
    pub(crate) sequence: u64,
    pub(crate) kty: KeyType,
    pub(crate) public: PublicKey,
    pub(crate) operations: Vec<KeyOperation>,
    pub(crate) attributes: Attributes,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) private: Arc<PrivateSlot>,
}

/// The private part of a version, after its first use.
#[derive(Default)]
pub(crate) struct PrivateSlot(OnceLock<Arc<PrivateKey>>);

impl PrivateSlot {
    /// A slot that already holds its key.
    pub(crate) fn filled(key: PrivateKey) -> Self {
        Self(Arc::new(key).into())
    }

    /// The key, if it was used before.
    pub(crate) fn get(&self) -> Option<&Arc<PrivateKey>> {
        self.0.get()
    }

    /// Reads the key from its sealed form, unless it was read before.
    pub(crate) fn open(
        &self,
        public: &PublicKey,
        form: &[u8],
    ) -> Result<&Arc<PrivateKey>, MaterialError> {
        if let Some(key) = self.get() {
            return Ok(key);
        }
        let key = Arc::new(PrivateKey::from_sealed_form(public, form)?);
        Ok(self.0.get_or_init(|| key))
    }
}

/// A key: its name and all its versions in the order of their creation. It has at least one version.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: KeyName,
    pub(crate) versions: Vec<Arc<Version>>,
    pub(crate) deletion: Option<Deletion>,
    /// The rotation policy and the notices that were sent.
    pub(crate) schedule: Schedule,
}

impl Key {
    /// The newest version, or the named version.
    pub(crate) fn version(&self, named: Option<&KeyVersion>) -> Option<&Arc<Version>> {
        match named {
            None => self.versions.last(),
            Some(id) => self.versions.iter().find(|version| version.id == *id),
        }
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version").field("id", &self.id).finish_non_exhaustive()
    }
}
