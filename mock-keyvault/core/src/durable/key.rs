//! The key of the journal, which authenticates each frame and computes the set sum of the rows.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The bytes of an authentication code.
pub(super) const MAC_LEN: usize = 32;

/// The bytes of the short code over the head of a record.
pub(super) const CHECK_LEN: usize = 16;

/// The key of one journal.
///
/// The states of both HMACs are computed once and are on the heap. They, and each copy for a calculation, are wiped when dropped.
pub struct RowsKey {
    frames: Box<Hmac<Sha256>>,
    rows: Box<Hmac<Sha256>>,
}

impl RowsKey {
    /// Derives the key of the frames and the key of the set sum from 32 secret bytes.
    pub fn from_root(root: &Zeroizing<[u8; 32]>) -> Self {
        let root = state(&root[..]);
        let subkey = |label: &[u8]| {
            let mut mac = root.clone();
            mac.update(label);
            let subkey = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
            Box::new(state(&subkey[..]))
        };
        Self { frames: subkey(b"sealyard journal frames v1"), rows: subkey(b"sealyard set sum v1") }
    }

    /// The authentication code of a frame that consists of these parts.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> [u8; MAC_LEN] {
        self.fed(parts).finalize().into_bytes().into()
    }

    /// Whether this is the authentication code of the parts, or its beginning. The time is the same for any code of this length.
    pub(super) fn verifies(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        self.fed(parts).verify_truncated_left(code).is_ok()
    }

    /// The share of one row in the set sum.
    pub(super) fn row(&self, parts: &[&[u8]]) -> [u8; MAC_LEN] {
        let mut mac = (*self.rows).clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn fed(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = (*self.frames).clone();
        for part in parts {
            mac.update(part);
        }
        mac
    }
}

/// The initial state of an HMAC under this key. HMAC accepts keys of any length.
fn state(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new((&*block).into())
}

impl fmt::Debug for RowsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowsKey").finish_non_exhaustive()
    }
}
