//! Resource groups: they are created, tagged, listed, required by every resource, and deleted with their resources.

use azure_emulator_core::identity::SUBSCRIPTION;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::arm::{VERSION, ask, code, make_group, owner_token, send, through_proxy};
use crate::support::{Answer, start};

const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
const VAULTS: &str = "providers/Microsoft.KeyVault/vaults";
const ASSIGNMENTS: &str = "providers/Microsoft.Authorization/roleAssignments";
/// The built-in role Reader.
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn names(answer: &Answer) -> Vec<String> {
    let listed = answer.json()["value"].as_array().unwrap().clone();
    listed.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// Follows `Location` until the operation has ended.
async fn ended(emulator: &Sealyard, begun: &Answer) -> Answer {
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    assert_eq!(begun.headers["retry-after"], "1");
    let at = begun.headers["location"].to_str().unwrap().to_owned();
    for _ in 0..1000 {
        let answer = ask(emulator, &at, Some(&owner_token(emulator))).await;
        if answer.status != StatusCode::ACCEPTED {
            return answer;
        }
        tokio::task::yield_now().await;
    }
    panic!("the operation does not end");
}

#[tokio::test]
async fn a_group_is_created_tagged_found_and_listed_and_keeps_its_location() {
    let (emulator, _client) = start().await;
    let body = json!({"location": "West Europe", "tags": {"team": "one"}});

    let absent = send(&emulator, Method::HEAD, "resourceGroups/Team", &Value::Null).await;
    let made = send(&emulator, Method::PUT, "resourceGroups/Team", &body).await;
    let again = send(&emulator, Method::PUT, "resourcegroups/TEAM", &body).await;
    let moved =
        send(&emulator, Method::PUT, "resourceGroups/team", &json!({"location": "eastus"})).await;
    let tags = json!({"tags": {"a": "b"}});
    let tagged = send(&emulator, Method::PATCH, "resourceGroups/team", &tags).await;
    let found = send(&emulator, Method::GET, "resourceGroups/team", &Value::Null).await;
    let there = send(&emulator, Method::HEAD, "resourceGroups/team", &Value::Null).await;
    let listed = send(&emulator, Method::GET, "resourcegroups", &Value::Null).await;
    let of_tag = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourcegroups?{VERSION}&$filter=tagName eq 'a' and tagValue eq 'b'"
    );
    let of_tag = ask(&emulator, &of_tag, Some(&owner_token(&emulator))).await;

    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    assert_eq!(made["id"], format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/Team"));
    assert_eq!((&made["name"], &made["location"]), (&json!("Team"), &json!("westeurope")));
    assert_eq!(made["type"], "Microsoft.Resources/resourceGroups");
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    assert_eq!((again.status, again.json()), (StatusCode::OK, made));
    assert_eq!(code(&moved), "InvalidResourceGroupLocation");
    assert_eq!(tagged.json()["tags"], tags["tags"]);
    assert_eq!(found.json(), tagged.json());
    assert_eq!(there.status, StatusCode::NO_CONTENT);
    assert_eq!(names(&listed), ["sealyard", "Team"]);
    assert_eq!(names(&of_tag), ["Team"]);
}

#[tokio::test]
async fn a_resource_in_a_group_that_does_not_exist_is_refused_and_not_created() {
    let (emulator, _client) = start().await;
    let place = json!({"location": "eastus"});

    for path in [
        format!("resourceGroups/nowhere/{IDENTITIES}/one"),
        format!("resourceGroups/nowhere/{VAULTS}/vault-one"),
        format!("resourceGroups/nowhere/{ASSIGNMENTS}/11111111-1111-4111-8111-111111111111"),
    ] {
        let answer = send(&emulator, Method::PUT, &path, &place).await;
        let actual = (answer.status, code(&answer));
        assert_eq!(actual, (StatusCode::NOT_FOUND, "ResourceGroupNotFound".to_owned()), "{path}");
        let message = "Resource group 'nowhere' could not be found.";
        assert_eq!(answer.json()["error"]["message"], message);
    }

    assert_eq!(emulator.app().registries.identities().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_principal_without_a_role_cannot_create_or_see_a_group() {
    let (emulator, _client) = start().await;
    let vault = emulator.vault().unwrap();
    let stranger = vault.add_application("stranger").await.unwrap().principal;
    let token = vault.token(stranger.client_id(), "https://management.azure.com").unwrap();
    let base = format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourceGroups");
    let client = through_proxy(&emulator);

    let listed = ask(&emulator, &format!("{base}?{VERSION}"), Some(token.expose())).await;

    assert_eq!(listed.json()["value"], json!([]));
    for (method, path) in [
        (Method::PUT, "/new".to_owned()),
        (Method::GET, "/sealyard".to_owned()),
        (Method::DELETE, "/sealyard".to_owned()),
        (Method::PUT, format!("/nowhere/{IDENTITIES}/one")),
    ] {
        let request = client.request(method, format!("{base}{path}?{VERSION}"));
        let request = request.bearer_auth(token.expose()).json(&json!({"location": "eastus"}));
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(code(&answer), "AuthorizationFailed", "{path}");
    }
}

#[tokio::test]
async fn a_group_is_deleted_with_its_registries_vaults_identities_and_roles() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let identity = format!("resourceGroups/team/{IDENTITIES}/puller");
    let place = json!({"location": "eastus"});
    let identity = send(&emulator, Method::PUT, &identity, &place).await.json();
    let vault = json!({"location": "eastus", "properties": {
        "tenantId": identity["properties"]["tenantId"],
        "sku": {"name": "standard", "family": "A"},
        "accessPolicies": [],
    }});
    let vault_path = format!("resourceGroups/team/{VAULTS}/team-vault");
    let vault = send(&emulator, Method::PUT, &vault_path, &vault).await;
    assert!(vault.status.is_success(), "{vault:?}");
    let role = "resourceGroups/team/".to_owned() + ASSIGNMENTS;
    let assignment = json!({"properties": {
        "roleDefinitionId": format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
        ),
        "principalId": identity["properties"]["principalId"],
        "principalType": "ServicePrincipal",
    }});
    let role = format!("{role}/11111111-1111-4111-8111-111111111111");
    let assigned = send(&emulator, Method::PUT, &role, &assignment).await;
    assert_eq!(assigned.status, StatusCode::CREATED, "{assigned:?}");

    let begun = send(&emulator, Method::DELETE, "resourceGroups/TEAM", &Value::Null).await;
    let ended = ended(&emulator, &begun).await;

    assert_eq!(ended.status, StatusCode::OK, "{ended:?}");
    let absent = send(&emulator, Method::HEAD, "resourceGroups/team", &Value::Null).await;
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    let identities = send(&emulator, Method::GET, IDENTITIES, &Value::Null).await;
    assert_eq!(names(&identities), ["sealyard"]);
    let vaults = send(&emulator, Method::GET, VAULTS, &Value::Null).await;
    assert_eq!(names(&vaults), ["local"]);
    let deleted = "providers/Microsoft.KeyVault/deletedVaults";
    let deleted = send(&emulator, Method::GET, deleted, &Value::Null).await;
    assert_eq!(names(&deleted), ["team-vault"]);
    make_group(&emulator, "team").await;
    let role = send(&emulator, Method::GET, &role, &Value::Null).await;
    assert_eq!(role.status, StatusCode::NOT_FOUND, "{role:?}");
    let again = send(&emulator, Method::DELETE, "resourceGroups/other", &Value::Null).await;
    assert_eq!(code(&again), "ResourceGroupNotFound");
}

#[tokio::test]
async fn the_group_that_the_emulator_starts_with_cannot_be_deleted() {
    let (emulator, _client) = start().await;

    let refused = send(&emulator, Method::DELETE, "resourceGroups/sealyard", &Value::Null).await;

    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (StatusCode::CONFLICT, "ResourceGroupDeletionBlocked")
    );
    assert!(emulator.registry_named("local").is_some());
}

