//! The registry's identity towards the vault: OAuth 2.0 client credentials (RFC 6749, section 4.4), as in Microsoft Entra,
//! or the endpoint that gives a managed identity its tokens without a secret, as on virtual machines.
//!
//! One token is cached and used until it has little time left, by real time or by emulator time, whichever comes first: an
//! external issuer uses the first, the embedded issuer the second. Secrets and tokens are wiped when dropped and never
//! printed. Only one request for a token is in flight at a time; other callers wait for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::PROBE_HEADER;
use http::HeaderValue;
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::answers::retry_after;
use super::http::{body_of, message_of};
use crate::keys::{Cause, TokenTerms, VaultError};

/// The scope of a token for any vault.
const SCOPE: &str = "https://vault.azure.net/.default";
/// The same scope, as the endpoint of managed identities expects it.
const RESOURCE: &str = "https://vault.azure.net";
/// The API version of that endpoint.
const MANAGED_API_VERSION: &str = "2018-02-01";

/// A token is not used when less than this, or less than a fifth of its lifetime, is left.
const MARGIN: Duration = Duration::from_mins(5);

/// The header value that marks a request as a probe.
pub(super) const PROBE: &str = "state";

/// A client secret. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct ClientSecret(Arc<Zeroizing<String>>);

/// The proof of an identity.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The issuer requires this secret.
    Secret(ClientSecret),
    /// The endpoint at this URL gives tokens to any client that can reach it, so that we keep no secret.
    ManagedIdentity(Url),
}

/// A bearer token. It is wiped when dropped and never printed.
#[derive(Clone)]
pub(crate) struct AccessToken(Arc<Zeroizing<String>>);

/// An application that can request tokens from an issuer.
pub(crate) struct Credential {
    client: Client,
    endpoint: Url,
    client_id: String,
    proof: Proof,
    /// The scope of the tokens.
    scope: &'static str,
    clock: Clock,
    cached: Mutex<Option<(AccessToken, TokenTerms)>>,
}

