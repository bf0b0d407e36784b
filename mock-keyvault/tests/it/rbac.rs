//! Roles: for the keys of a vault of the role-based model, and for managing vaults.

use mock_keyvault::{KeySize, VaultChanges};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, SUBSCRIPTION, World, vault_path};

struct Roles {
    world: World,
    id: String,
    client: String,
    object: String,
}

/// A vault of the role-based model with a key, and an application without any role.
async fn roles() -> Roles {
    let world = World::new().await;
    world
        .vault
        .create_vault("kv1", VaultChanges { rbac: Some(true), ..VaultChanges::default() })
        .await
        .unwrap();
    world.vault.create_key("kv1", "k", KeySize::Rsa2048).await.unwrap();
    let made = world.vault.add_application("app").await.unwrap().principal;
    let id = world.vault.vault_id("kv1").unwrap();
    Roles { world, id, client: made.client_id().into(), object: made.object_id().into() }
}

impl Roles {
    async fn key(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        self.world.keys_as(&self.client, "kv1", method, path, body).await
    }

    async fn wrap(&self) -> Answer {
        let body = json!({"alg": "RSA-OAEP-256", "value": "AAAA"});
        self.key(Method::POST, "/keys/k/wrapkey", Some(body)).await
    }

    fn denied(&self, action: &str, below: &str) -> String {
        let (app, object, tenant) = (&self.client, &self.object, self.world.vault.tenant());
        format!(
            "Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid={app};oid={object};iss=https://sts.windows.net/{tenant}/\r\nAction: 'Microsoft.KeyVault/vaults/{action}'\r\nResource: '/subscriptions/00000000-0000-4000-8000-00000000a002/resourcegroups/sealyard/providers/microsoft.keyvault/vaults/kv1{below}'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: kv1;location=eastus\r\n"
        )
    }
}

