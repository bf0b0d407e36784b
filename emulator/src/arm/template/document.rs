//! A template as written, checked for supported members, with child resources listed after their parents.
//!
//! Members unknown to Azure are refused as Azure refuses them; members that Azure knows and this emulator does not
//! support are refused by name. Letter case is ignored in member names, as .NET reads them; after this module each has
//! the spelling of the lists below.

use serde_json::{Map, Value};

use super::error::TemplateError;

/// The members of a template.
const MEMBERS: &[&str] = &[
    "$schema",
    "contentVersion",
    "apiProfile",
    "languageVersion",
    "definitions",
    "parameters",
    "variables",
    "functions",
    "resources",
    "outputs",
    "metadata",
    "imports",
    "extensions",
];

/// The members of a resource.
const RESOURCE_MEMBERS: &[&str] = &[
    "condition",
    "type",
    "apiVersion",
    "name",
    "comments",
    "location",
    "dependsOn",
    "tags",
    "sku",
    "kind",
    "copy",
    "scope",
    "plan",
    "properties",
    "resources",
    "identity",
    "zones",
    "managedBy",
    "managedByExtended",
    "extendedLocation",
    "placement",
    "asserts",
    "metadata",
    "subscriptionId",
    "resourceGroup",
    "existing",
    "import",
    "eTag",
    "etag",
];

/// The members of a parameter or an output that are used here.
const DECLARATION_MEMBERS: &[&str] = &[
    "type",
    "value",
    "condition",
    "copy",
    "defaultValue",
    "allowedValues",
    "minLength",
    "maxLength",
    "minValue",
    "maxValue",
    "nullable",
];

/// The maximum number of dependencies, counted over all resources. Azure names no limit.
pub(super) const MAX_DEPENDENCIES: usize = 10_000;

/// The maximum number of each, as in Azure.
const LIMITS: [(&str, usize); 4] =
    [("parameters", 256), ("variables", 512), ("resources", 800), ("outputs", 64)];

/// The parts of a template.
pub(super) struct Document {
    pub(super) parameters: Map<String, Value>,
    pub(super) variables: Map<String, Value>,
    pub(super) outputs: Map<String, Value>,
    pub(super) resources: Vec<Written>,
}

/// A resource as written, and its parent.
pub(super) struct Written {
    pub(super) members: Map<String, Value>,
    /// The index of its parent in [`Document::resources`].
    pub(super) parent: Option<usize>,
}

impl Document {
    pub(super) fn parse(template: &Value) -> Result<Self, TemplateError> {
        let path = "properties.template";
        let members = template.as_object().ok_or_else(|| {
            TemplateError::Content(format!(
                "Error converting value to type 'Template'. Path '{path}'"
            ))
        })?;
        let members = known(members, MEMBERS, "Template", path)?;
        check_schema(text(&members, "$schema", path)?)?;
        text(&members, "contentVersion", path)?;
        for (member, what) in [
            ("functions", "User-defined functions of a template"),
            ("definitions", "Type definitions of a template"),
            ("imports", "Imports of a template"),
            ("extensions", "Extensions of a template"),
        ] {
            if members.get(member).is_some_and(|value| !is_nothing(value)) {
                return Err(TemplateError::Unsupported(format!("{what} ('{member}')")));
            }
        }
        if let Some(version) = members.get("languageVersion").filter(|version| *version != "1.0") {
            return Err(TemplateError::Unsupported(format!(
                "The language version {version} of a template"
            )));
        }
        let object = |member: &str| match members.get(member) {
            None | Some(Value::Null) => Ok(Map::new()),
            Some(Value::Object(object)) => Ok(object.clone()),
            Some(_) => Err(TemplateError::Content(format!(
                "Error converting value to an object. Path '{path}.{member}'"
            ))),
        };
        let declared = |member: &str| {
            let declared = object(member)?.into_iter();
            Ok::<_, TemplateError>(declared.map(|(name, one)| (name, declaration(one))).collect())
        };
        let (parameters, variables, outputs): (Map<_, _>, _, Map<_, _>) =
            (declared("parameters")?, object("variables")?, declared("outputs")?);
        if variables.contains_key("copy")
            || outputs.values().any(|output| output.get("copy").is_some())
        {
            return Err(copy());
        }
        let listed = match members.get("resources") {
            Some(Value::Array(resources)) => resources,
            Some(Value::Object(_)) => {
                return Err(TemplateError::Unsupported("Symbolic names of resources".to_owned()));
            }
            _ => return Err(required("resources", path)),
        };
        let mut resources = Vec::new();
        collect(listed, None, path, &mut resources)?;
        let counts = [parameters.len(), variables.len(), resources.len(), outputs.len()];
        for ((what, limit), actual) in LIMITS.into_iter().zip(counts) {
            if actual > limit {
                return Err(TemplateError::TooMany { what, limit, actual });
            }
        }
        Ok(Self { parameters, variables, outputs, resources })
    }
}

