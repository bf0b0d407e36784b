//! A clause and its level.

use std::fmt;

use super::section::Section;

/// A requirement that a client can check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Clause {
    /// The name of the clause, and of its case.
    pub id: &'static str,
    /// The source of the clause.
    pub section: Section,
    /// The level of the requirement.
    pub level: Level,
    /// The required behaviour of the registry, in one sentence.
    pub statement: &'static str,
}

/// The level of a clause (RFC 2119).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Level {
    /// Required: a registry that behaves otherwise does not conform.
    Must,
    /// Recommended. The specification's descriptions of endpoint failures and of error codes count as recommendations.
    Should,
    /// Optional; but a registry that offers it must behave as the clause says.
    May,
    /// Not in version 1.1 of the specification: from a later draft, from another document, or common sense about bad input.
    Extension,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Extension => "extension",
        })
    }
}
