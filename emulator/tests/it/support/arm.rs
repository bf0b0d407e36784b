//! Requests to the control plane as `az` sends them: through the proxy, under Azure's names, by the owner.

use azure_emulator_core::identity::SUBSCRIPTION;
use reqwest::Method;
use sealyard::Sealyard;
use serde_json::Value;

use super::Answer;

/// The API version in every request.
pub(crate) const VERSION: &str = "api-version=2022-12-01";

/// A client that sends every request through the proxy and resolves no name.
pub(crate) fn through_proxy(emulator: &Sealyard) -> reqwest::Client {
    let vault = emulator.vault().unwrap();
    sealyard::install_crypto_provider();
    let authority = reqwest::Certificate::from_pem(vault.ca_pem().as_bytes()).unwrap();
    let proxy = reqwest::Proxy::https(format!("http://{}", vault.address())).unwrap();
    reqwest::Client::builder().tls_certs_only([authority]).proxy(proxy).build().unwrap()
}

/// A token of the first principal, who owns the subscription.
pub(crate) fn owner_token(emulator: &Sealyard) -> String {
    let vault = emulator.vault().unwrap();
    let token = vault.token(vault.owner().client_id, "https://management.azure.com").unwrap();
    token.expose().to_owned()
}

/// Sends a GET request.
pub(crate) async fn ask(emulator: &Sealyard, url: &str, token: Option<&str>) -> Answer {
    let request = through_proxy(emulator).get(url);
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Answer::of(request.send().await.unwrap()).await
}

/// The code of a refusal.
pub(crate) fn code(answer: &Answer) -> String {
    answer.json()["error"]["code"].as_str().unwrap().to_owned()
}

/// Sends a request for a path in the subscription as its owner.
pub(crate) async fn send(emulator: &Sealyard, method: Method, path: &str, body: &Value) -> Answer {
    let url = format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/{path}?{VERSION}");
    let request = through_proxy(emulator).request(method, url).bearer_auth(owner_token(emulator));
    Answer::of(request.json(body).send().await.unwrap()).await
}

/// Creates a resource group.
pub(crate) async fn make_group(emulator: &Sealyard, name: &str) {
    let body = serde_json::json!({"location": "eastus"});
    let made = send(emulator, Method::PUT, &format!("resourceGroups/{name}"), &body).await;
    assert!(made.status.is_success(), "{made:?}");
}
