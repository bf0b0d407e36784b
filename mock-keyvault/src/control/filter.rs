//! The filters of roles, their assignments and deployments: `field eq 'value'` and `function('value')`, joined by `and`.
//!
//! Any other filter is refused: otherwise a filter that is not understood would match everything.

use super::request_error::RequestError;
use azure_emulator_core::listing::ListError;
use azure_emulator_core::odata::{self, Argument, Expression, Operator};

/// One condition. Names are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Term {
    /// `field eq 'value'`.
    Equals { field: String, value: String },
    /// `function('value')` or `function()`.
    Call { function: String, argument: Option<String> },
}

impl Term {
    /// Converts a condition that these lists support: no alternatives, no `ne`, and only functions of one value.
    fn from_expression(expression: Expression) -> Option<Self> {
        match expression {
            Expression::Compare { property: field, operator: Operator::Equal, value } => {
                Some(Self::Equals { field, value })
            }
            Expression::Call { function, arguments } => match arguments.as_slice() {
                [] => Some(Self::Call { function, argument: None }),
                [Argument::Value(value)] => {
                    Some(Self::Call { function, argument: Some(value.clone()) })
                }
                _ => None,
            },
            Expression::Compare { operator: Operator::NotEqual, .. }
            | Expression::And(_)
            | Expression::Or(_) => None,
        }
    }

    /// The refusal of a condition that a list does not support.
    pub(crate) fn not_taken(&self) -> RequestError {
        let message = match self {
            Self::Equals { field, value } => format!("{field} eq '{value}'"),
            Self::Call { function, .. } => format!("{function}()"),
        };
        ListError::filter(&message, None).into()
    }
}

/// The conditions of a filter, all of which must hold.
pub(crate) fn parse(text: &str) -> Result<Vec<Term>, ListError> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let terms = odata::parse(text).and_then(|read| match read {
        Expression::And(all) => all.into_iter().map(Term::from_expression).collect(),
        one => Term::from_expression(one).map(|term| vec![term]),
    });
    terms.ok_or_else(|| ListError::filter(text, None))
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
    fn an_unsupported_filter_is_refused() {
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
            "(name eq 'x' or name eq 'y')",
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