/// Parents come before their children. The depth of the text bounds the depth of children.
fn collect(
    listed: &[Value],
    parent: Option<usize>,
    path: &str,
    into: &mut Vec<Written>,
) -> Result<(), TemplateError> {
    for (at, resource) in listed.iter().enumerate() {
        let path = format!("{path}.resources[{at}]");
        let members = resource.as_object().ok_or_else(|| {
            TemplateError::Content(format!(
                "Error converting value to type 'TemplateResource'. Path '{path}'"
            ))
        })?;
        let mut members = known(members, RESOURCE_MEMBERS, "TemplateResource", &path)?;
        for member in ["type", "name", "apiVersion"] {
            text(&members, member, &path)?;
        }
        if members.contains_key("copy") || members.get("properties").is_some_and(has_copy) {
            return Err(copy());
        }
        for member in ["subscriptionId", "resourceGroup", "existing", "import"] {
            if members.contains_key(member) {
                return Err(TemplateError::Unsupported(format!("'{member}' of a resource")));
            }
        }
        let children = members.remove("resources");
        into.push(Written { members, parent });
        if let Some(Value::Array(children)) = children {
            collect(&children, Some(into.len() - 1), &path, into)?;
        }
    }
    Ok(())
}

/// Whether a loop makes properties, at any depth.
fn has_copy(value: &Value) -> bool {
    let is_loop = |value: &Value| {
        let loops = value.as_array();
        loops.is_some_and(|loops| {
            loops.iter().any(|one| one.get("count").is_some() && one.get("input").is_some())
        })
    };
    match value {
        Value::Object(members) => {
            members.get("copy").is_some_and(is_loop) || members.values().any(has_copy)
        }
        Value::Array(values) => values.iter().any(has_copy),
        _ => false,
    }
}

fn copy() -> TemplateError {
    TemplateError::Unsupported("A loop in a template ('copy')".to_owned())
}

/// The schema says which scope a template is for.
fn check_schema(schema: &str) -> Result<(), TemplateError> {
    let file = schema.trim_end_matches('#').rsplit('/').next().unwrap_or_default().to_lowercase();
    match file.as_str() {
        "deploymenttemplate.json" => Ok(()),
        "subscriptiondeploymenttemplate.json"
        | "managementgroupdeploymenttemplate.json"
        | "tenantdeploymenttemplate.json" => Err(TemplateError::Unsupported(format!(
            "A template that is not for a resource group ('{schema}')"
        ))),
        _ => Err(TemplateError::Schema(schema.to_owned())),
    }
}

/// The members in the lists' spelling; an unknown member is an error.
fn known(
    members: &Map<String, Value>,
    all: &[&'static str],
    what: &str,
    path: &str,
) -> Result<Map<String, Value>, TemplateError> {
    let spelled = members.iter().map(|(key, value)| match spelling(all, key) {
        Some(known) => Ok((known.to_owned(), value.clone())),
        None => Err(TemplateError::Content(format!(
            "Could not find member '{key}' on object of type '{what}'. Path '{path}.{key}'"
        ))),
    });
    spelled.collect()
}

/// A parameter or an output, with its members in the lists' spelling. Unknown members are ignored.
fn declaration(written: Value) -> Value {
    let Value::Object(members) = written else { return written };
    let spelled = members.into_iter().map(|(key, value)| {
        (spelling(DECLARATION_MEMBERS, &key).map_or(key, str::to_owned), value)
    });
    Value::Object(spelled.collect())
}

fn spelling(all: &[&'static str], key: &str) -> Option<&'static str> {
    all.iter().copied().find(|known| known.eq_ignore_ascii_case(key))
}

fn text<'a>(
    members: &'a Map<String, Value>,
    member: &str,
    path: &str,
) -> Result<&'a str, TemplateError> {
    let text = members.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| required(member, path))
}

fn required(member: &str, path: &str) -> TemplateError {
    TemplateError::Content(format!("Required property '{member}' not found in JSON. Path '{path}'"))
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}
