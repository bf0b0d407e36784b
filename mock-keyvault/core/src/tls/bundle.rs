//! Bundles of root certificates, for clients that read only one file.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Access, write_whole};

/// The files in which systems keep their root certificates, as Go's crypto/x509 and openssl-probe list them.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];
/// Writes a bundle of the system's roots and of ours, in PEM, for clients that read only one file. If the shell names a
/// file, the roots are those in it. Blocks.
pub fn write_bundle(
    path: &Path,
    named: Option<PathBuf>,
    ours: &[u8],
    access: Access,
) -> io::Result<()> {
    let roots = system_roots(named, path).unwrap_or_default();
    write_whole(path, &joined(&roots, ours), access)
}

/// Writes a file of two lists of authorities, in PEM. Blocks.
pub fn write_joined(path: &Path, first: &[u8], second: &[u8]) -> io::Result<()> {
    write_whole(path, &joined(first, second), Access::Public)
}

fn joined(first: &[u8], second: &[u8]) -> Vec<u8> {
    let mut joined = first.to_vec();
    if !joined.is_empty() && !joined.ends_with(b"\n") {
        joined.push(b'\n');
    }
    joined.extend_from_slice(second);
    joined
}

/// The roots of the system, for a bundle that holds ours as well. They are those in the file that the shell names, unless
/// that is such a bundle itself, `written`; otherwise those in a usual place.
fn system_roots(named: Option<PathBuf>, written: &Path) -> Option<Vec<u8>> {
    let named = named.filter(|path| path.file_name() != written.file_name());
    let files = named.into_iter().chain(SYSTEM_BUNDLES.map(PathBuf::from));
    files.map(fs_err::read).find_map(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_the_systems_roots_and_ours() {
        let folder = tempfile::tempdir().unwrap();
        let written = folder.path().join("ca-bundle.pem");

        write_joined(&written, b"corporate", b"ours\n").unwrap();

        assert_eq!(std::fs::read_to_string(&written).unwrap(), "corporate\nours\n");
    }

    #[test]
    fn the_roots_of_the_system_are_in_the_named_file_unless_it_is_our_bundle() {
        let folder = tempfile::tempdir().unwrap();
        let (named, ours) = (folder.path().join("roots.pem"), folder.path().join("bundle.pem"));
        std::fs::write(&named, "named").unwrap();
        std::fs::write(&ours, "ours").unwrap();

        assert_eq!(system_roots(Some(named), &ours).as_deref(), Some(&b"named"[..]));
        assert_ne!(system_roots(Some(ours.clone()), &ours).as_deref(), Some(&b"ours"[..]));
    }
}
