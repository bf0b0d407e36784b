//! The vault over HTTPS: the Key Vault REST protocol, with a bearer token for the registry's identity.
//!
//! The same code calls the embedded vault, a vault in another process and a real Azure Key Vault. It sends three
//! operations (get, wrapKey, unwrapKey), and one more if a key is missing: whether the key can be recovered.
//!
//! A request that only looks at the state says so in a header. A mock vault then counts no fault.
//!
//! A connection that carried a data key is closed after the answer: its buffers, in which the key remains, are freed and so wiped.
//!
//! If a token is not accepted, a fresh one is fetched once. Nothing else is retried here: the ring knows when a retry helps.

use std::fmt;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::PROBE_HEADER;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use reqwest::{Client, Method, StatusCode, Url};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::answers::{KEY_NOT_FOUND, error_of, request_id};
use super::credential::{Credential, PROBE, Proof};
use super::http::{HttpError, HttpSettings, body_of, is_no_such_host, message_of};
use super::wire::{KeyBundle, OperationBody, malformed, value_of, version_of};
use crate::keys::{
    Answer, Cause, KeyId, KeyInfo, KeyVault, KeyVersion, TokenTerms, VaultError, VaultName,
};
use sealed_envelope::{DATA_KEY_LEN, DataKey, scrubbed};

/// The version of the protocol.
const API_VERSION: &str = "7.4";

/// RSA-OAEP with SHA-256 for both hashes, as RFC 7518 names it.
const ALGORITHM: &str = "RSA-OAEP-256";

/// The address of a vault, and the identity that asks.
#[derive(Clone, Debug)]
pub struct VaultClientConfig {
    /// The vault that `vault_url` leads to.
    pub vault: VaultName,
    /// Its base URL. If the host begins with the name of the vault, the URLs of other vaults have their name there.
    pub vault_url: Url,
    /// The base URL of the issuer of tokens.
    pub authority_url: Url,
    /// The tenant of the identity.
    pub tenant: String,
    /// The client id of the identity.
    pub client_id: String,
    /// The proof of the identity.
    pub proof: Proof,
    /// The certificates to trust, and the addresses of names.
    pub http: HttpSettings,
}

/// A client of a vault. Clones share connections and token.
#[derive(Clone)]
pub struct VaultClient {
    vault: VaultName,
    base: Url,
    client: Client,
    credential: Arc<Credential>,
    /// Whether requests say that they only look at the state.
    is_probing: bool,
}

/// Whether a connection is used again after the answer.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Connection {
    /// The next request may use it.
    Keep,
    /// It is closed.
    Close,
}

/// A response's body, and the id that the vault gave the request.
pub(super) struct Received {
    pub(super) body: Zeroizing<Vec<u8>>,
    request_id: Option<String>,
}

impl VaultClient {
    /// A client. It sends nothing yet.
    pub fn new(config: VaultClientConfig, clock: Clock) -> Result<Self, HttpError> {
        let VaultClientConfig { vault, vault_url, authority_url, tenant, client_id, proof, http } =
            config;
        let client = http.client(&[&vault_url, &authority_url])?;
        let credential =
            Credential::new(client.clone(), &authority_url, &tenant, client_id, proof, clock);
        let credential = Arc::new(credential);
        Ok(Self { vault, base: vault_url, client, credential, is_probing: false })
    }

