//! Tokens, the challenge, and the issuer.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, send};

/// Claims of a valid token, of which a test changes some.
fn claims(world: &World) -> Value {
    let now = world.clock.unix_now();
    json!({
        "aud": "https://vault.azure.net",
        "iss": format!("https://sts.windows.net/{}/", world.vault.tenant()),
        "iat": now, "nbf": now, "exp": now + 3600,
        "appid": world.vault.owner().client_id,
        "oid": world.vault.owner().object_id,
    })
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

async fn refusal(world: &World, token: &str) -> (u16, String, String) {
    let answer = world.with_token(token, Method::GET, "/keys", None).await;
    assert!(answer.headers.contains_key("www-authenticate"));
    answer.refusal()
}

#[tokio::test]
async fn a_first_request_without_token_and_body_is_challenged() {
    let world = World::new().await;
    let port = world.vault.address().port();

    let answer = send(world.http.post(world.url("/keys/k/wrapkey"))).await;

    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.text,
        r#"{"error":{"code":"Unauthorized","message":"AKV10000: Request is missing a Bearer or PoP token."}}"#
    );
    let tenant = world.vault.tenant();
    assert_eq!(
        answer.headers["www-authenticate"],
        format!(
            "Bearer authorization=\"https://login.localhost:{port}/{tenant}\", resource=\"https://vault.localhost:{port}\""
        )
    );
}

#[tokio::test]
async fn a_public_host_name_is_challenged_with_the_public_names() {
    let world = World::new().await;
    let port = world.vault.address().port();

    let answer = send(
        world
            .http
            .get(format!("https://127.0.0.1:{port}/keys?api-version=7.4"))
            .header("host", "local.vault.azure.net"),
    )
    .await;

    let tenant = world.vault.tenant();
    assert_eq!(
        answer.headers["www-authenticate"],
        format!(
            "Bearer authorization=\"https://login.microsoftonline.com/{tenant}\", resource=\"https://vault.azure.net\""
        )
    );
}

#[tokio::test]
async fn a_token_of_either_audience_is_accepted_and_of_another_audience_refused() {
    let world = World::new().await;
    let owner = world.vault.owner().clone();
    let url = format!("{}/{}/oauth2/v2.0/token", world.vault.authority_uri(), world.vault.tenant());
    let local = format!("https://vault.localhost:{}", world.vault.address().port());

    for (resource, status) in [
        ("https://vault.azure.net", 200),
        (local.as_str(), 200),
        ("https://management.azure.com", 401),
    ] {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", owner.client_id),
            ("client_secret", owner.secret.expose()),
            ("scope", &format!("{resource}/.default")),
        ];
        let token = send(world.http.post(&url).form(&form)).await.field("access_token");
        let answer = world.with_token(&token, Method::GET, "/keys", None).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        if status == 401 {
            assert_eq!(
                answer.refusal().2,
                "AKV10022: Invalid audience. Expected https://vault.azure.net, found: https://management.azure.com."
            );
        }
    }
}

#[tokio::test]
async fn a_token_expires_by_the_clock() {
    let world = World::new().await;
    let token = world.token(world.vault.owner()).await;

    world.clock.advance(Duration::from_secs(3599));
    let before = world.with_token(&token, Method::GET, "/keys", None).await;
    world.clock.advance(Duration::from_secs(1));
    let after = refusal(&world, &token).await;

    assert_eq!(before.status, StatusCode::OK);
    assert_eq!(after.0, 401);
    assert_eq!(
        after.2,
        "Error validating token: IDX10223: Lifetime validation failed. The token is expired. ValidTo: '1/1/2026 1:00:00 AM', Current time: '1/1/2026 1:00:00 AM'."
    );
}

