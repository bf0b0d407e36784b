//! The leaf certificates of a listener, created on demand for the names that clients ask for.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use time::Duration;

use super::error::TlsError;
use crate::clock::Clock;

/// How long a leaf is valid; clients refuse longer ones.
pub(super) const LEAF_VALIDITY: Duration = Duration::days(397);
/// How long before now certificates become valid, for clients whose clock is behind.
pub(super) const BACKDATED: Duration = Duration::days(1);

/// How many leaves are cached. For further names a new leaf is made on each connection.
const MAX_LEAVES: usize = 256;

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

/// The leaf certificates of one listener, chosen by the name that the client asks for.
pub(super) struct LeafCertificates {
    issuer: Arc<Issuer<'static, KeyPair>>,
    authority: CertificateDer<'static>,
    clock: Clock,
    names: Vec<String>,
    fallback: Arc<CertifiedKey>,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl LeafCertificates {
    /// The leaf certificates of the usual names and these further ones.
    pub(super) fn new(
        issuer: &Arc<Issuer<'static, KeyPair>>,
        authority: &CertificateDer<'static>,
        clock: &Clock,
        aliases: &[String],
    ) -> Result<Self, TlsError> {
        let mut names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        for alias in aliases {
            let alias = alias.to_ascii_lowercase();
            if !names.contains(&alias) {
                names.push(alias);
            }
        }
        let fallback = leaf(issuer, authority, clock, names.clone())?;
        Ok(Self {
            issuer: Arc::clone(issuer),
            authority: authority.clone(),
            clock: clock.clone(),
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
    params.distinguished_name = subject(&common_name);
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

/// The subject of a certificate of ours.
pub(super) fn subject(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Sealyard");
    name.push(DnType::CommonName, common_name);
    name
}
