//! Changes keys in the vault, for the owner's commands. The ring never does this.

use bytes::Bytes;
use reqwest::Method;
use serde_json::Value;

use super::client::VaultClient;
use crate::keys::{VaultError, VaultName};

impl VaultClient {
    /// Sends a request below the vault's address and returns the JSON of the answer.
    pub(crate) async fn manage(
        &self,
        vault: &VaultName,
        method: Method,
        path: &[&str],
        body: Option<Value>,
    ) -> Result<Value, VaultError> {
        let url = self.url(vault, path)?;
        self.manage_at(method, &url, body).await
    }

    /// The page at a `nextLink`.
    pub(crate) async fn follow(&self, link: &str) -> Result<Value, VaultError> {
        let url = reqwest::Url::parse(link)
            .map_err(|_| VaultError::new(None, "the vault's nextLink is not a URL"))?;
        // The token goes only to the vault.
        if url.host_str() != self.base().host_str() || url.port() != self.base().port() {
            return Err(VaultError::new(None, "the vault's nextLink leads to another host"));
        }
        self.manage_at(Method::GET, &url, None).await
    }

    async fn manage_at(
        &self,
        method: Method,
        url: &reqwest::Url,
        body: Option<Value>,
    ) -> Result<Value, VaultError> {
        let body = body.map(|body| Bytes::from(body.to_string()));
        let received = self.request(method, url, body).await?;
        serde_json::from_slice(&received.body)
            .map_err(|_| VaultError::new(None, "the vault's answer is not JSON"))
    }
}
