//! Creating and removing principals: by the handle, by the admin API, and across a restart.

use azure_emulator_core::identity::{NewPrincipal, PrincipalError, PrincipalKind};
use mock_keyvault::{KeyPermission, KeySize, MockKeyVault};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World, send};

const RESOURCE: &str = "https://vault.azure.net";

async fn admin(world: &World, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = world.http.request(method, format!("{}/_keyvault{path}", world.vault.uri()));
    send(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

/// Asks the token endpoint for a token of an application.
async fn token_for(world: &World, client_id: &str, secret: &str) -> Answer {
    let url = format!("{}/{}/oauth2/v2.0/token", world.vault.authority_uri(), world.vault.tenant());
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
        ("scope", "https://vault.azure.net/.default"),
    ];
    send(world.http.post(url).form(&form)).await
}

#[tokio::test]
async fn a_new_application_gets_tokens_and_the_permissions_of_its_policy() {
    let world = World::with_key().await;
    let app = world.vault.add_application("backup job").await.unwrap();
    let (id, secret) = (app.principal.client_id(), app.secret.unwrap().secret);

    let token = token_for(&world, id, secret.expose()).await.field("access_token");
    let before = world.with_token(&token, Method::GET, "/keys/k", None).await;
    let oid = app.principal.object_id();
    world.vault.set_access_policy("local", oid, &[KeyPermission::Get]).await.unwrap();
    let after = world.with_token(&token, Method::GET, "/keys/k", None).await;

    let (status, code, message) = before.refusal();
    assert_eq!((status, code.as_str()), (403, "Forbidden/AccessDenied"));
    assert!(message.contains(&format!("'appid={id};oid={oid};iss=")), "{message}");
    assert_eq!(after.status, StatusCode::OK);
    let call = world.vault.calls().pop().unwrap();
    assert_eq!((call.app_id.as_deref(), call.object_id.as_deref()), (Some(id), Some(oid)));
}

#[tokio::test]
async fn a_removed_principal_is_refused_at_its_next_call_and_gets_no_more_tokens() {
    let world = World::with_key().await;
    let app = world.vault.add_application("short-lived").await.unwrap();
    let (id, secret) = (app.principal.client_id(), app.secret.unwrap().secret);
    let oid = app.principal.object_id();
    world.vault.set_access_policy("local", oid, &[KeyPermission::Get]).await.unwrap();
    let token = world.vault.token(id, RESOURCE).unwrap();

    let before = world.with_token(token.expose(), Method::GET, "/keys/k", None).await;
    world.vault.remove_principal(id).await.unwrap();
    let after = world.with_token(token.expose(), Method::GET, "/keys/k", None).await;
    let token_for = token_for(&world, id, secret.expose()).await;

    assert_eq!(before.status, StatusCode::OK);
    assert!(after.headers.contains_key("www-authenticate"));
    let (status, code, message) = after.refusal();
    assert_eq!((status, code.as_str()), (401, "Unauthorized"));
    assert!(message.contains(id), "{message}");
    assert_eq!(token_for.status, StatusCode::BAD_REQUEST);
    assert_eq!(token_for.json()["error_codes"], json!([700_016]));
    assert!(matches!(world.vault.token(id, RESOURCE), Err(PrincipalError::NotFound(_))));
}

#[tokio::test]
async fn principals_survive_a_restart_and_none_of_their_secrets_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || MockKeyVault::builder().data_dir(folder.path());
    let world = World::start(builder()).await;
    let made =
        admin(&world, Method::POST, "/principals", Some(json!({"displayName": "app"}))).await;
    let (id, secret) = (made.field("clientId"), made.field("secret"));
    let path = format!("/principals/{id}/secrets");
    let second = admin(&world, Method::POST, &path, None).await.field("secret");
    world.vault.shutdown().await;

    let world = World::start(builder()).await;
    let tokens = [token_for(&world, &id, &secret).await, token_for(&world, &id, &second).await];
    let wrong = token_for(&world, &id, "wrong").await;
    world.vault.shutdown().await;

    for token in tokens {
        assert_eq!(token.status, StatusCode::OK, "{}", token.text);
    }
    assert_eq!(wrong.json()["error_codes"], json!([7_000_215]));
    let file =
        std::fs::read_to_string(folder.path().join(format!("identity/principals/{id}.json")));
    let file = file.unwrap();
    assert!(file.contains("\"hash\"") && !file.contains(&secret) && !file.contains(&second));
}

