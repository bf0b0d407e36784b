//! TLS for local names: a certificate authority, created once in a folder, and leaf certificates, created on demand.
//!
//! Called by the vault and by the emulator for every TLS listener. Only the owner can read the file of the authority's key;
//! leaf keys are only in memory. A leaf names exactly the host that the client asked for, since some clients refuse
//! wildcards directly under a top-level name, such as `*.localhost`.
//!
//! Certificates use real time, never emulator time. This module knows nothing of vaults.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::Duration;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::files::{Access, read_if_there, write_whole};
use crate::folders::make_dir_durably;

/// The file of the authority's public certificate, in PEM.
const CA_FILE: &str = "ca.pem";
/// The file of its private key, PKCS #8 in PEM. Only the owner can read it.
const CA_KEY_FILE: &str = "ca.key";

/// How long the authority is valid.
const CA_VALIDITY: Duration = Duration::days(3650);
/// How long a leaf is valid; clients refuse longer ones.
const LEAF_VALIDITY: Duration = Duration::days(397);
/// How long before now certificates become valid, for clients whose clock is behind.
const BACKDATED: Duration = Duration::days(1);

/// How many leaves are cached. For further names a new leaf is made on each connection.
const MAX_LEAVES: usize = 256;

/// The files in which systems keep their root certificates, as Go's crypto/x509 and openssl-probe list them.
const SYSTEM_BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/etc/ssl/cert.pem",
];
/// The names of the leaf for connections without a server name. When a client asks for a name, `*.` matches any depth.
const NAMES: &[&str] = &[
    "localhost",
    "*.localhost",
    "login.localhost",
    "vault.localhost",
    "*.vault.localhost",
    "local.vault.localhost",
    "azurecr.localhost",
    "*.azurecr.localhost",
    "local.azurecr.localhost",
    "127.0.0.1",
    "::1",
    "*.vault.azure.net",
    "*.azurecr.io",
    "management.azure.com",
    "management.localhost",
    "login.microsoftonline.com",
    "graph.microsoft.com",
];

/// The reason that the local authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the authority cannot be read or written.
    #[error("the files of the local certificate authority cannot be used: {0}")]
    Io(#[from] io::Error),
    /// A certificate or a key cannot be created or parsed.
    #[error("the local certificate authority in {folder} cannot be used: {source}")]
    Certificate {
        /// The folder of the authority.
        folder: PathBuf,
        /// The error of rcgen.
        source: rcgen::Error,
    },
    /// A TLS configuration cannot be created.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// A certificate authority for local names, in a folder that may hold other data as well.
pub struct LocalAuthority {
    issuer: Arc<Issuer<'static, KeyPair>>,
    certificate: CertificateDer<'static>,
    pem: String,
    path: PathBuf,
    clock: Clock,
}

impl LocalAuthority {
    /// Opens the authority in `folder`, or creates one. All users can read `ca.pem`, and only the owner `ca.key`. Blocks.
    ///
    /// An authority that is no longer valid is replaced by a new one.
    pub fn open(folder: &Path, clock: &Clock) -> Result<Self, TlsError> {
        let wrong = |source| TlsError::Certificate { folder: folder.to_owned(), source };
        make_dir_durably(folder)?;
        let path = folder.join(CA_FILE);
        let key_path = folder.join(CA_KEY_FILE);
        if let (Some(pem), Some(key)) = (read_if_there(&path)?, read_if_there(&key_path)?) {
            let key = Zeroizing::new(key);
            let pem = String::from_utf8(pem)
                .map_err(|_| wrong(rcgen::Error::CouldNotParseCertificate))?;
            let key =
                std::str::from_utf8(&key).map_err(|_| wrong(rcgen::Error::CouldNotParseKeyPair))?;
            let key = KeyPair::from_pem(key).map_err(wrong)?;
            let authority = Self::from_parts(pem, key, path.clone(), clock).map_err(wrong)?;
            if authority.is_valid() {
                return Ok(authority);
            }
        }
        let key = KeyPair::generate().map_err(wrong)?;
        let pem = ca_params(clock).self_signed(&key).map_err(wrong)?.pem();
        // The certificate is written last: without it there is no authority, and the next start creates one.
        write_whole(&key_path, Zeroizing::new(key.serialize_pem()).as_bytes(), Access::Private)?;
        write_whole(&path, pem.as_bytes(), Access::Public)?;
        Self::from_parts(pem, key, path, clock).map_err(wrong)
    }

    /// The TLS configuration of a listener. `aliases` are further host names and IP addresses that clients use for it.
    ///
    /// A connection that asks for one of our names gets a leaf for it. Any other gets a leaf with all names.
    pub fn server_config(&self, aliases: &[String]) -> Result<Arc<ServerConfig>, TlsError> {
        let leaves = LeafCertificates::new(self, aliases)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(leaves));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// The public certificate of the authority, in PEM, which clients must trust.
    pub fn ca_pem(&self) -> &str {
        &self.pem
    }

    /// The file of the public certificate.
    pub fn ca_path(&self) -> &Path {
        &self.path
    }

    fn from_parts(
        pem: String,
        key: KeyPair,
        path: PathBuf,
        clock: &Clock,
    ) -> Result<Self, rcgen::Error> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        let issuer = Arc::new(Issuer::from_ca_cert_der(&certificate, key)?);
        Ok(Self { issuer, certificate, pem, path, clock: clock.clone() })
    }

    /// Whether the authority would outlive a leaf made now.
    fn is_valid(&self) -> bool {
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&self.certificate) else {
            return false;
        };
        let now = self.clock.real_now();
        let validity = parsed.validity();
        validity.not_before.to_datetime() <= now
            && now + LEAF_VALIDITY < validity.not_after.to_datetime()
    }
}

