//! Finds the resources that a value of a template refers to, before they exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::evaluator::Evaluator;
use super::expression::{Expression, Text};

/// The references of a value at run time: the first argument of each such call, if it can be evaluated before.
pub(super) fn references(evaluator: &Evaluator<'_>, written: &Value, found: &mut BTreeSet<String>) {
    let mut in_text = |text: &str| {
        if let Ok(Text::Expression(expression)) = Text::parse(text) {
            in_expression(evaluator, &expression, found);
        }
    };
    match written {
        Value::String(text) => in_text(text),
        Value::Array(values) => {
            for value in values {
                references(evaluator, value, found);
            }
        }
        Value::Object(members) => {
            members.keys().for_each(|key| in_text(key));
            for value in members.values() {
                references(evaluator, value, found);
            }
        }
        _ => {}
    }
}

fn in_expression(evaluator: &Evaluator<'_>, expression: &Expression, found: &mut BTreeSet<String>) {
    match expression {
        Expression::Call { name, arguments } => {
            let name = name.to_lowercase();
            if name == "reference" || (name.starts_with("list") && name.len() > 4) {
                let named = arguments.first().map(|first| evaluator.evaluate_expression(first));
                if let Some(Ok(Value::String(named))) = named {
                    found.insert(named);
                }
            }
            for argument in arguments {
                in_expression(evaluator, argument, found);
            }
        }
        Expression::Access { of, steps } => {
            in_expression(evaluator, of, found);
            for step in steps {
                in_expression(evaluator, step, found);
            }
        }
        Expression::Text(_) | Expression::Integer(_) => {}
    }
}
