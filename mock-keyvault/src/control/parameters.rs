//! Parses the parts of a request that all resource providers have in common.

use uuid::Uuid;

use super::filter;
use super::query::Query;
use super::request_error::RequestError;
use azure_emulator_core::listing::ListError;

/// Parses the id of a subscription in a path.
pub fn subscription(text: &str) -> Result<Uuid, RequestError> {
    Uuid::parse_str(text).map_err(|_| RequestError::SubscriptionId(text.chars().take(64).collect()))
}

/// Refuses a query without `api-version`, as Azure does. Every version is served as the newest.
pub fn require_api_version(query: &str) -> Result<(), RequestError> {
    Query::parse(query).api_version.map(drop).ok_or(RequestError::NoApiVersion)
}

/// The conditions `field eq 'value'` of a `$filter`, the fields in lower case. Other conditions are refused.
pub fn equalities(query: &str) -> Result<Vec<(String, String)>, ListError> {
    let filter = Query::parse(query).filter.unwrap_or_default();
    filter::equalities(&filter).ok_or_else(|| ListError::filter(&filter, None))
}
