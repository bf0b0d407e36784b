//! Hosts and ports that the vault does not know: those of containers, and mapped ports.

use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{World, send};

/// Everything that an answer renders with a host, for a client that used this host.
async fn rendered(world: &World, host: &str) -> Vec<String> {
    let base = format!("https://127.0.0.1:{}", world.vault.address().port());
    let token = world.token(world.vault.owner()).await;
    let ask = |method: Method, path: &str| {
        world.http.request(method, format!("{base}{path}")).header("host", host)
    };

    let challenged = send(ask(Method::GET, "/keys/k?api-version=7.4")).await;
    let body = json!({"kty": "RSA"});
    let made = ask(Method::POST, "/keys/k/create?api-version=7.4").bearer_auth(&token);
    let made = send(made.json(&body)).await.json();
    let listed = ask(Method::GET, "/keys/k/versions?api-version=7.4&maxresults=1");
    send(ask(Method::POST, "/keys/k/create?api-version=7.4").bearer_auth(&token).json(&body)).await;
    let listed = send(listed.bearer_auth(&token)).await.json();
    let discovery = ask(
        Method::GET,
        &format!("/{}/v2.0/.well-known/openid-configuration", world.vault.tenant()),
    );
    let discovery = send(discovery).await;

    assert_eq!(challenged.status, StatusCode::UNAUTHORIZED);
    let mut rendered = vec![
        challenged.headers["www-authenticate"].to_str().unwrap().to_owned(),
        made["key"]["kid"].as_str().unwrap().to_owned(),
        listed["value"][0]["kid"].as_str().unwrap().to_owned(),
        listed["nextLink"].as_str().unwrap().to_owned(),
    ];
    if discovery.status == StatusCode::OK {
        rendered.push(discovery.field("token_endpoint"));
        rendered.push(discovery.field("jwks_uri"));
    }
    rendered
}

#[tokio::test]
async fn every_rendered_address_has_the_host_that_the_client_used() {
    let world = World::new().await;
    let own_port = world.vault.address().port().to_string();

    for (host, of_login) in [
        ("vault:8443", "vault:8443"),
        ("localhost:32768", "localhost:32768"),
        ("10.1.2.3:9", "10.1.2.3:9"),
        ("vault", "vault"),
        ("local.vault.localhost:32768", "login.localhost:32768"),
        ("local.vault.azure.net", "login.microsoftonline.com"),
    ] {
        for text in rendered(&world, host).await {
            let (own, login) = (format!("https://{host}/"), format!("https://{of_login}/"));
            assert!(text.contains(&own) || text.contains(&login), "{host}: {text}");
            assert!(!text.contains(&own_port), "{host}: {text}");
        }
    }
}

#[tokio::test]
async fn a_client_only_trusts_a_name_that_is_an_alias() {
    let builder = MockKeyVault::builder().ephemeral().hostname_alias("vault");
    let world = World::start(builder.hostname_alias("10.1.2.3")).await;
    let health = |name: &str| {
        let port = world.vault.address().port();
        world.http.get(format!("https://{name}:{port}/_keyvault/health")).send()
    };

    assert!(health("vault").await.is_ok());
    assert!(health("localhost").await.is_ok());
    assert!(health("elsewhere").await.is_err());
    // The managed-identity endpoints also accept the alias as a name of this machine.
    let query = "api-version=2018-02-01&resource=r";
    let imds = format!("{}/metadata/identity/oauth2/token?{query}", world.vault.imds_uri());
    let imds = world.http.get(imds);
    let imds = send(imds.header("Metadata", "true").header("host", "vault:8443")).await;
    assert_eq!(imds.status, StatusCode::OK, "{}", imds.text);
}
