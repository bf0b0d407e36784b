//! The registry's identity towards the vault: OAuth 2.0 client credentials (RFC 6749, section 4.4), as Microsoft Entra
//! has them.
//!
//! One token is cached and used until it has little time left, by real time or the emulator's, whichever is first: an
//! external issuer goes by the one, the embedded by the other. Secrets and tokens are wiped when dropped and never
//! printed. Only one request for a token is under way at a time; who needs one meanwhile waits for it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use mock_keyvault::clock::{Clock, Deadline};
use reqwest::{Client, Url};
use serde::Deserialize;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::http::{body_of, words_of};
use super::{Cause, VaultError};

/// What a token for any vault is asked for.
const SCOPE: &str = "https://vault.azure.net/.default";

/// A token is not used when it has less than this left, or less than a fifth of its life.
const MARGIN: Duration = Duration::from_mins(5);

/// A client secret. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct ClientSecret(Arc<Zeroizing<String>>);

/// A bearer token. It is wiped when dropped and never printed.
#[derive(Clone)]
pub(crate) struct AccessToken(Arc<Zeroizing<String>>);

/// An application that can ask an issuer for tokens.
pub(crate) struct Credential {
    client: Client,
    endpoint: Url,
    client_id: String,
    secret: ClientSecret,
    /// What tokens are asked for.
    scope: &'static str,
    clock: Clock,
    cached: Mutex<Option<(AccessToken, Deadline)>>,
}

#[derive(Deserialize)]
struct Issued<'a> {
    #[serde(borrow)]
    access_token: &'a str,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    #[serde(default)]
    error_description: String,
}

impl Credential {
    /// `authority` is the base URL of the issuer, without the tenant.
    pub(crate) fn new(
        client: Client,
        authority: &Url,
        tenant: &str,
        client_id: String,
        secret: ClientSecret,
        clock: Clock,
    ) -> Self {
        let mut endpoint = authority.clone();
        // A base URL, which `HttpSettings::client` has made sure of, always has segments.
        if let Ok(mut path) = endpoint.path_segments_mut() {
            path.pop_if_empty().extend([tenant, "oauth2", "v2.0", "token"]);
        }
        Self { client, endpoint, client_id, secret, scope: SCOPE, clock, cached: Mutex::default() }
    }

    /// The same for something else than vaults.
    pub(super) fn for_scope(mut self, scope: &'static str) -> Self {
        self.scope = scope;
        self
    }

    pub(crate) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// A token that has some time left.
    pub(crate) async fn token(&self) -> Result<AccessToken, VaultError> {
        let mut cached = self.cached.lock().await;
        if let Some((token, _)) = cached.as_ref().filter(|(_, at)| !self.clock.has_passed(*at)) {
            return Ok(token.clone());
        }
        *cached = None;
        let (token, life) = self.ask().await?;
        let refresh_at = self.clock.deadline(life.saturating_sub(MARGIN.min(life / 5)));
        *cached = Some((token.clone(), refresh_at));
        Ok(token)
    }

    /// Forgets a token that was not accepted.
    pub(crate) async fn forget(&self, token: &AccessToken) {
        let mut cached = self.cached.lock().await;
        cached.take_if(|(other, _)| Arc::ptr_eq(&other.0, &token.0));
    }

    async fn ask(&self) -> Result<(AccessToken, Duration), VaultError> {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", self.secret.0.as_str()),
            ("scope", self.scope),
        ];
        let down = |error| {
            VaultError::new(Some(Cause::IssuerDown), format!("no token: {}", words_of(error)))
        };
        let response =
            self.client.post(self.endpoint.clone()).form(&form).send().await.map_err(down)?;
        let status = response.status();
        let retry_after = super::answers::retry_after(response.headers());
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
            error_description: "the issuer says nothing of it".to_owned(),
        });
        let cause = match status.as_u16() {
            400 | 401 | 403 => Cause::IdentityRemoved,
            // 404 too: there is no issuer at this address.
            _ => Cause::IssuerDown,
        };
        // The description goes on with trace ids, line by line.
        let words = refused.error_description.lines().next().unwrap_or_default();
        Err(VaultError::new(Some(cause), format!("no token: {words}"))
            .with_codes(status.as_u16(), Some(refused.error), None)
            .with_retry_after(retry_after))
    }
}

impl ClientSecret {
    /// Takes a secret over.
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
