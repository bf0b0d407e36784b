//! The filters of lists: the part of `OData` that clients of these routes use.
//!
//! `field eq 'value'` and `function('value')`, joined by `and`. A quote within a value is doubled. Anything else is refused:
//! a filter that is not understood must not be taken for one that takes everything.

use super::error::ArmError;

/// A filter that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter '{0}' is not understood")]
pub(crate) struct FilterError(String);

/// One condition. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Term {
    /// `field eq 'value'`.
    Equals { field: String, value: String },
    /// `function('value')` or `function()`.
    Call { function: String, argument: Option<String> },
}

impl Term {
    /// That a list does not take this condition.
    pub(super) fn not_taken(&self) -> ArmError {
        let words = match self {
            Self::Equals { field, value } => format!("{field} eq '{value}'"),
            Self::Call { function, .. } => format!("{function}()"),
        };
        FilterError(words.chars().take(256).collect()).into()
    }
}

/// The conditions of a filter, all of which must hold.
pub(super) fn parse(text: &str) -> Result<Vec<Term>, FilterError> {
    let wrong = || FilterError(text.chars().take(256).collect());
    let mut terms = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (term, after) = term(rest).ok_or_else(wrong)?;
        terms.push(term);
        rest = after.trim_start();
        if rest.is_empty() {
            break;
        }
        let joined = word(rest).filter(|(word, _)| word.eq_ignore_ascii_case("and"));
        rest = joined.ok_or_else(wrong)?.1.trim_start();
        if rest.is_empty() {
            return Err(wrong());
        }
    }
    Ok(terms)
}

/// The conditions `field eq 'value'` of a filter; none if it has others or is not understood.
pub(crate) fn equalities(text: &str) -> Option<Vec<(String, String)>> {
    let terms = parse(text).ok()?;
    let equality = |term| match term {
        Term::Equals { field, value } => Some((field, value)),
        Term::Call { .. } => None,
    };
    terms.into_iter().map(equality).collect()
}

fn term(text: &str) -> Option<(Term, &str)> {
    let (name, rest) = word(text)?;
    let name = name.to_ascii_lowercase();
    let rest = rest.trim_start();
    if let Some(inside) = rest.strip_prefix('(') {
        let inside = inside.trim_start();
        if let Some(after) = inside.strip_prefix(')') {
            return Some((Term::Call { function: name, argument: None }, after));
        }
        let (value, after) = quoted(inside)?;
        let after = after.trim_start().strip_prefix(')')?;
        return Some((Term::Call { function: name, argument: Some(value) }, after));
    }
    let (operator, rest) = word(rest)?;
    if !operator.eq_ignore_ascii_case("eq") {
        return None;
    }
    let (value, after) = quoted(rest.trim_start())?;
    Some((Term::Equals { field: name, value }, after))
}

fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '/').unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    (!word.is_empty()).then_some((word, rest))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut value = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        value.push_str(part);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return Some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn equals(field: &str, value: &str) -> Term {
        Term::Equals { field: field.into(), value: value.into() }
    }

    fn call(function: &str, argument: Option<&str>) -> Term {
        Term::Call { function: function.into(), argument: argument.map(str::to_owned) }
    }

    #[test]
    fn filters_as_clients_write_them_are_read() {
        for (text, terms) in [
            ("", vec![]),
            (
                "resourceType eq 'Microsoft.KeyVault/vaults' and name eq 'X'",
                vec![equals("resourcetype", "Microsoft.KeyVault/vaults"), equals("name", "X")],
            ),
            ("roleName eq 'It''s'", vec![equals("rolename", "It's")]),
            ("atScope()", vec![call("atscope", None)]),
            (
                "atScope() AND assignedTo('p')",
                vec![call("atscope", None), call("assignedto", Some("p"))],
            ),
            (" principalId  EQ 'p' ", vec![equals("principalid", "p")]),
        ] {
            assert_eq!(parse(text), Ok(terms), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "name",
            "name eq",
            "name eq X",
            "name ne 'x'",
            "name eq 'x",
            "name eq 'x' or name eq 'y'",
            "name eq 'x' and",
            "name eq 'x'y'",
            "f('a','b')",
            "(name eq 'x')",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-zé'() ]{0,24}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_value_is_read_back(value in ".*") {
            let text = format!("name eq '{}'", value.replace('\'', "''"));
            prop_assert_eq!(parse(&text), Ok(vec![equals("name", &value)]));
        }
    }
}
