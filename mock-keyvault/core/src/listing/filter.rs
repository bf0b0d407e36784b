//! The filters of resources and of groups, as Azure documents them ("Resources - List", 2021-04-01).
//!
//! `eq` and `ne` compare `location`, `resourceType`, `name`, `resourceGroup`, `identity`, `identity/principalId` and `plan`;
//! `substringof` searches `name` and `resourceGroup`; `and` and `or` join them. A filter by tags is `tagName eq`, with or
//! without `tagValue eq`, or `startswith(tagName, …)`. Azure refuses to join tags with other conditions.

use std::collections::BTreeMap;

use super::error::ListError;
use super::resource::Resource;
use crate::odata::{self, Argument, Expression, Operator};

/// A filter of resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFilter(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    All,
    Tags(TagFilter),
    Fields(Condition),
}

/// A filter by tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagFilter {
    name: Option<TagName>,
    value: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum TagName {
    Is(String),
    StartsWith(String),
}

/// A condition on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Condition {
    Is { field: Field, wanted: bool, value: String },
    Contains { field: Field, part: String },
    All(Vec<Self>),
    Any(Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Location,
    Type,
    Name,
    Group,
    Identity,
    PrincipalId,
    /// The purchase plan, which no resource here has.
    Plan,
}

impl ResourceFilter {
    /// Parses the filter of a query. Without one it selects everything.
    pub fn from_query(query: &str) -> Result<Self, ListError> {
        let Some((text, expression)) = expression(query)? else { return Ok(Self(Kind::All)) };
        let refuse = |reason| ListError::filter(&text, reason);
        let kind = match tags(&expression) {
            Ok(tags) => Kind::Tags(tags),
            Err(NotTags::Joined) => return Err(refuse(Some(JOINED_TAGS.to_owned()))),
            Err(NotTags::Other) => {
                Kind::Fields(Condition::from_expression(expression).map_err(refuse)?)
            }
        };
        Ok(Self(kind))
    }

    /// Whether it selects a resource.
    pub(super) fn selects(&self, resource: &Resource) -> bool {
        match &self.0 {
            Kind::All => true,
            Kind::Tags(tags) => tags.selects(&resource.tags),
            Kind::Fields(condition) => condition.holds(resource),
        }
    }

    /// Whether it filters by tags.
    pub(super) fn is_of_tags(&self) -> bool {
        matches!(self.0, Kind::Tags(_))
    }
}

impl TagFilter {
    /// Parses the filter of a query that may only use tags. Without one it selects everything.
    pub fn from_query(query: &str) -> Result<Self, ListError> {
        let Some((text, expression)) = expression(query)? else { return Ok(Self::default()) };
        let reason = "Only tagName and tagValue can be used here.".to_owned();
        tags(&expression).map_err(|_| ListError::filter(&text, Some(reason)))
    }

    /// Whether it selects an entry with these tags. Names of tags are compared without regard to case, values with.
    pub fn selects(&self, tags: &BTreeMap<String, String>) -> bool {
        let is_named = |own: &str| match &self.name {
            None => true,
            Some(TagName::Is(name)) => own.eq_ignore_ascii_case(name),
            Some(TagName::StartsWith(start)) => {
                own.to_lowercase().starts_with(&start.to_lowercase())
            }
        };
        let has = |value: &str| self.value.as_ref().is_none_or(|wanted| wanted == value);
        *self == Self::default() || tags.iter().any(|(name, value)| is_named(name) && has(value))
    }
}

const JOINED_TAGS: &str = "tagName and tagValue cannot be joined with other conditions.";

/// The filter of a query: its text and its expression.
fn expression(query: &str) -> Result<Option<(String, Expression)>, ListError> {
    let filter = odata::parameters(query).filter(|(name, _)| name == "$filter").last();
    let Some((_, text)) = filter.filter(|(_, text)| !text.trim().is_empty()) else {
        return Ok(None);
    };
    let read = odata::parse(&text).ok_or_else(|| ListError::filter(&text, None))?;
    Ok(Some((text, read)))
}

/// The reason that an expression is not a filter by tags.
enum NotTags {
    /// It uses no tags.
    Other,
    /// It joins or compares tags in a form that is not supported.
    Joined,
}

