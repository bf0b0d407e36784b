//! Registries through the control plane: created with a key and without, replaced, changed and deleted.

use azure_emulator_core::identity::{OWNER_CLIENT_ID, SUBSCRIPTION};
use mock_keyvault::KeySize;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::arm::{VERSION, ask, make_group, send, through_proxy};
use crate::support::registries::{
    KEY, allow, basic, client_id, identity, patch, path, prepared, put, shown, with_key,
};
use crate::support::{Answer, Client};

/// The built-in role Contributor.
const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";

/// The body that `az` sends after it has read a registry: every field that is not read-only.
fn as_az_sends_it(shown: &Value) -> Value {
    let key = &shown["properties"]["encryption"]["keyVaultProperties"];
    let identities = shown["identity"]["userAssignedIdentities"].as_object().cloned();
    let identities = identities
        .map(|all| all.keys().map(|id| (id.clone(), json!({}))).collect::<serde_json::Map<_, _>>());
    let mut sent = json!({
        "location": shown["location"],
        "tags": shown["tags"],
        "sku": {"name": shown["sku"]["name"]},
        "identity": {"type": shown["identity"]["type"], "userAssignedIdentities": identities},
        "properties": shown["properties"],
    });
    sent["properties"]["encryption"] = json!({
        "status": "enabled",
        "keyVaultProperties": {"keyIdentifier": key["keyIdentifier"], "identity": key["identity"]},
    });
    sent
}

#[tokio::test]
async fn a_registry_without_a_key_is_created_at_once_and_requires_a_login() {
    let (emulator, ..) = prepared().await;

    let made = put(&emulator, "team1", &basic()).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert!(!made.headers.contains_key("azure-asyncoperation"), "{made:?}");
    let made = made.json();
    assert_eq!(made["sku"], json!({"name": "Basic", "tier": "Basic"}));
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert_eq!(made["properties"]["encryption"], json!({"status": "disabled"}));
    assert_eq!(made["properties"]["loginServer"], "team1.azurecr.io");
    assert_eq!(shown(&emulator, "team1").await, made);
    let client = Client::named(&emulator.registry_url(), "team1.azurecr.localhost");
    let challenged = client.get("/v2/").await;
    assert_eq!(challenged.status, StatusCode::UNAUTHORIZED);
    assert!(challenged.header("www-authenticate").starts_with("Bearer realm="), "{challenged:?}");
}

