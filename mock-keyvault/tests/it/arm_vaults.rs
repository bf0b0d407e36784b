//! Creating and changing vaults through the resource provider, and the effect on their keys.

use mock_keyvault::{Builder, MockKeyVault};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, SUBSCRIPTION, World, vault_path};

const TENANT: &str = "00000000-0000-4000-8000-00000000a001";
const SOMEBODY: &str = "11111111-0000-4000-8000-000000000001";

fn body(properties: &Value) -> Value {
    let mut whole = json!({
        "tenantId": TENANT,
        "sku": {"family": "A", "name": "standard"},
        "accessPolicies": [],
    });
    for (name, value) in properties.as_object().unwrap() {
        whole[name] = value.clone();
    }
    json!({"location": "East US", "tags": {"Team": "x"}, "properties": whole})
}

fn policy(object_id: &str, keys: &[&str]) -> Value {
    json!({"tenantId": TENANT, "objectId": object_id, "permissions": {"keys": keys, "secrets": ["get"]}})
}

async fn put(world: &World, name: &str, properties: Value) -> Answer {
    world.arm(Method::PUT, &vault_path(name), Some(body(&properties))).await
}

#[tokio::test]
async fn a_vault_is_created_and_shown_and_its_keys_are_used() {
    let world = World::new().await;
    let owner = world.vault.owner();

    let made =
        put(&world, "Kv-One", json!({"accessPolicies": [policy(owner.object_id, &["all"])]})).await;
    let shown = world.arm(Method::GET, &vault_path("kv-one").to_uppercase(), None).await;
    let key = world
        .keys_as(
            owner.client_id,
            "kv-one",
            Method::POST,
            "/keys/k/create",
            Some(json!({"kty": "RSA"})),
        )
        .await;

    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.text, shown.text);
    let port = world.vault.address().port();
    let mut vault = made.json();
    let system = vault.as_object_mut().unwrap().remove("systemData").unwrap();
    assert_eq!(system["createdBy"], owner.object_id);
    assert_eq!(system["createdAt"], "2026-01-01T00:00:00Z");
    assert_eq!(
        vault,
        json!({
            "id": vault_path("Kv-One"),
            "name": "Kv-One",
            "type": "Microsoft.KeyVault/vaults",
            "location": "eastus",
            "tags": {"Team": "x"},
            "properties": {
                "sku": {"family": "A", "name": "standard"},
                "tenantId": TENANT,
                "accessPolicies": [policy(owner.object_id, &["all"])],
                "enableSoftDelete": true,
                "softDeleteRetentionInDays": 90,
                "enableRbacAuthorization": false,
                "vaultUri": format!("https://kv-one.vault.localhost:{port}/"),
                "provisioningState": "Succeeded",
                "publicNetworkAccess": "Enabled",
            },
        })
    );
    assert_eq!(key.status, StatusCode::OK, "{}", key.text);
}

#[tokio::test]
async fn the_public_name_of_the_provider_gives_the_public_name_of_the_vault() {
    let world = World::new().await;
    put(&world, "kv1", json!({})).await;
    let token = world
        .vault
        .token(world.vault.owner().client_id, "https://management.core.windows.net/")
        .unwrap();
    let url = format!(
        "https://management.azure.com:{}{}?api-version=2026-02-01",
        world.vault.address().port(),
        vault_path("kv1")
    );

    let request = world.http.get(url).bearer_auth(token.expose());
    let shown = crate::support::send(request).await;

    assert_eq!(shown.json()["properties"]["vaultUri"], "https://kv1.vault.azure.net/");
}

