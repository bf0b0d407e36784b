//! A vault on its own port and a client that speaks to it like an SDK.

use std::net::SocketAddr;
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::identity::Credentials;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::{Builder, KeySize, MockKeyVault};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use time::macros::datetime;

/// The query that every request carries.
const API: &str = "api-version=7.4";

/// The query that every request to the resource providers carries.
const ARM_API: &str = "api-version=2023-07-01";
/// The subscription of all local resources.
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/00000000-0000-4000-8000-00000000a002";

/// The path of a vault in the group `g`.
pub(crate) fn vault_path(name: &str) -> String {
    format!("{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{name}")
}

/// A running vault and a client.
pub(crate) struct World {
    pub(crate) vault: MockKeyVault,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
}

/// The status, headers and text of an answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

/// Resolves every name to this machine, so that no test asks a name server.
struct Loopback;

impl Resolve for Loopback {
    fn resolve(&self, _name: Name) -> Resolving {
        let addresses: Addrs = Box::new(std::iter::once(SocketAddr::from(([127, 0, 0, 1], 0))));
        Box::pin(async move { Ok(addresses) })
    }
}

pub(crate) fn clock() -> Clock {
    Clock::manual(datetime!(2026-01-01 00:00 UTC))
}

pub(crate) fn client(ca_pem: &str) -> reqwest::Client {
    // The first test installs it; there is one for the process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .add_root_certificate(reqwest::Certificate::from_pem(ca_pem.as_bytes()).unwrap())
        .dns_resolver(Arc::new(Loopback))
        .no_proxy()
        .build()
        .unwrap()
}

impl World {
    /// A fresh vault with no keys.
    pub(crate) async fn new() -> Self {
        Self::start(MockKeyVault::builder().ephemeral()).await
    }

    /// A fresh vault with an RSA-2048 key called `k`.
    pub(crate) async fn with_key() -> Self {
        let world = Self::new().await;
        world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
        world
    }

    pub(crate) async fn start(builder: Builder) -> Self {
        let clock = clock();
        let vault = builder.clock(clock.clone()).start().await.unwrap();
        let http = client(vault.ca_pem());
        Self { vault, clock, http }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let separator = if path.contains('?') { '&' } else { '?' };
        format!("{}{path}{separator}{API}", self.vault.uri())
    }

    /// A token from the issuer, requested over the wire.
    pub(crate) async fn token(&self, who: &Credentials) -> String {
        let url =
            format!("{}/{}/oauth2/v2.0/token", self.vault.authority_uri(), self.vault.tenant());
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", who.client_id),
            ("client_secret", who.secret.expose()),
            ("scope", "https://vault.azure.net/.default"),
        ];
        let answer = send(self.http.post(url).form(&form)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A request of a principal, by its client id, to the resource providers.
    pub(crate) async fn arm_as(
        &self,
        client_id: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let token = self.vault.token(client_id, "https://management.azure.com").unwrap();
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("https://{}{path}{separator}{ARM_API}", self.vault.address());
        let request = self.http.request(method, url).bearer_auth(token.expose());
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// A request of the owner to the resource providers.
    pub(crate) async fn arm(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.arm_as(self.vault.owner().client_id, method, path, body).await
    }

    /// A request of a principal, by its client id, to the keys of a vault.
    pub(crate) async fn keys_as(
        &self,
        client_id: &str,
        vault: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let token = self.vault.token(client_id, "https://vault.azure.net").unwrap();
        let url = format!("{}{path}?{API}", self.vault.vault_uri(vault));
        let request = self.http.request(method, url).bearer_auth(token.expose());
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    /// A request of the owner.
    pub(crate) async fn owner(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.token(self.vault.owner()).await;
        self.with_token(&token, method, path, body).await
    }

    /// A request of the managed identity.
    pub(crate) async fn identity(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let token = self.token(self.vault.managed_identity()).await;
        self.with_token(&token, method, path, body).await
    }

    pub(crate) async fn with_token(
        &self,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let request = self.http.request(method, self.url(path)).bearer_auth(token);
        send(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    }

    pub(crate) async fn wrap(&self, path: &str, alg: &str, value: &[u8]) -> Answer {
        let body = json!({"alg": alg, "value": URL_SAFE_NO_PAD.encode(value)});
        self.identity(Method::POST, path, Some(body)).await
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap().to_owned()
    }

    /// The value of a key operation, decoded.
    pub(crate) fn value(&self) -> Vec<u8> {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        URL_SAFE_NO_PAD.decode(self.field("value")).unwrap()
    }

    /// Status, inner code and message of a refusal; the outer code is checked with the status.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let error = &self.json()["error"];
        let inner = error["innererror"]["code"].as_str().unwrap_or_default();
        let code = error["code"].as_str().unwrap();
        let code = if inner.is_empty() { code.to_owned() } else { format!("{code}/{inner}") };
        (self.status.as_u16(), code, error["message"].as_str().unwrap().to_owned())
    }
}

/// The claims of a token, without verification.
pub(crate) fn claims_of(token: &str) -> Value {
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, text: response.text().await.unwrap() }
}

/// A request to the admin API, whose path begins after `/_keyvault/`.
pub(crate) async fn admin(
    world: &World,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let request = world.http.request(method, format!("{}/_keyvault/{path}", world.vault.uri()));
    send(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}
