//! The refusal of a CONNECT request, with a message that every client shows.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use hyper::ext::ReasonPhrase;

/// The longest reason phrase; a longer one is cut. Clients limit the length of the status line.
const MAX_REASON: usize = 1000;

/// Refuses a CONNECT request with a sentence, which is both the body and the reason phrase: clients in Python only show
/// the reason phrase of such an answer.
pub fn connect_refusal(status: StatusCode, sentence: &str) -> Response {
    let mut response = (status, format!("{}\n", sentence.trim_end())).into_response();
    if let Ok(reason) = ReasonPhrase::try_from(reason(sentence)) {
        response.extensions_mut().insert(reason);
    }
    response
}

/// A sentence as a reason phrase (RFC 9112, section 4): one line of characters that every client can read.
fn reason(sentence: &str) -> Vec<u8> {
    let legal = |byte: char| if byte == ' ' || byte.is_ascii_graphic() { byte } else { '?' };
    let sentence = sentence.trim().chars().map(|char| if char == '\n' { ' ' } else { char });
    sentence.map(legal).take(MAX_REASON).map(|char| char as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_is_the_body_and_the_reason_phrase() {
        let response = connect_refusal(StatusCode::FORBIDDEN, "Not here.\n");

        let reason = response.extensions().get::<ReasonPhrase>().unwrap();
        assert_eq!(reason.as_bytes(), b"Not here.");
    }

    #[test]
    fn a_reason_phrase_is_one_line_of_ascii_and_not_too_long() {
        assert_eq!(reason(" one\r\ntwo \u{fc}\t\u{7f}. "), b"one? two ???.");
        assert_eq!(reason(&"a".repeat(2 * MAX_REASON)).len(), MAX_REASON);
    }
}
