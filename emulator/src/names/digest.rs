//! Content digests, for the two algorithms that the OCI image specification registers, and the hash that makes them.
//!
//! The state of a [`Hasher`] depends on plaintext, and has up to a block of it. It is in a box, so that moves leave no copies, and is
//! never stored. Hashing leaves plaintext on the stack and in registers, so callers hash in [`scrubbed`].

use std::fmt;
use std::str::FromStr;

use sealed_envelope::scrubbed;
use sha2::{Digest as _, Sha256, Sha512};
use thiserror::Error;

/// A hash function of a digest: OCI image specification 1.1, "Registered algorithms".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256, the common one.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
}

/// The digest of content, which is also its name: OCI image specification 1.1, "Digests".
///
/// `algorithm ":" encoded`. For a registered algorithm, `encoded` is lower-case hexadecimal of a fixed length.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    /// `sha256:…` or `sha512:…`, lower-case hexadecimal.
    text: String,
    algorithm: Algorithm,
}

/// A text that is not a digest.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DigestError {
    /// Not `algorithm:encoded` in the grammar's characters.
    #[error(
        "{0:?} is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits, or `sha512:` and 128"
    )]
    Malformed(String),
    /// Well formed, but the algorithm is not registered.
    #[error("the digest algorithm {0:?} is not supported: use sha256 or sha512")]
    UnsupportedAlgorithm(String),
}

/// A running hash.
#[derive(Clone)]
pub(crate) enum Hasher {
    /// Of SHA-256.
    Sha256(Box<Sha256>),
    /// Of SHA-512.
    Sha512(Box<Sha512>),
}

impl Algorithm {
    /// The name as used in a digest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn encoded_len(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text {
            "sha256" => Ok(Self::Sha256),
            "sha512" => Ok(Self::Sha512),
            other => Err(DigestError::UnsupportedAlgorithm(shorten(other))),
        }
    }
}

impl Digest {
    /// The digest of these bytes.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        scrubbed(|| {
            hasher.update(bytes);
            hasher.finish()
        })
    }

    /// The digest as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let malformed = || DigestError::Malformed(shorten(text));
        let (algorithm, encoded) = text.split_once(':').ok_or_else(malformed)?;
        if !is_algorithm(algorithm) || encoded.is_empty() {
            return Err(malformed());
        }
        let algorithm: Algorithm = algorithm.parse()?;
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if encoded.len() != algorithm.encoded_len() || !encoded.bytes().all(hexadecimal) {
            return Err(malformed());
        }
        Ok(Self { text: text.to_owned(), algorithm })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Hasher {
    /// An empty hash.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Box::default()),
            Algorithm::Sha512 => Self::Sha512(Box::default()),
        }
    }

    /// The hash function.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Sha256(_) => Algorithm::Sha256,
            Self::Sha512(_) => Algorithm::Sha512,
        }
    }

    /// Adds the next bytes.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hash) => hash.update(bytes),
            Self::Sha512(hash) => hash.update(bytes),
        }
    }

    /// The digest of all added bytes.
    pub(crate) fn finish(self) -> Digest {
        let algorithm = self.algorithm();
        let encoded = match self {
            Self::Sha256(hash) => hex::encode(hash.finalize()),
            Self::Sha512(hash) => hex::encode(hash.finalize()),
        };
        Digest { text: format!("{}:{encoded}", algorithm.as_str()), algorithm }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

/// `algorithm-component ((+|.|_|-) algorithm-component)*`, of lower-case letters and digits.
fn is_algorithm(text: &str) -> bool {
    text.split(['+', '.', '_', '-']).all(|part| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    })
}

fn shorten(text: &str) -> String {
    text.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_digest_of_nothing_is_the_published_one() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

        assert_eq!(Digest::of(Algorithm::Sha256, b"").as_str(), empty);
        assert_eq!(empty.parse::<Digest>().unwrap().algorithm(), Algorithm::Sha256);
    }

    #[test]
    fn malformed_digests_are_refused() {
        let hex64 = "a".repeat(64);
        for bad in [
            "",
            ":",
            "sha256",
            "sha256:",
            "sha256:abc",
            &format!("sha256:{}", "A".repeat(64)),
            &format!("sha512:{hex64}"),
            &format!("SHA256:{hex64}"),
            &format!("sha256:{hex64}0"),
        ] {
            assert!(matches!(bad.parse::<Digest>(), Err(DigestError::Malformed(_))), "{bad:?}");
        }
        assert!(matches!(
            format!("md5:{hex64}").parse::<Digest>(),
            Err(DigestError::UnsupportedAlgorithm(_))
        ));
    }

    proptest! {
        #[test]
        fn every_digest_parses_back_to_itself(bytes: Vec<u8>, long: bool) {
            let algorithm = if long { Algorithm::Sha512 } else { Algorithm::Sha256 };
            let digest = Digest::of(algorithm, &bytes);
            prop_assert_eq!(digest.as_str().parse::<Digest>().unwrap(), digest);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in r"\PC{0,300}") {
            let _ = text.parse::<Digest>();
        }
    }
}
