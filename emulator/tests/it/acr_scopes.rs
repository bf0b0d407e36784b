//! Scopes beyond pull and push: lists of tags and of repositories; and the headers that tell a client which scope to request.

use reqwest::{Method, StatusCode};
use sealyard::Config;
use sealyard::Sealyard;
use sealyard::internals::registry::{Change, PasswordName};

use crate::acr_login::{
    access, admin, assert_unauthorized, close, scoped, text, with_basic, with_bearer,
};
use crate::support::arm::{owner_token, through_proxy};
use crate::support::{Answer, Client, start};

const TAGS: &str = "/v2/app/tags/list";

/// Creates a token with a system-defined scope map and returns its password.
async fn with_map(emulator: &Sealyard, token: &str, map: &str) -> String {
    let registry = emulator.registry();
    registry.put_token(&token.parse().unwrap(), map, true).await.unwrap();
    let made = registry.generate_credentials(token, &[PasswordName::First], None).await.unwrap();
    made[0].password.expose().to_owned()
}

#[tokio::test]
async fn a_list_of_tags_requires_metadata_read_and_the_challenge_names_that_scope() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let may_pull = ["repositories/app/content/read"];
    let password = scoped(&emulator, "reader", &may_pull).await;
    let path = "/oauth2/token?service=s&scope=repository:app:pull";
    let token = with_basic(&client, Method::GET, path, "reader", &password).await;

    let refused = with_bearer(&client, Method::GET, TAGS, &text(&token, "access_token")).await;

    assert_unauthorized(&refused, "a list of tags with the permission to pull only");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains(",scope=\"repository:app:metadata_read\""), "{challenge}");
    assert!(challenge.contains(",error=\"insufficient_scope\""), "{challenge}");
}

#[tokio::test]
async fn system_defined_scope_maps_and_the_admin_user_list_tags_and_repositories_as_in_acr() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let mut logins = vec![(
        "local".to_owned(),
        admin(&emulator).await.passwords[0].expose().to_owned(),
        true,
        true,
    )];
    for (token, map, tags, catalog) in [
        ("puller", "_repositories_pull", false, false),
        ("pusher", "_repositories_push", false, false),
        ("reader", "_repositories_pull_metadata_read", true, false),
        ("writer", "_repositories_push_metadata_write", true, false),
        ("chief", "_repositories_admin", true, true),
    ] {
        logins.push((token.to_owned(), with_map(&emulator, token, map).await, tags, catalog));
    }

    for (user, password, tags, catalog) in logins {
        for (path, allowed) in [(TAGS, tags), ("/v2/_catalog", catalog)] {
            let answer = with_basic(&client, Method::GET, path, &user, &password).await;
            let status = if allowed { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(answer.status, status, "{user} {path}");
        }
    }
}

/// The refusal of a listener that other machines can reach.
async fn with_password() -> Answer {
    let listen = ([0, 0, 0, 0], 0).into();
    let emulator = Sealyard::builder().ephemeral().listen(listen).start().await.unwrap();
    let port = emulator.registry_address().port();
    Client::at(&format!("http://127.0.0.1:{port}")).get("/v2/").await
}

#[tokio::test]
async fn every_401_names_the_protocol_and_the_headers_that_a_web_page_may_read() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;

    for (what, answer) in [
        ("a request without a login", client.get("/v2/").await),
        ("metadata without a login", client.get("/acr/v1/_catalog").await),
        ("the token endpoint", client.get("/oauth2/token?scope=repository:app:pull").await),
        ("a listener that asks for its own password", with_password().await),
        (
            "a login without the permission",
            with_basic(&client, Method::DELETE, "/acr/v1/app", "reader", &password).await,
        ),
    ] {
        assert_unauthorized(&answer, what);
        assert_eq!(answer.header("docker-distribution-api-version"), "registry/2.0", "{what}");
        let exposed: Vec<_> =
            answer.headers.get_all("access-control-expose-headers").iter().collect();
        let names =
            ["Docker-Content-Digest", "WWW-Authenticate", "Link", "X-Ms-Correlation-Request-Id"];
        assert_eq!(exposed, names, "{what}");
    }
}

