//! The folders in the user's cache folder with the files of emulators whose data folder is not known: a folder for each
//! endpoint, which only the user can read.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use fs_err as fs;
use url::Url;

use super::error::CliError;

/// The local folder for files of the emulator at a URL. Creates the folder if it is missing.
pub(super) fn folder(endpoint: &Url) -> Result<PathBuf, CliError> {
    let dirs = ProjectDirs::from("", "", "sealyard").ok_or(CliError::NoCacheFolder)?;
    make_private(&dirs.cache_dir().join("endpoints"), &folder_name(endpoint)).map_err(Into::into)
}

fn make_private(parent: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = parent.join(name);
    let failed = |error: io::Error| {
        io::Error::new(
            error.kind(),
            format!("cannot create the folder {}: {error}", folder.display()),
        )
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    Ok(folder)
}

/// A folder name for an endpoint: scheme, host and port. Two endpoints never share a name, so neither overwrites the
/// certificates of the other.
fn folder_name(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    let port = endpoint.port_or_known_default().unwrap_or_default();
    let name = host.bytes().map(|byte| match byte {
        b'.' | b'-' => char::from(byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    });
    format!("{}_{}_{port}", endpoint.scheme(), name.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_has_its_own_folder_that_only_the_owner_can_read() {
        let folder = tempfile::tempdir().unwrap();
        let name = |url: &str| folder_name(&url.parse().unwrap());

        assert_eq!(name("http://127.0.0.1:5000"), "http_127.0.0.1_5000");
        assert_eq!(name("https://registry.test"), "https_registry.test_443");
        assert_eq!(name("http://[::1]:5000/x"), "http_%5B%3A%3A1%5D_5000");
        assert_eq!(name("http://A-B:5000"), "http_a-b_5000");
        assert_eq!(name("http://a_b:5000"), "http_a%5Fb_5000");
        let made = make_private(&folder.path().join("a/b"), "c").unwrap();
        make_private(&folder.path().join("a/b"), "c").unwrap();

        for part in ["a", "a/b", "a/b/c"] {
            let mode = fs::metadata(folder.path().join(part)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{part}");
        }
        assert_eq!(made, folder.path().join("a/b/c"));
    }
}
