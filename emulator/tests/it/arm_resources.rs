//! The list of resources of every type: its entries, filters, pages and refusals.

use std::collections::BTreeSet;

use azure_emulator_core::identity::SUBSCRIPTION;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::arm::{VERSION, ask, code, make_group, owner_token, send};
use crate::support::{Answer, start};

const IDENTITY: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller";
const VAULT: &str = "providers/Microsoft.KeyVault/vaults/teamvault";
const REGISTRY: &str = "providers/Microsoft.ContainerRegistry/registries/teamregistry";

/// Creates a group with a vault, an identity and a registry that has a token.
async fn populate(emulator: &Sealyard) {
    make_group(emulator, "team").await;
    let vault = json!({
        "location": "westus",
        "tags": {"env": "Test"},
        "properties": {
            "tenantId": azure_emulator_core::identity::TENANT,
            "sku": {"family": "A", "name": "standard"},
            "enableRbacAuthorization": true,
        },
    });
    let registry = json!({
        "location": "westus",
        "sku": {"name": "Premium"},
        "tags": {"Env": "prod", "cost": "1"},
        "identity": {"type": "SystemAssigned"},
    });
    let token = json!({"properties": {"scopeMapId": format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/team/{REGISTRY}/scopeMaps/_repositories_pull"
    )}});
    for (path, body) in [
        (VAULT.to_owned(), vault),
        (REGISTRY.to_owned(), registry),
        (format!("{REGISTRY}/tokens/reader"), token),
        (IDENTITY.to_owned(), json!({"location": "eastus"})),
    ] {
        let made = send(emulator, Method::PUT, &format!("resourceGroups/team/{path}"), &body).await;
        assert!(made.status.is_success(), "{made:?}");
    }
}

async fn listed(emulator: &Sealyard, group: Option<&str>, query: &str) -> Answer {
    let group = group.map(|group| format!("/resourceGroups/{group}")).unwrap_or_default();
    let base = format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}{group}");
    ask(emulator, &format!("{base}/resources?{VERSION}&{query}"), Some(&owner_token(emulator)))
        .await
}

