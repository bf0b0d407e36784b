//! The `Host` header selects the registry that answers, on the registry's listener and, over TLS, on the Azure side.

use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use sealyard::ExternalVault;
use sealyard::Sealyard;

use crate::support::{Answer, Client, content, external, start, start_beside};

/// Sends a GET over TLS to the Azure side under this host, from a client that trusts the certificate of `name`.
async fn over_tls(emulator: &Sealyard, host: &str, path: &str) -> Answer {
    let vault = emulator.vault().unwrap();
    let name = host.split(':').next().unwrap();
    let authority = reqwest::Certificate::from_pem(vault.ca_pem().as_bytes()).unwrap();
    sealyard::install_crypto_provider();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    let http = builder.resolve(name, vault.address()).build().unwrap();
    let url = format!("https://{name}:{}{path}", vault.address().port());
    Answer::of(http.get(url).header("host", host).send().await.unwrap()).await
}

async fn plain(client: &Client, host: &str, path: &str) -> Answer {
    Answer::of(client.request(Method::GET, path).header("host", host).send().await.unwrap()).await
}

#[tokio::test]
async fn local_answers_to_its_own_names_on_either_listener() {
    let (emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let path = "/v2/app/manifests/v1";

    for host in ["localhost", "local.azurecr.localhost:1", "Local.azurecr.io.", "registry:5000"] {
        assert_eq!(plain(&client, host, path).await.body, manifest, "{host}");
    }
    for host in ["local.azurecr.localhost:8443", "local.azurecr.io", "LOCAL.azurecr.io:443"] {
        assert_eq!(over_tls(&emulator, host, path).await.body, manifest, "{host}");
    }
}

#[tokio::test]
async fn the_name_of_no_registry_is_404_with_the_code_of_the_specification() {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;

    for answer in [
        plain(&client, "ghost.azurecr.localhost:5000", "/v2/").await,
        plain(&client, "ghost.azurecr.io", "/v2/app/manifests/v1").await,
        over_tls(&emulator, "ghost.azurecr.io", "/v2/app/manifests/v1").await,
        over_tls(&emulator, "ghost.azurecr.localhost", "/v2/").await,
    ] {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.code(), "NAME_UNKNOWN");
        let message = answer.json()["errors"][0]["message"].to_string();
        assert!(message.contains("ghost"), "{message}");
    }
}

#[tokio::test]
async fn the_azure_side_has_no_admin_api_under_the_name_of_a_registry() {
    let (emulator, _client) = start().await;

    let answer = over_tls(&emulator, "local.azurecr.localhost", "/_sealyard/status").await;
    let vault = over_tls(&emulator, "local.vault.localhost", "/_keyvault/health").await;

    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "UNSUPPORTED"));
    assert_eq!(vault.status, StatusCode::OK, "the vault still answers under its own names");
}

#[tokio::test]
async fn a_push_over_tls_under_the_public_name_is_a_push_to_the_registry() {
    let (emulator, client) = start().await;
    let vault = emulator.vault().unwrap();
    let authority = reqwest::Certificate::from_pem(vault.ca_pem().as_bytes()).unwrap();
    let builder = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    let http = builder.resolve("local.azurecr.io", vault.address()).build().unwrap();
    let base = format!("https://local.azurecr.io:{}", vault.address().port());
    let layer = content::bytes(7, 3 << 20);

    let url = format!("{base}/v2/app/blobs/uploads/?digest={}", content::digest(&layer));
    let pushed = http.post(url).body(layer.clone()).send().await.unwrap();

    assert_eq!(pushed.status(), StatusCode::CREATED);
    assert!(client.pull_blob("app", &layer).await.body == layer);
}

/// A client that trusts only the authorities in the status of the emulator.
async fn trusting_status(client: &Client) -> reqwest::Client {
    let status = client.get("/_sealyard/status").await.json();
    let pem = std::fs::read(status["ca"].as_str().unwrap()).unwrap();
    let authorities = reqwest::Certificate::from_pem_bundle(&pem).unwrap();
    reqwest::Client::builder().no_proxy().tls_certs_only(authorities).build().unwrap()
}

#[tokio::test]
async fn the_registrys_port_accepts_tls_and_plain_http() {
    let (emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let http = trusting_status(&client).await;

    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}", emulator.registry_address().port());
        let pulled = http.get(format!("{url}/v2/app/manifests/v1")).send().await.unwrap();
        assert!(pulled.bytes().await.unwrap() == manifest, "{host}");
    }
    assert_eq!(client.get("/v2/app/manifests/v1").await.body, manifest);
}

#[tokio::test]
async fn with_an_external_vault_the_port_accepts_tls_under_the_emulators_own_authority() {
    sealyard::install_crypto_provider();
    let vault = MockKeyVault::builder().start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("https://{}", vault.address()).parse().unwrap();
    let external = ExternalVault { url, authority: None, ..external(&vault) };
    let (emulator, client) = start_beside(external, folder.path()).await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let http = trusting_status(&client).await;

    let own = format!("https://localhost:{}/v2/", emulator.registry_address().port());
    let own = http.get(own).send().await.unwrap();
    let elsewhere = http.get(format!("https://{}/_keyvault/health", vault.address()));
    let elsewhere = elsewhere.send().await.unwrap();

    assert_eq!(own.status(), StatusCode::OK);
    assert_eq!(elsewhere.status(), StatusCode::OK, "the file holds both authorities");
    assert!(client.get("/_sealyard/status").await.json()["azure"].is_null());
}
