//! Creates clients as an application would: a transport that trusts the local authority, and a credential.

use std::env;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use azure_core::credentials::Secret;
use azure_core::http::{ClientOptions, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use azure_security_keyvault_keys::models::{CreateKeyParameters, Key, KeyType};
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions, ResourceExt as _};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const TENANT: &str = "00000000-0000-4000-8000-00000000a001";
pub const OWNER: &str = "00000000-0000-4000-8000-00000000a003";
pub const IDENTITY: &str = "00000000-0000-4000-8000-00000000a004";
pub const SECRET: &str = "sealyard";

/// Resolves every name to this machine.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0))));
        Box::pin(async move { Ok(addresses) })
    }
}

pub fn vault_url() -> String {
    env::var("VAULT_URL").expect("VAULT_URL names the vault")
}

fn options() -> ClientOptions {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let pem = std::fs::read(env::var("VAULT_CA").expect("VAULT_CA names the certificate")).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&pem).unwrap()])
        .dns_resolver(Arc::new(Loopback))
        .no_proxy()
        .build()
        .unwrap();
    let mut cloud = CustomConfiguration::default();
    cloud.authority_host = env::var("LOGIN_URL").expect("LOGIN_URL names the issuer");
    ClientOptions {
        transport: Some(Transport::new(Arc::new(client))),
        cloud: Some(Arc::new(CloudConfiguration::Custom(cloud))),
        ..ClientOptions::default()
    }
}

/// A client for the keys of the vault, with a principal's credential.
pub fn client_of(client_id: &str, secret: &str, url: &str, verify: bool) -> KeyClient {
    let with = ClientSecretCredentialOptions { client_options: options() };
    let secret = Secret::new(secret.to_owned());
    let credential = ClientSecretCredential::new(TENANT, client_id.to_owned(), secret, Some(with));
    let options = KeyClientOptions {
        client_options: options(),
        verify_challenge_resource: Some(verify),
        ..KeyClientOptions::default()
    };
    KeyClient::new(url, credential.unwrap(), Some(options)).unwrap()
}

/// The owner's client.
pub fn owner() -> KeyClient {
    client_of(OWNER, SECRET, &vault_url(), true)
}

/// A key name that no other test has.
pub fn fresh(name: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("rust-{name}-{}-{count}", std::process::id())
}

pub async fn create(client: &KeyClient, name: &str, parameters: CreateKeyParameters) -> Key {
    client
        .create_key(name, parameters.try_into().unwrap(), None)
        .await
        .unwrap()
        .into_model()
        .unwrap()
}

pub fn rsa(bits: i32) -> CreateKeyParameters {
    CreateKeyParameters { kty: Some(KeyType::Rsa), key_size: Some(bits), ..Default::default() }
}

pub fn version(key: &Key) -> String {
    key.resource_id().unwrap().version.unwrap()
}
