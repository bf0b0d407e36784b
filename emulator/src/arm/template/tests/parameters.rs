//! Parameters: given values, defaults, and mismatches.

use serde_json::json;

use super::{message, plan};

#[test]
fn parameters_have_the_value_that_is_given_or_else_their_default() {
    let members = json!({
        "parameters": {
            "name": {"type": "string", "minLength": 2, "maxLength": 5},
            "full": {"type": "string", "defaultValue": "[concat(parameters('NAME'), '-', utcNow('yyyy'))]"},
            "count": {"type": "int", "defaultValue": 1, "minValue": 1, "maxValue": 3},
            "sku": {"type": "string", "defaultValue": "Basic", "allowedValues": ["Basic", "Premium"]},
            "secret": {"type": "secureString", "defaultValue": ""},
            "maybe": {"type": "string", "nullable": true},
        },
    });
    let given =
        json!({"Name": {"value": "[x]"}, "secret": {"value": "hush"}, "sku": {"value": "Premium"}});

    let plan = plan(&members, &given).unwrap();

    assert_eq!(
        plan.parameters(),
        json!({
            "name": {"type": "String", "value": "[x]"},
            "full": {"type": "String", "value": "[x]-2031"},
            "count": {"type": "Int", "value": 1},
            "sku": {"type": "String", "value": "Premium"},
            "secret": {"type": "SecureString"},
            "maybe": {"type": "String", "value": null},
        })
    );
    assert!(!format!("{plan:?}").contains("hush"));
}

#[test]
fn every_new_guid_is_different() {
    let members = json!({"parameters": {
        "a": {"type": "string", "defaultValue": "[newGuid()]"},
        "b": {"type": "string", "defaultValue": "[newGuid()]"},
        "c": {"type": "string", "defaultValue": "[parameters('a')]"},
    }});

    let plan = plan(&members, &json!({})).unwrap();

    let made = plan.parameters();
    assert_ne!(made["a"]["value"], made["b"]["value"]);
    assert_eq!(made["a"]["value"], made["c"]["value"]);
}

#[test]
fn parameters_that_do_not_fit_are_refused_with_azures_messages() {
    let members = json!({"parameters": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "defaultValue": "abc"},
        "count": {"type": "int", "defaultValue": 1, "minValue": 1, "maxValue": 3},
        "sku": {"type": "string", "defaultValue": "Basic", "allowedValues": ["Basic", "Premium"]},
        "secret": {"type": "secureString", "defaultValue": "open", "minLength": 4},
        "needed": {"type": "string"},
    }});
    for (name, value, expected) in [
        ("none", json!(1), "The template parameters 'none' in the parameters file are not valid"),
        ("name", json!(1), "Expected 'String, Uri'. Actual 'Integer'."),
        ("name", json!("a"), "greater than or equal to '2'"),
        ("name", json!("abcdef"), "less than or equal to '5'"),
        ("count", json!("1"), "Expected 'Integer'. Actual 'String'."),
        (
            "count",
            json!(4),
            "The provided value '4' for the template parameter 'count' is not valid.",
        ),
        (
            "sku",
            json!("Gold"),
            "The provided value 'Gold' for the template parameter 'sku' is not valid. The parameter value is not part of the allowed value(s): 'Basic,Premium'.",
        ),
        (
            "secret",
            json!("tin"),
            "The provided value for the template parameter 'secret' is not valid.",
        ),
    ] {
        let given = json!({name: {"value": value}, "needed": {"value": "x"}});
        let refused = message(plan(&members, &given));
        assert!(refused.contains(expected), "{name}: {refused}");
    }
    assert!(
        message(plan(&members, &json!({})))
            .contains("The value for the template parameter 'needed' is not provided.")
    );
    assert!(
        message(plan(&members, &json!({"needed": {"value": null}}))).contains("is not provided")
    );
    let vault = json!({"needed": {"reference": {"keyVault": {"id": "x"}, "secretName": "y"}}});
    assert_eq!(plan(&members, &vault).unwrap_err().code(), "NotSupported");
}
