//! Refused templates, and limits on growth.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::arm::template::error::ExpressionError;
use crate::arm::template::text::MAX_DEPTH;

#[test]
fn unsupported_azure_features_are_refused_by_name() {
    for (members, expected) in [
        (
            json!({"resources": [resource("N/a", "x", &json!({"copy": {"name": "c", "count": 2}}))]}),
            "'copy'",
        ),
        (
            json!({"resources": [resource("N/a", "x", &json!({"properties": {"copy": [{"name": "c", "count": 2, "input": 1}]}}))]}),
            "'copy'",
        ),
        (json!({"variables": {"copy": []}}), "'copy'"),
        (json!({"functions": [{"namespace": "own"}]}), "'functions'"),
        (json!({"languageVersion": "2.0"}), "language version"),
        (json!({"resources": {}}), "Symbolic names"),
        (
            json!({"$schema": "https://x/subscriptionDeploymentTemplate.json#"}),
            "not for a resource group",
        ),
        (
            json!({"resources": [resource("N/a", "x", &json!({"resourceGroup": "other"}))]}),
            "'resourceGroup'",
        ),
    ] {
        let error = plan(&members, &json!({})).unwrap_err();
        assert_eq!(error.code(), "NotSupported", "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(error.to_string().ends_with("is not supported by this emulator."), "{error}");
    }
}

#[test]
fn invalid_templates_are_refused_with_the_path_of_the_error() {
    let refused = |members: &Value| {
        let error = plan(members, &json!({})).unwrap_err();
        assert_eq!(error.code(), "InvalidRequestContent", "{error}");
        error.to_string()
    };

    assert!(refused(&json!({"resource": []})).contains("Could not find member 'resource' on object of type 'Template'. Path 'properties.template.resource'"));
    assert!(
        refused(&json!({"contentVersion": null}))
            .contains("Required property 'contentVersion' not found in JSON.")
    );
    assert!(refused(&json!({"resources": null})).contains("Required property 'resources'"));
    assert!(refused(&json!({"resources": [{"type": "N/a", "name": "x"}]})).contains(
        "Required property 'apiVersion' not found in JSON. Path 'properties.template.resources[0]'"
    ));
    assert!(
        refused(&json!({"resources": [resource("N/a", "x", &json!({"propertis": {}}))]}))
            .contains("Could not find member 'propertis' on object of type 'TemplateResource'.")
    );
    assert!(
        refused(&json!({"parameters": {"p": {"type": "text", "defaultValue": 1}}}))
            .contains("properties.template.parameters.p.type")
    );
    assert!(Plan::new(&json!("x"), &Map::new(), scope()).is_err());
}

#[test]
fn a_few_lines_cannot_grow_without_end() {
    let mut variables = Map::new();
    variables.insert("v0".to_owned(), json!("x".repeat(1000)));
    for at in 1..30 {
        let before = at - 1;
        variables.insert(
            format!("v{at}"),
            json!(format!("[createArray(variables('v{before}'), variables('v{before}'))]")),
        );
    }
    let grown = value_with(
        json!({"variables": variables}),
        "[variables('v29')]",
        &LookupResults::default(),
    );
    assert_eq!(
        grown,
        Err(PlanError::Invalid(TemplateError::Output {
            name: "x".to_owned(),
            problem: ExpressionError::TooLarge.to_string()
        }))
    );

    let mut variables = Map::new();
    for at in 0..500 {
        variables.insert(
            format!("v{at}"),
            json!([[[[format!("[toLower(variables('v{}'))]", at + 1)]]]]),
        );
    }
    let deep =
        value_with(json!({"variables": variables}), "[variables('v0')]", &LookupResults::default());
    assert_eq!(
        deep,
        Err(PlanError::Invalid(TemplateError::Output {
            name: "x".to_owned(),
            problem: ExpressionError::TooDeep.to_string()
        }))
    );
}

#[test]
fn evaluated_values_are_no_deeper_than_parsed_ones() {
    let mut variables = Map::new();
    variables.insert("v000".to_owned(), json!("x"));
    for at in 1..200 {
        variables.insert(
            format!("v{at:03}"),
            json!(format!("[createArray(variables('v{:03}'))]", at - 1)),
        );
    }
    let members = json!({"variables": variables});
    // Each variable is evaluated before the next one needs it, so that no evaluation is nested deeply.
    let up_to = |last: usize| {
        let all: Vec<String> = (0..=last).map(|at| format!("[variables('v{at:03}')]")).collect();
        let mut members = members.clone();
        members["outputs"] = json!({"x": {"type": "array", "value": all}});
        plan(&members, &json!({})).unwrap().outputs(&LookupResults::default())
    };

    let deep = up_to(MAX_DEPTH - 1);
    let too_deep = up_to(MAX_DEPTH);

    assert!(deep.is_ok(), "{deep:?}");
    let Err(PlanError::Invalid(error)) = too_deep else { panic!("{too_deep:?}") };
    assert!(error.to_string().contains("too deep"), "{error}");
}

#[test]
fn long_lists_are_united_without_comparing_each_with_each() {
    let mut variables = Map::new();
    for at in 0..20 {
        variables.insert(format!("v{at}"), json!(format!("[range({}, 10000)]", at * 10_000)));
    }
    let all: Vec<String> = (0..20).map(|at| format!("variables('v{at}')")).collect();
    let members = json!({"variables": variables});
    let text = format!("[length(union({}))]", all.join(", "));

    assert_eq!(value_with(members.clone(), &text, &LookupResults::default()), Ok(json!(200_000)));
    let text = format!("[length(intersection({}, range(5, 10)))]", "variables('v0')");
    assert_eq!(value_with(members, &text, &LookupResults::default()), Ok(json!(10)));
}

#[test]
fn the_total_of_resources_and_of_dependencies_is_limited() {
    let large = |at: usize| {
        let part = "[concat(variables('v'), variables('v'))]";
        resource("N/a", &format!("r{at}"), &json!({"tags": {"t": part}}))
    };
    let variables = json!({"v": "x".repeat(1_000_000)});
    let many: Vec<Value> = (0..200).map(large).collect();
    let many = plan(&json!({"variables": variables, "resources": many}), &json!({})).unwrap();
    let waiting = |count: usize| {
        let all = (0..count).map(|at| {
            let others: Vec<String> = (0..at).map(|other| format!("r{other}")).collect();
            resource("N/a", &format!("r{at}"), &json!({"dependsOn": others}))
        });
        plan(&json!({"resources": all.collect::<Vec<_>>()}), &json!({}))
    };

    let bodies =
        many.resources().iter().map(|resource| many.body(resource, &LookupResults::default()));
    let refused = bodies.filter(|body| {
        let Err(PlanError::Invalid(error)) = body else { return false };
        error.to_string().contains("too large")
    });
    assert!((1..200).contains(&refused.count()));

    assert!(waiting(100).is_ok());
    let error = message(waiting(200));
    assert!(error.contains("The number of template dependencies limit exceeded."), "{error}");
}

#[test]
fn a_long_text_is_not_split_into_more_than_fits() {
    let members = json!({"variables": {"v": "x,".repeat(100_000)}});

    let split = value_with(members, "[split(variables('v'), ',')]", &LookupResults::default());

    let Err(PlanError::Invalid(error)) = split else { panic!() };
    assert!(error.to_string().contains("its result is too long"), "{error}");
}

/// Values that look like templates.
fn values() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        "\\PC{0,12}",
        "\\[(concat|variables|parameters|reference|if|take|split|createObject|resourceId)\\(('a'|'b'|variables\\('a'\\)|1|,){0,4}\\)\\]",
    ];
    let leaves = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaves.prop_recursive(4, 24, 4, |inner| {
        let keys = prop_oneof!["(a|b|copy|value|type|name)", "\\[concat\\('a'\\)\\]"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_template_panics(
        parameters in values(), variables in values(), properties in values(), depends in values(), output in values()
    ) {
        let members = json!({
            "parameters": {"a": {"type": "string", "defaultValue": parameters}},
            "variables": {"a": variables, "b": "[variables('a')]"},
            "resources": [resource("N/a", "a", &json!({"properties": properties, "dependsOn": depends})), resource("N/a", "b", &json!({}))],
            "outputs": {"a": {"type": "array", "value": [output]}},
        });
        if let Ok(plan) = plan(&members, &json!({})) {
            for resource in plan.resources() {
                let _ = plan.body(resource, &LookupResults::default());
            }
            let _ = plan.outputs(&LookupResults::default());
        }
    }

    #[test]
    fn every_expression_gives_a_value_or_an_error(text in "\\[([a-z]{1,9}\\(|\\)|'[a-c]{0,3}'|,|[0-9]|\\.[a-z]|\\[0\\]){0,12}\\]") {
        let _ = value(&text);
    }
}
