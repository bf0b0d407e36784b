//! The plaintext that does not fill a segment yet, and the buffer in which segments are sealed.
//!
//! One buffer serves both, with room before the segment for the head of a run and room after it for the tag, so that
//! each segment is written in one call. It wipes itself when dropped and when it grows. It has no keys.

use aes_gcm::aead::inout::InOutBuf;
use zeroize::Zeroizing;

use super::cipher::{CipherError, TAG_LEN};
use super::message_key::MessageKey;
use super::nonce::Nonce;
use super::random::{SALT_LEN, Salt};
use super::runs::RUN_HEAD_LEN;

/// Small objects, which come in one piece, get a buffer of their size, but no smaller than this.
const MIN_CAPACITY: usize = 4 << 10;

/// `run head ‖ plaintext ‖ tag`, for one segment.
pub(super) struct Tail {
    bytes: Zeroizing<Vec<u8>>,
    len: usize,
    segment_len: usize,
}

impl Tail {
    pub(super) fn new(segment_len: u32) -> Self {
        Self { bytes: Zeroizing::default(), len: 0, segment_len: segment_len as usize }
    }

    /// How many bytes of plaintext wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The plaintext that waits.
    pub(super) fn plaintext(&self) -> &[u8] {
        self.bytes.get(RUN_HEAD_LEN..RUN_HEAD_LEN + self.len).unwrap_or_default()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.len == self.segment_len
    }

    /// Takes as many bytes as fit into the segment and returns the rest.
    pub(super) fn push<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(self.segment_len - self.len));
        self.grow(self.len + taken.len());
        let from = RUN_HEAD_LEN + self.len;
        self.bytes[from..from + taken.len()].copy_from_slice(taken);
        self.len += taken.len();
        rest
    }

    /// Seals the plaintext that waits, in place. The tail is empty afterwards.
    pub(super) fn seal(
        &mut self,
        key: &MessageKey,
        nonce: &Nonce,
        head: Option<&Salt>,
    ) -> Result<&[u8], CipherError> {
        let len = std::mem::take(&mut self.len);
        self.grow(len);
        let segment = &mut self.bytes[RUN_HEAD_LEN..RUN_HEAD_LEN + len];
        let tag = key.seal(nonce, &[], segment.into())?;
        Ok(self.frame(key, head, len, tag))
    }

    /// Seals a full segment directly from the caller's bytes. The tail must be empty.
    pub(super) fn seal_from(
        &mut self,
        segment: &[u8],
        key: &MessageKey,
        nonce: &Nonce,
        head: Option<&Salt>,
    ) -> Result<&[u8], CipherError> {
        let len = segment.len();
        self.grow(len);
        let sealed = &mut self.bytes[RUN_HEAD_LEN..RUN_HEAD_LEN + len];
        let buffer = InOutBuf::new(segment, sealed).map_err(|_| CipherError)?;
        let tag = key.seal(nonce, &[], buffer)?;
        Ok(self.frame(key, head, len, tag))
    }

    /// Adds the head of the run and the tag to a segment that was just sealed.
    fn frame(
        &mut self,
        key: &MessageKey,
        head: Option<&Salt>,
        len: usize,
        tag: [u8; TAG_LEN],
    ) -> &[u8] {
        let end = RUN_HEAD_LEN + len;
        self.bytes[end..end + TAG_LEN].copy_from_slice(&tag);
        let from = match head {
            Some(salt) => {
                self.bytes[..SALT_LEN].copy_from_slice(&salt.0);
                self.bytes[SALT_LEN..RUN_HEAD_LEN].copy_from_slice(key.commitment());
                0
            }
            None => RUN_HEAD_LEN,
        };
        &self.bytes[from..end + TAG_LEN]
    }

    /// Makes room for this many bytes of plaintext. It grows at most twice, and copies only the plaintext that waits.
    fn grow(&mut self, wanted: usize) {
        const AROUND: usize = RUN_HEAD_LEN + TAG_LEN;
        if wanted + AROUND <= self.bytes.len() {
            return;
        }
        let first = self.bytes.is_empty() && wanted < self.segment_len;
        let capacity = if first { wanted.max(MIN_CAPACITY) } else { self.segment_len };
        let mut grown = Zeroizing::new(vec![0; capacity + AROUND]);
        let end = RUN_HEAD_LEN + self.len;
        if self.len != 0 {
            grown[RUN_HEAD_LEN..end].copy_from_slice(&self.bytes[RUN_HEAD_LEN..end]);
        }
        self.bytes = grown;
    }
}
