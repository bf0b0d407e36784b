//! Who may ask for a token: two well-known principals and their secrets.
//!
//! Called by the token endpoint. The secret is well known only where nobody else can reach the listener; otherwise it
//! is random, made at the first start, in a file of its owner alone. Comparing takes the same time for every guess.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::files::{Access, read_if_there, write_whole};
use crate::random;

/// The client id of the owner of everything local.
pub const OWNER_CLIENT_ID: &str = "00000000-0000-4000-8000-00000000a003";
/// The object id of the owner: another id than the client id, as in Entra.
pub const OWNER_OBJECT_ID: &str = "00000000-0000-4000-8000-00000000a0a3";
/// The client id of the identity that stands for a registry's managed identity.
pub const MANAGED_IDENTITY_CLIENT_ID: &str = "00000000-0000-4000-8000-00000000a004";
/// The object id of that identity: what access policies go by.
pub const MANAGED_IDENTITY_OBJECT_ID: &str = "00000000-0000-4000-8000-00000000a0a4";
/// The secret of both where nobody else can reach them.
pub const WELL_KNOWN_SECRET: &str = "sealyard";

/// Which secrets the principals have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// [`WELL_KNOWN_SECRET`]: for a listener on the loopback, or a network that is trusted.
    WellKnown,
    /// Random ones, in files.
    Random,
}

/// A secret in text. It is wiped when dropped and never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// What a principal asks for a token with.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The client id, also called application id.
    pub client_id: &'static str,
    /// The object id of the service principal.
    pub object_id: &'static str,
    /// The secret.
    pub secret: Secret,
    /// The file that holds the secret, if it is not the well-known one.
    pub secret_file: Option<PathBuf>,
}

pub(super) struct Principals {
    pub(super) owner: Credentials,
    pub(super) managed_identity: Credentials,
}

impl Secret {
    /// A secret with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether a guess is right. Hashes are compared, so that neither content nor length shows in the time.
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

impl Principals {
    pub(super) fn open(folder: &Path, secrets: Secrets) -> io::Result<Self> {
        let principal = |client_id, object_id, file: &str| {
            let (secret, secret_file) = match secrets {
                Secrets::WellKnown => (Secret::new(WELL_KNOWN_SECRET), None),
                Secrets::Random => {
                    let path = folder.join(file);
                    (random_secret(&path)?, Some(path))
                }
            };
            io::Result::Ok(Credentials { client_id, object_id, secret, secret_file })
        };
        Ok(Self {
            owner: principal(OWNER_CLIENT_ID, OWNER_OBJECT_ID, "owner.secret")?,
            managed_identity: principal(
                MANAGED_IDENTITY_CLIENT_ID,
                MANAGED_IDENTITY_OBJECT_ID,
                "managed-identity.secret",
            )?,
        })
    }

    pub(super) fn find(&self, client_id: &str) -> Option<&Credentials> {
        [&self.owner, &self.managed_identity]
            .into_iter()
            .find(|principal| principal.client_id.eq_ignore_ascii_case(client_id))
    }
}

fn random_secret(path: &Path) -> io::Result<Secret> {
    if let Some(bytes) = read_if_there(path)? {
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(io::Error::other)?.trim();
        if text.is_empty() {
            let words = format!("the secret file {} is empty", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        return Ok(Secret::new(text));
    }
    let text = random::secret_text()?;
    write_whole(path, text.as_bytes(), Access::Private)?;
    Ok(Secret(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_secrets_stay_over_a_restart_and_differ() {
        let folder = tempfile::tempdir().unwrap();

        let first = Principals::open(folder.path(), Secrets::Random).unwrap();
        let again = Principals::open(folder.path(), Secrets::Random).unwrap();

        assert_eq!(first.owner.secret.expose(), again.owner.secret.expose());
        assert_ne!(first.owner.secret.expose(), first.managed_identity.secret.expose());
        assert!(!first.owner.secret.is(WELL_KNOWN_SECRET));
        assert!(first.owner.secret.is(again.owner.secret.expose()));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new("hidden");

        assert!(!format!("{secret:?}").contains("hidden"));
    }
}
