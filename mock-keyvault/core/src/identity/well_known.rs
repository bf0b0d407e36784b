//! The two principals that every issuer has, and their secrets.
//!
//! Opened with the issuer. A secret is well known only if no other machine can reach the listener. Otherwise the first
//! start makes a random secret, in a file that only its owner can read. The header of the App Service endpoint is such a
//! secret, too.

use std::io;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::secret::Secret;
use crate::files::{Access, read_if_there, write_whole};

/// The well-known tenant.
pub const TENANT: &str = "00000000-0000-4000-8000-00000000a001";
/// The client id of the owner of all local resources.
pub const OWNER_CLIENT_ID: &str = "00000000-0000-4000-8000-00000000a003";
/// The object id of the owner. It differs from the client id, as in Entra.
pub const OWNER_OBJECT_ID: &str = "00000000-0000-4000-8000-00000000a0a3";
/// The client id of the identity that stands for a registry's managed identity.
pub const MANAGED_IDENTITY_CLIENT_ID: &str = "00000000-0000-4000-8000-00000000a004";
/// The object id of that identity, which access policies use.
pub const MANAGED_IDENTITY_OBJECT_ID: &str = "00000000-0000-4000-8000-00000000a0a4";
/// The subscription that the resource ids of local identities name.
pub const SUBSCRIPTION: &str = "00000000-0000-4000-8000-00000000a002";
/// The resource id of that identity.
pub const MANAGED_IDENTITY_RESOURCE_ID: &str = "/subscriptions/00000000-0000-4000-8000-00000000a002/resourcegroups/sealyard/providers/Microsoft.ManagedIdentity/userAssignedIdentities/sealyard";
/// The secret of both if no other machine can reach the listener.
pub const WELL_KNOWN_SECRET: &str = "sealyard";

/// The kind of secrets that the principals have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// [`WELL_KNOWN_SECRET`]: for a listener on the loopback or on a trusted network.
    WellKnown,
    /// Random ones, in files.
    Random,
}

/// The ids and the secret with which a principal gets tokens.
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

pub(super) struct WellKnown {
    pub(super) owner: Credentials,
    pub(super) managed_identity: Credentials,
    /// The value for `IDENTITY_HEADER`.
    pub(super) identity_header: Secret,
}

impl WellKnown {
    pub(super) fn open(folder: &Path, secrets: Secrets) -> io::Result<Self> {
        let secret = |file: &str| match secrets {
            Secrets::WellKnown => io::Result::Ok((Secret::new(WELL_KNOWN_SECRET), None)),
            Secrets::Random => {
                let path = folder.join(file);
                Ok((random_secret(&path)?, Some(path)))
            }
        };
        let credentials = |client_id, object_id, file| {
            let (secret, secret_file) = secret(file)?;
            io::Result::Ok(Credentials { client_id, object_id, secret, secret_file })
        };
        Ok(Self {
            owner: credentials(OWNER_CLIENT_ID, OWNER_OBJECT_ID, "owner.secret")?,
            managed_identity: credentials(
                MANAGED_IDENTITY_CLIENT_ID,
                MANAGED_IDENTITY_OBJECT_ID,
                "managed-identity.secret",
            )?,
            identity_header: secret("identity-header.secret")?.0,
        })
    }
}

fn random_secret(path: &Path) -> io::Result<Secret> {
    if let Some(bytes) = read_if_there(path)? {
        let bytes = Zeroizing::new(bytes);
        let text = std::str::from_utf8(&bytes).map_err(io::Error::other)?.trim();
        if text.is_empty() {
            let message = format!("the secret file {} is empty", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        return Ok(Secret::new(text));
    }
    let secret = Secret::random()?;
    write_whole(path, secret.expose().as_bytes(), Access::Private)?;
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_secrets_differ_and_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();

        let first = WellKnown::open(folder.path(), Secrets::Random).unwrap();
        let again = WellKnown::open(folder.path(), Secrets::Random).unwrap();

        assert_eq!(first.owner.secret.expose(), again.owner.secret.expose());
        assert_ne!(first.owner.secret.expose(), first.managed_identity.secret.expose());
        assert!(!first.owner.secret.is(WELL_KNOWN_SECRET));
        assert!(first.owner.secret.is(again.owner.secret.expose()));
    }
}
