//! The secrets that clients need if other machines can reach a listener: the token of the admin API, and the password of
//! registries without their own logins.

use std::io;
use std::path::{Path, PathBuf};

use azure_emulator_core::{disk_calls as fs, files};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::password::{Password, PasswordSource};

/// The file with the token of the admin API, in the data folder.
pub const ADMIN_TOKEN_FILE: &str = "admin.token";
/// The file with the password of `local`, in the data folder. Any user name is accepted.
pub(crate) const REGISTRY_PASSWORD_FILE: &str = "registry.password";

/// The secrets of a data folder.
pub(super) struct Secrets {
    token: Zeroizing<String>,
    password: Zeroizing<String>,
}

impl Secrets {
    /// Reads the secrets of a data folder. Missing secrets are created, unless the user gave the password.
    pub(super) fn open(password: &PasswordSource, data_dir: &Path) -> io::Result<Self> {
        Ok(Self {
            token: read_or_make(&data_dir.join(ADMIN_TOKEN_FILE))?,
            password: password_of(password, data_dir)?,
        })
    }

    pub(super) fn is_bearer(&self, headers: &HeaderMap) -> bool {
        credentials(headers, "Bearer").is_some_and(|token| same(token.as_bytes(), &self.token))
    }

    pub(super) fn is_basic(&self, headers: &HeaderMap) -> bool {
        let Some(decoded) =
            credentials(headers, "Basic").and_then(|text| STANDARD.decode(text).ok())
        else {
            return false;
        };
        let decoded = Zeroizing::new(decoded);
        let colon = decoded.iter().position(|byte| *byte == b':');
        colon.is_some_and(|colon| same(&decoded[colon + 1..], &self.password))
    }
}

fn credentials<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (named, rest) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    named.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

fn same(offered: &[u8], secret: &str) -> bool {
    offered.ct_eq(secret.as_bytes()).into()
}

/// The password that clients need.
pub(super) fn password_of(
    source: &PasswordSource,
    data_dir: &Path,
) -> io::Result<Zeroizing<String>> {
    let password = match source {
        PasswordSource::Generated => return read_or_make(&data_dir.join(REGISTRY_PASSWORD_FILE)),
        PasswordSource::Given(password) => password.clone(),
        PasswordSource::File(file) => {
            Password::new(fs::read_to_string(file)?).ok_or_else(|| {
                io::Error::other(format!("the password file {} is empty", file.display()))
            })?
        }
    };
    Ok(Zeroizing::new(password.expose().to_owned()))
}

/// Reads the secret in a file. Creates a missing file with a random secret, readable only by its owner.
fn read_or_make(path: &PathBuf) -> io::Result<Zeroizing<String>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let text = Zeroizing::new(text);
            let secret = Zeroizing::new(text.trim().to_owned());
            if secret.is_empty() {
                return Err(io::Error::other(format!(
                    "{} is empty: remove it and start again, which creates a new one",
                    path.display()
                )));
            }
            Ok(secret)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
            let secret = Zeroizing::new(hex::encode(bytes.as_slice()));
            // A kill must not leave an empty file, which the next start would refuse.
            files::write_whole(path, secret.as_bytes(), files::Access::Private)?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_are_stored_and_readable_only_by_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");

        let made = read_or_make(&path).unwrap();

        assert_eq!(made.len(), 64);
        assert_eq!(read_or_make(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(&path, "\n").unwrap();
        assert!(read_or_make(&path).is_err());
    }
}
