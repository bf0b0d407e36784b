//! Why the query of a list is refused. The codes of filters are Azure's; the others follow them.

/// A part of a query that a list does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// The filter cannot be read, or has conditions that the list does not know.
    #[error("Invalid $filter '{filter}' specified in the query string.{}", details(.reason.as_deref()))]
    Filter {
        /// The filter, shortened.
        filter: String,
        /// What is wrong with it, if it can be read.
        reason: Option<String>,
    },
    /// `$top` is not a number of entries.
    #[error(
        "Invalid $top '{0}' specified in the query string. Details: 'Expected a whole number from 1 to 1000.'"
    )]
    Top(String),
    /// `$skiptoken` is not one that a list has given.
    #[error(
        "Invalid $skiptoken '{0}' specified in the query string. Details: 'Expected the $skiptoken of a nextLink.'"
    )]
    SkipToken(String),
    /// `$expand` names something that the list does not add.
    #[error(
        "Invalid $expand '{0}' specified in the query string. Details: 'Expected createdTime, changedTime and provisioningState.'"
    )]
    Expand(String),
}

fn details(reason: Option<&str>) -> String {
    reason.map(|reason| format!(" Details: '{reason}'")).unwrap_or_default()
}

impl ListError {
    /// A filter that is refused, for a reason or because it cannot be read.
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