#[tokio::test]
async fn the_admin_api_creates_lists_and_removes_principals_and_shows_a_secret_once() {
    let world = World::new().await;

    let made =
        admin(&world, Method::POST, "/principals", Some(json!({"displayName": "app"}))).await;
    let identity = json!({"kind": "userAssignedIdentity", "displayName": "puller"});
    let identity = admin(&world, Method::POST, "/principals", Some(identity)).await;
    let listed = admin(&world, Method::GET, "/principals", None).await;
    let path = format!("/principals/{}", made.field("clientId"));
    let one = admin(&world, Method::GET, &path, None).await;
    let removed = admin(&world, Method::DELETE, &path, None).await;
    let again = admin(&world, Method::DELETE, &path, None).await;

    assert_eq!((made.status, identity.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(made.headers["cache-control"], "no-store");
    assert_eq!(made.field("secret").len(), 64);
    assert!(identity.json().get("secret").is_none());
    let names: Vec<Value> = listed.json()["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| json!([one["displayName"], one["kind"]]))
        .collect();
    assert_eq!(
        json!(names),
        json!([
            ["app", "application"],
            ["owner", "application"],
            ["puller", "userAssignedIdentity"],
            ["sealyard", "userAssignedIdentity"]
        ])
    );
    for answer in [&listed, &one] {
        assert!(!answer.text.contains(&made.field("secret")) && !answer.text.contains("hash"));
    }
    assert_eq!(one.json()["secretIds"], made.json()["secretIds"]);
    assert_eq!((removed.status.as_u16(), again.status.as_u16()), (204, 404));
}

#[tokio::test]
async fn a_removed_secret_is_refused_and_the_other_one_is_accepted() {
    let world = World::new().await;
    let made =
        admin(&world, Method::POST, "/principals", Some(json!({"displayName": "app"}))).await;
    let id = made.field("clientId");
    let path = format!("/principals/{id}/secrets");
    let second = admin(&world, Method::POST, &path, None).await;

    let first = made.json()["secretIds"][0].as_str().unwrap().to_owned();
    let removed = admin(&world, Method::DELETE, &format!("{path}/{first}"), None).await;
    let with_first = token_for(&world, &id, &made.field("secret")).await;
    let with_second = token_for(&world, &id, &second.field("secret")).await;

    assert_eq!(removed.status, StatusCode::NO_CONTENT);
    assert_eq!(with_first.status, StatusCode::UNAUTHORIZED);
    assert_eq!(with_second.status, StatusCode::OK);
}

#[tokio::test]
async fn an_invalid_principal_is_refused_with_a_message() {
    let world = World::new().await;
    let resource = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a";
    let taken = json!({"kind": "systemAssignedIdentity", "resourceId": resource});
    admin(&world, Method::POST, "/principals", Some(taken.clone())).await;
    let owner = format!("/principals/{}", world.vault.owner().client_id);

    for (method, path, body, status) in [
        (Method::POST, "/principals", json!({}), 400),
        (Method::POST, "/principals", json!({"displayName": ""}), 400),
        (Method::POST, "/principals", json!({"displayName": "a", "kind": "robot"}), 400),
        (Method::POST, "/principals", json!({"displayName": "a", "resourceId": resource}), 400),
        (Method::POST, "/principals", json!({"displayName": "a", "password": "b"}), 400),
        (Method::POST, "/principals", json!({"kind": "systemAssignedIdentity"}), 400),
        (Method::POST, "/principals", json!("x".repeat(20_000)), 400),
        (Method::POST, "/principals", taken, 409),
        (Method::DELETE, owner.as_str(), json!(null), 409),
        (Method::PATCH, "/principals", json!(null), 404),
        (Method::GET, "/principals/nobody", json!(null), 404),
    ] {
        let answer = admin(&world, method.clone(), path, Some(body)).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.text);
        assert!(answer.json()["error"]["message"].is_string());
    }
}

#[tokio::test]
async fn the_tokens_of_a_managed_identity_say_which_resource_it_is() {
    let world = World::new().await;
    let new = NewPrincipal::system_assigned_identity(
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/r",
    );
    let made = world.vault.add_principal(new.unwrap()).await.unwrap();

    let token = world.vault.token(made.principal.client_id(), RESOURCE).unwrap();
    let claims = crate::support::claims_of(token.expose());

    assert_eq!(made.principal.kind(), PrincipalKind::SystemAssignedIdentity);
    assert_eq!(claims["xms_mirid"], made.principal.resource_id().unwrap());
    assert_eq!(claims["appid"], made.principal.client_id());
    assert_eq!(claims["oid"], made.principal.object_id());
    assert_eq!(claims["sub"], made.principal.object_id());
    assert_eq!(claims["appidacr"], "2");
    assert_eq!((&claims["idtyp"], &claims["ver"]), (&json!("app"), &json!("1.0")));
    assert_eq!(claims["tid"], world.vault.tenant());
}

#[tokio::test]
async fn two_vaults_in_one_process_are_independent() {
    let (one, other) = tokio::join!(World::new(), World::new());
    one.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    let app = one.vault.add_application("app").await.unwrap();

    let token = one.vault.token(app.principal.client_id(), RESOURCE).unwrap();
    let elsewhere = other.with_token(token.expose(), Method::GET, "/keys", None).await;

    assert_ne!(one.vault.address(), other.vault.address());
    assert_ne!(one.vault.data_dir(), other.vault.data_dir());
    assert_eq!(elsewhere.status, StatusCode::UNAUTHORIZED);
    assert_eq!(other.vault.principals().len(), 2);
    assert!(other.vault.latest_version("local", "k").await.unwrap().is_none());
}
