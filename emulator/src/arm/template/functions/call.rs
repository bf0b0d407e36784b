//! Finds a function by its name.

use serde_json::Value;

use super::values::FunctionResult;
use super::{collections, encoding, hash, logic, numbers, resources, text};
use crate::arm::template::scope::DeploymentScope;

/// Calls a function; `None` if there is no such function.
pub(in super::super) fn call(
    name: &str,
    values: &[Value],
    scope: &DeploymentScope,
) -> Option<FunctionResult> {
    text::call(name, values)
        .or_else(|| collections::call(name, values))
        .or_else(|| logic::call(name, values))
        .or_else(|| numbers::call(name, values))
        .or_else(|| encoding::call(name, values))
        .or_else(|| hash::call(name, values))
        .or_else(|| resources::call(name, values, scope))
}

/// Whether Azure has this function and this emulator does not support it.
pub(in super::super) fn is_unsupported(name: &str) -> bool {
    matches!(
        name,
        "cidrhost"
            | "cidrsubnet"
            | "copyindex"
            | "datauri"
            | "datauritostring"
            | "datetimeadd"
            | "datetimefromepoch"
            | "datetimetoepoch"
            | "deployer"
            | "filter"
            | "groupby"
            | "lambda"
            | "lambdavariables"
            | "managementgroup"
            | "managementgroupresourceid"
            | "map"
            | "mapvalues"
            | "parsecidr"
            | "pickzones"
            | "providers"
            | "reduce"
            | "references"
            | "shallowmerge"
            | "sort"
            | "toobject"
            | "uri"
    )
}
