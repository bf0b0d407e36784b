//! The refusals of the resource providers: each with its status, code and message, and without a partial change.

use mock_keyvault::VaultChanges;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{SUBSCRIPTION, World, send, vault_path};

fn whole(tenant: &str) -> Value {
    json!({"location": "eastus", "properties": {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}})
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_401_with_the_address_of_the_issuer() {
    let world = World::new().await;
    let url = format!("https://{}{}?api-version=1", world.vault.address(), vault_path("kv1"));
    let other =
        world.vault.token(world.vault.owner().client_id, "https://vault.azure.net").unwrap();

    let none = send(world.http.get(&url)).await;
    let wrong = send(world.http.get(&url).bearer_auth(other.expose())).await;

    assert_eq!(
        none.refusal(),
        (
            401,
            "AuthenticationFailed".into(),
            "Authentication failed. The 'Authorization' header is missing.".into()
        )
    );
    let challenge = none.headers["www-authenticate"].to_str().unwrap();
    let authority = format!(
        "Bearer authorization_uri=\"https://{}/{}\"",
        world.vault.address(),
        world.vault.tenant()
    );
    assert!(challenge.starts_with(&authority), "{challenge}");
    assert_eq!(wrong.refusal().1, "InvalidAuthenticationTokenAudience");
}

#[tokio::test]
async fn a_missing_api_version_is_refused_and_any_version_is_accepted() {
    let world = World::new().await;
    let token =
        world.vault.token(world.vault.owner().client_id, "https://management.localhost:1").unwrap();
    let get = async |query: &str| {
        let url = format!(
            "https://{}{SUBSCRIPTION}/providers/Microsoft.KeyVault/vaults{query}",
            world.vault.address()
        );
        send(world.http.get(url).bearer_auth(token.expose())).await
    };

    let missing = get("").await;
    let unknown = get("?Api-Version=2099-01-01-preview").await;

    assert_eq!(
        missing.refusal(),
        (
            400,
            "MissingApiVersionParameter".into(),
            "The api-version query parameter (?api-version=) is required for all requests.".into()
        )
    );
    assert_eq!(unknown.status, StatusCode::OK);
}

#[tokio::test]
async fn a_wrong_vault_is_refused_and_not_created() {
    let world = World::new().await;
    let tenant = world.vault.tenant();
    let with = |path: &[&str], value: Value| {
        let mut body = whole(tenant);
        let mut at = &mut body;
        for name in path {
            at = &mut at[*name];
        }
        *at = value;
        body
    };
    let without = |path: &[&str]| with(path, Value::Null);
    let policy = |keys: Value, object: &str| json!([{"tenantId": tenant, "objectId": object, "permissions": {"keys": keys}}]);
    let somebody = "11111111-0000-4000-8000-000000000001";
    let twice = json!([policy(json!(["get"]), somebody)[0], policy(json!(["list"]), somebody)[0]]);

    for (body, code, expected) in [
        (without(&["location"]), "LocationRequired", "location"),
        (without(&["properties", "sku"]), "BadRequest", "The parameter sku is not specified."),
        (
            without(&["properties", "accessPolicies"]),
            "BadRequest",
            "The parameter accessPolicies is not specified.",
        ),
        (with(&["properties", "sku", "name"], json!("gold")), "BadRequest", "'sku'"),
        (
            with(&["properties", "tenantId"], json!(somebody)),
            "BadRequest",
            "An invalid value was provided for 'tenantId'.",
        ),
        (
            with(&["properties", "softDeleteRetentionInDays"], json!(6)),
            "BadRequest",
            "'softDeleteRetentionInDays'",
        ),
        (
            with(&["properties", "softDeleteRetentionInDays"], json!(91)),
            "BadRequest",
            "'softDeleteRetentionInDays'",
        ),
        (with(&["properties", "enableSoftDelete"], json!(false)), "BadRequest", "irreversible"),
        (
            with(&["properties", "enablePurgeProtection"], json!(false)),
            "BadRequest",
            "irreversible",
        ),
        (
            with(&["properties", "accessPolicies"], policy(json!(["fly"]), somebody)),
            "BadRequest",
            "'fly'",
        ),
        (
            with(&["properties", "accessPolicies"], policy(json!(["get"]), "me")),
            "BadRequest",
            "'me'",
        ),
        (with(&["properties", "accessPolicies"], twice), "BadRequest", somebody),
        (
            with(&["properties", "networkAcls"], json!({"ipRules": [{"value": "1.2.3.4/99"}]})),
            "BadRequest",
            "ipRules",
        ),
        (
            with(&["properties", "networkAcls"], json!({"defaultAction": "Maybe"})),
            "BadRequest",
            "defaultAction",
        ),
        (with(&["properties", "createMode"], json!("restore")), "BadRequest", "createMode"),
        (
            with(&["properties", "createMode"], json!("recover")),
            "SoftDeletedVaultDoesNotExist",
            "recoverable state",
        ),
        (with(&["properties"], json!(7)), "InvalidRequestContent", "could not be deserialized"),
        (with(&["tags"], json!({"": "x"})), "BadRequest", "'tags'"),
    ] {
        let refused = world.arm(Method::PUT, &vault_path("kv1"), Some(body.clone())).await;
        let (status, found, message) = refused.refusal();
        assert_eq!((status, found.as_str()), (400, code), "{body} {message}");
        assert!(message.contains(expected), "{message}");
    }
    let absent = world.arm(Method::GET, &vault_path("kv1"), None).await;
    assert_eq!(absent.refusal(), (404, "ResourceNotFound".into(), "The Resource 'Microsoft.KeyVault/vaults/kv1' under resource group 'g' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix".into()));
}

#[tokio::test]
async fn a_change_of_a_fixed_property_is_refused_with_the_whole_request() {
    let world = World::new().await;
    let settings = VaultChanges { purge_protection: Some(true), ..VaultChanges::default() };
    world.vault.create_vault("kv1", settings).await.unwrap();
    let id = world.vault.vault_id("kv1").unwrap();
    let before = world.arm(Method::GET, &id, None).await.text;
    let days =
        "The property \"softDeleteRetentionInDays\" has been set already and it can't be modified.";
    let purge = "The property \"enablePurgeProtection\" cannot be set to false. Enabling the purge protection for a vault is an irreversible action.";

    for (properties, message) in [
        (json!({"softDeleteRetentionInDays": 30}), days),
        (json!({"enablePurgeProtection": false}), purge),
    ] {
        let patch = json!({"tags": {"new": "tag"}, "properties": properties});
        let refused = world.arm(Method::PATCH, &id, Some(patch)).await;
        assert_eq!(refused.refusal(), (400, "BadRequest".into(), message.into()));
    }
    let mut moved = whole(world.vault.tenant());
    moved["location"] = json!("West Europe");
    let refused = world.arm(Method::PUT, &id, Some(moved)).await;

    assert_eq!(
        (refused.status.as_u16(), refused.refusal().1.as_str()),
        (409, "InvalidResourceLocation")
    );
    assert_eq!(world.arm(Method::GET, &id, None).await.text, before);
}

#[tokio::test]
async fn a_name_of_an_existing_or_deleted_vault_is_409() {
    let world = World::new().await;
    world.vault.create_vault("kv1", VaultChanges::default()).await.unwrap();
    let tenant = world.vault.tenant();

    let elsewhere = world.arm(Method::PUT, &vault_path("kv1"), Some(whole(tenant))).await;
    let id = world.vault.vault_id("kv1").unwrap();
    world.vault.delete_vault("kv1").await.unwrap();
    let deleted = world.arm(Method::PUT, &id, Some(whole(tenant))).await;
    let mut recover = whole(tenant);
    recover["properties"]["createMode"] = json!("recover");
    let into_another_group = world.arm(Method::PUT, &vault_path("kv1"), Some(recover)).await;

    assert_eq!(
        (elsewhere.refusal().0, elsewhere.refusal().1.as_str()),
        (409, "VaultAlreadyExists")
    );
    assert_eq!((deleted.refusal().0, deleted.refusal().1.as_str()), (409, "ConflictError"));
    assert_eq!(into_another_group.refusal().1, "SoftDeletedVaultDoesNotExist");
}

#[tokio::test]
async fn wrong_paths_methods_names_and_filters_are_refused_and_never_a_5xx() {
    let world = World::new().await;
    let id = world.vault.vault_id("local").unwrap();
    let other = "/subscriptions/11111111-0000-4000-8000-000000000001";
    let assignments = format!("{id}/providers/Microsoft.Authorization/roleAssignments");

    for (method, path, status, code) in [
        (Method::GET, format!("{SUBSCRIPTION}/x"), 404, "InvalidResourceType"),
        (Method::GET, format!("{id}/secrets/s"), 404, "InvalidResourceType"),
        (Method::POST, id.clone(), 405, "MethodNotAllowed"),
        (Method::GET, vault_path("1x"), 400, "VaultNameNotValid"),
        (Method::GET, vault_path("kv1").replace("/g/", "/a%20b/"), 400, "InvalidResourceGroup"),
        (Method::GET, format!("{other}/resources"), 404, "SubscriptionNotFound"),
        (Method::GET, "/subscriptions/x/resources".into(), 400, "InvalidSubscriptionId"),
        (
            Method::GET,
            format!("{SUBSCRIPTION}/resources?$filter=name"),
            400,
            "InvalidFilterInQueryString",
        ),
        (
            Method::GET,
            format!("{SUBSCRIPTION}/resources?$filter=x eq 'y'"),
            400,
            "InvalidFilterInQueryString",
        ),
        (Method::GET, format!("{assignments}/x"), 400, "InvalidRoleAssignmentId"),
        (Method::GET, format!("{assignments}/{}", Uuid::nil()), 404, "RoleAssignmentNotFound"),
        (
            Method::GET,
            assignments.replace("Assignments", "Definitions/x"),
            404,
            "RoleDefinitionDoesNotExist",
        ),
        (
            Method::GET,
            format!(
                "{SUBSCRIPTION}/providers/Microsoft.KeyVault/locations/eastus/deletedVaults/kv1"
            ),
            404,
            "DeletedVaultNotFound",
        ),
    ] {
        let refused = world.arm(method, &path, None).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1.as_str()),
            (status, code),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_wrong_role_assignment_is_refused_and_not_created() {
    let world = World::new().await;
    let id = world.vault.vault_id("local").unwrap();
    let principal = "11111111-0000-4000-8000-000000000001";
    let reader =
        "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7";
    let path = |at: &str| {
        format!("{at}/providers/Microsoft.Authorization/roleAssignments/{}", Uuid::new_v4())
    };
    let body = |role: &str, principal: &str| json!({"properties": {"roleDefinitionId": role, "principalId": principal}});
    let mut conditional = body(reader, principal);
    conditional["properties"]["condition"] = json!("@Resource[x] StringEquals 'y'");

    for (path, body, status, code) in [
        (path(&id), json!({}), 400, "BadRequest"),
        (path(&id), body("x", principal), 404, "RoleDefinitionDoesNotExist"),
        (
            path(&id),
            body(&reader.replace("acdd", "0000"), principal),
            404,
            "RoleDefinitionDoesNotExist",
        ),
        (path(&id), body(reader, "me"), 400, "InvalidPrincipalId"),
        (path(&id), conditional, 400, "NotSupported"),
        (path(&vault_path("kv1")), body(reader, principal), 404, "ResourceNotFound"),
        (path(&format!("{id}/keys")), body(reader, principal), 400, "InvalidScope"),
    ] {
        let refused = world.arm(Method::PUT, &path, Some(body.clone())).await;
        assert_eq!(
            (refused.status.as_u16(), refused.refusal().1.as_str()),
            (status, code),
            "{body}"
        );
    }
    let list = format!("{SUBSCRIPTION}/providers/Microsoft.Authorization/roleAssignments");
    assert_eq!(
        world.arm(Method::GET, &list, None).await.json()["value"].as_array().unwrap().len(),
        1
    );
}
