//! Adds `Retry-After` to every 503, whichever part of the program refused the request.
//!
//! The outer layer of every listener of both programs. An answer that has a `Retry-After` keeps it. The answer of a fault
//! rule is not changed: it sends only what the rule defines.

use axum::response::Response;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};

use crate::faults::FAULT_HEADER;

/// The default of `Retry-After`, in seconds. It is short because most causes pass soon, and a repeated request costs little.
const SECONDS: HeaderValue = HeaderValue::from_static("1");

/// Adds `Retry-After` to the answer if it is a 503 without one.
#[expect(clippy::unused_async, reason = "a layer of axum takes an async function")]
pub async fn with_retry_after(mut response: Response) -> Response {
    let is_of_fault = response.headers().contains_key(FAULT_HEADER);
    if response.status() == StatusCode::SERVICE_UNAVAILABLE && !is_of_fault {
        response.headers_mut().entry(RETRY_AFTER).or_insert(SECONDS);
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;

    use super::*;

    async fn retry_after(response: impl IntoResponse) -> Option<String> {
        let answer = with_retry_after(response.into_response()).await;
        Some(answer.headers().get(RETRY_AFTER)?.to_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_503_gets_retry_after_unless_it_has_one_or_is_from_a_fault_rule() {
        let down = StatusCode::SERVICE_UNAVAILABLE;

        assert_eq!(retry_after(down).await.as_deref(), Some("1"));
        assert_eq!(retry_after((down, [(RETRY_AFTER, "7")])).await.as_deref(), Some("7"));
        assert_eq!(retry_after((down, [(FAULT_HEADER, "rule")])).await, None);
        assert_eq!(retry_after(StatusCode::FORBIDDEN).await, None);
    }
}