#[tokio::test]
async fn a_caller_without_a_role_gets_azures_refusal_and_access_policies_do_not_count() {
    let roles = roles().await;
    let all = mock_keyvault::KeyPermission::ALL;
    roles.world.vault.set_access_policy("kv1", &roles.object, all).await.unwrap();

    for (method, path, action, below) in [
        (Method::GET, "/keys/k", "keys/read", "/keys/k"),
        (Method::GET, "/keys", "keys/read", ""),
        (Method::POST, "/keys/k/unwrapkey", "keys/unwrap/action", "/keys/k"),
        (Method::DELETE, "/keys/k", "keys/delete", "/keys/k"),
        (Method::POST, "/keys/k/create", "keys/create/action", "/keys/k"),
        (Method::DELETE, "/deletedkeys/k", "keys/purge/action", "/keys/k"),
    ] {
        let refused = roles.key(method, path, None).await.refusal();
        assert_eq!(
            refused,
            (403, "Forbidden/ForbiddenByRbac".into(), roles.denied(action, below)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_role_permits_the_next_call_and_the_call_after_its_removal_is_refused() {
    let roles = roles().await;
    let role = "Key Vault Crypto Service Encryption User";

    let name = roles.world.vault.assign_role(&roles.id, role, &roles.object).await.unwrap();
    let wrapped = roles.wrap().await;
    let deleting = roles.key(Method::DELETE, "/keys/k", None).await;
    roles.world.vault.remove_role(&roles.id, role, &roles.object).await.unwrap();
    let after = roles.wrap().await;

    assert_eq!(wrapped.status, StatusCode::OK, "{}", wrapped.text);
    assert_eq!(wrapped.headers["x-ms-keyvault-rbac-assignment-id"], name.simple().to_string());
    assert!(wrapped.headers.contains_key("x-ms-keyvault-rbac-cache"));
    assert_eq!(deleting.refusal().1, "Forbidden/ForbiddenByRbac");
    assert_eq!(after.refusal().2, roles.denied("keys/wrap/action", "/keys/k"));
    assert!(!after.headers.contains_key("x-ms-keyvault-rbac-assignment-id"));
}

#[tokio::test]
async fn reading_a_key_is_enough_to_use_its_public_part_and_no_more() {
    let roles = roles().await;
    roles.world.vault.assign_role(&roles.id, "Key Vault Reader", &roles.object).await.unwrap();

    let wrapped = roles.wrap().await;
    let value = wrapped.json()["value"].clone();
    let body = json!({"alg": "RSA-OAEP-256", "value": value});
    let unwrapped = roles.key(Method::POST, "/keys/k/unwrapkey", Some(body)).await;

    assert_eq!(wrapped.status, StatusCode::OK, "{}", wrapped.text);
    assert_eq!(unwrapped.refusal().2, roles.denied("keys/unwrap/action", "/keys/k"));
}

#[tokio::test]
async fn a_role_on_one_key_does_not_apply_to_other_keys_or_the_list() {
    let roles = roles().await;
    roles.world.vault.create_key("kv1", "other", KeySize::Rsa2048).await.unwrap();
    let scope = format!("{}/keys/K", roles.id);
    roles.world.vault.assign_role(&scope, "Key Vault Crypto User", &roles.object).await.unwrap();

    assert_eq!(roles.key(Method::GET, "/keys/k", None).await.status, StatusCode::OK);
    assert_eq!(roles.key(Method::GET, "/keys/other", None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(roles.key(Method::GET, "/keys", None).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn roles_are_assigned_listed_shown_and_removed_over_http() {
    let roles = roles().await;
    let (world, id) = (&roles.world, &roles.id);
    let provider = "providers/Microsoft.Authorization";
    let name = Uuid::new_v4();
    let path = format!("{id}/{provider}/roleAssignments/{name}");
    let filter = "$filter=roleName eq 'key vault crypto user'";
    let definitions = world
        .arm(Method::GET, &format!("{id}/{provider}/roleDefinitions?{filter}"), None)
        .await
        .json();
    let definition = definitions["value"][0]["id"].as_str().unwrap().to_owned();
    let body = json!({"properties": {"roleDefinitionId": definition, "principalId": roles.object, "principalType": "ServicePrincipal"}});

    let made = world.arm(Method::PUT, &path, Some(body.clone())).await;
    let again = world.arm(Method::PUT, &path, Some(body.clone())).await;
    let twice = world
        .arm(Method::PUT, &path.replace(&name.to_string(), &Uuid::new_v4().to_string()), Some(body))
        .await;
    let shown = world.arm(Method::GET, &path, None).await;
    let list = async |at: &str, filter: &str| {
        let path = format!("{at}/{provider}/roleAssignments?$filter={filter}");
        let value = world.arm(Method::GET, &path, None).await.json()["value"].clone();
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let theirs = format!("principalId eq '{}'", roles.object);
    let (at_vault, at_subscription) =
        (list(id, "atScope()").await, list(SUBSCRIPTION, "atScope()").await);
    let (of_theirs, assigned) = (
        list(SUBSCRIPTION, &theirs).await,
        list(id, &format!("atScope() and assignedTo('{}')", roles.object)).await,
    );
    let used = roles.wrap().await;
    let removed = world.arm(Method::DELETE, &path, None).await;
    let absent = world.arm(Method::DELETE, &path, None).await;

    assert_eq!(definitions["value"].as_array().unwrap().len(), 1);
    assert_eq!((made.status, again.status), (StatusCode::CREATED, StatusCode::OK), "{}", made.text);
    assert_eq!(
        twice.refusal(),
        (409, "RoleAssignmentExists".into(), "The role assignment already exists.".into())
    );
    assert_eq!(shown.text, made.text);
    assert_eq!(made.json()["properties"]["scope"], *id);
    assert!(
        made.json()["properties"]["roleDefinitionId"]
            .as_str()
            .unwrap()
            .ends_with("12338af0-0e69-4776-bea7-57ae8d297424")
    );
    assert!(at_vault.contains(&name.to_string()) && at_vault.len() == 2);
    assert_eq!(at_subscription.len(), 1);
    assert_eq!((of_theirs, assigned), (vec![name.to_string()], vec![name.to_string()]));
    assert_eq!(used.status, StatusCode::OK);
    assert_eq!((removed.status, absent.status), (StatusCode::OK, StatusCode::NO_CONTENT));
    assert_eq!(roles.wrap().await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn managing_vaults_requires_a_role_and_a_reader_only_reads() {
    let roles = roles().await;
    let (world, id) = (&roles.world, &roles.id);
    let get = || world.arm_as(&roles.client, Method::GET, id, None);
    let list = format!("{SUBSCRIPTION}/providers/Microsoft.KeyVault/vaults");

    let refused = get().await;
    let refused_list = world.arm_as(&roles.client, Method::GET, &list, None).await;
    let group = id.split("/providers").next().unwrap();
    world.vault.assign_role(group, "Reader", &roles.object).await.unwrap();
    let shown = get().await;
    let listed = world.arm_as(&roles.client, Method::GET, &list, None).await;
    let deleting = world.arm_as(&roles.client, Method::DELETE, id, None).await;
    let elsewhere = world.arm_as(&roles.client, Method::GET, &vault_path("x12"), None).await;

    assert_eq!(
        refused.refusal(),
        (
            403,
            "AuthorizationFailed".into(),
            format!(
                "The client '{}' with object id '{}' does not have authorization to perform action 'Microsoft.KeyVault/vaults/read' over scope '{id}' or the scope is invalid. If access was recently granted, please refresh your credentials.",
                roles.client, roles.object
            )
        )
    );
    assert_eq!(refused_list.refusal().1, "AuthorizationFailed");
    assert_eq!((shown.status, listed.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(
        listed.json()["value"].as_array().unwrap().len(),
        2,
        "kv1 and local, both of the group"
    );
    assert_eq!(deleting.refusal().1, "AuthorizationFailed");
    assert_eq!(elsewhere.refusal().1, "AuthorizationFailed");
}

#[tokio::test]
async fn a_contributor_manages_vaults_but_not_access_to_them() {
    let roles = roles().await;
    let (world, id) = (&roles.world, &roles.id);
    world.vault.assign_role(SUBSCRIPTION, "Contributor", &roles.object).await.unwrap();
    let path = format!("{id}/providers/Microsoft.Authorization/roleAssignments/{}", Uuid::new_v4());

    let patched = world.arm_as(&roles.client, Method::PATCH, id, Some(json!({"tags": {}}))).await;
    let assigning = world.arm_as(&roles.client, Method::PUT, &path, Some(json!({}))).await;

    assert_eq!(patched.status, StatusCode::OK, "{}", patched.text);
    assert!(assigning.refusal().2.contains("'Microsoft.Authorization/roleAssignments/write'"));
    assert_eq!(roles.wrap().await.refusal().1, "Forbidden/ForbiddenByRbac");
}