#[tokio::test]
async fn an_unknown_operation_is_not_found() {
    let (emulator, _client) = start().await;

    let answer = send(&emulator, Method::GET, "operationresults/x", &Value::Null).await;

    assert_eq!(
        (answer.status, code(&answer).as_str()),
        (StatusCode::NOT_FOUND, "OperationNotFound")
    );
}

#[tokio::test]
async fn a_change_whose_precondition_fails_is_refused_and_changes_nothing() {
    let (emulator, _client) = start().await;
    let path = "resourceGroups/team";
    let change = async |header: (&'static str, String), tags: Value| {
        let url =
            format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/{path}?{VERSION}");
        let request = through_proxy(&emulator).put(url).bearer_auth(owner_token(&emulator));
        let body = json!({"location": "eastus", "tags": tags});
        Answer::of(request.header(header.0, header.1).json(&body).send().await.unwrap()).await
    };
    let shown = async || send(&emulator, Method::GET, path, &Value::Null).await;

    let absent = change(("if-match", "*".into()), json!({})).await;
    let made = change(("if-none-match", "*".into()), json!({"a": "1"})).await;
    let again = change(("if-none-match", "*".into()), json!({"a": "2"})).await;
    let tag = shown().await.headers["etag"].to_str().unwrap().to_owned();
    let changed = change(("if-match", tag.clone()), json!({"a": "3"})).await;
    let late = change(("if-match", tag), json!({"a": "4"})).await;

    for refused in [absent, again, late] {
        let actual = (refused.status, code(&refused));
        assert_eq!(actual, (StatusCode::PRECONDITION_FAILED, "PreconditionFailed".to_owned()));
    }
    assert_eq!((made.status, changed.status), (StatusCode::CREATED, StatusCode::OK));
    let shown = shown().await;
    assert_eq!(shown.json()["tags"], json!({"a": "3"}));
    assert_eq!(shown.headers["etag"], changed.headers["etag"]);
}