#[tokio::test]
async fn a_second_put_is_200_and_keeps_absent_properties_and_a_patch_merges() {
    let world = World::new().await;
    let first = json!({
        "accessPolicies": [policy(SOMEBODY, &["get"])],
        "softDeleteRetentionInDays": 7,
        "enablePurgeProtection": true,
        "networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "127.0.0.1"}],
            "virtualNetworkRules": [{"id": "/subscriptions/x/subnets/s", "ignoreMissingVnetServiceEndpoint": true}]},
        "enabledForDeployment": true,
    });
    let made = put(&world, "kv1", first).await;

    let again = put(&world, "kv1", made.json()["properties"].clone()).await;
    let bare = put(&world, "kv1", json!({"accessPolicies": [policy(SOMEBODY, &["get"])]})).await;
    let patch = json!({"tags": {"a": "b"}, "properties": {"publicNetworkAccess": "Disabled"}});
    let patched = world.arm(Method::PATCH, &vault_path("kv1"), Some(patch)).await;

    assert_eq!((made.status, again.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(made.text, again.text);
    assert_eq!(made.text, bare.text);
    let mut expected = made.json();
    expected["tags"] = json!({"a": "b"});
    expected["properties"]["publicNetworkAccess"] = json!("Disabled");
    assert_eq!(patched.json(), expected);
    assert_eq!(
        made.json()["properties"]["networkAcls"],
        json!({
            "bypass": "None",
            "defaultAction": "Deny",
            "ipRules": [{"value": "127.0.0.1/32"}],
            "virtualNetworkRules": [{"id": "/subscriptions/x/subnets/s", "ignoreMissingVnetServiceEndpoint": true}],
        })
    );
}

#[tokio::test]
async fn policies_are_added_replaced_and_removed_one_identity_at_a_time() {
    let world = World::new().await;
    let owner = world.vault.owner().object_id;
    put(&world, "kv1", json!({"accessPolicies": [policy(owner, &["all"])]})).await;
    let change = async |kind: &str, keys: &[&str]| {
        let path = format!("{}/accessPolicies/{kind}", vault_path("kv1"));
        let body = json!({"properties": {"accessPolicies": [policy(SOMEBODY, keys)]}});
        let answer = world.arm(Method::PUT, &path, Some(body)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let shown = world.arm(Method::GET, &vault_path("kv1"), None).await.json();
        let policies = shown["properties"]["accessPolicies"].as_array().unwrap().clone();
        assert_eq!(policies[0], policy(owner, &["all"]));
        policies.get(1).map(|policy| policy["permissions"]["keys"].clone())
    };

    assert_eq!(change("add", &["get", "wrapKey"]).await, Some(json!(["get", "wrapKey"])));
    assert_eq!(change("add", &["unwrapKey"]).await, Some(json!(["get", "wrapKey", "unwrapKey"])));
    assert_eq!(change("replace", &["list", "get"]).await, Some(json!(["list", "get"])));
    assert_eq!(change("remove", &["list"]).await, Some(json!(["get"])));
    assert_eq!(change("REMOVE", &["get"]).await, None);
}

#[tokio::test]
async fn vaults_are_listed_by_group_by_subscription_and_as_resources_with_a_filter() {
    let world = World::new().await;
    for name in ["kv2", "kv1"] {
        put(&world, name, json!({})).await;
    }
    let names = async |path: &str| {
        let answer = world.arm(Method::GET, path, None).await;
        let value = answer.json()["value"].as_array().unwrap().clone();
        value.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let resources = |filter: &str| format!("{SUBSCRIPTION}/resources?$filter={filter}");

    assert_eq!(
        names(&format!("{SUBSCRIPTION}/resourcegroups/G/providers/Microsoft.KeyVault/vaults"))
            .await,
        ["kv1", "kv2"]
    );
    assert_eq!(
        names(&format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/vaults")).await,
        ["kv1", "kv2", "local"]
    );
    assert_eq!(
        names(&resources("resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'KV2'")).await,
        ["kv2"]
    );
    assert_eq!(
        names(&resources("resourceType eq 'Microsoft.ContainerRegistry/registries'")).await,
        [""; 0]
    );
    for none in ["managedHSMs", "deletedManagedHSMs"] {
        assert_eq!(
            names(&format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/{none}")).await,
            [""; 0]
        );
    }
}

#[tokio::test]
async fn a_name_is_available_unless_an_existing_or_deleted_vault_has_it() {
    let world = World::new().await;
    let check = async |name: &str| {
        let path = format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/checkNameAvailability");
        let body = json!({"name": name, "type": "Microsoft.KeyVault/vaults"});
        let answer = world.arm(Method::POST, &path, Some(body)).await.json();
        (answer["nameAvailable"].as_bool().unwrap(), answer["reason"].as_str().map(str::to_owned))
    };

    assert_eq!(check("kv1").await, (true, None));
    put(&world, "kv1", json!({})).await;
    assert_eq!(check("KV1").await, (false, Some("AlreadyExists".into())));
    world.arm(Method::DELETE, &vault_path("kv1"), None).await;
    assert_eq!(check("kv1").await, (false, Some("AlreadyExists".into())));
    assert_eq!(check("1x").await, (false, Some("AccountNameInvalid".into())));
}

/// `az keyvault check-name` asks for the name of a managed HSM (azure-cli#27390, #31178). There are none here.
#[tokio::test]
async fn every_valid_name_is_available_for_a_managed_hsm() {
    let world = World::new().await;
    put(&world, "kv1", json!({})).await;
    let provider = format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault");
    let check = async |body: Value| {
        let path = format!("{provider}/checkMhsmNameAvailability");
        world.arm(Method::POST, &path, Some(body)).await
    };

    for name in ["free", "kv1", "local"] {
        let answer = check(json!({"name": name})).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.json(), json!({"nameAvailable": true}), "{name}");
    }
    for name in ["1x", "ab", "a--b", "a_b", "ab-", &"x".repeat(25), ""] {
        let answer = check(json!({"name": name})).await.json();
        assert_eq!(answer["nameAvailable"], false, "{name}");
        assert_eq!(answer["reason"], "AccountNameInvalid");
        assert!(answer["message"].as_str().unwrap().contains(&format!("'{name}'")), "{answer}");
    }
    let unnamed = check(json!({})).await;
    assert_eq!(unnamed.status, StatusCode::BAD_REQUEST, "{}", unnamed.text);
    let path = format!("{provider}/checkMhsmNameAvailability");
    let get = world.arm(Method::GET, &path, None).await;
    assert_eq!(get.status, StatusCode::METHOD_NOT_ALLOWED);
    let stranger = world.vault.add_application("stranger").await.unwrap().principal;
    let body = json!({"name": "free"});
    let refused = world.arm_as(stranger.client_id(), Method::POST, &path, Some(body)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
}

/// The message begins as in the help of `Test-AzKeyVaultNameAvailability`.
#[tokio::test]
async fn a_check_of_a_vaults_name_answers_as_documented() {
    let world = World::new().await;
    put(&world, "kv1", json!({})).await;
    let path = format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/checkNameAvailability");
    let check = async |body: Value| world.arm(Method::POST, &path, Some(body)).await;
    let of_vault = |name: &str| json!({"name": name, "type": "Microsoft.KeyVault/vaults"});

    let free = check(of_vault("free")).await.json();
    let taken = check(of_vault("kv1")).await.json();

    assert_eq!(free, json!({"nameAvailable": true}));
    assert_eq!(
        (&taken["nameAvailable"], &taken["reason"]),
        (&json!(false), &json!("AlreadyExists"))
    );
    let expected_start = "The vault name 'kv1' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not";
    assert!(taken["message"].as_str().unwrap().starts_with(expected_start), "{taken}");
    assert_eq!(check(json!({"name": "kv1"})).await.json(), taken);
    for body in [json!({}), json!({"type": "Microsoft.KeyVault/vaults"})] {
        assert_eq!(check(body).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn settings_larger_than_a_row_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let builder = || -> Builder { MockKeyVault::builder().data_dir(folder.path()) };
    let world = World::start(builder()).await;
    let tags: Value = (0..50)
        .map(|at| (format!("tag{at}{}", "n".repeat(200)), "v".repeat(256)))
        .map(|(name, value)| (name, json!(value)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let policies: Vec<Value> = (0..1024)
        .map(|at| policy(&format!("11111111-0000-4000-8000-{at:012}"), &["get", "wrapKey"]))
        .collect();
    let rules: Vec<Value> =
        (0..500).map(|at| json!({"value": format!("10.{}.{}.0/24", at / 250, at % 250)})).collect();
    let mut whole = body(
        &json!({"accessPolicies": policies, "networkAcls": {"defaultAction": "Deny", "ipRules": rules}}),
    );
    whole["tags"] = tags;
    let made = world.arm(Method::PUT, &vault_path("kv1"), Some(whole)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let port = world.vault.address().port();
    world.vault.shutdown().await;

    let world = World::start(builder()).await;
    let shown = world.arm(Method::GET, &vault_path("kv1"), None).await;

    let moved = shown.text.replace(&world.vault.address().port().to_string(), &port.to_string());
    assert_eq!(moved, made.text);
}

#[tokio::test]
async fn with_legacy_access_policies_a_new_vault_uses_policies_and_permits_its_creator_everything()
{
    let world = World::start(MockKeyVault::builder().legacy_access_policies(true)).await;
    let roles = json!({"enableRbacAuthorization": true});

    let made = put(&world, "kv1", roles.clone()).await.json();
    let again = world.arm(Method::PUT, &vault_path("kv1"), Some(body(&roles))).await.json();
    let named = policy("11111111-0000-4000-8000-000000000001", &["get"]);
    let with_policy = json!({"enableRbacAuthorization": true, "accessPolicies": [named]});
    let with_policy = put(&world, "kv2", with_policy).await.json();

    let properties = &made["properties"];
    assert_eq!(properties["enableRbacAuthorization"], false);
    let policies = properties["accessPolicies"].as_array().unwrap();
    assert_eq!(policies.len(), 1);
    assert_eq!(policies[0]["objectId"], world.vault.owner().object_id);
    assert_eq!(policies[0]["permissions"]["keys"], json!(["all"]));
    assert_eq!(again["properties"]["enableRbacAuthorization"], true, "only at the creation");
    let policies = with_policy["properties"]["accessPolicies"].as_array().unwrap();
    assert_eq!(policies[0]["objectId"], "11111111-0000-4000-8000-000000000001");
}
