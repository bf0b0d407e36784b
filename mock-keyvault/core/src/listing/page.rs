//! The pages of a list: `$top` sets the number of entries of a page, and `nextLink` leads to the next page.
//!
//! A page begins after the id of the last entry of the page before. So entries that are deleted or created meanwhile do not
//! shift the pages.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::error::{ListError, shorten};
use crate::odata;

/// The most entries of a page.
const MAX_PAGE: usize = 1000;

/// The page that a query asks for.
#[derive(Clone, Debug)]
pub struct Page {
    top: usize,
    /// The key of the last entry of the page before.
    after: Option<String>,
    /// The other parameters of the query, which the link to the next page repeats.
    others: String,
}

impl Page {
    /// Parses the query of a request.
    pub fn from_query(query: &str) -> Result<Self, ListError> {
        let mut page = Self { top: MAX_PAGE, after: None, others: String::new() };
        for (name, value) in odata::parameters(query) {
            match name.as_str() {
                "$top" => {
                    let top = value.parse().ok().filter(|top| (1..=MAX_PAGE).contains(top));
                    page.top = top.ok_or_else(|| ListError::Top(shorten(&value)))?;
                }
                "$skiptoken" => {
                    let decoded = URL_SAFE_NO_PAD.decode(value.as_bytes()).ok();
                    let key = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                    let key = key.filter(|key| !key.is_empty());
                    page.after = Some(key.ok_or_else(|| ListError::SkipToken(shorten(&value)))?);
                }
                _ => (),
            }
        }
        let is_kept = |pair: &&str| {
            odata::parameters(pair).all(|(name, _)| name != "$skiptoken") && !pair.is_empty()
        };
        page.others = query.split('&').filter(is_kept).collect::<Vec<_>>().join("&");
        Ok(page)
    }

    /// The answer with this page, given all entries of the list. `url` is that of the list, without a query.
    pub fn answer(&self, mut all: Vec<Value>, url: &str) -> Value {
        all.sort_by_cached_key(key);
        if let Some(after) = &self.after {
            all.retain(|entry| key(entry) > *after);
        }
        let is_last = all.len() <= self.top;
        all.truncate(self.top);
        match all.last().filter(|_| !is_last) {
            None => json!({ "value": all }),
            Some(last) => {
                let token = URL_SAFE_NO_PAD.encode(key(last));
                let token = utf8_percent_encode(&token, NON_ALPHANUMERIC);
                let link = format!("{url}?{}&%24skiptoken={token}", self.others);
                json!({ "value": all, "nextLink": link })
            }
        }
    }
}

/// The key by which entries are ordered.
fn key(entry: &Value) -> String {
    entry["id"].as_str().unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(count: usize) -> Vec<Value> {
        (0..count).rev().map(|at| json!({ "id": format!("/r/{at:04}") })).collect()
    }

    /// All ids that a client gets if it follows each link to the end.
    fn followed(query: &str, all: &[Value]) -> Vec<String> {
        let (mut query, mut seen) = (query.to_owned(), Vec::new());
        loop {
            let answer = Page::from_query(&query).unwrap().answer(all.to_vec(), "https://h/list");
            let value = answer["value"].as_array().unwrap();
            seen.extend(value.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
            let Some(link) = answer["nextLink"].as_str() else { return seen };
            assert!(!value.is_empty(), "{link}");
            query = link.strip_prefix("https://h/list?").unwrap().to_owned();
        }
    }

    #[test]
    fn a_link_keeps_the_other_parameters_and_a_page_continues_after_a_deleted_entry() {
        let all = entries(4);
        let answer =
            Page::from_query("api-version=1&$top=2&%24Filter=x").unwrap().answer(all.clone(), "u");
        let link = answer["nextLink"].as_str().unwrap();
        let (start, token) = link.split_once("&%24skiptoken=").unwrap();
        let fewer: Vec<Value> = all.into_iter().filter(|one| one["id"] != "/r/0001").collect();

        let next = Page::from_query(&format!("$skiptoken={token}")).unwrap().answer(fewer, "u");

        assert_eq!(start, "u?api-version=1&$top=2&%24Filter=x");
        assert_eq!(next, json!({ "value": [{ "id": "/r/0002" }, { "id": "/r/0003" }] }));
    }

    #[test]
    fn numbers_and_tokens_that_are_not_valid_are_refused() {
        for query in
            ["$top=0", "$top=-1", "$top=1001", "$top=x", "$top=", "$skiptoken=!", "$skiptoken="]
        {
            assert!(Page::from_query(query).is_err(), "{query}");
        }
        assert!(Page::from_query("$top=1&$TOP=1000&api-version").is_ok());
    }

    proptest! {
        #[test]
        fn each_entry_is_on_one_page(count in 0_usize..40, top in 1_usize..50) {
            let all = entries(count);
            let mut wanted: Vec<String> = all.iter().map(key).collect();
            wanted.sort();

            prop_assert_eq!(followed(&format!("$top={top}&a=b"), &all), wanted);
        }

        #[test]
        fn no_query_panics(query in r"(\$top=|\$skiptoken=|&|%24|\PC){0,12}") {
            let _ = Page::from_query(&query).map(|page| page.answer(entries(3), "u"));
        }
    }
}
