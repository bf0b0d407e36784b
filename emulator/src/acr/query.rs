//! The parameters of a list: `n`, `last`, `orderby` and, for tags, `digest`. Unknown parameters are ignored.

use http::Uri;
use thiserror::Error;

use crate::oci::Query;
use crate::registry::{Digest, DigestError, Order, Window};

/// The requested part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// The part, and the order.
    pub window: Window,
    /// The manifest whose tags are requested.
    pub digest: Option<Digest>,
}

/// Invalid parameters.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListQueryError {
    /// `n` is not a number.
    #[error("n has to be a number of entries, not {0:?}")]
    Number(String),
    /// `orderby` is not an order.
    #[error("orderby has to be timeasc, timedesc or none, not {0:?}")]
    Order(String),
    /// `digest` is not a digest.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

impl ListQuery {
    /// Reads the parameters of a request. An empty value counts as missing: links to a next page have such.
    pub fn parse(uri: &Uri) -> Result<Self, ListQueryError> {
        let query = Query::from_uri(uri);
        let given = |name| query.get(name).filter(|text| !text.is_empty());
        let n = query
            .page_len()
            .map_err(|_| ListQueryError::Number(shorten(given("n").unwrap_or_default())))?;
        let order = match given("orderby") {
            None => Order::Name,
            Some(text) if text.eq_ignore_ascii_case("none") => Order::Name,
            Some(text) if text.eq_ignore_ascii_case("timeasc") => Order::TimeAscending,
            Some(text) if text.eq_ignore_ascii_case("timedesc") => Order::TimeDescending,
            Some(text) => return Err(ListQueryError::Order(shorten(text))),
        };
        let digest = given("digest").map(str::parse).transpose()?;
        Ok(Self { window: Window { last: query.last(), n, order }, digest })
    }
}

/// Shortens a client's text that an error quotes.
fn shorten(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::form_urlencoded::Serializer;

    use super::*;

    fn read(query: &str) -> Result<ListQuery, ListQueryError> {
        ListQuery::parse(&format!("/acr/v1/a/_tags?{query}").parse().unwrap())
    }

    #[test]
    fn empty_and_unknown_parameters_are_ignored() {
        assert_eq!(
            read("api-version=2021-07-01&n=&last=&orderby=&digest="),
            Ok(ListQuery::default())
        );
        assert_eq!(read("orderby=none"), Ok(ListQuery::default()));
    }

    #[test]
    fn invalid_parameters_are_refused_with_a_message() {
        assert_eq!(read("n=-1"), Err(ListQueryError::Number("-1".to_owned())));
        assert_eq!(read("orderby=size"), Err(ListQueryError::Order("size".to_owned())));
        assert!(matches!(read("digest=sha256:1"), Err(ListQueryError::Digest(_))));
    }

    proptest! {
        #[test]
        fn parameters_survive_a_round_trip(n: Option<u32>, last in proptest::option::of("[a-z0-9/._-]{1,40}"), order in 0..3_usize) {
            let orders = [("", Order::Name), ("timeasc", Order::TimeAscending), ("TimeDesc", Order::TimeDescending)];
            let (word, order) = orders[order];
            let mut query = Serializer::new(String::new());
            query.append_pair("orderby", word);
            if let Some(n) = n {
                query.append_pair("n", &n.to_string());
            }
            if let Some(last) = &last {
                query.append_pair("last", last);
            }

            let read = read(&query.finish()).unwrap();

            prop_assert_eq!(read.window, Window { last, n: n.map(|n| n as usize), order });
        }

        #[test]
        fn no_query_makes_the_parser_panic(query in r"[!-~]{0,120}") {
            if let Ok(uri) = format!("/acr/v1/a/_tags?{query}").parse::<Uri>() {
                let _ = ListQuery::parse(&uri);
            }
        }
    }
}
