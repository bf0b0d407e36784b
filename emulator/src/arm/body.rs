//! Bodies of the control plane: JSON with field names in any letter case, as .NET reads them.
//!
//! Called by the router for every request that may have a body. A missing body is `null`, and so is a missing field.
//! [`Fields`] reads nested fields and reports the path of an invalid one.

use std::collections::BTreeMap;
use std::str::FromStr;

use axum::body::{Body, Bytes};
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;

use super::error::ArmError;
use crate::registry::Tags;

/// The maximum size of a body: Azure accepts templates of 4 MiB.
const MAX_BODY: usize = 4 << 20;

/// Stands for a missing field.
const NOTHING: &Value = &Value::Null;

/// Reads a body as text, for another parser.
pub(super) async fn read_text(body: Body) -> Result<String, ArmError> {
    let bytes = read_bytes(body).await?;
    String::from_utf8(bytes.into()).map_err(|_| ArmError::Content("it is not UTF-8".to_owned()))
}

/// Reads a body as JSON; an empty one is `null`.
pub(super) async fn read(body: Body) -> Result<Value, ArmError> {
    let bytes = read_bytes(body).await?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&bytes).map_err(|error| ArmError::Content(error.to_string()))
}

async fn read_bytes(body: Body) -> Result<Bytes, ArmError> {
    let collected = Limited::new(body, MAX_BODY).collect().await;
    Ok(collected.map_err(|error| ArmError::Content(error.to_string()))?.to_bytes())
}

/// The field of this name in any letter case; `null` if it is missing. The last duplicate wins.
pub(super) fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let fields = value.as_object().into_iter().flatten();
    let mut named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
    named.next_back().map_or(NOTHING, |(_, value)| value)
}

/// The string in a field; `None` if it is missing.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Result<Option<&'a str>, ArmError> {
    match field(value, name) {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text)),
        _ => Err(ArmError::Content(format!("'{name}' must be a string"))),
    }
}

/// The tags of a resource; empty if there are none.
pub(super) fn tags(value: &Value) -> Result<Tags, ArmError> {
    let fields = match field(value, "tags") {
        Value::Null => return Ok(Tags::default()),
        Value::Object(fields) => fields,
        _ => return Err(ArmError::Content("'tags' must be an object".to_owned())),
    };
    let mut tags = BTreeMap::new();
    for (name, value) in fields {
        let value = value.as_str();
        let value =
            value.ok_or_else(|| ArmError::Content(format!("the tag '{name}' must be a string")))?;
        tags.insert(name.clone(), value.to_owned());
    }
    Ok(tags.try_into()?)
}

