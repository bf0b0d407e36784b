//! The public name of a data key, which headers, rows and audit records carry.
//!
//! It is random and says nothing about the key. The ring in `keys/` finds the key by it.

use std::fmt;
use std::str::FromStr;

use super::{SealError, random};

/// The name of a data key: 16 random bytes, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct DataKeyId([u8; Self::LEN]);

/// A text that does not name a data key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a data-key id is 32 lower-case hexadecimal digits")]
pub struct InvalidDataKeyId;

impl DataKeyId {
    /// The length in bytes.
    pub const LEN: usize = 16;

    /// A random name, which no other data key has.
    pub fn random() -> Result<Self, SealError> {
        let mut bytes = [0; Self::LEN];
        random::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The name with these bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The bytes of the name.
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl FromStr for DataKeyId {
    type Err = InvalidDataKeyId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidDataKeyId);
        }
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| InvalidDataKeyId)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DataKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKeyId({self})")
    }
}
