//! Functions that build the ids of resources.

use serde_json::Value;

use super::values::{FunctionResult, wrong_arguments};
use crate::arm::template::ids::id_under;
use crate::arm::template::scope::DeploymentScope;

pub(super) fn call(
    name: &str,
    values: &[Value],
    scope: &DeploymentScope,
) -> Option<FunctionResult> {
    let make: fn(&[&str], &DeploymentScope) -> FunctionResult = match name {
        "resourceid" => in_group,
        "subscriptionresourceid" => in_subscription,
        "tenantresourceid" => |texts, _| under("", texts),
        "extensionresourceid" => |texts, _| match texts {
            [scope, rest @ ..] => under(scope, rest),
            [] => Err(NAMES.to_owned()),
        },
        _ => return None,
    };
    let texts: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
    Some(texts.map_or_else(|| Err(wrong_arguments("strings", values)), |texts| make(&texts, scope)))
}

/// The error if the number of names differs from the number of type segments.
const NAMES: &str = "it takes a resource type with its namespace, and a name for each segment of the type after it.";

/// `resourceId([subscription], [group], type, names…)`.
fn in_group(texts: &[&str], scope: &DeploymentScope) -> FunctionResult {
    let (subscription, group, rest) = match before_type(texts)? {
        ([], rest) => (scope.subscription_id.as_str(), scope.group_name.as_str(), rest),
        ([group], rest) => (scope.subscription_id.as_str(), *group, rest),
        ([subscription, group], rest) => (*subscription, *group, rest),
        _ => return Err(NAMES.to_owned()),
    };
    under(&format!("/subscriptions/{subscription}/resourceGroups/{group}"), rest)
}

/// `subscriptionResourceId([subscription], type, names…)`.
fn in_subscription(texts: &[&str], scope: &DeploymentScope) -> FunctionResult {
    let (subscription, rest) = match before_type(texts)? {
        ([], rest) => (scope.subscription_id.as_str(), rest),
        ([subscription], rest) => (*subscription, rest),
        _ => return Err(NAMES.to_owned()),
    };
    under(&format!("/subscriptions/{subscription}"), rest)
}

/// The arguments before the type, and the rest. The type is the first argument with a slash.
fn before_type<'v>(texts: &'v [&'v str]) -> Result<(&'v [&'v str], &'v [&'v str]), String> {
    let at = texts.iter().position(|text| text.contains('/')).ok_or(NAMES)?;
    texts.split_at_checked(at).ok_or_else(|| NAMES.to_owned())
}

fn under(scope: &str, texts: &[&str]) -> FunctionResult {
    let [kind, names @ ..] = texts else { return Err(NAMES.to_owned()) };
    id_under(scope, kind, names).map(Value::String).ok_or_else(|| {
        let wanted = kind.split('/').count().saturating_sub(1);
        format!("the type '{kind}' requires '{wanted}' resource name argument(s).")
    })
}
