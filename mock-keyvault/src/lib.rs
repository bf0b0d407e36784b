//! A local Azure Key Vault for keys: versions, soft delete, access policies, real tokens.
//!
//! [`MockKeyVault`] is a running vault for tests: on any port, ended when it is dropped. The program `mock-keyvault` runs the same
//! vault, and the registry emulator embeds it. Clients speak the Key Vault REST protocol over TLS, with tokens of the vault's own
//! issuer; official SDKs find the issuer by themselves.
//!
//! # A test that counts calls
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! use mock_keyvault::{KeyPermission, KeySize, MockKeyVault, Operation};
//! use serde_json::{Value, json};
//!
//! let vault = MockKeyVault::builder().start().await.unwrap();
//! let key = vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
//! let app = vault.add_application("the program under test").await.unwrap().principal;
//! let may = [KeyPermission::WrapKey, KeyPermission::UnwrapKey];
//! vault.set_access_policy("local", app.object_id(), &may).await.unwrap();
//!
//! // The program under test, with as little HTTP as possible.
//! let _ = rustls::crypto::ring::default_provider().install_default();
//! let http = reqwest::Client::builder()
//!     .add_root_certificate(reqwest::Certificate::from_pem(vault.ca_pem().as_bytes()).unwrap())
//!     .resolve("local.vault.localhost", vault.address())
//!     .build()
//!     .unwrap();
//! let token = vault.token(app.client_id(), "https://vault.azure.net").unwrap();
//! let ask = async |operation: &str, value: &str| {
//!     let url = format!("{}/{operation}?api-version=7.4", vault.key_uri("local", &key));
//!     let body = json!({"alg": "RSA-OAEP-256", "value": value});
//!     http.post(url).bearer_auth(token.expose()).json(&body).send().await.unwrap()
//! };
//! let wrapped: Value = ask("wrapkey", "AAECAwQFBgcICQoLDA0ODw").await.json().await.unwrap();
//! ask("unwrapkey", wrapped["value"].as_str().unwrap()).await.error_for_status().unwrap();
//!
//! assert_eq!(vault.calls_of(Operation::UnwrapKey).len(), 1, "unwrapKey was called once");
//!
//! // A revoked permission is refused at the next call.
//! vault.remove_access_policy("local", app.object_id()).await.unwrap();
//! assert_eq!(ask("wrapkey", "AA").await.status(), 403);
//! vault.remove_principal(app.client_id()).await.unwrap();
//! assert_eq!(ask("wrapkey", "AA").await.status(), 401);
//! # });
//! ```
//!
//! The crate [`azure_emulator_core`] has the parts that know nothing of vaults, such as the clock and fault rules. An embedding
//! program finds the common parts of the control plane in [`control`], and the repair of data folders in [`repair`].
//!
//! Tokens are signed and verified through `jsonwebtoken`, which has one provider of cryptography for the whole process. If
//! the program has installed none, one with only HS256 and RS256 is installed: a program that uses `jsonwebtoken` with other
//! algorithms calls `install_default` on its own provider first.

pub mod control;
pub mod repair;

mod admin;
mod api;
mod app;
mod arm;
mod audit;
mod auth;
mod calls;
mod connect;
mod error;
mod fault_injection;
mod folder;
mod graph;
mod guard;
mod headers;
mod host;
mod model;
mod operation;
mod router;
mod server;
mod store;
mod throttle;
mod vault;

pub use azure_emulator_core;

pub use self::audit::Call;
pub use self::operation::{OPERATIONS, Operation, Route};
pub use self::server::{
    Builder, Gate, GateRefusal, Manager, ManagerError, MockKeyVault, RoleError, StartError,
    Timekeeper,
};
pub use self::store::StoreError;
pub use self::throttle::Throttling;
pub use self::vault::algorithm::{EncryptionAlgorithm, SignatureAlgorithm, UnknownAlgorithm};
pub use self::vault::ec::{Curve, UnknownCurve};
pub use self::vault::error::{AlgorithmMismatch, VaultError};
pub use self::vault::key::{KeyOperation, KeyType};
pub use self::vault::lifecycle::{VaultChangeError, VaultChanges};
pub use self::vault::names::{KeyName, KeyVersion, NameError, VaultName};
pub use self::vault::network::{AddressRange, AddressRangeError, NetworkRules, SubnetRule};
pub use self::vault::permission::KeyPermission;
pub use self::vault::policy::{AccessPolicy, PolicyError};
pub use self::vault::rsa::KeySize;
pub use self::vault::settings::{LOCAL_GROUP, LOCAL_SUBSCRIPTION, Sku, VaultPath};
pub use self::vault::{Caller, KeyReference};

/// The example of README.md, which the documentation tests compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExample;
