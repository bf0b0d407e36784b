//! A key and its versions in the memory of the vault.
//!
//! Called by [`super::Vaults`]; the rows on disk are in [`crate::store`]. A version never changes in place: an update replaces it
//! by a new value, so that a running operation sees one consistent version. The private part is opened at its first use and wiped
//! when the last reference to the version is dropped.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::agenda::Agenda;
use super::error::VaultError;
use super::material::{KeyShape, MaterialError, PrivateKey, PublicKey};
use super::names::{KeyName, KeyVersion};
use super::policy::KeyPermission;

/// The type of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum KeyType {
    /// An elliptic curve in software.
    #[serde(rename = "EC")]
    Ec,
    /// An elliptic curve that a real vault stores in hardware. Here it is software as well.
    #[serde(rename = "EC-HSM")]
    EcHsm,
    /// RSA in software.
    #[serde(rename = "RSA")]
    Rsa,
    /// RSA that a real vault stores in hardware. Here it is software as well.
    #[serde(rename = "RSA-HSM")]
    RsaHsm,
}

/// An operation that a key may be used for, with Azure's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum KeyOperation {
    /// Encrypt.
    Encrypt,
    /// Decrypt.
    Decrypt,
    /// Sign.
    Sign,
    /// Verify.
    Verify,
    /// Wrap another key.
    WrapKey,
    /// Unwrap another key.
    UnwrapKey,
    /// Import keys from another hardware module. Such a key has no other operation.
    Import,
}

impl KeyType {
    /// The type of a key of this shape.
    pub(crate) fn of(shape: KeyShape, in_hsm: bool) -> Self {
        match (shape, in_hsm) {
            (KeyShape::Rsa(_), false) => Self::Rsa,
            (KeyShape::Rsa(_), true) => Self::RsaHsm,
            (KeyShape::Ec(_), false) => Self::Ec,
            (KeyShape::Ec(_), true) => Self::EcHsm,
        }
    }

    /// Azure's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ec => "EC",
            Self::EcHsm => "EC-HSM",
            Self::Rsa => "RSA",
            Self::RsaHsm => "RSA-HSM",
        }
    }

    /// Whether a real vault stores the key in hardware.
    pub fn in_hsm(self) -> bool {
        matches!(self, Self::EcHsm | Self::RsaHsm)
    }

    /// Refuses operations that a key of this type never supports.
    pub(crate) fn refuse_unsupported(self, asked: &[KeyOperation]) -> Result<(), VaultError> {
        if self == Self::RsaHsm && asked == [KeyOperation::Import] {
            return Ok(());
        }
        let supported = self.operations();
        let unsupported = asked.iter().filter(|operation| !supported.contains(operation));
        let asked: Vec<String> =
            unsupported.map(|operation| operation.permission().to_string()).collect();
        if asked.is_empty() {
            return Ok(());
        }
        Err(VaultError::UnsupportedOperations { asked, supported })
    }

    /// The operations that a key of this type supports, and has by default, in Azure's order.
    pub(crate) fn operations(self) -> &'static [KeyOperation] {
        match self {
            Self::Ec | Self::EcHsm => &[KeyOperation::Sign, KeyOperation::Verify],
            Self::Rsa | Self::RsaHsm => KeyOperation::OF_RSA,
        }
    }
}

impl KeyOperation {
    /// The operations of an RSA key, in Azure's order. They exclude `import`, which a key has only as its single operation.
    pub(crate) const OF_RSA: &[Self] =
        &[Self::Encrypt, Self::Decrypt, Self::Sign, Self::Verify, Self::WrapKey, Self::UnwrapKey];

    /// The permission of the same name.
    pub(crate) fn permission(self) -> KeyPermission {
        match self {
            Self::Encrypt => KeyPermission::Encrypt,
            Self::Decrypt => KeyPermission::Decrypt,
            Self::Sign => KeyPermission::Sign,
            Self::Verify => KeyPermission::Verify,
            Self::WrapKey => KeyPermission::WrapKey,
            Self::UnwrapKey => KeyPermission::UnwrapKey,
            Self::Import => KeyPermission::Import,
        }
    }
}

/// The attributes of a version. Times are whole seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attributes {
    pub(crate) enabled: bool,
    pub(crate) not_before: Option<i64>,
    pub(crate) expires: Option<i64>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

/// The deletion of a key with all its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Deletion {
    /// When it was deleted.
    pub(crate) deleted: i64,
    /// When it is purged unless it is recovered earlier.
    pub(crate) scheduled_purge: i64,
}

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
    pub(crate) agenda: Agenda,
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
