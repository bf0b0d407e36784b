//! The data key: 256 secret bits that seal many files.
//!
//! A [`DataKey`] wipes itself when dropped, and can neither be printed, cloned nor compared with `==`. Its owner
//! decides how long it lives (`keys/` does, by its lease); this area only borrows it for the length of a call.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{SealError, random};

/// The length of a data key.
pub const DATA_KEY_LEN: usize = 32;

/// A data key. It cannot be cloned:
///
/// ```compile_fail
/// let key = crate::DataKey::generate().unwrap();
/// let copy = key.clone();
/// ```
///
/// nor printed:
///
/// ```compile_fail
/// let key = crate::DataKey::generate().unwrap();
/// format!("{key:?}");
/// ```
#[expect(missing_debug_implementations, reason = "a key is never printed")]
pub struct DataKey(Zeroizing<[u8; DATA_KEY_LEN]>);

impl DataKey {
    /// A new key from the operating system's generator.
    pub fn generate() -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; DATA_KEY_LEN]);
        random::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The key with these bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; DATA_KEY_LEN]>) -> Self {
        Self(bytes)
    }

    /// The secret bytes, for wrapping. They must not be copied to anything that does not wipe itself.
    pub fn expose(&self) -> &[u8; DATA_KEY_LEN] {
        &self.0
    }

    /// Whether both are the same key, in a time that does not depend on where they differ.
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }
}
