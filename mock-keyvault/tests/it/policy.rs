//! Permissions by identity, and the refusals of disabled and expired keys.

use mock_keyvault::KeyPermission;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::World;

fn denied(world: &World, permission: &str, inner: &str) -> String {
    let identity = world.vault.managed_identity();
    let (app, object, tenant) = (identity.client_id, identity.object_id, world.vault.tenant());
    format!(
        r#"{{"error":{{"code":"Forbidden","message":"The user, group or application 'appid={app};oid={object};iss=https://sts.windows.net/{tenant}/' does not have keys {permission} permission on key vault 'local;location=eastus'. For help resolving this issue, please see https://go.microsoft.com/fwlink/?linkid=2125287","innererror":{{"code":"{inner}"}}}}}}"#
    )
}

#[tokio::test]
async fn the_next_call_after_the_removal_of_a_policy_is_refused_with_the_same_token() {
    let world = World::with_key().await;
    let identity = world.vault.managed_identity();
    let token = world.token(identity).await;
    let get = || world.with_token(&token, Method::GET, "/keys/k", None);
    assert_eq!(get().await.status, StatusCode::OK);

    world.vault.remove_access_policy("local", identity.object_id).await.unwrap();
    let refused = get().await;
    world
        .vault
        .set_access_policy("local", identity.object_id, KeyPermission::FOR_ENCRYPTION)
        .await
        .unwrap();

    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(refused.text, denied(&world, "get", "AccessDenied"));
    assert_eq!(get().await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_policy_without_the_permission_refuses_with_another_inner_code() {
    let world = World::with_key().await;
    let identity = world.vault.managed_identity();
    world
        .vault
        .set_access_policy("local", identity.object_id, &[KeyPermission::Get])
        .await
        .unwrap();

    let wrap = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await;
    let unwrap = world.wrap("/keys/none/unwrapkey", "RSA-OAEP-256", b"x").await;

    assert_eq!(wrap.text, denied(&world, "wrapKey", "ForbiddenByPolicy"));
    assert_eq!(unwrap.text, denied(&world, "unwrapKey", "ForbiddenByPolicy"));
    assert_eq!(world.vault.calls().last().unwrap().code, Some("ForbiddenByPolicy"));
}

#[tokio::test]
async fn the_managed_identity_may_not_manage() {
    let world = World::with_key().await;

    for (method, path, permission) in [
        (Method::DELETE, "/keys/k", "delete"),
        (Method::GET, "/keys", "list"),
        (Method::PATCH, "/keys/k", "update"),
        (Method::POST, "/keys/k/create", "create"),
        (Method::DELETE, "/deletedkeys/k", "purge"),
    ] {
        let refused = world.identity(method, path, None).await;
        assert_eq!(refused.text, denied(&world, permission, "ForbiddenByPolicy"));
    }
}

#[tokio::test]
async fn a_disabled_version_cannot_be_used_but_can_be_read_and_enabled_again() {
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();

    let patch = json!({"attributes": {"enabled": false}});
    let disabled = world.owner(Method::PATCH, "/keys/k/", Some(patch)).await;
    let refused = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await;
    let refused_wrap = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await;
    let seen = world.identity(Method::GET, "/keys/k", None).await;
    world.vault.set_key_enabled("local", "k", None, true).await.unwrap();
    let back = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await;

    assert_eq!(disabled.json()["attributes"]["enabled"], false);
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(
        refused.text,
        r#"{"error":{"code":"Forbidden","message":"Operation unwrapKey is not allowed on a disabled key.","innererror":{"code":"KeyDisabled"}}}"#
    );
    assert_eq!(refused_wrap.refusal().1, "Forbidden/KeyDisabled");
    assert_eq!(seen.json()["attributes"]["enabled"], false);
    assert_eq!(back.value(), b"x");
}

#[tokio::test]
async fn a_disabled_version_does_not_affect_the_others() {
    let world = World::with_key().await;
    let old = world.vault.latest_version("local", "k").await.unwrap().unwrap().version.unwrap();
    world.vault.create_key("local", "k", mock_keyvault::KeySize::Rsa2048).await.unwrap();

    world.vault.set_key_enabled("local", "k", Some(old.as_str()), false).await.unwrap();

    let path = format!("/keys/k/{old}/wrapkey");
    assert_eq!(world.wrap(&path, "RSA-OAEP", b"x").await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.wrap("/keys/k/wrapkey", "RSA-OAEP", b"x").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_version_outside_its_validity_unwraps_but_does_not_wrap() {
    let world = World::with_key().await;
    let wrapped = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await.value();
    let now = world.clock.unix_now();

    for (attributes, code) in [
        (json!({"nbf": now + 100, "exp": now + 200}), "Forbidden/KeyNotYetValid"),
        (json!({"nbf": now - 200, "exp": now}), "Forbidden/KeyExpired"),
    ] {
        let patch = json!({ "attributes": attributes });
        assert_eq!(world.owner(Method::PATCH, "/keys/k", Some(patch)).await.status, 200);
        let refused = world.wrap("/keys/k/wrapkey", "RSA-OAEP-256", b"x").await;
        let unwrapped = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &wrapped).await;
        assert_eq!(refused.refusal().1, code);
        assert_eq!(unwrapped.value(), b"x");
    }
}

#[tokio::test]
async fn an_operation_that_the_key_does_not_list_is_refused() {
    let world = World::new().await;
    let body = json!({"kty": "RSA", "key_ops": ["wrapKey", "verify"]});
    let made = world.owner(Method::POST, "/keys/k/create", Some(body)).await;

    let refused = world.wrap("/keys/k/unwrapkey", "RSA-OAEP-256", &[0; 256]).await;

    assert_eq!(made.json()["key"]["key_ops"], json!(["wrapKey", "verify"]));
    assert_eq!(
        refused.refusal(),
        (
            403,
            "Forbidden/KeyOperationForbidden".into(),
            "Operation unwrapKey is not permitted on this key.".into()
        )
    );
}

#[tokio::test]
async fn an_outage_is_503_for_the_vault_until_it_ends() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;

    world.vault.set_outage(true);
    let during = world.with_token(&token, Method::GET, "/keys", None).await;
    world.vault.set_outage(false);
    let after = world.with_token(&token, Method::GET, "/keys", None).await;

    assert_eq!(during.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(after.status, StatusCode::OK);
}
