//! The owner of a vault as an ordinary client: over REST, under Azure's own names, through the proxy of the Azure side.

use azure_emulator_core::identity::{OWNER_CLIENT_ID, SUBSCRIPTION, TENANT, WELL_KNOWN_SECRET};
use mock_keyvault::MockKeyVault;
use reqwest::Method;
use serde_json::{Value, json};

use super::Answer;

/// The resource id of the vault `local`.
pub(crate) const VAULT: &str = "providers/Microsoft.KeyVault/vaults/local";

/// A client with the owner's secret.
pub(crate) struct Owner {
    http: reqwest::Client,
}

impl Owner {
    /// The owner of a vault of this process.
    pub(crate) fn of(vault: &MockKeyVault) -> Self {
        Self::at(&format!("127.0.0.1:{}", vault.address().port()), vault.ca_pem())
    }

    /// The owner of the vault behind the Azure side at this address.
    pub(crate) fn at(address: &str, ca_pem: &str) -> Self {
        sealyard::install_crypto_provider();
        let authority = reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap();
        let proxy = reqwest::Proxy::https(format!("http://{address}")).unwrap();
        // A pooled connection could lead to a killed vault.
        let http = reqwest::Client::builder().tls_certs_only([authority]).proxy(proxy);
        Self { http: http.pool_max_idle_per_host(0).build().unwrap() }
    }

    async fn token(&self, resource: &str) -> String {
        let url = format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token");
        let scope = format!("{resource}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", OWNER_CLIENT_ID),
            ("client_secret", WELL_KNOWN_SECRET),
            ("scope", scope.as_str()),
        ];
        let answer: Value =
            self.http.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Sends a request to the vault `local` as `az keyvault key` does, and checks that it succeeds.
    pub(crate) async fn keys(&self, method: Method, path: &str, body: Value) -> Value {
        let url = format!("https://local.vault.azure.net/{path}?api-version=7.4");
        self.send("https://vault.azure.net", method, url, body).await
    }

    /// Sends a request for a path in the subscription.
    pub(crate) async fn subscription(&self, method: Method, path: &str, body: &Value) -> Answer {
        let url = format!(
            "https://management.azure.com/subscriptions/{SUBSCRIPTION}/{path}?api-version=2023-07-01"
        );
        self.ask(method, &url, body).await
    }

    /// Sends a request for a URL of the control plane.
    pub(crate) async fn url(&self, method: Method, url: &str) -> Answer {
        self.ask(method, url, &Value::Null).await
    }

    async fn ask(&self, method: Method, url: &str, body: &Value) -> Answer {
        let token = self.token("https://management.azure.com").await;
        let request = self.http.request(method, url).bearer_auth(token);
        let request = if body.is_null() { request } else { request.json(body) };
        Answer::of(request.send().await.unwrap()).await
    }

    /// Gets a list from the admin API of the vault.
    pub(crate) async fn admin(&self, what: &str) -> Value {
        let url = format!("https://local.vault.azure.net/_keyvault/{what}");
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Sends a request for a resource in the group `sealyard` as `az` does, and checks that it succeeds.
    pub(crate) async fn arm(&self, method: Method, path: &str, body: Value) -> Value {
        let version = if path.contains("roleAssignments") { "2022-04-01" } else { "2023-07-01" };
        let url = format!(
            "https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups/sealyard/{path}?api-version={version}"
        );
        self.send("https://management.azure.com", method, url, body).await
    }

    async fn send(&self, resource: &str, method: Method, url: String, body: Value) -> Value {
        let request = self.http.request(method, &url).bearer_auth(self.token(resource).await);
        let answer = Answer::of(request.json(&body).send().await.unwrap()).await;
        assert!(answer.status.is_success(), "{url}: {answer:?}");
        serde_json::from_slice(&answer.body).unwrap_or(Value::Null)
    }

    /// Disables or enables the newest version of the key.
    pub(crate) async fn set_enabled(&self, enabled: bool) {
        let body = json!({ "attributes": { "enabled": enabled } });
        self.keys(Method::PATCH, "keys/registry-key", body).await;
    }
}
