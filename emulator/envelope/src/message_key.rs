//! The key of one run, one trailer or one value: derived from a data key by HKDF-SHA-256 (RFC 5869).
//!
//! The derivation gives 64 bytes: a key for the cipher and a commitment. GCM itself does not commit to its key (a
//! ciphertext can be made that opens under two), so the commitment is in the file and is compared, in constant time,
//! before any ciphertext is opened.
//!
//! A [`MessageKey`] never leaves the call that derived it. It is in a box from the start, so that it is never moved, and
//! everything that computes with it or with the data key runs in [`scrubbed`].

use aes_gcm::aead::inout::InOutBuf;
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::DataKey;
use super::cipher::{Cipher, CipherError, KEY_LEN, TAG_LEN};
use super::nonce::Nonce;
use super::random::Salt;
use super::scrub::scrubbed;

/// The length of a commitment.
pub(super) const COMMITMENT_LEN: usize = 32;

/// A commitment to a key, which is written with the ciphertext, so that it opens only under this key.
pub(super) type Commitment = [u8; COMMITMENT_LEN];

/// The inputs of the derivation of one key.
pub(super) struct Derivation<'a> {
    pub(super) data_key: &'a DataKey,
    pub(super) salt: &'a Salt,
    /// All public data about the place of the ciphertext.
    pub(super) info: Vec<u8>,
}

/// A derived key, ready to seal and to open, and the commitment to it.
pub(super) struct MessageKey {
    cipher: Box<Cipher>,
    commitment: Commitment,
}

impl Derivation<'_> {
    /// The key, for more than one message.
    pub(super) fn key(&self) -> MessageKey {
        scrubbed(|| self.derive())
    }

    /// Encrypts the only message under the key. Returns the commitment and the tag.
    pub(super) fn seal(
        &self,
        nonce: &Nonce,
        associated: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<(Commitment, [u8; TAG_LEN]), CipherError> {
        scrubbed(|| {
            let key = self.derive();
            Ok((key.commitment, key.cipher.seal(nonce, associated, buffer)?))
        })
    }

    /// Decrypts one message, ciphertext and tag, in place, and removes the tag. The buffer is unchanged if the key is not the
    /// key that was committed to, or the message does not authenticate.
    pub(super) fn open(
        &self,
        commitment: &Commitment,
        nonce: &Nonce,
        associated: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        scrubbed(|| {
            let key = self.derive();
            if !key.commits_to(commitment) {
                return Err(CipherError);
            }
            key.cipher.open(nonce, associated, sealed)
        })
    }

    /// Only in [`scrubbed`].
    fn derive(&self) -> MessageKey {
        let mut okm = Zeroizing::new([0; KEY_LEN + COMMITMENT_LEN]);
        let (mut prk, hkdf) = Hkdf::<Sha256>::extract(Some(&self.salt.0), self.data_key.expose());
        prk.as_mut_slice().zeroize();
        // RFC 5869 allows 255 blocks of 32 bytes; these are two.
        hkdf.expand(&self.info, okm.as_mut_slice()).expect("64 bytes are within HKDF's limit");
        let (key, rest) = okm.split_first_chunk().expect("the key is shorter than the output");
        let mut commitment = [0; COMMITMENT_LEN];
        commitment.copy_from_slice(rest);
        MessageKey { cipher: Box::new(Cipher::new(key)), commitment }
    }
}

impl MessageKey {
    /// The commitment, which is written with the ciphertext.
    pub(super) fn commitment(&self) -> &Commitment {
        &self.commitment
    }

    /// Whether the commitment in the file is that of this key, in constant time.
    pub(super) fn commits_to(&self, found: &Commitment) -> bool {
        self.commitment.ct_eq(found).into()
    }

    /// Encrypts the buffer and returns the tag.
    pub(super) fn seal(
        &self,
        nonce: &Nonce,
        associated: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; TAG_LEN], CipherError> {
        scrubbed(|| self.cipher.seal(nonce, associated, buffer))
    }

    /// Decrypts ciphertext and tag in place, and removes the tag. The buffer is unchanged if it does not authenticate.
    pub(super) fn open(
        &self,
        nonce: &Nonce,
        associated: &[u8],
        sealed: &mut Vec<u8>,
    ) -> Result<(), CipherError> {
        scrubbed(|| self.cipher.open(nonce, associated, sealed))
    }
}

/// Not every cipher wipes its key when it is dropped. A key of zeros takes its place.
impl Drop for MessageKey {
    fn drop(&mut self) {
        *self.cipher = Cipher::new(&[0; KEY_LEN]);
        // Nothing reads the box any more, so a compiler could leave the write out.
        std::hint::black_box(&mut *self.cipher);
    }
}