#[tokio::test]
async fn a_token_of_a_deleted_registry_is_refused_by_a_later_registry_of_the_same_name() {
    let (emulator, _) = start().await;
    let make = async || {
        emulator.create_registry("team1").await.unwrap();
        let registry = emulator.registry_named("team1").unwrap();
        let change = Change { anonymous: Some(false), ..Change::default() };
        emulator.app().registries.change(registry.registry_name(), change).await.unwrap();
        registry.set_admin_enabled(true).await.unwrap();
        registry
    };
    let registry = make().await;
    let password = registry.admin_credentials().await.unwrap().passwords[0].expose().to_owned();
    let client = Client::named(&emulator.registry_url(), "team1.azurecr.io");
    let path = "/oauth2/token?service=team1.azurecr.io&scope=registry:catalog:*";
    let old = with_basic(&client, Method::GET, path, "team1", &password).await;
    let old = text(&old, "access_token");
    let catalog =
        async |token: &str| with_bearer(&client, Method::GET, "/v2/_catalog", token).await;
    assert_eq!(catalog(&old).await.status, StatusCode::OK);

    emulator.delete_registry("team1").await.unwrap();
    let registry = make().await;

    assert_unauthorized(&catalog(&old).await, "a token of the deleted registry");
    let password = registry.admin_credentials().await.unwrap().passwords[0].expose().to_owned();
    let new = with_basic(&client, Method::GET, path, "team1", &password).await;
    assert_eq!(catalog(&text(&new, "access_token")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn under_its_azure_name_a_registry_without_logins_challenges_and_issues_a_token_to_any_client()
 {
    let (emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let http = through_proxy(&emulator);
    let at = |path: &str| format!("https://local.azurecr.io{path}");

    let stranger = Answer::of(http.get(at("/v2/")).send().await.unwrap()).await;
    assert_unauthorized(&stranger, "a ping without a login");
    let challenge = stranger.header("www-authenticate");
    assert_eq!(
        challenge,
        "Bearer realm=\"https://local.azurecr.io/oauth2/token\",service=\"local.azurecr.io\""
    );

    // These are the requests of `az acr repository list`.
    let form = [
        ("grant_type", "access_token"),
        ("service", "local.azurecr.io"),
        ("access_token", &owner_token(&emulator)),
    ];
    let exchanged = http.post(at("/oauth2/exchange")).form(&form).send().await.unwrap();
    let refresh = text(&Answer::of(exchanged).await, "refresh_token");
    let token = text(&access(&client, &refresh, "registry:catalog:*").await, "access_token");
    let listed = http.get(at("/v2/_catalog")).bearer_auth(token).send().await.unwrap();
    assert_eq!(Answer::of(listed).await.json(), serde_json::json!({ "repositories": ["app"] }));

    let anonymous = http.get(at("/oauth2/token?scope=repository:app:pull,push")).send().await;
    let token = text(&Answer::of(anonymous.unwrap()).await, "access_token");
    for path in ["/v2/", "/v2/app/manifests/v1"] {
        let answer = http.get(at(path)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK, "docker needs no login");

    let stale =
        http.get(at("/oauth2/token?scope=repository:app:pull")).basic_auth("who", Some("ever"));
    let stale = Answer::of(stale.send().await.unwrap()).await;
    text(&stale, "access_token");

    close(&emulator, &client).await;
    let late = http.get(at("/v2/app/manifests/v1")).bearer_auth(&token).send().await.unwrap();
    assert_unauthorized(
        &Answer::of(late).await,
        "a token of the open registry is refused after the change",
    );
}

#[tokio::test]
async fn headers_of_a_loopback_proxy_change_the_realm_and_do_not_select_the_registry() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    emulator.create_registry("team1").await.unwrap();
    let request = client
        .request(Method::GET, "/v2/")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "team1.azurecr.io");

    let answer = Answer::of(request.send().await.unwrap()).await;

    assert_unauthorized(
        &answer,
        "the answer is from local, which requires a login, and not from team1, which does not",
    );
    assert_eq!(
        answer.header("www-authenticate"),
        "Bearer realm=\"https://team1.azurecr.io/oauth2/token\",service=\"team1.azurecr.io\""
    );
}

#[tokio::test]
async fn a_web_page_may_use_a_registry_only_if_its_origin_is_configured() {
    let config =
        Config { cors_origin: vec!["http://localhost:8080".parse().unwrap()], ..Config::default() };
    let emulator = Sealyard::builder().config(config).ephemeral().start().await.unwrap();
    let client = Client::of(&emulator);
    close(&emulator, &client).await;
    let from = async |method: Method, origin: &str| {
        let request = client
            .request(method, "/v2/app/manifests/v1")
            .header("origin", origin)
            .header("access-control-request-method", "DELETE")
            .header("access-control-request-headers", "authorization");
        Answer::of(request.send().await.unwrap()).await
    };

    let preflight = from(Method::OPTIONS, "http://localhost:8080").await;
    let refused = from(Method::GET, "http://localhost:8080").await;
    let other = from(Method::OPTIONS, "http://localhost:8081").await;

    assert_eq!(preflight.status, StatusCode::OK, "a preflight has no login");
    assert_eq!(preflight.header("access-control-allow-origin"), "http://localhost:8080");
    assert_eq!(preflight.header("access-control-allow-credentials"), "true");
    assert!(preflight.header("access-control-allow-methods").contains("DELETE"));
    assert!(preflight.header("access-control-allow-headers").contains("authorization"));
    assert_unauthorized(&refused, "a page without a login");
    assert_eq!(refused.header("access-control-allow-origin"), "http://localhost:8080");
    assert!(refused.header("access-control-expose-headers").contains("www-authenticate"));
    assert_eq!(other.headers.get("access-control-allow-origin"), None);
    let other = from(Method::GET, "http://localhost:8081").await;
    assert_eq!(other.status, StatusCode::FORBIDDEN, "a page of another origin");
    let admin = client.request(Method::GET, "/_sealyard/status");
    let admin = admin.header("origin", "http://localhost:8080").send().await.unwrap();
    assert_eq!(admin.status(), StatusCode::FORBIDDEN, "the admin API is not for pages");
}
