//! The data key: 256 secret bits that seal many files.
//!
//! A [`DataKey`] is in a box from the start, so that its bytes are never moved, and wipes them when it is dropped. It can
//! neither be printed, cloned nor compared with `==`. Its owner decides how long it lives (`keys/` does, by its lease); this
//! area only borrows it for the length of a call.

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::scrub::scrubbed;
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
pub struct DataKey(Box<Zeroizing<[u8; DATA_KEY_LEN]>>);

impl DataKey {
    /// A new key from the operating system's generator.
    pub fn generate() -> Result<Self, SealError> {
        let mut key = Self::blank();
        random::fill(key.0.as_mut_slice())?;
        Ok(key)
    }

    /// A copy of these bytes. The caller wipes them.
    pub fn copy_of(bytes: &[u8; DATA_KEY_LEN]) -> Self {
        let mut key = Self::blank();
        scrubbed(|| key.0.copy_from_slice(bytes));
        key
    }

    /// The secret bytes, for wrapping. They must not be copied to anything that does not wipe itself, and code that computes
    /// with them runs in [`scrubbed`].
    pub fn expose(&self) -> &[u8; DATA_KEY_LEN] {
        &self.0
    }

    /// Whether both are the same key, in a time that does not depend on where they differ.
    pub fn ct_eq(&self, other: &Self) -> bool {
        scrubbed(|| self.expose().ct_eq(other.expose()).into())
    }

    fn blank() -> Self {
        Self(Box::new(Zeroizing::new([0; DATA_KEY_LEN])))
    }
}
