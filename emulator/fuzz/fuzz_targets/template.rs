//! Arbitrary text as the body of a deployment, as a template in one, and as an expression: it ends with a value or a
//! refusal. If the strict reader accepts the text as JSON, the lax reader reads the same value, or refuses it for its size.
//!
//! Numbers with a fraction are the same if they are neighbours: the two readers round differently. And one reader takes
//! `-0` as a whole number, the other one does not.
#![no_main]

use sealyard::internals::arm::{DeploymentScope, LookupResults, Plan, Text, TextError, read};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

fn scope() -> DeploymentScope {
    DeploymentScope {
        subscription_id: "s".to_owned(),
        group_name: "g".to_owned(),
        subscription: json!({"tenantId": "t"}),
        tenant: json!({"tenantId": "t"}),
        group: json!({"location": "eastus"}),
        deployment: json!({"name": "d"}),
        environment: json!({}),
        now: OffsetDateTime::UNIX_EPOCH,
        seed: "seed".to_owned(),
    }
}

fn is_same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            let (one, other) = (one.as_f64().unwrap(), other.as_f64().unwrap());
            (one - other).abs() <= one.abs() * 4.0 * f64::EPSILON
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(one, other)| one.0 == other.0 && is_same(one.1, other.1))
        }
        _ => left == right,
    }
}

fn deploy(template: &Value) {
    let Ok(plan) = Plan::new(template, &Map::new(), scope()) else { return };
    for resource in plan.resources() {
        let _ = plan.body(resource, &LookupResults::default());
    }
    let _ = plan.outputs(&LookupResults::default());
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let lax = read(text);
    if let Ok(strict) = serde_json::from_str::<Value>(text) {
        match &lax {
            Ok(lax) => assert!(is_same(lax, &strict), "{lax:?} {strict:?}"),
            Err(error) => assert!(matches!(error, TextError::Depth | TextError::Values), "{error}"),
        }
    }
    if let Ok(value) = lax {
        deploy(&value);
    }
    let _ = Text::parse(text);
    deploy(&json!({
        "$schema": "deploymentTemplate.json",
        "contentVersion": "1",
        "parameters": {"p": {"type": "string", "defaultValue": "a"}},
        "variables": {"v": format!("[{text}]"), "w": "x"},
        "resources": [{
            "type": "N/a",
            "name": "n",
            "apiVersion": "1",
            "properties": {"x": format!("[{text}]"), format!("[{text}]"): "[variables('v')]"},
        }],
        "outputs": {"o": {"type": "array", "value": [format!("[{text}]")]}},
    }));
});
