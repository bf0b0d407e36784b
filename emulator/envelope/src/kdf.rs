//! Derives the key of one run, one trailer or one value from a data key: HKDF-SHA-256 (RFC 5869).
//!
//! The derivation gives 64 bytes: an AES-256-GCM key and a commitment. GCM itself does not commit to its key (a
//! ciphertext can be made that opens under two), so the commitment is in the file and is compared, in constant time,
//! before any ciphertext is opened. All public data about the place of the ciphertext is in the derivation, so
//! segments need no associated data.
//!
//! A [`MessageKey`] never leaves the call that derived it.

use std::hint::black_box;

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::nonce::Nonce;
use super::random::Salt;
use super::{DataKey, Header, ObjectKind};

/// The length of a commitment.
pub(super) const COMMITMENT_LEN: usize = 32;

/// The length of an authentication tag.
pub(super) const TAG_LEN: usize = 16;

const KEY_LEN: usize = 32;

/// Data that a reader must know without reading it from the file: it is authenticated, but not stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Binding {
    /// The name of the registry whose content this is.
    pub registry: String,
    /// The kind that the caller expects.
    pub kind: ObjectKind,
}

impl Binding {
    /// Binds to this registry and kind of object.
    pub fn new(registry: impl Into<String>, kind: ObjectKind) -> Self {
        Self { registry: registry.into(), kind }
    }
}

/// The place of a run in its file. It is part of the derivation, so that a run authenticates only there.
#[derive(Clone, Copy)]
pub(super) struct RunPlace {
    /// How many bytes of plaintext lie before the run.
    pub(super) start: u64,
    /// The salt of the run before it, or [`Salt::NONE`].
    pub(super) previous: Salt,
}

/// The inputs that all derivations of one file share.
pub(super) struct FileContext {
    pub(super) header: Header,
    registry: String,
}

impl FileContext {
    pub(super) fn new(header: Header, binding: Binding) -> Self {
        Self { header, registry: binding.registry }
    }

    /// The key of the run with this salt at this place.
    pub(super) fn run_key(&self, key: &DataKey, salt: &Salt, place: RunPlace) -> MessageKey {
        MessageKey::derive(
            key,
            salt,
            &[
                b"sealyard envelope v1 run",
                &len_prefix(self.registry.as_bytes()),
                self.registry.as_bytes(),
                &self.header.to_bytes(),
                &place.start.to_be_bytes(),
                &place.previous.0,
            ],
        )
    }

    /// The key of the trailer with this salt.
    pub(super) fn trailer_key(&self, key: &DataKey, salt: &Salt) -> MessageKey {
        MessageKey::derive(
            key,
            salt,
            &[
                b"sealyard envelope v1 trailer",
                &len_prefix(self.registry.as_bytes()),
                self.registry.as_bytes(),
                &self.header.to_bytes(),
            ],
        )
    }
}

/// The key of a short value with this salt.
pub(super) fn value_key(key: &DataKey, salt: &Salt, context: &[u8]) -> MessageKey {
    MessageKey::derive(key, salt, &[b"sealyard envelope v1 value", &len_prefix(context), context])
}

/// A derived key, ready to seal and to open, and the commitment to it.
pub(super) struct MessageKey {
    cipher: Aes256Gcm,
    commitment: [u8; COMMITMENT_LEN],
}

/// A message did not authenticate, or is too long for the cipher.
pub(super) struct CipherError;

impl MessageKey {
    fn derive(key: &DataKey, salt: &Salt, info: &[&[u8]]) -> Self {
        let derived = Self::expand(key, salt, info);
        wipe_stack();
        derived
    }

    #[inline(never)]
    fn expand(key: &DataKey, salt: &Salt, info: &[&[u8]]) -> Self {
        let mut okm = Zeroizing::new([0; KEY_LEN + COMMITMENT_LEN]);
        let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(&salt.0), key.expose());
        prk.as_mut_slice().zeroize();
        // RFC 5869 allows 255 blocks of 32 bytes; these are two.
        hkdf.expand_multi_info(info, okm.as_mut_slice()).expect("64 bytes are within HKDF's limit");
        let (key, commitment) = okm.split_at(KEY_LEN);
        let mut committed = [0; COMMITMENT_LEN];
        committed.copy_from_slice(commitment);
        let cipher = Aes256Gcm::new_from_slice(key).expect("an AES-256 key has 32 bytes");
        Self { cipher, commitment: committed }
    }

    /// The commitment, which is written with the ciphertext, so that it opens only under this key.
    pub(super) fn commitment(&self) -> &[u8; COMMITMENT_LEN] {
        &self.commitment
    }

    /// Whether the commitment in the file is that of this key, in constant time.
    pub(super) fn commits_to(&self, found: &[u8; COMMITMENT_LEN]) -> bool {
        self.commitment.ct_eq(found).into()
    }

    /// Encrypts the buffer and returns the tag.
    pub(super) fn seal(
        &self,
        nonce: &Nonce,
        associated: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; TAG_LEN], CipherError> {
        self.cipher
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
        self.cipher
            .decrypt_in_place(nonce.as_bytes().into(), associated, sealed)
            .map_err(|_| CipherError)
    }
}

/// The length before an input of variable length, so that different contexts never give the same bytes.
fn len_prefix(bytes: &[u8]) -> [u8; 8] {
    (bytes.len() as u64).to_be_bytes()
}

/// Overwrites the stack that a derivation used. HMAC and SHA-256 wipe their state at its last place, but not where it was
/// moved from. A best effort, as far as safe Rust permits.
#[inline(never)]
fn wipe_stack() {
    black_box(&mut [0_u8; 4096]);
}
