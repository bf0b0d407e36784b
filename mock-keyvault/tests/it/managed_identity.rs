//! Tokens for managed identities, as SDKs on virtual machines and in App Service ask for them.

use azure_emulator_core::identity::{MANAGED_IDENTITY_RESOURCE_ID, NewPrincipal};
use mock_keyvault::{KeyPermission, MockKeyVault};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Answer, World, claims_of, send};

const QUERY: &str = "api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net";

/// A request to IMDS, without its required header.
fn bare(world: &World, query: &str) -> RequestBuilder {
    world.http.get(format!("{}/metadata/identity/oauth2/token?{query}", world.vault.imds_uri()))
}

async fn imds(world: &World, query: &str) -> Answer {
    send(bare(world, query).header("Metadata", "true")).await
}

async fn app_service(world: &World, query: &str) -> Answer {
    let url = format!("{}?{query}", world.vault.identity_endpoint());
    let header = world.vault.identity_header().expose();
    send(world.http.get(url).header("X-IDENTITY-HEADER", header)).await
}

fn imds_error(message: &str) -> Value {
    json!({"error": "invalid_request", "error_description": message})
}

#[tokio::test]
async fn a_virtual_machine_gets_a_token_of_the_well_known_identity_without_tls() {
    let world = World::with_key().await;
    let now = world.clock.unix_now();

    let answer = imds(&world, QUERY).await;
    let token = answer.field("access_token");
    let used = world.with_token(&token, Method::GET, "/keys/k", None).await;

    assert!(world.vault.imds_uri().starts_with("http://127.0.0.1:"));
    assert_eq!(answer.headers["cache-control"], "no-store");
    let mut body = answer.json();
    body["access_token"] = json!("…");
    assert_eq!(
        body,
        json!({
            "access_token": "…",
            "client_id": world.vault.managed_identity().client_id,
            "expires_in": "3599",
            "expires_on": (now + 3600).to_string(),
            "ext_expires_in": "3599",
            "not_before": now.to_string(),
            "resource": "https://vault.azure.net",
            "token_type": "Bearer",
        })
    );
    assert_eq!(used.status, StatusCode::OK);
    let claims = claims_of(&token);
    assert_eq!(claims["oid"], world.vault.managed_identity().object_id);
    assert_eq!(claims["xms_mirid"], MANAGED_IDENTITY_RESOURCE_ID);
}

#[tokio::test]
async fn app_service_gets_a_token_with_the_secret_of_its_header() {
    let world = World::new().await;
    let query = "api-version=2019-08-01&resource=https://vault.azure.net";

    let answer = app_service(&world, query).await;
    let url = format!("{}?{query}", world.vault.identity_endpoint());
    let none = send(world.http.get(&url).header("Metadata", "true")).await;
    let wrong = send(world.http.get(&url).header("X-IDENTITY-HEADER", "guess")).await;

    let mut names: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(names, ["access_token", "client_id", "expires_on", "resource", "token_type"]);
    assert_eq!(answer.field("expires_on"), (world.clock.unix_now() + 3600).to_string());
    for refused in [none, wrong] {
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.json()["statusCode"], 401);
        assert!(!refused.text.contains("access_token"));
    }
}

#[tokio::test]
async fn an_identity_is_selected_by_client_id_object_id_or_resource_id() {
    let world = World::new().await;
    let new = NewPrincipal::user_assigned_identity("puller").unwrap();
    let made = world.vault.add_principal(new).await.unwrap().principal;
    let resource = made.resource_id().unwrap().to_ascii_uppercase();

    for (name, id) in [
        ("client_id", made.client_id().to_ascii_uppercase()),
        ("object_id", made.object_id().to_owned()),
        ("principal_id", made.object_id().to_owned()),
        ("msi_res_id", resource.clone()),
        ("mi_res_id", resource),
    ] {
        let query = format!("{QUERY}&{name}={id}");
        for answer in [imds(&world, &query).await, app_service(&world, &query).await] {
            assert_eq!(answer.field("client_id"), made.client_id(), "{name}");
            assert_eq!(claims_of(&answer.field("access_token"))["oid"], made.object_id());
        }
    }
}

#[tokio::test]
async fn imds_refuses_with_its_own_messages() {
    let world = World::new().await;
    let app = world.vault.add_application("app").await.unwrap();
    let application = format!("{QUERY}&client_id={}", app.principal.client_id());
    let several = format!("{QUERY}&client_id=a&object_id=b");

    let no_header = send(bare(&world, QUERY)).await;
    let false_header = send(bare(&world, QUERY).header("Metadata", "false")).await;
    let forwarded = bare(&world, QUERY).header("Metadata", "true");
    let forwarded = send(forwarded.header("X-Forwarded-For", "203.0.113.1")).await;

    for answer in [no_header, false_header] {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json(), imds_error("Required metadata header not specified"));
    }
    assert_eq!(forwarded.status, StatusCode::BAD_REQUEST);
    assert_eq!(forwarded.json()["error"], "invalid_request");
    for (query, message) in [
        ("resource=x", "Required query variable 'api-version' is missing"),
        ("api-version=2018-02-01", "Required query variable 'resource' is missing"),
        ("api-version=2018-02-01&resource=", "Required query variable 'resource' is missing"),
        (&format!("{QUERY}&client_id=nobody"), "Identity not found"),
        (&application, "Identity not found"),
        (&several, "At most one of client_id, object_id and msi_res_id can be given"),
    ] {
        let answer = imds(&world, query).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(answer.json(), imds_error(message));
    }
}

