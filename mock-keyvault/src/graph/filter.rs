//! The filters of principals that `az` and SDKs send: one condition in each.
//!
//! A filter that is not understood is refused: otherwise it would match everything.

use super::error::GraphError;
use crate::control::filter;
use azure_emulator_core::identity::Principal;

/// The condition for the principals of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// `servicePrincipalNames/any(c:c eq 'X')` and `appId eq 'X'`: the application id is the only such name.
    AppId(String),
    /// `id eq 'X'`.
    Id(String),
    /// `displayName eq 'X'`.
    DisplayName(String),
    /// `startswith(displayName,'X')`.
    DisplayNameStart(String),
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Self, GraphError> {
        Self::read(text).ok_or_else(|| GraphError::Filter(text.chars().take(256).collect()))
    }

    fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(inside) = function(text, "servicePrincipalNames/any") {
            // The variable may have any name.
            let (variable, condition) = inside.split_once(':')?;
            let condition = condition.trim().strip_prefix(variable.trim())?;
            let (_, name) = one_equality(&format!("name{condition}"))?;
            return Some(Self::AppId(name));
        }
        if let Some(inside) = function(text, "startswith") {
            let (field, start) = inside.split_once(',')?;
            let (_, start) = one_equality(&format!("name eq {}", start.trim()))?;
            let is_name = field.trim().eq_ignore_ascii_case("displayName");
            return is_name.then_some(Self::DisplayNameStart(start));
        }
        let (field, value) = one_equality(text)?;
        match field.as_str() {
            "appid" => Some(Self::AppId(value)),
            "id" => Some(Self::Id(value)),
            "displayname" => Some(Self::DisplayName(value)),
            _ => None,
        }
    }

    /// Whether a principal matches. Ids and names are compared without regard to case, as in Graph.
    pub(super) fn matches(&self, principal: &Principal) -> bool {
        let name = principal.display_name();
        match self {
            Self::AppId(id) => principal.client_id().eq_ignore_ascii_case(id),
            Self::Id(id) => principal.object_id().eq_ignore_ascii_case(id),
            Self::DisplayName(wanted) => name.eq_ignore_ascii_case(wanted),
            Self::DisplayNameStart(start) => name.to_lowercase().starts_with(&start.to_lowercase()),
        }
    }
}

/// The text between the brackets of a call of this function.
fn function<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(name.len())?;
    if !start.eq_ignore_ascii_case(name) {
        return None;
    }
    rest.trim_start().strip_prefix('(')?.strip_suffix(')')
}

fn one_equality(text: &str) -> Option<(String, String)> {
    let mut all = filter::equalities(text)?;
    (all.len() == 1).then(|| all.remove(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn filters_as_clients_write_them_are_read() {
        for (text, filter) in [
            ("servicePrincipalNames/any(c:c eq 'A')", Filter::AppId("A".into())),
            ("serviceprincipalnames/any( x : x eq 'it''s' )", Filter::AppId("it's".into())),
            ("appId eq 'A'", Filter::AppId("A".into())),
            ("id EQ 'A'", Filter::Id("A".into())),
            ("displayName eq 'A b'", Filter::DisplayName("A b".into())),
            ("startswith(displayName,'A')", Filter::DisplayNameStart("A".into())),
            ("startswith(displayName, 'A,b')", Filter::DisplayNameStart("A,b".into())),
        ] {
            assert_eq!(Filter::parse(text).unwrap(), filter, "{text}");
        }
    }

    #[test]
    fn an_unsupported_filter_is_refused() {
        for text in [
            "",
            "servicePrincipalNames/any(c:d eq 'A')",
            "servicePrincipalNames/any(c:c eq 'A'",
            "appId eq 'A' and id eq 'B'",
            "startswith(appId,'A')",
            "startswith(displayName)",
            "mail eq 'A'",
        ] {
            assert!(Filter::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(servicePrincipalNames/any|startswith)?[(a-zé:', )]{0,24}") {
            let _ = Filter::parse(&text);
        }
    }
}