#[derive(Deserialize)]
struct Issued<'a> {
    #[serde(borrow)]
    access_token: &'a str,
    #[serde(deserialize_with = "seconds")]
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Credential {
    /// `authority` is the base URL of the issuer, without the tenant. A managed identity asks its own endpoint instead.
    pub(crate) fn new(
        client: Client,
        authority: &Url,
        tenant: &str,
        client_id: String,
        proof: Proof,
        clock: Clock,
    ) -> Self {
        let endpoint = match &proof {
            Proof::ManagedIdentity(endpoint) => {
                let mut endpoint = endpoint.clone();
                endpoint
                    .query_pairs_mut()
                    .append_pair("api-version", MANAGED_API_VERSION)
                    .append_pair("resource", RESOURCE)
                    .append_pair("client_id", &client_id);
                endpoint
            }
            Proof::Secret(_) => {
                let mut endpoint = authority.clone();
                // `HttpSettings::client` has checked that this is a base URL, and base URLs always have segments.
                if let Ok(mut path) = endpoint.path_segments_mut() {
                    path.pop_if_empty().extend([tenant, "oauth2", "v2.0", "token"]);
                }
                endpoint
            }
        };
        Self { client, endpoint, client_id, proof, scope: SCOPE, clock, cached: Mutex::default() }
    }

    /// A credential with a secret, for another scope than vaults.
    pub(super) fn for_scope(mut self, scope: &'static str) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Sends a request with a token, and again with a fresh token if the first one was not accepted. `is_probing`: the request
    /// only looks at the state, and so does the request for a token.
    pub(super) async fn with_token<T, F>(
        &self,
        is_probing: bool,
        send: impl Fn(HeaderValue) -> F,
    ) -> Result<T, VaultError>
    where
        F: Future<Output = Result<T, VaultError>>,
    {
        let token = self.token(is_probing).await?;
        let first = send(token.header()?).await;
        let status = first.as_ref().err().and_then(VaultError::status);
        if status != Some(StatusCode::UNAUTHORIZED.as_u16()) {
            return first;
        }
        self.invalidate(&token).await;
        send(self.token(is_probing).await?.header()?).await
    }

    /// A token that has enough time left.
    async fn token(&self, is_probing: bool) -> Result<AccessToken, VaultError> {
        let mut cached = self.cached.lock().await;
        if let Some((token, _)) =
            cached.as_ref().filter(|(_, terms)| !self.clock.has_passed(terms.until))
        {
            return Ok(token.clone());
        }
        *cached = None;
        let requested = self.clock.elapsed();
        let (token, life) = self.request_token(is_probing).await?;
        let until = self.clock.deadline(life.saturating_sub(MARGIN.min(life / 5)));
        *cached = Some((token.clone(), TokenTerms { requested, until }));
        Ok(token)
    }

    /// The period in which the cached token is used.
    pub(super) async fn terms(&self) -> Option<TokenTerms> {
        self.cached.lock().await.as_ref().map(|(_, terms)| *terms)
    }

    /// Removes a token that was not accepted from the cache.
    async fn invalidate(&self, token: &AccessToken) {
        let mut cached = self.cached.lock().await;
        cached.take_if(|(other, _)| Arc::ptr_eq(&other.0, &token.0));
    }

    async fn request_token(&self, is_probing: bool) -> Result<(AccessToken, Duration), VaultError> {
        let request = match &self.proof {
            Proof::Secret(secret) => self.client.post(self.endpoint.clone()).form(&[
                ("grant_type", "client_credentials"),
                ("client_id", &self.client_id),
                ("client_secret", secret.0.as_str()),
                ("scope", self.scope),
            ]),
            // No web page and no proxy sends this header by itself.
            Proof::ManagedIdentity(_) => {
                self.client.get(self.endpoint.clone()).header("metadata", "true")
            }
        };
        let down = |error| {
            VaultError::new(Some(Cause::IssuerDown), format!("no token: {}", message_of(error)))
        };
        let request = if is_probing { request.header(PROBE_HEADER, PROBE) } else { request };
        let response = request.send().await.map_err(down)?;
        let status = response.status();
        let retry_after = retry_after(response.headers());
        let body = body_of(response).await.map_err(down)?.unwrap_or_default();
        if status.is_success() {
            let issued: Issued<'_> = serde_json::from_slice(&body).map_err(|_| {
                VaultError::new(Some(Cause::IssuerDown), "the issuer's answer is not a token")
            })?;
            let token = AccessToken(Arc::new(Zeroizing::new(issued.access_token.to_owned())));
            return Ok((token, Duration::from_secs(issued.expires_in)));
        }
        let refused = serde_json::from_slice(&body).unwrap_or_else(|_| Refused {
            error: "error".to_owned(),
            error_description: "the issuer gave no description".to_owned(),
        });
        let cause = match status.as_u16() {
            400 | 401 | 403 => Cause::IdentityRemoved,
            // 404 too: there is no issuer at this address.
            _ => Cause::IssuerDown,
        };
        // The description has trace ids on its further lines.
        let reason = refused.error_description.lines().next().unwrap_or_default();
        Err(VaultError::new(Some(cause), format!("no token: {reason}"))
            .with_codes(status.as_u16(), Some(refused.error), None)
            .with_retry_after(retry_after))
    }
}

/// Seconds as a number, or as a string, as the endpoint of managed identities sends them.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(u64),
        Text(String),
    }
    match Seconds::deserialize(deserializer)? {
        Seconds::Number(seconds) => Ok(seconds),
        Seconds::Text(text) => text.parse().map_err(serde::de::Error::custom),
    }
}

impl ClientSecret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(secret.into())))
    }
}

impl AccessToken {
    /// The value of an `Authorization` header. It is not printed either.
    pub(crate) fn header(&self) -> Result<HeaderValue, VaultError> {
        let text = Zeroizing::new(format!("Bearer {}", self.0.as_str()));
        let mut value = HeaderValue::from_str(&text).map_err(|_| {
            VaultError::new(Some(Cause::IssuerDown), "the token cannot be sent in a header")
        })?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(…)")
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}
