//! Responses in the form of ACR: JSON, and pages of a list.

use axum::response::{IntoResponse as _, Response};
use http::header::{CONTENT_TYPE, LINK};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::query::ListQuery;
use crate::oci::header_value;
use crate::registry::{Order, Page};

pub(super) fn json(body: &impl Serialize) -> Response {
    // The rendered types have no maps with special keys, so this cannot fail.
    let text = serde_json::to_string(body).unwrap_or_default();
    ([(CONTENT_TYPE, "application/json; charset=utf-8")], text).into_response()
}

/// A page of a list with the link to the next one, as in ACR: relative, with every parameter followed by `=`.
pub(super) fn listed<T>(
    body: &impl Serialize,
    path: &str,
    query: &ListQuery,
    page: &Page<T>,
) -> Response {
    let mut response = json(body);
    if let Some(last) = &page.next {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let order = match query.window.order {
            Order::Name => "",
            Order::TimeAscending => "timeasc",
            Order::TimeDescending => "timedesc",
        };
        let n = query.window.n.unwrap_or(page.items.len());
        let mut next = format!("{path}?last={}&n={n}&orderby={order}", encode(last));
        if let Some(digest) = &query.digest {
            next.push_str("&digest=");
            next.push_str(&encode(digest.as_str()));
        }
        response.headers_mut().insert(LINK, header_value(format!("<{next}>; rel=\"next\"")));
    }
    response
}
