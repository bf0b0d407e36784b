//! Tests of expressions, and helpers for all tests of templates.

mod bounds;
mod parameters;
mod resources;

use serde_json::{Value, json};
use time::macros::datetime;

use super::*;

/// A resource group to deploy to.
pub(super) fn scope() -> DeploymentScope {
    DeploymentScope {
        subscription_id: "sub".to_owned(),
        group_name: "Group".to_owned(),
        subscription: json!({"subscriptionId": "sub", "tenantId": "tenant"}),
        tenant: json!({"tenantId": "tenant"}),
        group: json!({"id": GROUP, "name": "Group", "location": "eastus"}),
        deployment: json!({"name": "d"}),
        environment: json!({"suffixes": {"acrLoginServer": ".azurecr.io"}}),
        now: datetime!(2031-02-03 04:05:06 UTC),
        seed: "seed".to_owned(),
    }
}

const GROUP: &str = "/subscriptions/sub/resourceGroups/Group";

/// A template with these members and the required ones.
fn template(members: &Value) -> Value {
    let mut template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [],
    });
    template.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    template
}

fn plan(members: &Value, given: &Value) -> Result<Plan, TemplateError> {
    Plan::new(&template(members), given.as_object().unwrap(), scope())
}

/// The value of an expression in an output.
fn value_with(
    members: Value,
    expression: &str,
    lookups: &LookupResults,
) -> Result<Value, PlanError> {
    let mut members = members;
    // An array, so that values of all types can be outputs.
    members["outputs"] = json!({"x": {"type": "array", "value": [expression]}});
    let plan = plan(&members, &json!({})).map_err(PlanError::Invalid)?;
    plan.outputs(lookups).map(|outputs| outputs["x"]["value"][0].clone())
}

fn value(expression: &str) -> Result<Value, PlanError> {
    value_with(json!({}), expression, &LookupResults::default())
}

fn message(result: Result<impl std::fmt::Debug, TemplateError>) -> String {
    result.unwrap_err().to_string()
}

fn resource(kind: &str, name: &str, more: &Value) -> Value {
    let mut resource = json!({"type": kind, "name": name, "apiVersion": "2020-01-01"});
    resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    resource
}

fn ids(plan: &Plan) -> Vec<&str> {
    plan.resources().iter().map(|resource| resource.id.rsplit('/').next().unwrap()).collect()
}

#[test]
fn expressions_see_the_place_of_the_deployment_in_any_letter_case() {
    for (expression, expected) in [
        ("[resourceGroup().location]", json!("eastus")),
        ("[RESOURCEGROUP().Location]", json!("eastus")),
        ("[subscription().tenantId]", json!("tenant")),
        ("[tenant().tenantId]", json!("tenant")),
        ("[deployment().name]", json!("d")),
        ("[environment().suffixes['acrLoginServer']]", json!(".azurecr.io")),
        ("[createArray(1, 2)[1]]", json!(2)),
        ("[[not evaluated]", json!("[not evaluated]")),
        ("[concat('a', string(add(1, 2)))]", json!("a3")),
    ] {
        assert_eq!(value(expression), Ok(expected), "{expression}");
    }
}

#[test]
fn the_unused_branch_of_if_is_not_evaluated() {
    assert_eq!(value("[if(true(), 'yes', div(1, 0))]"), Ok(json!("yes")));
    assert_eq!(value("[if(false(), variables('none'), 'no')]"), Ok(json!("no")));
    assert!(value("[if('true', 1, 2)]").is_err());
    assert!(value("[if(true(), 1)]").is_err());
}

#[test]
fn missing_items_are_refused_with_azures_messages() {
    for (expression, expected) in [
        ("[nothing()]", "The template function 'nothing' is not valid."),
        (
            "[dateTimeAdd('a', 'b')]",
            "The template function 'dateTimeAdd' is not supported by this emulator.",
        ),
        ("[newGuid()]", "The template function 'newGuid' is not expected at this location."),
        ("[parameters('p')]", "The template parameter 'p' is not found."),
        ("[variables('v')]", "The template variable 'v' is not found."),
        (
            "[resourceGroup().x]",
            "property 'x' doesn't exist, available properties are 'id, location, name'",
        ),
        ("[createArray(1)[1]]", "array index '1' is out of bounds"),
        ("['text'.x]", "is of type 'String'"),
        ("[reference('n')]", "The template reference 'n' is not valid: could not find"),
        ("[reference('/subscriptions/s/providers/N/a/x')]", "The API version is required"),
        ("[own.function()]", "The template function 'own.function' is not valid."),
    ] {
        let Err(PlanError::Invalid(error)) = value(expression) else { panic!("{expression}") };
        assert!(error.to_string().contains(expected), "{expression}: {error}");
        assert_eq!(error.code(), "InvalidTemplate");
    }
}

#[test]
fn variables_may_use_each_other_but_not_in_a_circle() {
    let members = json!({"variables": {
        "a": "[concat(variables('B'), 'a')]",
        "b": {"[concat('k', 'ey')]": ["[toLower('X')]"]},
        "c": "[variables('b').key[0]]",
        "round": "[variables('trip')]",
        "trip": "[variables('round')]",
        "asks": "[reference('x')]",
    }});
    let ask = |expression| value_with(members.clone(), expression, &LookupResults::default());

    assert_eq!(ask("[variables('c')]"), Ok(json!("x")));
    assert_eq!(ask("[variables('b')]"), Ok(json!({"key": ["x"]})));
    for (expression, expected) in [
        ("[variables('round')]", "in a circle"),
        ("[variables('asks')]", "'reference' is not expected at this location"),
        ("[variables('a')]", "it takes strings, or lists"),
    ] {
        let Err(PlanError::Invalid(error)) = ask(expression) else { panic!("{expression}") };
        assert!(error.to_string().contains(expected), "{expression}: {error}");
    }
}

#[test]
fn outputs_have_their_types_and_secure_ones_no_value() {
    let members = json!({"outputs": {
        "a": {"type": "string", "value": "[toLower('A')]"},
        "b": {"type": "SecureString", "value": "hush"},
        "c": {"type": "int", "value": 1, "condition": false},
    }});
    let wrong = json!({"outputs": {"a": {"type": "int", "value": "x"}}});

    let outputs = plan(&members, &json!({})).unwrap().outputs(&LookupResults::default());
    let refused = plan(&wrong, &json!({})).unwrap().outputs(&LookupResults::default());

    assert_eq!(
        outputs,
        Ok(json!({"a": {"type": "String", "value": "a"}, "b": {"type": "SecureString"}}))
    );
    assert!(
        matches!(refused, Err(PlanError::Invalid(TemplateError::Output { .. }))),
        "{refused:?}"
    );
}
