//! Secrets of principals: text in memory, and a salted hash at rest.
//!
//! Called by the token endpoint, and when a principal or a secret is created. A text is wiped when it is dropped and never
//! shown. A check takes the same time whether the guess is right or wrong. This module does not store the hashes.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::random;

/// The text of a secret or of a token. It is wiped when dropped and never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// A secret with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A new secret of 256 random bits.
    pub(super) fn random() -> io::Result<Self> {
        Ok(Self(random::secret_text()?))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a guess is right. Hashes are compared, so that the time depends neither on content nor on length.
    pub(super) fn is(&self, guess: &str) -> bool {
        let (own, guess) = (Sha256::digest(self.0.as_bytes()), Sha256::digest(guess.as_bytes()));
        own.as_slice().ct_eq(guess.as_slice()).into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The stored form of a secret: a salt, and SHA-256 over salt and secret.
///
/// A slow hash would add no security: only random secrets of 256 bits are stored, and these cannot be guessed.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SecretHash {
    #[serde(with = "hex::serde")]
    salt: [u8; 16],
    #[serde(with = "hex::serde")]
    hash: [u8; 32],
}

impl SecretHash {
    pub(super) fn new(secret: &Secret) -> io::Result<Self> {
        let salt = random::bytes()?;
        Ok(Self { salt, hash: salted(&salt, secret.expose()) })
    }

    /// Whether a guess is right, in the same time for every guess of one length.
    pub(super) fn is(&self, guess: &str) -> bool {
        self.hash.ct_eq(&salted(&self.salt, guess)).into()
    }
}

fn salted(salt: &[u8; 16], secret: &str) -> [u8; 32] {
    Sha256::new().chain_update(salt).chain_update(secret.as_bytes()).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hidden");

        assert!(!format!("{secret:?}").contains("hidden"));
    }

    #[test]
    fn a_hash_matches_only_its_secret_and_does_not_contain_it() {
        let secret = Secret::random().unwrap();
        let (hash, other) = (SecretHash::new(&secret).unwrap(), SecretHash::new(&secret).unwrap());

        let stored = serde_json::to_string(&hash).unwrap();
        let again: SecretHash = serde_json::from_str(&stored).unwrap();

        assert!(again.is(secret.expose()));
        assert!(!again.is("") && !again.is(&secret.expose()[1..]));
        assert!(!stored.contains(secret.expose()));
        assert_ne!(hash.hash, other.hash, "each has a salt of its own");
    }
}
