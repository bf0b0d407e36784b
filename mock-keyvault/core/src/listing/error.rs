//! The errors of a list's query. The codes of filters are Azure's, and the others follow their pattern.

/// A part of a query is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The filter cannot be parsed, or has conditions that the list does not support.
    #[error("Invalid $filter '{filter}' specified in the query string.{}", details(.reason.as_deref()))]
    Filter {
        /// The filter, shortened.
        filter: String,
        /// The reason, if it can be parsed.
        reason: Option<String>,
    },
    /// `$top` is not a number of entries.
    #[error(
        "Invalid $top '{0}' specified in the query string. Details: 'Expected a whole number from 1 to 1000.'"
    )]
    Top(String),
    /// `$skiptoken` is not from a `nextLink` of a list.
    #[error(
        "Invalid $skiptoken '{0}' specified in the query string. Details: 'Expected the $skiptoken of a nextLink.'"
    )]
    SkipToken(String),
    /// `$expand` names a field that the list cannot add.
    #[error(
        "Invalid $expand '{0}' specified in the query string. Details: 'Expected createdTime, changedTime and provisioningState.'"
    )]
    Expand(String),
}

fn details(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" Details: '{reason}'")).unwrap_or_default()
}

impl ListError {
    /// Refuses a filter, for a reason or because it cannot be parsed.
    pub fn filter(filter: &str, reason: Option<String>) -> Self {
        Self::Filter { filter: shorten(filter), reason }
    }

    /// The code of the answer.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Filter { .. } => "InvalidFilterInQueryString",
            Self::Top(_) => "InvalidTopInQueryString",
            Self::SkipToken(_) => "InvalidSkipTokenInQueryString",
            Self::Expand(_) => "InvalidExpandInQueryString",
        }
    }
}

pub(super) fn shorten(text: &str) -> String {
    text.chars().take(256).collect()
}
