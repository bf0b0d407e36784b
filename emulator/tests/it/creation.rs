//! The rules for the creation and change of a registry over the admin API: each refusal has its status, code and message.

use mock_keyvault::{Curve, KeyPermission, KeySize, MockKeyVault, NetworkRules, VaultChanges};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::{Answer, Client, start};

const REGISTRIES: &str = "/_sealyard/registries";

/// An emulator with an identity `one` that may use the keys `rsa` and `ec` of the vault `local`.
async fn prepared() -> (Sealyard, Client, String) {
    let (emulator, client) = start().await;
    let vault = emulator.vault().unwrap();
    vault.create_key("local", "rsa", KeySize::Rsa2048).await.unwrap();
    vault.create_key("local", "other", KeySize::Rsa2048).await.unwrap();
    vault.create_ec_key("local", "ec", Curve::P256).await.unwrap();
    let one = emulator.create_identity("one").await.unwrap().principal.principal_id;
    allow(vault, &one, KeyPermission::FOR_ENCRYPTION).await;
    (emulator, client, one)
}

async fn allow(vault: &MockKeyVault, principal: &str, permissions: &[KeyPermission]) {
    vault.set_access_policy("local", principal, permissions).await.unwrap();
}

fn registry(more: &Value) -> Value {
    let mut body = json!({ "name": "team1", "keyIdentifier": "rsa", "identity": "one" });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[track_caller]
fn assert_refused(answer: &Answer, status: StatusCode, code: &str, fragment: &str) {
    let error = &answer.json()["error"];
    assert_eq!((answer.status, error["code"].as_str().unwrap()), (status, code), "{error}");
    assert!(error["message"].as_str().unwrap().contains(fragment), "{error}");
}

/// After a refusal the registry does not exist and its name is free.
async fn assert_nothing(emulator: &Sealyard, client: &Client) {
    assert!(emulator.registry_named("team1").is_none());
    let shown = client.get(&format!("{REGISTRIES}/team1")).await;
    assert_eq!(shown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_invalid_registry_is_refused_and_not_created() {
    let (emulator, client, _) = prepared().await;

    for (more, status, code, fragment) in [
        (json!({ "sku": "Standard" }), 400, "CMKNotSupportedForSku", "Premium"),
        (json!({ "keyIdentifier": "ec" }), 400, "InvalidKeyType", "only RSA or RSA-HSM keys"),
        (json!({ "identity": "[system]" }), 400, "IdentityRequired", "user-assigned identity"),
        (
            json!({ "identity": null, "systemAssignedIdentity": true }),
            400,
            "IdentityRequired",
            "user-assigned identity",
        ),
        (json!({ "identity": "nosuch" }), 404, "IdentityNotFound", "nosuch"),
        (json!({ "keyIdentifier": "missing" }), 400, "KeyAccessDenied", "Failed to access KeyId"),
        (
            json!({ "policies": { "trustPolicy": { "status": "enabled" } } }),
            400,
            "BlockedForEncryptionEnabledRegistry",
            "this feature 'ContenTrust' is currently not supported when encryption is enable for the resource /subscriptions/",
        ),
        (json!({ "strictParity": true }), 400, "PurgeProtectionRequired", "purge protection"),
        (json!({ "name": "bad-name" }), 400, "BadRequest", "5 to 50 letters and digits"),
        (json!({ "name": "local" }), 409, "AlreadyExists", "local"),
        (json!({ "keyIdentifier": "https://a/b" }), 400, "BadRequest", "vault"),
    ] {
        let answer = client.send_json(REGISTRIES, &registry(&more)).await;
        assert_refused(&answer, StatusCode::from_u16(status).unwrap(), code, fragment);
        assert_nothing(&emulator, &client).await;
    }

    let made = client.send_json(REGISTRIES, &registry(&json!({}))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let warning = made.json()["warnings"][0].to_string();
    assert!(warning.contains("no purge protection"), "{warning}");
}

#[tokio::test]
async fn the_refusal_names_the_missing_permission_with_azures_sentence() {
    let (emulator, client, one) = prepared().await;
    let vault = emulator.vault().unwrap();

    for (held, missing) in [
        (vec![KeyPermission::WrapKey, KeyPermission::UnwrapKey], "gives it 'Get'"),
        (vec![KeyPermission::Get, KeyPermission::UnwrapKey], "gives it 'Wrap Key'"),
        (vec![KeyPermission::Get, KeyPermission::WrapKey], "gives it 'Unwrap Key'"),
    ] {
        allow(vault, &one, &held).await;
        let answer = client.send_json(REGISTRIES, &registry(&json!({}))).await;
        let sentence =
            "has 'Get, Wrap Key, Unwrap Key' permission on key 'https://local.vault.localhost";
        assert_refused(&answer, StatusCode::BAD_REQUEST, "KeyAccessDenied", sentence);
        assert_refused(&answer, StatusCode::BAD_REQUEST, "KeyAccessDenied", missing);
        assert_eq!(answer.json()["error"]["cause"], "policyRemoved");
        assert_nothing(&emulator, &client).await;
    }
    allow(vault, &one, KeyPermission::FOR_ENCRYPTION).await;
    vault.set_network_rules("local", NetworkRules::closed()).await.unwrap();
    let closed = client.send_json(REGISTRIES, &registry(&json!({}))).await;

    assert_refused(&closed, StatusCode::BAD_REQUEST, "KeyAccessDenied", "firewall");
    assert_nothing(&emulator, &client).await;
}

#[tokio::test]
async fn an_unreachable_vault_is_503_and_the_registry_is_not_created() {
    let (emulator, client, _) = prepared().await;
    let vault = emulator.vault().unwrap();

    vault.set_outage(true);
    let down = client.send_json(REGISTRIES, &registry(&json!({}))).await;
    vault.set_outage(false);

    assert_refused(
        &down,
        StatusCode::SERVICE_UNAVAILABLE,
        "KeyVaultUnavailable",
        "cannot try the key",
    );
    assert_nothing(&emulator, &client).await;
    let made = client.send_json(REGISTRIES, &registry(&json!({}))).await;
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
}

#[tokio::test]
async fn encryption_cannot_be_enabled_or_disabled_later_and_the_registry_stays_premium() {
    let (emulator, client, one) = prepared().await;
    client.send_json(REGISTRIES, &registry(&json!({}))).await;
    let plain = json!({ "name": "plain", "encryption": "disabled" });
    client.send_json(REGISTRIES, &plain).await;
    let patch = async |name: &str, body: Value| {
        let request = client.request(Method::PATCH, &format!("{REGISTRIES}/{name}")).json(&body);
        Answer::of(request.send().await.unwrap()).await
    };
    let rotate = async |name: &str, body: Value| {
        client.send_json(&format!("{REGISTRIES}/{name}/rotate-key"), &body).await
    };
    let bad = StatusCode::BAD_REQUEST;

    let on = patch("plain", json!({ "encryption": "enabled" })).await;
    let off = patch("team1", json!({ "encryption": "disabled" })).await;
    let cheaper = patch("team1", json!({ "sku": "Basic" })).await;
    let trust = json!({ "policies": { "trustPolicy": { "status": "enabled" } } });
    let trusting = (patch("team1", trust.clone()).await, patch("plain", trust).await);
    let before = client.get(&format!("{REGISTRIES}/team1")).await.json();
    let nothing = rotate("plain", json!({})).await;
    let wrong = rotate("team1", json!({ "keyIdentifier": "ec" })).await;
    let stranger = rotate("team1", json!({ "identity": "[system]" })).await;
    allow(emulator.vault().unwrap(), &one, &[KeyPermission::Get]).await;
    let denied = rotate("team1", json!({ "keyIdentifier": "other" })).await;
    allow(emulator.vault().unwrap(), &one, KeyPermission::FOR_ENCRYPTION).await;
    emulator.registry_named("team1").unwrap().key_ring().check().await;
    let after = client.get(&format!("{REGISTRIES}/team1")).await.json();

    assert_refused(&on, bad, "CMKOnlyAtCreation", "only be chosen when a registry is created");
    assert_refused(&off, bad, "CMKCannotBeDisabled", "cannot be turned off");
    assert_refused(&cheaper, bad, "CMKNotSupportedForSku", "Premium");
    assert_refused(&trusting.0, bad, "BlockedForEncryptionEnabledRegistry", "'ContenTrust'");
    let property = "'properties.policies.trustPolicy.status'";
    assert_refused(&trusting.1, bad, "NotSupported", property);
    assert_refused(
        &nothing,
        StatusCode::CONFLICT,
        "CMKNotEnabled",
        "only applicable to registries with CMK",
    );
    assert_refused(&wrong, bad, "InvalidKeyType", "only RSA or RSA-HSM keys");
    assert_refused(
        &stranger,
        bad,
        "IdentityNotAssigned",
        "does not have access to identity 'system' Try forcibly adding the identity to the registry team1.",
    );
    assert_refused(&denied, bad, "KeyAccessDenied", "gives it 'Wrap Key");
    assert_eq!((&before["key"], &before["dataKeys"]), (&after["key"], &after["dataKeys"]));
    assert_eq!(after["state"], "active");
}

#[tokio::test]
async fn in_strict_parity_the_vault_must_have_purge_protection() {
    let (emulator, client, _) = prepared().await;
    let protected = VaultChanges { purge_protection: Some(true), ..VaultChanges::default() };
    emulator.vault().unwrap().change_vault("local", protected).await.unwrap();

    let made = client.send_json(REGISTRIES, &registry(&json!({ "strictParity": true }))).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(made.json()["warnings"], json!([]));
    assert_eq!(made.json()["registry"]["strictParity"], true);
}

#[tokio::test]
async fn a_request_with_only_a_name_creates_the_registry_its_identity_and_its_key() {
    let (emulator, client) = start().await;

    let made = client.send_json(REGISTRIES, &json!({ "name": "Team1" })).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let registry = &made.json()["registry"];
    assert_eq!((&registry["name"], &registry["sku"]), (&json!("team1"), &json!("Premium")));
    assert_eq!(registry["userAssignedIdentities"][0]["name"], "team1");
    assert_eq!(registry["key"]["keyRotationEnabled"], true);
    let key = format!("{}/keys/team1", emulator.vault().unwrap().uri());
    assert_eq!(registry["key"]["keyIdentifier"], key);
    assert_eq!(
        client.get("/_sealyard/identities").await.json()["identities"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn strict_parity_of_the_emulator_applies_to_every_registry_with_a_key() {
    let config = sealyard::Config { strict_parity: true, ..Default::default() };
    let emulator = Sealyard::builder().config(config).ephemeral().start().await.unwrap();
    let client = Client::of(&emulator);
    let referrers = format!("/v2/app/referrers/{}", crate::support::content::digest(b"any"));

    let made = client.send_json(REGISTRIES, &json!({ "name": "team1" })).await;
    let plain = json!({ "name": "plain", "encryption": "disabled" });
    let plain = client.send_json(REGISTRIES, &plain).await.json();

    assert_refused(&made, StatusCode::BAD_REQUEST, "PurgeProtectionRequired", "purge protection");
    assert_nothing(&emulator, &client).await;
    assert_eq!(client.get(&referrers).await.status, StatusCode::NOT_FOUND);
    assert_eq!(plain["registry"]["strictParity"], false, "this registry has no key");
}