#[tokio::test]
async fn a_changed_token_and_one_without_signature_are_refused() {
    let world = World::new().await;
    let good = world.token(world.vault.managed_identity()).await;
    let parts: Vec<&str> = good.split('.').collect();
    let forged_claims = part(&claims(&world));
    let none = part(&json!({"alg": "none", "typ": "JWT"}));
    let hmac = part(&json!({"alg": "HS256", "typ": "JWT"}));

    for token in [
        format!("{}.{forged_claims}.{}", parts[0], parts[2]),
        format!("{}.{}.{}", parts[0], parts[1], "AAAA"),
        format!("{none}.{forged_claims}."),
        format!("{none}.{}.{}", parts[1], parts[2]),
        format!("{hmac}.{forged_claims}.{}", parts[2]),
    ] {
        let (status, code, message) = refusal(&world, &token).await;
        assert_eq!((status, code.as_str()), (401, "Unauthorized"), "{token}");
        let header = token.split('.').next().unwrap();
        assert_eq!(
            message,
            format!(
                "AKV10046: Unable to resolve the key used for signature validation. EncodedJwtHeader: '{header}'."
            )
        );
    }
    for token in ["", "x", "a.b", "a.b.c.d", "...", "..", "\u{fe}\u{fe}"] {
        assert_eq!(refusal(&world, token).await.0, 401, "{token}");
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused() {
    let (world, other) = (World::new().await, World::new().await);
    let foreign = other.token(other.vault.owner()).await;
    let mut elsewhere = claims(&world);
    elsewhere["iss"] = json!("https://sts.windows.net/elsewhere/");
    let header = part(&json!({"alg": "RS256", "typ": "JWT"}));
    let named = format!("{header}.{}.AAAA", part(&elsewhere));

    let same_name = refusal(&world, &foreign).await;
    let other_name = refusal(&world, &named).await;

    assert_eq!(same_name.0, 401);
    assert!(same_name.2.starts_with("AKV10046"), "{}", same_name.2);
    let tenant = world.vault.tenant();
    assert_eq!(
        other_name.2,
        format!(
            "AKV10032: Invalid issuer. Expected one of https://sts.windows.net/{tenant}/, found https://sts.windows.net/elsewhere/."
        )
    );
}

#[tokio::test]
async fn the_issuer_refuses_with_the_messages_of_entra() {
    let world = World::new().await;
    let id = world.vault.owner().client_id;
    let tenant = world.vault.tenant();
    let scope = "https://vault.azure.net/.default";
    let cases = [
        (
            tenant,
            vec![("client_id", id), ("client_secret", "wrong"), ("scope", scope)],
            401,
            "invalid_client",
            7_000_215,
        ),
        (tenant, vec![("client_id", id), ("scope", scope)], 401, "invalid_client", 7_000_216),
        (
            tenant,
            vec![("client_id", "nobody"), ("client_secret", "sealyard"), ("scope", scope)],
            400,
            "unauthorized_client",
            700_016,
        ),
        (
            tenant,
            vec![("client_id", id), ("client_secret", "sealyard"), ("scope", "openid")],
            400,
            "invalid_scope",
            1_002_012,
        ),
        (
            tenant,
            vec![("client_secret", "sealyard"), ("scope", scope)],
            400,
            "invalid_request",
            900_144,
        ),
        (
            "elsewhere",
            vec![("client_id", id), ("client_secret", "sealyard"), ("scope", scope)],
            400,
            "invalid_request",
            90_002,
        ),
    ];

    for (tenant, mut form, status, code, number) in cases {
        form.push(("grant_type", "client_credentials"));
        let url = format!("{}/{tenant}/oauth2/v2.0/token", world.vault.authority_uri());
        let answer = send(world.http.post(url).form(&form)).await;
        let body = answer.json();
        assert_eq!((answer.status.as_u16(), body["error"].as_str().unwrap()), (status, code));
        assert_eq!(body["error_codes"], json!([number]));
        let description = body["error_description"].as_str().unwrap();
        assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
    }
}

#[tokio::test]
async fn basic_authentication_and_the_older_endpoint_work_at_one_address() {
    let world = World::new().await;
    let owner = world.vault.owner();
    let base =
        format!("https://127.0.0.1:{}/{}", world.vault.address().port(), world.vault.tenant());

    let basic = send(
        world
            .http
            .post(format!("{base}/oauth2/v2.0/token"))
            .basic_auth(owner.client_id, Some(owner.secret.expose()))
            .form(&[
                ("grant_type", "client_credentials"),
                ("scope", "https://vault.azure.net/.default"),
            ]),
    )
    .await;
    let older = send(world.http.post(format!("{base}/oauth2/token")).form(&[
        ("grant_type", "client_credentials"),
        ("client_id", owner.client_id),
        ("client_secret", owner.secret.expose()),
        ("resource", "https://vault.azure.net"),
    ]))
    .await;

    for answer in [&basic, &older] {
        let token = answer.field("access_token");
        let listed = world.with_token(&token, Method::GET, "/keys", None).await;
        assert_eq!(listed.status, StatusCode::OK);
    }
    assert_eq!(older.field("expires_on"), (world.clock.unix_now() + 3600).to_string());
}

#[tokio::test]
async fn the_published_keys_verify_a_token() {
    let world = World::new().await;
    let base = format!("{}/{}", world.vault.authority_uri(), world.vault.tenant());
    let discovery =
        send(world.http.get(format!("{base}/v2.0/.well-known/openid-configuration"))).await;
    let keys = send(world.http.get(discovery.field("jwks_uri"))).await.json();
    let token = world.token(world.vault.owner()).await;

    let key = &keys["keys"][0];
    let header = jsonwebtoken::decode_header(&token).unwrap();
    let verifying = jsonwebtoken::DecodingKey::from_rsa_components(
        key["n"].as_str().unwrap(),
        key["e"].as_str().unwrap(),
    )
    .unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&["https://vault.azure.net"]);
    let claims = jsonwebtoken::decode::<Value>(&token, &verifying, &validation).unwrap().claims;

    assert_eq!(header.kid.as_deref(), key["kid"].as_str());
    assert_eq!(claims["iss"], discovery.json()["issuer"]);
    assert_eq!(claims["oid"], world.vault.owner().object_id);
}

#[tokio::test]
async fn outside_the_loopback_secrets_are_random_unless_the_network_is_trusted() {
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));

    let open = MockKeyVault::builder().ephemeral().listen(any).start().await.unwrap();
    let trusted = MockKeyVault::builder()
        .ephemeral()
        .listen(any)
        .trusted_network(true)
        .start()
        .await
        .unwrap();

    let file = open.owner().secret_file.as_ref().unwrap();
    assert_eq!(std::fs::read_to_string(file).unwrap(), open.owner().secret.expose());
    assert_eq!(open.owner().secret.expose().len(), 64);
    assert_eq!(trusted.owner().secret.expose(), "sealyard");
    assert!(trusted.owner().secret_file.is_none());
}
