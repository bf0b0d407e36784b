//! The mode for quick starts, in which any token counts as the owner's.

use mock_keyvault::{KeyPermission, KeySize, MockKeyVault, StartError};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{World, send};

async fn accepting() -> World {
    let world = World::start(MockKeyVault::builder().ephemeral().accept_any_token(true)).await;
    world.vault.create_key("local", "k", KeySize::Rsa2048).await.unwrap();
    world
}

#[tokio::test]
async fn any_token_is_the_owners_and_a_missing_token_is_challenged() {
    let world = accepting().await;
    let foreign = World::new().await;
    let elsewhere = foreign.token(foreign.vault.owner()).await;

    for token in ["x", "a.b.c", "...", &elsewhere, &"y".repeat(40_000)] {
        let answer = world.with_token(token, Method::GET, "/keys/k", None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    }
    let none = send(world.http.get(world.url("/keys/k"))).await;
    let basic = send(world.http.get(world.url("/keys/k")).basic_auth("a", Some("b"))).await;

    for answer in [none, basic] {
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(answer.headers.contains_key("www-authenticate"));
    }
    let call = &world.vault.calls()[0];
    assert_eq!(call.object_id.as_deref(), Some(world.vault.owner().object_id));
}

#[tokio::test]
async fn a_token_of_a_real_principal_keeps_its_permissions() {
    let world = accepting().await;
    let app = world.vault.add_application("app").await.unwrap().principal;
    let (id, oid) = (app.client_id(), app.object_id());
    let token = world.vault.token(id, "https://vault.azure.net").unwrap();
    let elsewhere = world.vault.token(id, "https://management.azure.com").unwrap();
    let get = || world.with_token(token.expose(), Method::GET, "/keys/k", None);

    let before = get().await;
    world.vault.set_access_policy("local", oid, &[KeyPermission::Get]).await.unwrap();
    let allowed = get().await;
    let audience = world.with_token(elsewhere.expose(), Method::GET, "/keys/k", None).await;
    world.vault.remove_principal(id).await.unwrap();
    let removed = get().await;

    assert_eq!(before.status, StatusCode::FORBIDDEN);
    assert_eq!(allowed.status, StatusCode::OK);
    assert_eq!(audience.status, StatusCode::UNAUTHORIZED);
    assert_eq!(removed.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_owner_of_any_token_may_do_no_more_than_the_owner() {
    let world = accepting().await;
    let owner = world.vault.owner().object_id;

    world.vault.remove_access_policy("local", owner).await.unwrap();
    let answer = world.with_token("x", Method::GET, "/keys/k", None).await;

    assert_eq!(answer.refusal().1, "Forbidden/AccessDenied");
}

#[tokio::test]
async fn it_is_off_by_default_and_health_says_when_it_is_on() {
    let (off, on) = (World::with_key().await, accepting().await);

    let refused = off.with_token("x", Method::GET, "/keys/k", None).await;
    let health =
        |world: &World| send(world.http.get(format!("{}/_keyvault/health", world.vault.uri())));
    let (off, on) = (health(&off).await.json(), health(&on).await.json());

    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!((&off["acceptsAnyToken"], &off["warnings"]), (&json!(false), &json!([])));
    assert_eq!(on["acceptsAnyToken"], json!(true));
    assert!(on["warnings"][0].as_str().unwrap().contains("any bearer token is accepted"));
}

#[tokio::test]
async fn outside_the_loopback_it_is_refused_unless_the_network_is_trusted() {
    let any = std::net::SocketAddr::from(([0, 0, 0, 0], 0));
    let builder = || MockKeyVault::builder().ephemeral().listen(any).accept_any_token(true);

    let refused = builder().start().await.unwrap_err();
    let trusted = builder().trusted_network(true).start().await;

    assert!(matches!(refused, StartError::AnyTokenOffLoopback { .. }));
    assert!(refused.to_string().contains("--trusted-network"), "{refused}");
    assert!(trusted.is_ok());
}
