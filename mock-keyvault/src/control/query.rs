//! The query of a request to the resource providers: api-version and filter.

use azure_emulator_core::odata;

/// The parsed query of a request. All other parameters are ignored, as in Azure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) api_version: Option<String>,
    pub(crate) filter: Option<String>,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Self {
        let mut found = Self::default();
        for (name, value) in odata::parameters(query).filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "api-version" => found.api_version = Some(value),
                "$filter" => found.filter = Some(value),
                _ => (),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_decoded_and_its_spaces_may_be_pluses() {
        let query = Query::parse("%24filter=name%20eq+%27x%27&API-Version=2026-02-01&x");

        assert_eq!(query.filter.as_deref(), Some("name eq 'x'"));
        assert_eq!(query.api_version.as_deref(), Some("2026-02-01"));
        assert_eq!(Query::parse("api-version=").api_version, None);
    }
}