#[tokio::test]
async fn resources_that_are_created_while_their_group_is_deleted_are_deleted_too() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let vault = json!({"location": "eastus", "properties": {
        "tenantId": azure_emulator_core::identity::TENANT,
        "sku": {"name": "standard", "family": "A"},
        "accessPolicies": [],
    }});
    let path = |name: &str| format!("resourceGroups/team/{VAULTS}/{name}");
    let (one, two, three) = (path("vault-one"), path("vault-two"), path("vault-three"));

    let (begun, first, second, third) = tokio::join!(
        send(&emulator, Method::DELETE, "resourceGroups/team", &Value::Null),
        send(&emulator, Method::PUT, &one, &vault),
        send(&emulator, Method::PUT, &two, &vault),
        send(&emulator, Method::PUT, &three, &vault),
    );
    let ended = ended(&emulator, &begun).await;

    assert_eq!(ended.status, StatusCode::OK, "{ended:?}");
    for put in [first, second, third] {
        let is_refused = ["ResourceGroupBeingDeleted", "ResourceGroupNotFound"]
            .contains(&put.json()["error"]["code"].as_str().unwrap_or_default());
        assert!(put.status.is_success() || is_refused, "{put:?}");
    }
    let vaults = send(&emulator, Method::GET, VAULTS, &Value::Null).await;
    assert_eq!(names(&vaults), ["local"]);
    let group = send(&emulator, Method::HEAD, "resourceGroups/team", &Value::Null).await;
    assert_eq!(group.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_principal_with_a_role_at_a_group_sees_the_subscription_and_only_the_resources_of_the_group()
 {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let vault = emulator.vault().unwrap();
    let reader = vault.add_application("reader").await.unwrap().principal;
    let assignment = json!({"properties": {
        "roleDefinitionId": format!(
            "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READER}"
        ),
        "principalId": reader.object_id(),
    }});
    let role = format!("resourceGroups/team/{ASSIGNMENTS}/11111111-1111-4111-8111-111111111111");
    assert!(send(&emulator, Method::PUT, &role, &assignment).await.status.is_success());
    let identity = format!("resourceGroups/team/{IDENTITIES}/puller");
    send(&emulator, Method::PUT, &identity, &json!({"location": "eastus"})).await;
    let token = vault.token(reader.client_id(), "https://management.azure.com").unwrap();
    let base = "https://management.azure.com/subscriptions";
    let listed = async |path: &str| {
        ask(&emulator, &format!("{base}{path}?{VERSION}"), Some(token.expose())).await
    };

    let subscriptions = listed("").await;
    let resources = listed(&format!("/{SUBSCRIPTION}/resources")).await;
    let vaults = listed(&format!("/{SUBSCRIPTION}/{VAULTS}")).await;

    assert_eq!(subscriptions.json()["value"].as_array().unwrap().len(), 1);
    assert_eq!(names(&resources), ["puller"]);
    assert_eq!(names(&vaults), [""; 0]);
}
