//! The local certificate authority: its two files, its certificate, and the TLS configuration of a listener.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::Duration;
use zeroize::Zeroizing;

use super::error::TlsError;
use super::leaf::{BACKDATED, LEAF_VALIDITY, LeafCertificates, subject};
use crate::clock::Clock;
use crate::files::{Access, read_if_there, write_whole};
use crate::folders::make_dir_durably;

/// The file of the authority's public certificate, in PEM.
const CA_FILE: &str = "ca.pem";
/// The file of its private key, PKCS #8 in PEM. Only the owner can read it.
const CA_KEY_FILE: &str = "ca.key";

/// How long the authority is valid.
const CA_VALIDITY: Duration = Duration::days(3650);

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
        let leaves = LeafCertificates::new(&self.issuer, &self.certificate, &self.clock, aliases)?;
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

fn ca_params(clock: &Clock) -> CertificateParams {
    let now = clock.real_now();
    let mut params = CertificateParams::default();
    params.distinguished_name = subject("Sealyard local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = now - BACKDATED;
    params.not_after = now + CA_VALIDITY;
    params
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
}
