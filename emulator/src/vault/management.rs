//! The resource providers over HTTPS, as the owner of a vault calls them: vaults, access policies, roles.
//!
//! And the admin API of a mock vault, which is no part of Azure. Only `owner.rs` calls it. The registry's own
//! identity is not used here: it may use its key and change nothing. A request returns the JSON of its answer, or
//! a [`VaultError`] with the message of the refusal.

use std::fmt;

use azure_emulator_core::clock::Clock;
use http::header;
use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::answers::error_of;
use super::client::VaultClientConfig;
use super::credential::Credential;
use super::http::{HttpError, body_of, message_of};
use crate::keys::VaultError;

/// The scope of a token for the resource providers.
const SCOPE: &str = "https://management.azure.com/.default";

/// The resource providers of a vault on another host.
pub(crate) struct ManagementClient {
    base: Url,
    /// The address of the vault, for its admin API.
    vault: Url,
    client: Client,
    credential: Credential,
}

impl ManagementClient {
    /// A client for the providers at `base`, with the credential of `config`. It sends nothing yet.
    pub(crate) fn new(
        config: VaultClientConfig,
        base: Url,
        clock: Clock,
    ) -> Result<Self, HttpError> {
        let client = config.http.client(&[&base, &config.authority_url])?;
        let credential = Credential::new(
            client.clone(),
            &config.authority_url,
            &config.tenant,
            config.client_id,
            config.proof,
            clock,
        );
        Ok(Self { base, vault: config.vault_url, client, credential: credential.for_scope(SCOPE) })
    }

    /// Sends a request about the resource at `path`. An answer without a body is `null`.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, VaultError> {
        let mut url = self.base.clone();
        url.set_path(path);
        url.query_pairs_mut().extend_pairs(query);
        let send = |authorization| {
            let request = self.client.request(method.clone(), url.clone());
            self.answer_to(request.header(header::AUTHORIZATION, authorization), body)
        };
        self.credential.with_token(false, send).await
    }

    /// Sends a request to the admin API of the mock vault. It needs no token, so that it also works during a fault
    /// of the issuer.
    pub(crate) async fn admin(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, VaultError> {
        let mut url = self.vault.clone();
        url.set_path(&format!("/_keyvault/{path}"));
        self.answer_to(self.client.request(method, url), body).await
    }

    async fn answer_to(
        &self,
        request: reqwest::RequestBuilder,
        body: Option<&Value>,
    ) -> Result<Value, VaultError> {
        let down = |error| VaultError::new(None, message_of(error));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        let response = request.send().await.map_err(down)?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = body_of(response).await.map_err(down)?;
        let body =
            body.ok_or_else(|| VaultError::new(None, "the answer of the providers is too long"))?;
        if !status.is_success() {
            return Err(match admin_message(&body) {
                Some(message) => {
                    VaultError::new(None, message).with_codes(status.as_u16(), None, None)
                }
                None => error_of(status, &headers, &body),
            });
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&body)
            .map_err(|_| VaultError::new(None, "the answer of the providers is not JSON"))
    }
}

/// The message of the admin API of a mock vault that refuses a request: its codes are numbers, Azure's are strings.
fn admin_message(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let error = &body["error"];
    error["code"].is_number().then(|| error["message"].as_str().map(str::to_owned))?
}

impl fmt::Debug for ManagementClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagementClient")
            .field("base", &self.base.as_str())
            .finish_non_exhaustive()
    }
}