#[tokio::test]
async fn app_service_refuses_with_its_own_messages() {
    let world = World::new().await;

    let answer = app_service(&world, &format!("{QUERY}&client_id=nobody")).await;

    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.json(),
        json!({
            "statusCode": 400,
            "message": "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.",
        })
    );
}

#[tokio::test]
async fn an_identity_that_was_removed_is_not_found_and_its_token_is_refused() {
    let world = World::with_key().await;
    let new = NewPrincipal::user_assigned_identity("puller").unwrap();
    let made = world.vault.add_principal(new).await.unwrap().principal;
    let permissions = [KeyPermission::Get];
    world.vault.set_access_policy("local", made.object_id(), &permissions).await.unwrap();
    let query = format!("{QUERY}&client_id={}", made.client_id());
    let token = imds(&world, &query).await.field("access_token");

    let before = world.with_token(&token, Method::GET, "/keys/k", None).await;
    world.vault.remove_principal(made.client_id()).await.unwrap();
    let after = world.with_token(&token, Method::GET, "/keys/k", None).await;
    let answer = imds(&world, &query).await;

    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json(), imds_error("Identity not found"));
}

#[tokio::test]
async fn a_web_page_and_an_unknown_host_get_no_token() {
    let world = World::new().await;
    let with = |name, value| bare(&world, QUERY).header("Metadata", "true").header(name, value);

    for refused in [
        with("Host", "rebound.example:8443"),
        with("Origin", "https://page.example"),
        with("Sec-Fetch-Site", "cross-site"),
    ] {
        let answer = send(refused).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
        assert!(!answer.text.contains("access_token"));
    }
    for host in ["localhost:8443", "169.254.169.254", "local.vault.localhost"] {
        assert_eq!(send(with("Host", host)).await.status, StatusCode::OK, "{host}");
    }
}

#[tokio::test]
async fn the_admin_api_refuses_web_pages_too_and_health_answers_every_client() {
    let world = World::new().await;
    let url = |path| format!("{}/_keyvault/{path}", world.vault.imds_uri());

    let page = world.http.post(url("principals")).header("Origin", "https://page.example");
    let page = send(page.body(r#"{"displayName":"planted"}"#)).await;
    let rebound = send(world.http.get(url("audit")).header("Host", "rebound.example")).await;
    let health = send(world.http.get(url("health")).header("Host", "rebound.example")).await;

    assert_eq!((page.status.as_u16(), rebound.status.as_u16()), (403, 403));
    assert_eq!(world.vault.principals().len(), 2);
    assert_eq!(health.status, StatusCode::OK);
}

#[tokio::test]
async fn without_tls_no_other_endpoint_answers() {
    let world = World::with_key().await;
    let tenant = world.vault.tenant();

    for path in [
        "/keys/k?api-version=7.4".to_owned(),
        format!("/{tenant}/oauth2/v2.0/token"),
        "/metadata/instance?api-version=2021-02-01".to_owned(),
        "/msi/token/more".to_owned(),
    ] {
        let answer = send(world.http.get(format!("{}{path}", world.vault.imds_uri()))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text.contains("https://"), "{}", answer.text);
    }
}

#[tokio::test]
async fn other_methods_are_refused_and_an_outage_of_the_issuer_applies_here_too() {
    let world = World::new().await;
    let url = format!("{}/metadata/identity/oauth2/token?{QUERY}", world.vault.imds_uri());

    let posted = send(world.http.post(&url).header("Metadata", "true")).await;
    world.vault.set_issuer_outage(true);
    let during = imds(&world, QUERY).await;

    assert_eq!(posted.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(during.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_query_that_is_not_utf_8_is_refused_and_does_no_harm() {
    let world = World::new().await;
    let head = b"GET /metadata/identity/oauth2/token?api-version=%FF&resource=%00%FF&client_id=%zz HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nConnection: close\r\n\r\n";

    let mut stream = TcpStream::connect(world.vault.address()).await.unwrap();
    stream.write_all(head).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

#[tokio::test]
async fn outside_the_loopback_the_header_is_a_random_secret_in_a_file() {
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));

    let open = MockKeyVault::builder().ephemeral().listen(any).start().await.unwrap();

    let file = open.data_dir().join("identity/identity-header.secret");
    assert_eq!(std::fs::read_to_string(file).unwrap(), open.identity_header().expose());
    assert_eq!(open.identity_header().expose().len(), 64);
    assert!(open.identity_endpoint().starts_with("http://127.0.0.1:"));
}
