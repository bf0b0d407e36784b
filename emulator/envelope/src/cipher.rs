//! The cipher of segments, trailers and values: AES-256-GCM. The only file that names its implementation.
//!
//! The cipher knows nothing of keys' lives: [`MessageKey`](super::message_key::MessageKey) keeps it in a box, and runs
//! every call of it in [`scrubbed`](super::scrubbed). So another implementation needs no wiping of its own.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut as _, Aes256Gcm, KeyInit as _};

use super::nonce::Nonce;

/// The length of a key.
pub(super) const KEY_LEN: usize = 32;

/// The length of an authentication tag.
pub(super) const TAG_LEN: usize = 16;

/// A key, expanded for the cipher.
pub(super) struct Cipher(Aes256Gcm);

/// A message did not authenticate, or is too long for the cipher.
pub(super) struct CipherError;

impl Cipher {
    pub(super) fn new(key: &[u8; KEY_LEN]) -> Self {
        Self(Aes256Gcm::new(key.into()))
    }

    /// Encrypts the buffer and returns the tag.
    pub(super) fn seal(
        &self,
        nonce: &Nonce,
        associated: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; TAG_LEN], CipherError> {
        self.0
            .encrypt_inout_detached(nonce.as_bytes().into(), associated, buffer)
            .map(Into::into)
            .map_err(|_| CipherError)
    }

    /// Decrypts ciphertext and tag in place, and removes the tag. The buffer is unchanged if it does not authenticate.
    pub(super) fn open(
        &self,
        nonce: &Nonce,
        associated: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        self.0
            .decrypt_in_place(nonce.as_bytes().into(), associated, sealed)
            .map_err(|_| CipherError)
    }
}
