//! Seals private keys at rest: AES-256-GCM under a key in a file of the data folder.
//!
//! Called by the vault for the private part of each key version, and by the issuer for its signing key. A sealed value is
//! bound to a text, its context, so that it cannot replace another sealed value.
//! Layout: version (1 byte, [`VERSION`]) ‖ nonce (12 bytes, random) ‖ ciphertext ‖ tag (16 bytes).
//!
//! This protects the keys in a copy of a part of the folder, and from careless tools. A copy of the whole folder contains the
//! sealing key as well.

use std::io;
use std::path::Path;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use zeroize::Zeroizing;

use crate::files::{Access, read_if_there, write_whole};
use crate::random;

/// The first byte of a sealed value. It must not change, since values on disk begin with it.
const VERSION: u8 = 1;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
/// The number of bytes that sealing adds to a value.
pub const OVERHEAD: usize = 1 + NONCE_LEN + TAG_LEN;

/// A value on disk cannot be opened: it is damaged, or was sealed with another key or context. The cause is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value cannot be opened: it is damaged, or was sealed with another key")]
pub struct Damaged;

/// The sealing key. It is wiped from memory when it is dropped.
pub struct SealingKey(Aes256Gcm);

impl SealingKey {
    /// Reads the key from a file, or creates the file with mode 0600. Blocks.
    pub fn open(path: &Path) -> io::Result<Self> {
        let bytes = if let Some(bytes) = read_if_there(path)? {
            Zeroizing::new(bytes)
        } else {
            let key = random::key()?;
            write_whole(path, &*key, Access::Private)?;
            Zeroizing::new(key.to_vec())
        };
        let cipher = Aes256Gcm::new_from_slice(&bytes).map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the file {} is not a key of 32 bytes", path.display()),
            )
        })?;
        Ok(Self(cipher))
    }

    /// Seals `secret`, bound to `context`.
    pub fn seal(&self, context: &[u8], secret: &[u8]) -> io::Result<Vec<u8>> {
        let nonce: [u8; NONCE_LEN] = random::bytes()?;
        let payload = Payload { msg: secret, aad: context };
        let ciphertext = self
            .0
            .encrypt(&Nonce::from(nonce), payload)
            .map_err(|_| io::Error::other("a value is too long to be sealed"))?;
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        Ok(sealed)
    }

    /// Opens a value that [`SealingKey::seal`] made with the same context.
    pub fn open_sealed(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Damaged> {
        let (version, rest) = sealed.split_first().ok_or(Damaged)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_LEN).ok_or(Damaged)?;
        let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| Damaged)?;
        if *version != VERSION {
            return Err(Damaged);
        }
        let payload = Payload { msg: ciphertext, aad: context };
        self.0.decrypt(&Nonce::from(nonce), payload).map(Zeroizing::new).map_err(|_| Damaged)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealingKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened() -> (tempfile::TempDir, SealingKey) {
        let folder = tempfile::tempdir().unwrap();
        let key = SealingKey::open(&folder.path().join("key")).unwrap();
        (folder, key)
    }

    #[test]
    fn a_sealed_value_can_be_opened_after_a_restart_and_only_with_its_context() {
        let (folder, key) = opened();

        let sealed = key.seal(b"here", b"secret").unwrap();
        let again = SealingKey::open(&folder.path().join("key")).unwrap();

        assert_eq!(sealed.len(), b"secret".len() + OVERHEAD);
        assert_eq!(&*again.open_sealed(b"here", &sealed).unwrap(), b"secret");
        assert_eq!(again.open_sealed(b"there", &sealed).unwrap_err(), Damaged);
    }

    #[test]
    fn any_changed_or_missing_byte_is_detected() {
        let (_folder, key) = opened();
        let sealed = key.seal(b"", b"secret").unwrap();

        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(key.open_sealed(b"", &changed).is_err(), "byte {i}");
            assert!(key.open_sealed(b"", &sealed[..i]).is_err(), "cut to {i}");
        }
    }

    #[test]
    fn a_key_file_of_another_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        write_whole(&path, b"short", Access::Private).unwrap();

        assert!(SealingKey::open(&path).is_err());
    }
}
