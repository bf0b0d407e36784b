//! Which resources each filter selects, and which filters are refused.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn resource(
    name: &str,
    kind: &str,
    group: &str,
    location: &str,
    tags: &[(&str, &str)],
) -> Resource {
    Resource {
        id: format!("/subscriptions/s/resourceGroups/{group}/providers/{kind}/{name}"),
        name: name.to_owned(),
        kind: kind.to_owned(),
        group: group.to_owned(),
        location: location.to_owned(),
        tags: tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        sku: None,
        identity: (name == "reg1")
            .then(|| json!({ "type": "SystemAssigned", "principalId": "P1" })),
        created: None,
        changed: None,
    }
}

fn all() -> Vec<Resource> {
    vec![
        resource(
            "reg1",
            "Microsoft.ContainerRegistry/registries",
            "Team",
            "westus",
            &[("env", "Test")],
        ),
        resource(
            "vault1",
            "Microsoft.KeyVault/vaults",
            "team",
            "eastus",
            &[("Env", "prod"), ("cost", "Test")],
        ),
        resource(
            "it's",
            "Microsoft.ManagedIdentity/userAssignedIdentities",
            "other",
            "eastus",
            &[],
        ),
    ]
}

fn read(filter: &str) -> Result<ResourceFilter, ListError> {
    ResourceFilter::from_query(&format!(
        "$filter={}",
        utf8_percent_encode(filter, NON_ALPHANUMERIC)
    ))
}

#[track_caller]
fn check(filter: &str, wanted: &[&str]) {
    let read = read(filter).unwrap();
    let found = all().into_iter().filter(|one| read.selects(one)).map(|one| one.name);
    assert_eq!(found.collect::<Vec<_>>(), wanted, "{filter}");
}

#[test]
fn each_documented_condition_selects_the_resources_that_meet_it() {
    check("", &["reg1", "vault1", "it's"]);
    check("resourceGroup eq 'TEAM'", &["reg1", "vault1"]);
    check("resourceGroup ne 'team'", &["it's"]);
    check("resourceType eq 'microsoft.keyvault/VAULTS'", &["vault1"]);
    check("resourceType ne 'Microsoft.KeyVault/vaults'", &["reg1", "it's"]);
    check("name eq 'REG1'", &["reg1"]);
    check("name eq 'it''s'", &["it's"]);
    check("location eq 'West US'", &["reg1"]);
    check("location ne 'westus'", &["vault1", "it's"]);
    check("substringof('1', name)", &["reg1", "vault1"]);
    check("substringof(name, 'VAULT')", &["vault1"]);
    check("substringof('tea', resourceGroup)", &["reg1", "vault1"]);
    check("identity/principalId eq 'p1'", &["reg1"]);
    check("identity eq 'SystemAssigned'", &["reg1"]);
    check("plan/publisher eq 'x'", &[]);
    check("plan ne 'x'", &["reg1", "vault1", "it's"]);
}

#[test]
fn conditions_are_joined_by_and_and_or() {
    check("resourceGroup eq 'team' and name eq 'reg1' and location eq 'westus'", &["reg1"]);
    check("name eq 'reg1' or name eq 'it''s'", &["reg1", "it's"]);
    check(
        "name eq 'it''s' or substringof('1', name) and location eq 'eastus'",
        &["vault1", "it's"],
    );
    check(
        "(name eq 'it''s' or substringof('1', name)) and location eq 'eastus'",
        &["vault1", "it's"],
    );
    check(
        "substringof('reg', name) and resourceType eq 'Microsoft.ContainerRegistry/registries'",
        &["reg1"],
    );
}

#[test]
fn tags_are_selected_by_name_by_the_start_of_a_name_by_value_or_by_both() {
    check("tagName eq 'ENV'", &["reg1", "vault1"]);
    check("tagname eq 'env' and tagvalue eq 'Test'", &["reg1"]);
    check("tagname eq 'env' and tagvalue eq 'test'", &[]);
    check("tagValue eq 'Test'", &["reg1", "vault1"]);
    check("startswith(tagname, 'CO')", &["vault1"]);
    check("startswith(tagName, 'e') and tagValue eq 'prod'", &["vault1"]);
    assert!(read("tagName eq 'a'").unwrap().is_of_tags());
    assert!(!read("name eq 'a'").unwrap().is_of_tags());
}

#[test]
fn tags_joined_with_other_conditions_and_unknown_conditions_are_refused() {
    for filter in [
        "tagName eq 'a' and name eq 'b'",
        "resourceType eq 'a/b' and tagName eq 'a'",
        "tagName eq 'a' or tagName eq 'b'",
        "tagName eq 'a' and tagName eq 'b'",
        "tagName ne 'a'",
        "tagName eq 'a' and tagValue ne 'b'",
        "startswith(name, 'a')",
        "startswith(tagName, 'a') and name eq 'b'",
        "substringof('a', location)",
        "substringof('a', tagName)",
        "substringof('a', 'b')",
        "substringof('a')",
        "endswith('a', name)",
        "kind eq 'a'",
        "name gt 'a'",
        "name eq null",
        "name",
        "$filter=name eq 'a'",
    ] {
        let refused = read(filter).unwrap_err();
        let message = format!("Invalid $filter '{filter}' specified in the query string.");
        assert!(refused.to_string().starts_with(&message), "{refused}");
        assert_eq!(refused.code(), "InvalidFilterInQueryString");
    }
}

#[test]
fn a_refusal_names_the_functions_that_a_property_supports() {
    let refused = read("substringof('eastus', location)").unwrap_err().to_string();

    assert_eq!(
        refused,
        "Invalid $filter 'substringof('eastus', location)' specified in the query string. Details: 'Unsupported filter function found:'substringof'. Property name:'location'. Supported functions: '''"
    );
}

#[test]
fn groups_are_filtered_by_tags_only() {
    let tags = |filter: &str| TagFilter::from_query(&format!("$filter={filter}"));
    let own = BTreeMap::from([("Env".to_owned(), "prod".to_owned())]);

    assert!(tags("").unwrap().selects(&BTreeMap::new()));
    assert!(tags("tagName eq 'env' and tagValue eq 'prod'").unwrap().selects(&own));
    assert!(!tags("tagName eq 'env'").unwrap().selects(&BTreeMap::new()));
    assert!(tags("name eq 'x'").is_err());
}

proptest! {
    #[test]
    fn no_filter_panics(filter in r"\PC{0,60}") {
        let _ = read(&filter).map(|filter| all().iter().filter(|one| filter.selects(one)).count());
    }

    #[test]
    fn eq_and_ne_select_complementary_parts_of_the_list(name in "[a-z0-9']{0,6}") {
        let quoted = name.replace('\'', "''");
        let (is, is_not) = (read(&format!("name eq '{quoted}'")), read(&format!("name ne '{quoted}'")));
        let (is, is_not) = (is.unwrap(), is_not.unwrap());
        for one in all() {
            prop_assert!(is.selects(&one) != is_not.selects(&one));
        }
    }
}