    /// The base URL of a vault.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    fn base_of(&self, vault: &VaultName) -> Option<Url> {
        if *vault == self.vault {
            return Some(self.base.clone());
        }
        let (ours, rest) = self.base.host_str()?.split_once('.')?;
        if !ours.eq_ignore_ascii_case(self.vault.as_str()) {
            return None;
        }
        let mut base = self.base.clone();
        base.set_host(Some(&format!("{vault}.{rest}"))).ok()?;
        Some(base)
    }

    pub(super) fn url(&self, vault: &VaultName, path: &[&str]) -> Result<Url, VaultError> {
        let nowhere = || {
            let message = format!("{} does not lead to a vault {vault}", self.base);
            VaultError::new(Some(Cause::VaultDeleted), message)
        };
        let mut url = self.base_of(vault).ok_or_else(nowhere)?;
        url.path_segments_mut().map_err(|()| nowhere())?.pop_if_empty().extend(path);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        Ok(url)
    }

    /// Sends a request, and again with a fresh token if the first was not accepted.
    pub(super) async fn request(
        &self,
        method: Method,
        url: &Url,
        body: Option<Bytes>,
    ) -> Result<Received, VaultError> {
        self.exchange(method, url, body, Connection::Keep).await
    }

    async fn exchange(
        &self,
        method: Method,
        url: &Url,
        body: Option<Bytes>,
        after: Connection,
    ) -> Result<Received, VaultError> {
        let send =
            |authorization| self.send(method.clone(), url, body.clone(), authorization, after);
        self.credential.with_token(self.is_probing, send).await
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        body: Option<Bytes>,
        authorization: http::HeaderValue,
        after: Connection,
    ) -> Result<Received, VaultError> {
        let mut request = self.client.request(method, url.clone());
        request = request.header(http::header::AUTHORIZATION, authorization);
        if after == Connection::Close {
            request = request.header(http::header::CONNECTION, "close");
        }
        if self.is_probing {
            request = request.header(PROBE_HEADER, PROBE);
        }
        if let Some(body) = body {
            request = request.header(http::header::CONTENT_TYPE, "application/json").body(body);
        }
        let response = request.send().await.map_err(unreachable)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body_of(response).await.map_err(unreachable)?;
        let body = body.ok_or_else(|| malformed("the answer is too long"))?;
        if status != StatusCode::OK {
            return Err(error_of(status, &headers, &body));
        }
        Ok(Received { body, request_id: request_id(&headers) })
    }

    /// Sends a request about a key. If the key is missing, it checks whether the key can be recovered.
    async fn about(
        &self,
        key: &KeyId,
        method: Method,
        operation: Option<&str>,
        body: Option<Bytes>,
    ) -> Result<Received, VaultError> {
        let version = key.version().map(KeyVersion::as_str);
        let path: Vec<&str> =
            ["keys", key.name().as_str()].into_iter().chain(version).chain(operation).collect();
        let url = self.url(key.vault(), &path)?;
        let after = if operation.is_some() { Connection::Close } else { Connection::Keep };
        match self.exchange(method, &url, body, after).await {
            Err(error) if error.code() == KEY_NOT_FOUND => Err(self.missing(key, error).await),
            received => received,
        }
    }

    async fn missing(&self, key: &KeyId, error: VaultError) -> VaultError {
        let url = match self.url(key.vault(), &["deletedkeys", key.name().as_str()]) {
            Ok(url) => url,
            Err(error) => return error,
        };
        match self.request(Method::GET, &url, None).await {
            Err(deleted) if deleted.code() == KEY_NOT_FOUND => error.with_cause(Cause::KeyPurged),
            // It is there, or we have no permission to know.
            _ => error.with_cause(Cause::KeyDeleted),
        }
    }

    async fn get(&self, key: &KeyId) -> Result<Answer<KeyInfo>, VaultError> {
        let Received { body, request_id } = self.about(key, Method::GET, None, None).await?;
        let bundle: KeyBundle =
            serde_json::from_slice(&body).map_err(|_| malformed("the answer is not a key"))?;
        let version =
            version_of(&bundle.key.kid).ok_or_else(|| malformed("the key has no version"))?;
        let modulus = bundle.key.n.and_then(|n| URL_SAFE_NO_PAD.decode(n).ok());
        let at = |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).ok();
        let value = KeyInfo {
            id: key.at(version),
            kty: bundle.key.kty,
            key_size: modulus.map(|modulus| modulus.len() * 8),
            enabled: bundle.attributes.enabled.unwrap_or(true),
            not_before: bundle.attributes.nbf.and_then(at),
            expires: bundle.attributes.exp.and_then(at),
        };
        Ok(Answer { value, request_id })
    }

    /// Wraps or unwraps. The answer is still in base64url.
    async fn operate(
        &self,
        key: &KeyId,
        operation: &str,
        input: &[u8],
    ) -> Result<Received, VaultError> {
        let body = scrubbed(|| {
            let value = Zeroizing::new(URL_SAFE_NO_PAD.encode(input));
            let body = OperationBody { alg: ALGORITHM, value: &value };
            serde_json::to_vec(&body).map(Zeroizing::new)
        });
        let body = body.map_err(|_| malformed("nothing to send"))?;
        self.about(key, Method::POST, Some(operation), Some(Bytes::from_owner(body))).await
    }

    async fn wrap(&self, key: &KeyId, data_key: &DataKey) -> Result<Answer<Vec<u8>>, VaultError> {
        let Received { body, request_id } = self.operate(key, "wrapkey", data_key.expose()).await?;
        let value = value_of(&body)?;
        let value = URL_SAFE_NO_PAD
            .decode(&*value)
            .map_err(|_| malformed("the answer is not base64url"))?;
        Ok(Answer { value, request_id })
    }

    async fn unwrap(&self, key: &KeyId, wrapped: &[u8]) -> Result<Answer<DataKey>, VaultError> {
        let Received { body, request_id } = self.operate(key, "unwrapkey", wrapped).await?;
        let value = scrubbed(|| data_key_in(&body))?;
        Ok(Answer { value, request_id })
    }
}

/// The data key in the answer to unwrapKey.
fn data_key_in(body: &[u8]) -> Result<DataKey, VaultError> {
    let value = value_of(body)?;
    // The decoder asks for room in whole groups of three bytes.
    let mut bytes = Zeroizing::new([0; DATA_KEY_LEN.next_multiple_of(3)]);
    let len = URL_SAFE_NO_PAD.decode_slice(&*value, bytes.as_mut_slice()).ok();
    let key = bytes.first_chunk().filter(|_| len == Some(DATA_KEY_LEN));
    let key = key.ok_or_else(|| malformed("what the vault unwrapped is not a data key"))?;
    Ok(DataKey::copy_of(key))
}

impl KeyVault for VaultClient {
    fn get_key<'a>(&'a self, key: &'a KeyId) -> BoxFuture<'a, Result<Answer<KeyInfo>, VaultError>> {
        self.get(key).boxed()
    }

    fn wrap_key<'a>(
        &'a self,
        key: &'a KeyId,
        data_key: &'a DataKey,
    ) -> BoxFuture<'a, Result<Answer<Vec<u8>>, VaultError>> {
        self.wrap(key, data_key).boxed()
    }

    fn unwrap_key<'a>(
        &'a self,
        key: &'a KeyId,
        wrapped: &'a [u8],
    ) -> BoxFuture<'a, Result<Answer<DataKey>, VaultError>> {
        self.unwrap(key, wrapped).boxed()
    }

    fn for_probes(&self) -> Option<Arc<dyn KeyVault>> {
        Some(Arc::new(Self { is_probing: true, ..self.clone() }))
    }

    fn token(&self) -> BoxFuture<'_, Option<TokenTerms>> {
        self.credential.terms().boxed()
    }

    fn caller(&self) -> String {
        self.credential.client_id().to_owned()
    }
}

impl fmt::Debug for VaultClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

fn unreachable(error: reqwest::Error) -> VaultError {
    let gone = is_no_such_host(&error);
    let cause = if gone { Cause::VaultDeleted } else { Cause::VaultUnreachable };
    VaultError::new(Some(cause), message_of(error))
}
