//! Searches the bytes of request heads for the header `Content-Length`.
//!
//! If a request has `Transfer-Encoding` and `Content-Length`, hyper follows the first and hides the second. A server in
//! front of this one could have followed the second, so the bytes after the request could be an attack, and the connection
//! must be closed (RFC 9112, section 6.1).

/// The end of the line before the header, its name, and the colon, which follows the name at once (RFC 9112, section 5.1).
const NAME: &[u8] = b"\ncontent-length:";

/// The position in a head, which may arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct HeadSearch {
    /// How much of the name the last bytes had.
    matched: usize,
    /// Whether the head has begun: empty lines before it do not count.
    has_begun: bool,
    /// The length of the line so far, without returns.
    line: usize,
}

/// The findings in a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The name, before the end of the head.
    pub(super) names_length: bool,
    /// Bytes after the end of the head: of a body or of another head. They were not searched.
    pub(super) has_more: bool,
}

impl HeadSearch {
    /// Searches a piece, which follows the last one or begins a new head.
    pub(super) fn search(&mut self, bytes: &[u8]) -> Found {
        let mut found = Found::default();
        for (at, byte) in bytes.iter().enumerate() {
            if NAME.get(self.matched) == Some(&byte.to_ascii_lowercase()) {
                self.matched += 1;
            } else {
                self.matched = usize::from(*byte == b'\n');
            }
            if self.matched == NAME.len() {
                (self.matched, found.names_length) = (0, true);
            }
            match byte {
                b'\n' if self.line == 0 && self.has_begun => {
                    *self = Self::default();
                    found.has_more = at + 1 < bytes.len();
                    return found;
                }
                b'\n' => self.line = 0,
                b'\r' => (),
                _ => (self.line, self.has_begun) = (self.line + 1, true),
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(names_length: bool, has_more: bool) -> Found {
        Found { names_length, has_more }
    }

    #[test]
    fn the_name_is_found_at_the_beginning_of_a_line_in_any_letter_case() {
        for (head, is_found) in [
            ("POST / HTTP/1.1\r\nContent-Length: 1\r\n", true),
            ("POST / HTTP/1.1\ncontent-LENGTH:1\n", true),
            ("\r\n\n\r\nPOST / HTTP/1.1\r\nx: a\r\ncontent-length:", true),
            ("POST / HTTP/1.1\r\ncontent-length-of-x: 1\r\n", false),
            ("POST /content-length HTTP/1.1\r\nx: content-length: 1\r\n", false),
            ("POST / HTTP/1.1\r\nx-content-length: 1\r\ncontent-lengt\r\n", false),
        ] {
            let searched = HeadSearch::default().search(head.as_bytes());
            assert_eq!(searched, found(is_found, false), "{head}");
        }
    }

    #[test]
    fn bytes_after_a_head_are_noticed_and_belong_to_no_head() {
        let mut search = HeadSearch::default();

        let first =
            search.search(b"GET / HTTP/1.1\r\nx: a\r\n\r\nGET / HTTP/1.1\r\ncontent-length");
        let second = search.search(b"GET / HTTP/1.1\ncontent-length: 0\n\n");

        assert_eq!((first, second), (found(false, true), found(true, false)));
    }

    proptest! {
        #[test]
        fn the_name_is_found_in_pieces_of_every_length(len in 1..40_usize, before in "[A-z-]{1,20}") {
            let mut search = HeadSearch::default();
            let head = format!("{before}\r\nContent-Length: 5\r\n\r\n");
            let pieces = head.as_bytes().chunks(len).map(|piece| search.search(piece));
            let count = pieces.filter(|found| found.names_length).count();
            prop_assert_eq!(count, 1);
        }
    }
}
