//! Requests for more than a login allows: the token covers only the allowed part, and no exchange adds to it.

use reqwest::{Method, StatusCode};

use crate::acr_login::{access, assert_unauthorized, close, scoped, text, with_basic, with_bearer};
use crate::support::{Answer, Client, content, start};

const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";

/// Scopes that include or could be mistaken for more than `repository:app:pull`.
const WIDER: [&str; 16] = [
    "repository:app:*",
    "repository:app:pull,push,delete,metadata_read,metadata_write",
    "repository:*:pull",
    "repository:*:*",
    "repository:**:pull",
    "repository:app/*:pull",
    "repository:app,other:pull",
    "repository:app/../other:pull",
    "repository:app repository:other:pull",
    "repository(plugin):other:pull",
    "repository:other:pull",
    "repository:OTHER:pull",
    "repository:ap:pull",
    "repository:app/sub:pull",
    "registry:catalog:*",
    "registry:*:*",
];

/// Checks that a bearer token allows to pull `app` and nothing else.
async fn assert_narrow(client: &Client, token: &str, what: &str) {
    let layer = content::digest(b"layer of the other");
    for (method, path) in [
        (Method::GET, "/v2/other/manifests/v1".to_owned()),
        (Method::HEAD, format!("/v2/other/blobs/{layer}")),
        (Method::GET, "/v2/ap/tags/list".to_owned()),
        (Method::GET, "/v2/app/sub/manifests/v1".to_owned()),
        (Method::GET, "/v2/app/tags/list".to_owned()),
        (Method::GET, "/v2/_catalog".to_owned()),
        (Method::GET, "/acr/v1/_catalog".to_owned()),
        (Method::GET, "/acr/v1/app".to_owned()),
        (Method::PATCH, "/acr/v1/app".to_owned()),
        (Method::POST, "/v2/app/blobs/uploads/".to_owned()),
        (Method::PUT, "/v2/app/manifests/v2".to_owned()),
        (Method::DELETE, "/v2/app/manifests/v1".to_owned()),
    ] {
        let answer = with_bearer(client, method.clone(), &path, token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {method} {path}");
    }
}

#[tokio::test]
async fn a_login_for_one_repository_gets_no_token_for_more_at_any_endpoint() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let by_get = async |user: &str, password: &str, scope: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("scope", scope)
            .finish();
        with_basic(&client, Method::GET, &format!("/oauth2/token?{query}"), user, password).await
    };
    let by_post = async |user: &str, password: &str, scope: &str| {
        let fields = [
            ("grant_type", "password"),
            ("username", user),
            ("password", password),
            ("scope", scope),
        ];
        let request = client.request(Method::POST, "/oauth2/token").form(&fields);
        Answer::of(request.send().await.unwrap()).await
    };
    let narrow = text(&by_get("reader", &password, "repository:app:pull").await, "access_token");
    let pulled = with_bearer(&client, Method::GET, "/v2/app/manifests/v1", &narrow).await;
    assert_eq!(pulled.status, StatusCode::OK);
    assert_narrow(&client, &narrow, "the narrow token").await;

    for scope in WIDER {
        for scope in [scope.to_owned(), format!("{scope} repository:app:pull")] {
            let mut made = Vec::new();
            for (user, password) in [("reader", &password), (TOKEN_USER, &narrow)] {
                made.push(by_get(user, password, &scope).await);
                made.push(by_post(user, password, &scope).await);
            }
            made.push(access(&client, &narrow, &scope).await);
            for answer in made {
                if answer.status == StatusCode::UNAUTHORIZED {
                    continue;
                }
                assert_narrow(&client, &text(&answer, "access_token"), &scope).await;
            }
        }
    }
}

#[tokio::test]
async fn many_scopes_in_one_request_give_a_token_for_the_allowed_part_only() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let many: Vec<String> =
        (0..400).map(|number| format!("scope=repository:r{number}:pull")).collect();
    let path = format!("/oauth2/token?scope=repository:app:pull&{}", many.join("&"));

    let answer = with_basic(&client, Method::GET, &path, "reader", &password).await;

    assert_narrow(&client, &text(&answer, "access_token"), "many scopes").await;
}

#[tokio::test]
async fn a_principal_with_the_role_to_pull_gets_no_token_to_push_or_to_delete() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let vault = emulator.vault().unwrap();
    let app = vault.add_application("a build").await.unwrap().principal;
    let scope = emulator.registry().resource_id();
    vault.assign_role(&scope, "AcrPull", app.object_id()).await.unwrap();
    let entra = vault.token(app.client_id(), "https://management.azure.com").unwrap();
    let form = [("grant_type", "access_token"), ("service", "s"), ("access_token", entra.expose())];
    let request = client.request(Method::POST, "/oauth2/exchange").form(&form);
    let refresh = text(&Answer::of(request.send().await.unwrap()).await, "refresh_token");

    for scope in WIDER {
        let answer = access(&client, &refresh, &format!("{scope} repository:app:pull")).await;
        let token = text(&answer, "access_token");
        for (method, path) in [
            (Method::POST, "/v2/app/blobs/uploads/"),
            (Method::DELETE, "/v2/app/manifests/v1"),
            (Method::PATCH, "/acr/v1/app"),
        ] {
            let answer = with_bearer(&client, method, path, &token).await;
            assert_unauthorized(&answer, &format!("{scope}: {path}"));
        }
    }
    // The refresh token of a principal whose role ends gives nothing any more, although it is valid.
    vault.remove_role(&scope, "AcrPull", app.object_id()).await.unwrap();
    assert_unauthorized(&access(&client, &refresh, "repository:app:pull").await, "without a role");
}