/// Every field of the published example, with its value unless the value is specific to that registry: Azure/azure-rest-api-specs
/// at 1ff559f7, `specification/containerregistry/resource-manager/Microsoft.ContainerRegistry/Registry/stable/2025-11-01/examples/RegistryGet.json`.
/// `status` is null there.
const REGISTRY_GET: &[(&str, Option<&str>)] = &[
    ("/id", None),
    ("/name", None),
    ("/type", Some(r#""Microsoft.ContainerRegistry/registries""#)),
    ("/location", None),
    ("/tags/key", Some(r#""value""#)),
    ("/sku/name", Some(r#""Standard""#)),
    ("/sku/tier", Some(r#""Standard""#)),
    ("/properties/loginServer", None),
    ("/properties/creationDate", None),
    ("/properties/provisioningState", Some(r#""Succeeded""#)),
    ("/properties/adminUserEnabled", Some("false")),
    ("/properties/networkRuleSet/defaultAction", Some(r#""Allow""#)),
    ("/properties/networkRuleSet/ipRules", Some("[]")),
    ("/properties/policies/quarantinePolicy/status", Some(r#""disabled""#)),
    ("/properties/policies/trustPolicy/type", Some(r#""Notary""#)),
    ("/properties/policies/trustPolicy/status", Some(r#""disabled""#)),
    ("/properties/policies/retentionPolicy/days", Some("7")),
    ("/properties/policies/retentionPolicy/lastUpdatedTime", None),
    ("/properties/policies/retentionPolicy/status", Some(r#""disabled""#)),
    ("/properties/policies/exportPolicy/status", Some(r#""enabled""#)),
    ("/properties/policies/azureADAuthenticationAsArmPolicy/status", Some(r#""enabled""#)),
    ("/properties/encryption/status", Some(r#""disabled""#)),
    ("/properties/status", None),
    ("/properties/dataEndpointEnabled", Some("false")),
    ("/properties/dataEndpointHostNames", Some("[]")),
    ("/properties/privateEndpointConnections", Some("[]")),
    ("/properties/publicNetworkAccess", Some(r#""Enabled""#)),
    ("/properties/networkRuleBypassOptions", Some(r#""AzureServices""#)),
    ("/properties/networkRuleBypassAllowedForTasks", Some("false")),
    ("/properties/zoneRedundancy", Some(r#""Disabled""#)),
    ("/properties/anonymousPullEnabled", Some("false")),
    ("/properties/roleAssignmentMode", Some(r#""LegacyRegistryPermissions""#)),
];

#[tokio::test]
async fn a_registry_is_shown_with_the_fields_of_the_published_example() {
    let (emulator, ..) = prepared().await;
    let mut body = basic();
    body["sku"]["name"] = json!("Standard");
    body["tags"] = json!({"key": "value"});

    let made = put(&emulator, "team1", &body).await.json();

    for (pointer, published) in REGISTRY_GET {
        let shown = made.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is missing: {made}"));
        if let Some(published) = published {
            assert_eq!(*shown, serde_json::from_str::<Value>(published).unwrap(), "{pointer}");
        }
    }
    let created = &made["properties"]["creationDate"];
    assert_eq!(made["properties"]["policies"]["retentionPolicy"]["lastUpdatedTime"], *created);
}

#[tokio::test]
async fn the_system_data_of_a_registry_names_its_creator_also_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = start().await.unwrap();
    make_group(&emulator, "team").await;
    let puller = identity(&emulator, "puller").await;
    let role = json!({"properties": {
        "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{CONTRIBUTOR}"),
        "principalId": puller["properties"]["principalId"],
        "principalType": "ServicePrincipal",
    }});
    let at = "resourceGroups/team/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111";
    let given = send(&emulator, Method::PUT, at, &role).await;
    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    let vault = emulator.vault().unwrap();
    let token = vault.token(client_id(&puller), "https://management.azure.com").unwrap();
    let url = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/{}?{VERSION}",
        path("team1")
    );
    let request = through_proxy(&emulator).put(url).bearer_auth(token.expose()).json(&basic());

    let made = Answer::of(request.send().await.unwrap()).await;
    put(&emulator, "team2", &basic()).await;
    emulator.shutdown().await;
    let emulator = start().await.unwrap();
    let (of_identity, of_owner) =
        (shown(&emulator, "team1").await, shown(&emulator, "team2").await);

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    assert_eq!(of_identity["systemData"], made.json()["systemData"]);
    for (shown, client_id, kind) in [
        (&of_identity, client_id(&puller), "ManagedIdentity"),
        (&of_owner, OWNER_CLIENT_ID, "Application"),
    ] {
        let created = &shown["properties"]["creationDate"];
        let author = json!({"createdAt": created, "createdBy": client_id, "createdByType": kind});
        assert_eq!(shown["systemData"], author);
    }
}

#[tokio::test]
async fn the_status_of_a_registry_has_the_reason_and_the_time_since_it_serves_no_content() {
    let (emulator, puller, _) = prepared().await;
    let made = put(&emulator, "team1", &with_key(&puller)).await.json();
    let registry = emulator.registry_named("team1").unwrap();

    emulator.vault().unwrap().set_key_enabled("local", "own", None, false).await.unwrap();
    registry.key_ring().check().await;
    let dark = shown(&emulator, "team1").await;
    emulator.vault().unwrap().set_key_enabled("local", "own", None, true).await.unwrap();
    registry.key_ring().check().await;
    let back = shown(&emulator, "team1").await;

    let status = |shown: &Value| shown["properties"]["status"].clone();
    let ready = ("Ready".into(), "The registry is ready.".into());
    let shown_status =
        |shown| (status(shown)["displayStatus"].clone(), status(shown)["message"].clone());
    assert_eq!(shown_status(&made), ready);
    assert_eq!(status(&dark)["displayStatus"], "Unavailable");
    let message = status(&dark)["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("Access to Key Encryption Key is forbidden."), "{message}");
    assert!(message.contains("is disabled"), "{message}");
    assert_eq!(shown_status(&back), ready);
    assert!(status(&made)["timestamp"].is_string());
}

#[tokio::test]
async fn the_bypass_of_network_rules_is_stored_and_reported() {
    let (emulator, ..) = prepared().await;
    let bypass = |value: &str| json!({"properties": {"networkRuleBypassOptions": value}});
    let mut body = basic();
    body["properties"] = bypass("none")["properties"].clone();
    let shown_bypass = |shown: &Value| shown["properties"]["networkRuleBypassOptions"].clone();

    let made = put(&emulator, "team1", &body).await.json();
    let other = patch(&emulator, "team1", &json!({"tags": {"a": "b"}})).await.json();
    let back = patch(&emulator, "team1", &bypass("AzureServices")).await.json();
    let wrong = patch(&emulator, "team1", &bypass("Unknown")).await;

    assert_eq!((shown_bypass(&made), shown_bypass(&other)), (json!("None"), json!("None")));
    assert_eq!(shown_bypass(&back), "AzureServices");
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST, "{wrong:?}");
    assert_eq!(shown_bypass(&shown(&emulator, "team1").await), "AzureServices");
}

#[tokio::test]
async fn a_registry_is_created_with_a_key_and_an_identity() {
    let (emulator, puller, _) = prepared().await;

    let made = put(&emulator, "team1", &with_key(&puller)).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    assert_eq!(made["identity"]["type"], "UserAssigned");
    let key = &made["properties"]["encryption"]["keyVaultProperties"];
    assert_eq!((&key["keyIdentifier"], &key["keyRotationEnabled"]), (&json!(KEY), &json!(true)));
    assert_eq!(key["identity"], puller["properties"]["clientId"]);
    assert!(key["versionedKeyIdentifier"].as_str().unwrap().starts_with(&format!("{KEY}/")));
    assert!(emulator.registry_named("team1").unwrap().profile().is_cmk());
}

#[tokio::test]
async fn field_names_may_be_in_any_case_and_the_key_identifier_may_have_any_host_of_the_vault() {
    let (emulator, puller, _) = prepared().await;
    let body = json!({
        "Location": "East US",
        "SKU": {"Name": "premium"},
        "Identity": {"Type": "userAssigned", "userassignedidentities": {puller["id"].as_str().unwrap().to_uppercase(): {}}},
        "Properties": {"Encryption": {"Status": "Enabled", "KeyVaultProperties": {
            "KeyIdentifier": "https://local.vault.localhost:8443/keys/own",
            "Identity": client_id(&puller).to_uppercase(),
        }}},
    });

    let made = put(&emulator, "team1", &body).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let key = &made.json()["properties"]["encryption"]["keyVaultProperties"];
    assert_eq!(key["keyIdentifier"], KEY);
}

#[tokio::test]
async fn a_put_of_the_same_description_changes_nothing_and_a_put_without_tags_removes_them() {
    let (emulator, puller, _) = prepared().await;
    let mut described = with_key(&puller);
    described["tags"] = json!({"team": "one"});
    put(&emulator, "team1", &described).await;
    let before = shown(&emulator, "team1").await;

    let again = put(&emulator, "team1", &as_az_sends_it(&before)).await;
    let bare = json!({"location": "eastus", "sku": {"name": "Premium"}});
    let bare = put(&emulator, "team1", &bare).await;

    assert_eq!((again.status, again.json()), (StatusCode::OK, before.clone()));
    assert_eq!(bare.status, StatusCode::OK, "{bare:?}");
    let bare = bare.json();
    assert_eq!(bare["tags"], json!({}));
    assert_eq!(bare["identity"], before["identity"]);
    assert_eq!(bare["properties"], before["properties"]);
}

#[tokio::test]
async fn a_patch_changes_only_the_fields_that_it_names() {
    let (emulator, ..) = prepared().await;
    let made = put(&emulator, "team1", &basic()).await.json();

    let admin = patch(&emulator, "team1", &json!({"properties": {"adminUserEnabled": true}})).await;
    let sku =
        patch(&emulator, "team1", &json!({"sku": {"name": "Standard"}, "tags": {"a": "b"}})).await;
    let pull = json!({"properties": {"anonymousPullEnabled": true, "policies": {"trustPolicy": {"status": "disabled"}}}});
    let pull = patch(&emulator, "team1", &pull).await;
    let nothing = patch(&emulator, "team1", &Value::Null).await;

    assert_eq!(admin.status, StatusCode::OK, "{admin:?}");
    assert_eq!(admin.json()["properties"]["adminUserEnabled"], true);
    assert_eq!(admin.json()["sku"], made["sku"]);
    assert_eq!(
        (&sku.json()["sku"]["name"], &sku.json()["tags"]),
        (&json!("Standard"), &json!({"a": "b"}))
    );
    let pull = pull.json();
    assert_eq!(pull["properties"]["anonymousPullEnabled"], true);
    assert_eq!(pull["properties"]["policies"]["trustPolicy"]["status"], "disabled");
    assert_eq!(pull["properties"]["adminUserEnabled"], true);
    assert_eq!(pull["tags"], json!({"a": "b"}));
    assert_eq!((nothing.status, nothing.json()), (StatusCode::OK, pull));
}

#[tokio::test]
async fn a_key_is_rotated_with_the_requests_of_az_to_another_key_another_identity_and_the_system_identity()
 {
    let (emulator, puller, other) = prepared().await;
    put(&emulator, "team1", &with_key(&puller)).await;
    allow(&emulator, &other).await;
    let vault = emulator.vault().unwrap();
    vault.create_key("local", "second", KeySize::Rsa2048).await.unwrap();
    let rotated = async |change: &dyn Fn(&mut Value)| {
        let mut sent = as_az_sends_it(&shown(&emulator, "team1").await);
        change(&mut sent);
        patch(&emulator, "team1", &sent).await
    };
    let key = |value: &Value| value["properties"]["encryption"]["keyVaultProperties"].clone();

    let second = rotated(&|sent| {
        sent["properties"]["encryption"]["keyVaultProperties"]["keyIdentifier"] =
            "https://local.vault.azure.net/keys/second".into();
    })
    .await;
    let assigned = rotated(&|sent| {
        sent["identity"]["userAssignedIdentities"][other["id"].as_str().unwrap()] = json!({});
    })
    .await;
    let asked_by_other = rotated(&|sent| {
        sent["properties"]["encryption"]["keyVaultProperties"]["identity"] =
            client_id(&other).into();
    })
    .await;
    let with_system =
        rotated(&|sent| sent["identity"]["type"] = "SystemAssigned, UserAssigned".into()).await;
    allow(
        &emulator,
        &json!({"properties": {"principalId": with_system.json()["identity"]["principalId"]}}),
    )
    .await;
    let system = rotated(&|sent| {
        sent["properties"]["encryption"]["keyVaultProperties"]["identity"] = "system".into();
    })
    .await;

    assert_eq!(key(&second.json())["keyIdentifier"], "https://local.vault.azure.net/keys/second");
    let identities = &assigned.json()["identity"]["userAssignedIdentities"];
    assert_eq!(identities.as_object().unwrap().len(), 2, "{assigned:?}");
    assert_eq!(key(&asked_by_other.json())["identity"], other["properties"]["clientId"]);
    assert_eq!(with_system.json()["identity"]["type"], "SystemAssigned, UserAssigned");
    assert_eq!(key(&system.json())["identity"], "system", "{system:?}");
}

#[tokio::test]
async fn a_rotation_to_the_same_key_uses_its_newest_version() {
    let (emulator, puller, _) = prepared().await;
    put(&emulator, "team1", &with_key(&puller)).await;
    let before = shown(&emulator, "team1").await;
    let newest =
        emulator.vault().unwrap().create_key("local", "own", KeySize::Rsa2048).await.unwrap();

    let rotated = patch(&emulator, "team1", &as_az_sends_it(&before)).await.json();

    let version = |value: &Value| {
        let key =
            &value["properties"]["encryption"]["keyVaultProperties"]["versionedKeyIdentifier"];
        key.as_str().unwrap().rsplit('/').next().unwrap().to_owned()
    };
    assert_ne!(version(&rotated), version(&before));
    assert!(format!("{newest:?}").contains(&version(&rotated)), "{newest:?}");
}

#[tokio::test]
async fn the_identity_of_the_key_can_be_removed_and_assigned_again() {
    let (emulator, puller, _) = prepared().await;
    put(&emulator, "team1", &with_key(&puller)).await;
    let before = shown(&emulator, "team1").await;
    let registry = emulator.registry_named("team1").unwrap();

    let mut without = as_az_sends_it(&before);
    without["identity"] = json!({"type": "None", "userAssignedIdentities": null});
    let removed = put(&emulator, "team1", &without).await;
    let dark = registry.content().await.is_err();
    let mut back = as_az_sends_it(&removed.json());
    back["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {puller["id"].as_str().unwrap(): {}}});
    let given = patch(&emulator, "team1", &back).await;

    assert_eq!(removed.status, StatusCode::OK, "{removed:?}");
    assert!(removed.json().get("identity").is_none(), "{removed:?}");
    assert!(dark);
    // The time since it is ready differs.
    let but_since = |mut shown: Value| {
        shown["properties"]["status"]["timestamp"].take();
        shown
    };
    assert_eq!(but_since(given.json()), but_since(before));
    assert!(registry.content().await.is_ok());
}

#[tokio::test]
async fn null_in_a_patch_removes_one_identity_and_keeps_the_others() {
    let (emulator, puller, other) = prepared().await;
    let mut both = with_key(&puller);
    both["identity"]["userAssignedIdentities"][other["id"].as_str().unwrap()] = json!({});
    put(&emulator, "team1", &both).await;

    let change = json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {other["id"].as_str().unwrap(): null}}});
    let changed = patch(&emulator, "team1", &change).await.json();

    let left = changed["identity"]["userAssignedIdentities"].as_object().unwrap().clone();
    assert_eq!(left.len(), 1);
    assert!(left.keys().next().unwrap().ends_with("/puller"), "{left:?}");
}

#[tokio::test]
async fn a_head_request_finds_a_registry_and_a_second_deletion_succeeds() {
    let (emulator, ..) = prepared().await;
    put(&emulator, "team1", &basic()).await;

    let there = send(&emulator, Method::HEAD, &path("TEAM1"), &Value::Null).await;
    let deleted = send(&emulator, Method::DELETE, &path("team1"), &Value::Null).await;
    let absent = send(&emulator, Method::HEAD, &path("team1"), &Value::Null).await;
    let again = send(&emulator, Method::DELETE, &path("team1"), &Value::Null).await;

    assert_eq!((there.status, absent.status), (StatusCode::NO_CONTENT, StatusCode::NOT_FOUND));
    assert_eq!((deleted.status, again.status), (StatusCode::OK, StatusCode::NO_CONTENT));
}

#[tokio::test]
async fn two_simultaneous_changes_are_both_applied() {
    let (emulator, puller, other) = prepared().await;
    put(&emulator, "team1", &basic()).await;
    let assign = |identity: &Value| {
        let id = identity["id"].as_str().unwrap();
        json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": {id: {}}}})
    };
    let (first, second) = (assign(&puller), assign(&other));

    let (first, second) =
        tokio::join!(patch(&emulator, "team1", &first), patch(&emulator, "team1", &second));

    assert!(first.status.is_success() && second.status.is_success(), "{first:?} {second:?}");
    let assigned = shown(&emulator, "team1").await;
    assert_eq!(assigned["identity"]["userAssignedIdentities"].as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_role_at_a_registry_is_removed_when_any_interface_deletes_the_registry() {
    let (emulator, _, _) = prepared().await;
    put(&emulator, "team1", &basic()).await;
    let vault = emulator.vault().unwrap();
    let reader = vault.add_application("reader").await.unwrap().principal;
    let id = shown(&emulator, "team1").await["id"].as_str().unwrap().to_owned();
    vault.assign_role(&id, "Reader", reader.object_id()).await.unwrap();
    let registries = &emulator.app().registries;

    registries.delete(&"team1".parse().unwrap()).await.unwrap();
    put(&emulator, "team1", &basic()).await;

    let token = vault.token(reader.client_id(), "https://management.azure.com").unwrap();
    let url = format!("https://management.azure.com{id}?{VERSION}");
    let seen = ask(&emulator, &url, Some(token.expose())).await;
    assert_eq!(seen.status, StatusCode::FORBIDDEN, "{seen:?}");
}