impl std::fmt::Debug for LocalAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalAuthority").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The leaf certificates of one listener, chosen by the name that the client asks for.
struct LeafCertificates {
    issuer: Arc<Issuer<'static, KeyPair>>,
    authority: CertificateDer<'static>,
    clock: Clock,
    names: Vec<String>,
    fallback: Arc<CertifiedKey>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl LeafCertificates {
    fn new(authority: &LocalAuthority, aliases: &[String]) -> Result<Self, TlsError> {
        let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        for alias in aliases {
            let alias = alias.to_ascii_lowercase();
            if !names.contains(&alias) {
                names.push(alias);
            }
        }
        let (issuer, certificate) = (&authority.issuer, &authority.certificate);
        let fallback = leaf(issuer, certificate, &authority.clock, names.clone())?;
        Ok(Self {
            issuer: Arc::clone(issuer),
            authority: certificate.clone(),
            clock: authority.clock.clone(),
            names,
            fallback,
            made: Mutex::default(),
        })
    }

    fn is_ours(&self, host: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix('*') {
            Some(suffix) => host.len() > suffix.len() && host.ends_with(suffix),
            None => host == name,
        })
    }

    fn named(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let host = host.to_ascii_lowercase();
        if !self.is_ours(&host) {
            return None;
        }
        // No code panics while it holds the lock, so a poisoned map is still whole.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = made.get(&host) {
            return Some(Arc::clone(leaf));
        }
        match leaf(&self.issuer, &self.authority, &self.clock, vec![host.clone()]) {
            Ok(leaf) => {
                if made.len() < MAX_LEAVES {
                    made.insert(host, Arc::clone(&leaf));
                }
                Some(leaf)
            }
            Err(error) => {
                tracing::warn!(host.name = host, %error, "cannot create a certificate");
                None
            }
        }
    }
}

impl ResolvesServerCert for LeafCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|host| self.named(host));
        Some(named.unwrap_or_else(|| Arc::clone(&self.fallback)))
    }
}

impl std::fmt::Debug for LeafCertificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LeafCertificates").field("names", &self.names).finish_non_exhaustive()
    }
}

fn ca_params(clock: &Clock) -> CertificateParams {
    let now = clock.real_now();
    let mut params = CertificateParams::default();
    params.distinguished_name = named("Sealyard local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now - BACKDATED;
    params.not_after = now + CA_VALIDITY;
    params
}

fn leaf(
    issuer: &Issuer<'_, KeyPair>,
    authority: &CertificateDer<'static>,
    clock: &Clock,
    names: Vec<String>,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let wrong = |source| TlsError::Certificate { folder: PathBuf::new(), source };
    let now = clock.real_now();
    let common_name = names.first().cloned().unwrap_or_default();
    let mut params = CertificateParams::new(names).map_err(wrong)?;
    params.distinguished_name = named(&common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - BACKDATED;
    params.not_after = now + LEAF_VALIDITY;
    let key = KeyPair::generate().map_err(wrong)?;
    let certificate = params.signed_by(&key, issuer).map_err(wrong)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let chain = vec![certificate.der().clone(), authority.clone()];
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &ring::default_provider())?))
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Sealyard");
    name.push(DnType::CommonName, common_name);
    name
}

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
    use std::os::unix::fs::PermissionsExt;

    use rustls::pki_types::ServerName;
    use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

    use super::*;

    /// Performs a TLS handshake in memory. The error is the client's.
    fn shake(
        config: &Arc<ServerConfig>,
        ca: &CertificateDer<'static>,
        name: &str,
    ) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
        let mut server = ServerConnection::new(Arc::clone(config)).unwrap();
        while client.is_handshaking() {
            let mut wire = Vec::new();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            server.read_tls(&mut wire.as_slice()).unwrap();
            server.process_new_packets().unwrap();
            let mut wire = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut wire = wire.as_slice();
            while !wire.is_empty() {
                client.read_tls(&mut wire).unwrap();
                client.process_new_packets()?;
            }
        }
        Ok(())
    }

    #[test]
    fn a_client_accepts_every_name_of_ours_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let authority = LocalAuthority::open(folder.path(), &Clock::system()).unwrap();
        let config = authority.server_config(&["vault".to_owned(), "10.0.0.7".to_owned()]).unwrap();

        for name in [
            "localhost",
            "local.vault.localhost",
            "other.vault.localhost",
            "login.localhost",
            "local.azurecr.localhost",
            "127.0.0.1",
            "::1",
            "10.0.0.7",
            "vault",
            "contoso.vault.azure.net",
            "contoso.azurecr.io",
            "graph.microsoft.com",
            "login.microsoftonline.com",
        ] {
            assert_eq!(shake(&config, &authority.certificate, name), Ok(()), "{name}");
        }
        for name in ["example.com", "evil-localhost", "microsoft.com", "10.0.0.8"] {
            assert!(shake(&config, &authority.certificate, name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_authority_survives_a_restart_and_its_key_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();

        let first = LocalAuthority::open(folder.path(), &clock).unwrap();
        let again = LocalAuthority::open(folder.path(), &clock).unwrap();

        assert_eq!(first.ca_pem(), again.ca_pem());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.path().join(CA_KEY_FILE)), 0o600);
        assert_eq!(mode(first.ca_path()), 0o644);
        let config = again.server_config(&[]).unwrap();
        assert_eq!(shake(&config, &first.certificate, "local.vault.localhost"), Ok(()));
    }

    #[test]
    fn an_authority_about_to_expire_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
        let first = LocalAuthority::open(folder.path(), &clock).unwrap().ca_pem().to_owned();

        clock.pass(std::time::Duration::from_hours(86400));
        let again = LocalAuthority::open(folder.path(), &clock).unwrap();

        assert_ne!(first, again.ca_pem());
    }

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