fn tags(expression: &Expression) -> Result<TagFilter, NotTags> {
    let terms = match expression {
        Expression::And(all) => all.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut found = TagFilter::default();
    for term in terms {
        let (name, value) = (found.name.is_none(), found.value.is_none());
        match term {
            Expression::Compare { property, operator: Operator::Equal, value: text } => {
                match property.as_str() {
                    "tagname" if name => found.name = Some(TagName::Is(text.clone())),
                    "tagvalue" if value => found.value = Some(text.clone()),
                    _ => return Err(refused(expression)),
                }
            }
            Expression::Call { function, arguments } if function == "startswith" && name => {
                match arguments.as_slice() {
                    [Argument::Property(property), Argument::Value(start)]
                        if property == "tagname" =>
                    {
                        found.name = Some(TagName::StartsWith(start.clone()));
                    }
                    _ => return Err(refused(expression)),
                }
            }
            _ => return Err(refused(expression)),
        }
    }
    Ok(found)
}

fn refused(expression: &Expression) -> NotTags {
    if names_tags(expression) { NotTags::Joined } else { NotTags::Other }
}

fn names_tags(expression: &Expression) -> bool {
    let is_tag = |name: &str| matches!(name, "tagname" | "tagvalue");
    match expression {
        Expression::Compare { property, .. } => is_tag(property),
        Expression::Call { arguments, .. } => arguments
            .iter()
            .any(|argument| matches!(argument, Argument::Property(name) if is_tag(name))),
        Expression::And(all) | Expression::Or(all) => all.iter().any(names_tags),
    }
}

impl Condition {
    /// The error is the reason, if there is more to say than that the filter cannot be understood.
    fn from_expression(expression: Expression) -> Result<Self, Option<String>> {
        Ok(match expression {
            Expression::And(all) => Self::All(Self::each(all)?),
            Expression::Or(all) => Self::Any(Self::each(all)?),
            Expression::Compare { property, operator, value } => {
                let field = Field::named(&property)
                    .ok_or_else(|| Some(format!("Unsupported property found:'{property}'.")))?;
                Self::Is { field, wanted: operator == Operator::Equal, value }
            }
            Expression::Call { function, arguments } => {
                // Both orders of the arguments are in use: that of the documentation, and that of every other function.
                let ([Argument::Value(part), Argument::Property(property)]
                | [Argument::Property(property), Argument::Value(part)]) = arguments.as_slice()
                else {
                    return Err(None);
                };
                let field = Field::named(property);
                let is_searched = matches!(field, Some(Field::Name | Field::Group));
                let Some(field) = field.filter(|_| function == "substringof" && is_searched) else {
                    let known = if is_searched { "substringof" } else { "" };
                    return Err(Some(format!(
                        "Unsupported filter function found:'{function}'. Property name:'{property}'. Supported functions: '{known}'"
                    )));
                };
                Self::Contains { field, part: part.to_lowercase() }
            }
        })
    }

    fn each(all: Vec<Expression>) -> Result<Vec<Self>, Option<String>> {
        all.into_iter().map(Self::from_expression).collect()
    }

    fn holds(&self, resource: &Resource) -> bool {
        match self {
            Self::Is { field, wanted, value } => field.is(resource, value) == *wanted,
            Self::Contains { field, part } => {
                let text = if *field == Field::Group { &resource.group } else { &resource.name };
                text.to_lowercase().contains(part)
            }
            Self::All(all) => all.iter().all(|one| one.holds(resource)),
            Self::Any(all) => all.iter().any(|one| one.holds(resource)),
        }
    }
}

impl Field {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "location" => Self::Location,
            "resourcetype" => Self::Type,
            "name" => Self::Name,
            "resourcegroup" => Self::Group,
            "identity" => Self::Identity,
            "identity/principalid" => Self::PrincipalId,
            "plan" | "plan/publisher" | "plan/product" | "plan/name" | "plan/version"
            | "plan/promotioncode" => Self::Plan,
            _ => return None,
        })
    }

    /// Whether a resource has this value. All values are compared without regard to case.
    fn is(self, resource: &Resource, wanted: &str) -> bool {
        let of_identity = |name: &str| {
            let value = resource.identity.as_ref().and_then(|identity| identity[name].as_str());
            value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        match self {
            // "West US" and "westus" are the same location.
            Self::Location => resource.location.eq_ignore_ascii_case(&wanted.replace(' ', "")),
            Self::Type => resource.kind.eq_ignore_ascii_case(wanted),
            Self::Name => resource.name.eq_ignore_ascii_case(wanted),
            Self::Group => resource.group.eq_ignore_ascii_case(wanted),
            Self::Identity => of_identity("type"),
            Self::PrincipalId => of_identity("principalId"),
            Self::Plan => false,
        }
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
