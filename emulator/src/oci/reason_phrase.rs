//! The reason phrase of a response with a status of 500 or more: its message, which clients would not show otherwise.
//!
//! Docker, podman and skopeo do not read the body of such a response. They print `received unexpected HTTP status:` with the
//! status line, so the message is there and in the body. One message is final for docker when it pushes a layer: that no space is
//! left on the device. After any other message it tries again, four times in 50 seconds.

use hyper::ext::ReasonPhrase;

/// The longest phrase. Messages are shorter, unless they quote a long text.
const MAX_LEN: usize = 400;

/// The phrase for a message: on one line and in ASCII, so that all clients can read it.
pub(super) fn reason_phrase(message: &str) -> Option<ReasonPhrase> {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    let phrase: String = message.chars().take(MAX_LEN).map(plain).collect();
    ReasonPhrase::try_from(phrase).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phrase_is_one_line_of_ascii_with_a_limit() {
        let phrase = reason_phrase("no vault\r\nX-Injected: 1 é").unwrap();
        assert_eq!(phrase.as_bytes(), b"no vault??X-Injected: 1 ?");

        assert_eq!(reason_phrase(&"x".repeat(10_000)).unwrap().as_bytes().len(), MAX_LEN);
    }
}