/// An object in a body, and its path. A missing object has no fields.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Fields<'a> {
    /// The whole body.
    pub(super) fn new(body: &'a Value) -> Result<Self, ArmError> {
        Self { value: body, path: String::new() }.checked()
    }

    /// Whether it is present.
    pub(super) fn is_present(&self) -> bool {
        !self.value.is_null()
    }

    /// The error for an invalid field.
    pub(super) fn wrong(&self, name: &str, expected: &str) -> ArmError {
        ArmError::Content(format!("'{}' must be {expected}", self.path_of(name)))
    }

    /// The path of a field.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field of this name; `null` if it is missing.
    pub(super) fn value(&self, name: &str) -> &'a Value {
        field(self.value, name)
    }

    /// All fields with their names, including `null` fields.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
    }

    /// An object.
    pub(super) fn object(&self, name: &str) -> Result<Self, ArmError> {
        Self { value: self.value(name), path: self.path_of(name) }.checked()
    }

    /// A string.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ArmError> {
        match self.value(name) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(self.wrong(name, "a text")),
        }
    }

    /// A string, parsed.
    pub(super) fn parsed<T: FromStr>(&self, name: &str) -> Result<Option<T>, ArmError>
    where
        ArmError: From<T::Err>,
    {
        Ok(self.text(name)?.map(str::parse).transpose()?)
    }

    /// A boolean.
    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ArmError> {
        match self.value(name) {
            Value::Null => Ok(None),
            Value::Bool(flag) => Ok(Some(*flag)),
            _ => Err(self.wrong(name, "true or false")),
        }
    }

    /// `enabled` or `disabled`.
    pub(super) fn status(&self, name: &str) -> Result<Option<bool>, ArmError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("enabled") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("disabled") => Ok(Some(false)),
            Some(_) => Err(self.wrong(name, "enabled or disabled")),
        }
    }

    /// The items of a list; `None` if it is missing.
    pub(super) fn list(&self, name: &str) -> Result<Option<&'a [Value]>, ArmError> {
        match self.value(name) {
            Value::Null => Ok(None),
            Value::Array(items) => Ok(Some(items)),
            _ => Err(self.wrong(name, "a list")),
        }
    }

    /// A list of strings.
    pub(super) fn texts(&self, name: &str) -> Result<Option<Vec<String>>, ArmError> {
        let Some(items) = self.list(name)? else { return Ok(None) };
        let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
        let texts: Option<Vec<String>> = texts.collect();
        texts.map(Some).ok_or_else(|| self.wrong(name, "a list of strings"))
    }

    fn checked(self) -> Result<Self, ArmError> {
        match self.value {
            Value::Null | Value::Object(_) => Ok(self),
            _ if self.path.is_empty() => {
                Err(ArmError::Content("the body must be an object".to_owned()))
            }
            _ => Err(ArmError::Content(format!("'{}' must be an object", self.path))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_body_is_json_or_nothing_and_has_a_limit() {
        let nothing = read(Body::from(" \n")).await.unwrap();
        let json = read(Body::from("{\"a\":1}")).await.unwrap();
        let wrong = read(Body::from("{")).await;
        let large = read(Body::from(vec![b' '; MAX_BODY + 1])).await;

        assert_eq!((nothing, json), (Value::Null, json!({"a": 1})));
        assert!(matches!(wrong, Err(ArmError::Content(_))), "{wrong:?}");
        assert!(matches!(large, Err(ArmError::Content(_))), "{large:?}");
    }

    #[test]
    fn fields_are_found_in_any_case_and_missing_ones_are_null() {
        let value = json!({"Location": "eastus", "TAGS": {"Team": "x"}, "sku": 1});

        assert_eq!(text(&value, "location").unwrap(), Some("eastus"));
        assert_eq!(text(&value, "name").unwrap(), None);
        assert!(text(&value, "sku").is_err());
        assert_eq!(tags(&value).unwrap().as_map()["Team"], "x");
        assert!(tags(&json!({"tags": {"Team": 1}})).is_err());
        assert!(tags(&json!({"tags": "x"})).is_err());
        assert!(field(&json!([1]), "tags").is_null());
    }

    #[test]
    fn nested_fields_are_read_in_any_case_and_errors_name_their_path() {
        let body = json!({
            "Properties": { "ADMINUSERENABLED": true, "encryption": null, "sku": "Enabled", "a": ["x", 1] }
        });

        let properties = Fields::new(&body).unwrap().object("properties").unwrap();

        assert_eq!(properties.flag("adminUserEnabled").unwrap(), Some(true));
        assert_eq!(properties.status("sku").unwrap(), Some(true));
        let encryption = properties.object("encryption").unwrap();
        assert!(!encryption.is_present() && encryption.text("status").unwrap().is_none());
        for refused in [
            properties.text("adminUserEnabled").map(drop),
            properties.object("sku").map(drop),
            properties.flag("sku").map(drop),
            properties.status("a").map(drop),
            properties.texts("a").map(drop),
            properties.list("sku").map(drop),
            Fields::new(&json!([1])).map(drop),
        ] {
            let message = refused.unwrap_err().to_string();
            assert!(
                message.contains("'properties.") || message.contains("the body must"),
                "{message}"
            );
        }
    }
}
