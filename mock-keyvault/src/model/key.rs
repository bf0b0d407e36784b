//! The type of a key, its operations, and the stored properties of a version and of a deletion.

use serde::{Deserialize, Serialize};

use super::material::KeyShape;
use super::permission::KeyPermission;

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
    pub(crate) fn new(shape: KeyShape, in_hsm: bool) -> Self {
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
