//! Query strings, read into the parameters that the routes know. Unknown parameters are ignored.
//!
//! A `+` is a plus sign (RFC 3986, section 3.4), as in the media type `application/spdx+json`: only in HTML forms it means a space.

use http::Uri;
use url::form_urlencoded;

use super::code::Code;
use super::error::ErrorReply;

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn from_uri(uri: &Uri) -> Self {
        let text = uri.query().unwrap_or_default();
        let text = text.replace('+', "%2B");
        Self(form_urlencoded::parse(text.as_bytes()).into_owned().collect())
    }

    /// The first value of a parameter.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// All values of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The number of entries that `n` asks for.
    pub(crate) fn page_len(&self) -> Result<Option<usize>, ErrorReply> {
        let Some(text) = self.get("n").filter(|text| !text.is_empty()) else { return Ok(None) };
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            // A number that is too large asks for all entries.
            return Ok(Some(text.parse().unwrap_or(usize::MAX)));
        }
        let message = format!("n has to be a number of entries, not {text:?}");
        Err(ErrorReply::bad_request(Code::Unsupported, message))
    }

    /// The entry after which a page begins.
    pub(crate) fn last(&self) -> Option<String> {
        self.get("last").filter(|text| !text.is_empty()).map(str::to_owned)
    }
}
