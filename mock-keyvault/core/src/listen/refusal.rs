//! The answers of the listener itself to requests that reach no router, each with a sentence that says what to do.
//!
//! They are plain text, because the listener does not know which service the client wanted.

use std::time::Duration;

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// The longest request target, in bytes.
pub(super) const MAX_TARGET: usize = 32 << 10;
/// The largest sum of the target and all headers, in bytes.
pub(super) const MAX_HEAD: usize = 64 << 10;
/// The most headers of a request.
pub(super) const MAX_HEADERS: usize = 100;

/// How long a client may take to receive a refusal that hyper does not send.
const WRITE_LIMIT: Duration = Duration::from_secs(2);

/// Why the listener refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The bytes are no request.
    Malformed,
    /// An HTTP/1.1 request has none or several `Host` headers.
    Host,
    /// The request has `Content-Length` and `Transfer-Encoding`.
    TwoLengths,
    /// The body is encoded twice.
    Coding,
    /// The body has an unknown encoding.
    UnknownCoding,
    /// The head did not arrive in this time.
    SlowHead(Duration),
    /// The target is too long.
    LongTarget,
    /// The head is too large.
    LargeHead,
}

impl Refusal {
    /// The refusal for an answer without text that hyper wrote to a head that it cannot parse.
    pub(super) fn of_answer(answer: &[u8]) -> Self {
        match answer.get(9..12) {
            Some(b"414") => Self::LongTarget,
            Some(b"431") => Self::LargeHead,
            _ => Self::Malformed,
        }
    }

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::Host | Self::TwoLengths | Self::Coding => {
                StatusCode::BAD_REQUEST
            }
            Self::UnknownCoding => StatusCode::NOT_IMPLEMENTED,
            Self::SlowHead(_) => StatusCode::REQUEST_TIMEOUT,
            Self::LongTarget => StatusCode::URI_TOO_LONG,
            Self::LargeHead => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }

    pub(super) fn sentence(self) -> String {
        match self {
            Self::Malformed => "This is not a request of HTTP/1.1: send a request line and headers as in RFC 9112, each header in one line, with one Content-Length or with Transfer-Encoding: chunked.".to_owned(),
            Self::Host => "A request of HTTP/1.1 needs one Host header: send exactly one.".to_owned(),
            Self::TwoLengths => "The length of the body is ambiguous: send either Content-Length or Transfer-Encoding.".to_owned(),
            Self::Coding => "The body is encoded more than once: send Transfer-Encoding: chunked once.".to_owned(),
            Self::UnknownCoding => "The encoding of the body is not supported: send Transfer-Encoding: chunked, or Content-Length.".to_owned(),
            Self::SlowHead(limit) => format!("The head of the request did not arrive within {} s: send it at once.", limit.as_secs_f32()),
            Self::LongTarget => format!("The target of the request is too long: send at most {MAX_TARGET} bytes, such as fewer parameters in each request."),
            Self::LargeHead => format!("The head of the request is too large: send at most {MAX_HEADERS} headers, and at most {MAX_HEAD} bytes in total."),
        }
    }

    /// The answer to a request whose head is complete. It ends the connection, because the length of the request is in doubt
    /// or the client will not send a valid one.
    pub(super) fn into_response(self) -> Response {
        let text = format!("{}\n", self.sentence());
        let mut response = (self.status(), text).into_response();
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        response
    }

    /// Sends the answer to a head that is not complete or not valid. Nothing else was sent on the connection.
    pub(super) async fn send<S: AsyncWrite + Unpin>(self, stream: &mut S) {
        let (status, sentence) = (self.status(), self.sentence());
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{sentence}\n",
            sentence.len() + 1
        );
        // It does not matter if the client is gone already.
        let _ = timeout(WRITE_LIMIT, async {
            stream.write_all(answer.as_bytes()).await?;
            stream.flush().await
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_of_an_answer_without_text_selects_the_sentence() {
        for (answer, status) in [
            ("HTTP/1.1 400 Bad Request\r\n\r\n", 400),
            ("HTTP/1.1 414 URI Too Long\r\n\r\n", 414),
            ("HTTP/1.1 431 Request Header Fields Too Large\r\n\r\n", 431),
            ("HTTP", 400),
        ] {
            assert_eq!(Refusal::of_answer(answer.as_bytes()).status(), status, "{answer}");
        }
    }
}
