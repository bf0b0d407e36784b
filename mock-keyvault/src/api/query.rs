//! The query of a request: api-version, and the page of a list.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::model::error::VaultError;
use crate::vault::PageRequest;

/// Azure's largest page, which is also the default.
const MAX_RESULTS: usize = 25;

/// The parsed query of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query {
    pub(crate) api_version: Option<String>,
    max_results: Option<String>,
    skip_token: Option<String>,
}

/// The content of a `$skiptoken`, as in Azure.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SkipToken {
    next_marker: String,
    target_location: u32,
}

impl Query {
    /// Parses the known parameters; all others are ignored, as in Azure.
    pub(crate) fn parse(query: &str) -> Self {
        let mut found = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let value = plain(value);
            if value.is_empty() {
                continue;
            }
            match plain(name).to_ascii_lowercase().as_str() {
                "api-version" => found.api_version = Some(value),
                "maxresults" => found.max_results = Some(value),
                "$skiptoken" => found.skip_token = Some(value),
                _ => (),
            }
        }
        found
    }

    /// Whether the api-version is older than 7.5, the first whose answers have attributes such as `exportable`.
    pub(crate) fn is_before_7_5(&self) -> bool {
        let version = self.api_version.as_deref().unwrap_or_default();
        ["2015-", "2016-", "7.0", "7.1", "7.2", "7.3", "7.4"]
            .iter()
            .any(|old| version.starts_with(old))
    }

    /// The requested page.
    pub(crate) fn page(&self) -> Result<PageRequest, VaultError> {
        let limit = match &self.max_results {
            None => MAX_RESULTS,
            Some(text) => match text.parse() {
                Ok(limit) if (1..=MAX_RESULTS).contains(&limit) => limit,
                _ => {
                    let message = format!("Invalid value of 'maxresults': {text}. It is 1 to 25.");
                    return Err(VaultError::BadParameter(message));
                }
            },
        };
        let after = match &self.skip_token {
            None => None,
            Some(token) => Some(marker(token).ok_or_else(|| {
                VaultError::BadParameter("The value of '$skiptoken' is not valid.".to_owned())
            })?),
        };
        Ok(PageRequest { limit, after })
    }

    /// The address of the next page: absolute, with a literal `$` as in the real service.
    pub(crate) fn next_link(&self, host: &str, path: &str, marker: &str) -> String {
        let token = SkipToken { next_marker: marker.to_owned(), target_location: 0 };
        let token = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&token).unwrap_or_default());
        let version = self.api_version.as_deref().unwrap_or_default();
        let mut link = format!("https://{host}{path}?api-version={version}&$skiptoken={token}");
        if let Some(max) = &self.max_results {
            link.push_str("&maxresults=");
            link.push_str(max);
        }
        link
    }
}

fn marker(token: &str) -> Option<String> {
    let json = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).ok()?;
    Some(serde_json::from_slice::<SkipToken>(&json).ok()?.next_marker)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_next_link_leads_to_the_page_after_its_marker() {
        let query = Query::parse("api-version=7.4&maxresults=2");

        let link = query.next_link("h:1", "/keys", "KEY-B");
        let followed = Query::parse(link.split_once('?').unwrap().1).page().unwrap();

        assert!(link.starts_with("https://h:1/keys?api-version=7.4&$skiptoken="), "{link}");
        assert_eq!((followed.limit, followed.after.as_deref()), (2, Some("KEY-B")));
    }

    #[test]
    fn a_page_outside_the_limits_and_a_made_up_token_are_refused() {
        for query in ["maxresults=0", "maxresults=26", "maxresults=x", "$skiptoken=x"] {
            assert!(Query::parse(query).page().is_err(), "{query}");
        }
    }

    proptest! {
        #[test]
        fn no_query_panics(query in ".*") {
            let _ = Query::parse(&query).page();
        }
    }
}