#[track_caller]
fn names(answer: &Answer) -> BTreeSet<String> {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let value = answer.json()["value"].as_array().unwrap().clone();
    value.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_filter_selects_among_resources_of_every_type() {
    let (emulator, _client) = start().await;
    populate(&emulator).await;
    let team = set(&["teamregistry", "teamvault", "puller"]);
    let selected =
        async |filter: &str| names(&listed(&emulator, None, &format!("$filter={filter}")).await);

    assert_eq!(selected("resourceGroup eq 'TEAM'").await, team);
    assert_eq!(names(&listed(&emulator, Some("Team"), "").await), team);
    assert_eq!(
        selected(
            "resourceGroup eq 'team' and resourceType eq 'microsoft.containerregistry/registries'"
        )
        .await,
        set(&["teamregistry"])
    );
    assert_eq!(selected("substringof('team', name)").await, set(&["teamregistry", "teamvault"]));
    assert_eq!(
        selected("name eq 'puller' or resourceGroup eq 'team' and location eq 'West US'").await,
        team
    );
    assert_eq!(selected("tagName eq 'env'").await, set(&["teamregistry", "teamvault"]));
    assert_eq!(selected("tagname eq 'env' and tagvalue eq 'Test'").await, set(&["teamvault"]));
    assert_eq!(selected("startswith(tagname, 'co')").await, set(&["teamregistry"]));
    let others = selected("resourceGroup ne 'team'").await;
    assert!(others.contains("local") && others.is_disjoint(&team), "{others:?}");
    assert_eq!(
        names(&listed(&emulator, Some("team"), "$filter=location eq 'eastus'").await),
        set(&["puller"])
    );
}

#[tokio::test]
async fn an_entry_has_the_fields_of_azure_and_those_that_the_query_expands() {
    let (emulator, _client) = start().await;
    populate(&emulator).await;
    let one = async |query: &str| {
        let answer = listed(&emulator, None, query).await;
        assert_eq!(answer.json()["value"].as_array().map(Vec::len), Some(1), "{answer:?}");
        answer.json()["value"][0].clone()
    };

    let plain = one("$filter=name eq 'teamregistry'").await;
    let expanded = "$expand=createdTime,changedTime,provisioningState";
    let registry = one(&format!("$filter=name eq 'teamregistry'&{expanded}")).await;
    let vault = one(&format!("$filter=name eq 'teamvault'&{expanded}")).await;
    let of_tag = one("$filter=tagName eq 'cost'").await;

    assert_eq!(
        plain["id"],
        format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/team/{REGISTRY}")
    );
    assert_eq!(plain["type"], "Microsoft.ContainerRegistry/registries");
    assert_eq!((&plain["location"], &plain["sku"]["name"]), (&json!("westus"), &json!("Premium")));
    assert_eq!(plain["tags"], json!({"Env": "prod", "cost": "1"}));
    assert_eq!(plain["identity"]["type"], "SystemAssigned");
    assert_eq!((&plain["properties"], &plain["createdTime"]), (&Value::Null, &Value::Null));
    assert!(registry["createdTime"].is_string(), "{registry}");
    assert!(vault["createdTime"].is_string() && vault["changedTime"].is_string(), "{vault}");
    assert_eq!(vault["provisioningState"], "Succeeded");
    // Azure documents that such an answer has no tags.
    assert_eq!((&of_tag["name"], &of_tag["tags"]), (&json!("teamregistry"), &Value::Null));
}

#[tokio::test]
async fn the_links_lead_through_all_pages_and_every_entry_appears_once() {
    let (emulator, _client) = start().await;
    populate(&emulator).await;
    let whole = listed(&emulator, None, "").await;
    let mut answer = listed(&emulator, None, "$top=2&$filter=name ne 'local'").await;
    let (mut seen, mut pages) = (Vec::new(), 0);

    loop {
        let page = answer.json();
        seen.extend(page["value"].as_array().unwrap().iter().map(|one| one["name"].clone()));
        pages += 1;
        let Some(link) = page["nextLink"].as_str() else { break };
        answer = ask(&emulator, link, Some(&owner_token(&emulator))).await;
    }

    let wanted: Vec<Value> = whole.json()["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].clone())
        .filter(|name| name != "local")
        .collect();
    assert!(whole.json()["nextLink"].is_null());
    assert_eq!(seen, wanted);
    assert_eq!(pages, seen.len().div_ceil(2));
}

#[tokio::test]
async fn a_query_that_azure_refuses_is_refused_with_its_code_and_the_value() {
    let (emulator, _client) = start().await;

    for (query, wanted) in [
        ("$filter=tagName eq 'a' and resourceGroup eq 'b'", "InvalidFilterInQueryString"),
        ("$filter=tagName eq 'a' or tagName eq 'b'", "InvalidFilterInQueryString"),
        ("$filter=substringof('a', location)", "InvalidFilterInQueryString"),
        ("$filter=startswith(name, 'a')", "InvalidFilterInQueryString"),
        ("$filter=kind eq 'a'", "InvalidFilterInQueryString"),
        ("$filter=name", "InvalidFilterInQueryString"),
        ("$top=0", "InvalidTopInQueryString"),
        ("$skiptoken=!", "InvalidSkipTokenInQueryString"),
        ("$expand=everything", "InvalidExpandInQueryString"),
    ] {
        let refused = listed(&emulator, None, query).await;
        assert_eq!((refused.status, code(&refused).as_str()), (StatusCode::BAD_REQUEST, wanted));
        let (_, value) = query.split_once('=').unwrap();
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(
            message.contains(&format!("'{value}' specified in the query string.")),
            "{message}"
        );
    }
    let absent = listed(&emulator, Some("nosuch"), "").await;
    assert_eq!(code(&absent), "ResourceGroupNotFound");
    let wrong_method = send(&emulator, Method::PUT, "resources", &json!({})).await;
    assert_eq!(wrong_method.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn groups_are_listed_in_pages_and_selected_by_tags() {
    let (emulator, _client) = start().await;
    for name in ["one", "two", "three"] {
        make_group(&emulator, name).await;
    }
    let groups = async |query: &str| {
        let base =
            format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/resourcegroups");
        ask(&emulator, &format!("{base}?{VERSION}&{query}"), Some(&owner_token(&emulator))).await
    };

    let first = groups("$top=3").await;
    let link = first.json()["nextLink"].as_str().unwrap().to_owned();
    let second = ask(&emulator, &link, Some(&owner_token(&emulator))).await;
    let refused = groups("$filter=name eq 'one'").await;

    assert_eq!(first.json()["value"].as_array().map(Vec::len), Some(3));
    let all: BTreeSet<String> = names(&first).union(&names(&second)).cloned().collect();
    assert!(all.is_superset(&set(&["one", "two", "three"])), "{all:?}");
    assert_eq!(code(&refused), "InvalidFilterInQueryString");
}
