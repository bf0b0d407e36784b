//! The two range headers: `Range` of a download (RFC 9110, section 14) and `Content-Range` of a chunk, for which the
//! distribution specification has its own form: `<first>-<last>`.

use std::ops::Range;

use thiserror::Error;

/// The range that a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// `bytes=first-last`, both included.
    Closed(u64, u64),
    /// `bytes=first-`
    From(u64),
    /// `bytes=-count`: the last `count` bytes.
    Last(u64),
}

/// The place of a chunk in an upload: first and last byte, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    /// The first byte.
    pub first: u64,
    /// The last byte; never before the first.
    pub last: u64,
}

/// A `Range` header that does not follow the grammar.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the range is malformed: expected `bytes=first-last`, `bytes=first-` or `bytes=-count`")]
pub struct RangeError;

/// The `Content-Range` of a chunk that does not follow the grammar.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the Content-Range is malformed: expected `first-last`, the last not before the first")]
pub struct ContentRangeError;

impl ByteRange {
    /// Reads a `Range` header. `None` for a header that must be ignored: a unit other than bytes, or several ranges, for
    /// which the whole content is an allowed response.
    pub fn parse_header(text: &str) -> Result<Option<Self>, RangeError> {
        let Some((unit, ranges)) = text.split_once('=') else { return Err(RangeError) };
        if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') {
            return Ok(None);
        }
        let (first, last) = ranges.trim().split_once('-').ok_or(RangeError)?;
        let range = match (first.trim(), last.trim()) {
            ("", "") => return Err(RangeError),
            ("", count) => Self::Last(place(count).ok_or(RangeError)?),
            (first, "") => Self::From(place(first).ok_or(RangeError)?),
            (first, last) => {
                let (first, last) = place(first).zip(place(last)).ok_or(RangeError)?;
                if last < first {
                    return Err(RangeError);
                }
                Self::Closed(first, last)
            }
        };
        Ok(Some(range))
    }

    /// The requested bytes of content of this length; `None` if there are none.
    pub fn within(self, len: u64) -> Option<Range<u64>> {
        let range = match self {
            Self::Closed(first, last) => first..last.saturating_add(1).min(len),
            Self::From(first) => first..len,
            Self::Last(count) => len.saturating_sub(count)..len,
        };
        (range.start < range.end).then_some(range)
    }
}

impl ContentRange {
    /// Reads the header of a chunk. Also accepts the form of RFC 9110, `bytes first-last/total`, which some clients send.
    pub fn parse_header(text: &str) -> Result<Self, ContentRangeError> {
        let text = text.trim();
        let text =
            text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches([' ', '=']));
        let text = text.split_once('/').map_or(text, |(range, _total)| range);
        let (first, last) = text.split_once('-').ok_or(ContentRangeError)?;
        let (first, last) = number(first).zip(number(last)).ok_or(ContentRangeError)?;
        if last < first || last == u64::MAX {
            return Err(ContentRangeError);
        }
        Ok(Self { first, last })
    }

    /// The number of bytes of the chunk.
    pub fn count(self) -> u64 {
        self.last - self.first + 1
    }
}

/// An offset in content. It may have any number of digits (RFC 9110, 14.1.2): every offset that is too large is past the end.
fn place(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Only digits: no sign, no blanks.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(header: &str, len: u64, expected: impl Into<Option<Range<u64>>>) {
        let range = ByteRange::parse_header(header).unwrap().unwrap();
        assert_eq!(range.within(len), expected.into(), "{header} of {len}");
    }

    #[test]
    fn ranges_are_cut_to_the_content() {
        check("bytes=0-0", 10, Some(0..1));
        check("bytes=0-99", 10, Some(0..10));
        check("bytes=9-", 10, Some(9..10));
        check("bytes=10-", 10, None);
        check("bytes=-3", 10, Some(7..10));
        check("bytes=-99", 10, Some(0..10));
        check("bytes=-0", 10, None);
        check("bytes=0-", 0, None);
        check("bytes=0-18446744073709551615", 10, Some(0..10));
        check("bytes=5-99999999999999999999999", 10, Some(5..10));
        check("bytes=-99999999999999999999999", 10, Some(0..10));
        check("bytes=99999999999999999999999-", 10, None);
    }

    #[test]
    fn other_units_and_several_ranges_are_ignored() {
        assert_eq!(ByteRange::parse_header("items=0-1"), Ok(None));
        assert_eq!(ByteRange::parse_header("bytes=0-1,3-4"), Ok(None));
    }

    #[test]
    fn malformed_ranges_are_refused() {
        for bad in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-4",
            "bytes=+1-2",
            "bytes=1",
            "bytes=99999999999999999999x-",
        ] {
            assert_eq!(ByteRange::parse_header(bad), Err(RangeError), "{bad:?}");
        }
    }

    #[test]
    fn both_forms_of_content_range_are_read() {
        let expected = Ok(ContentRange { first: 5, last: 9 });
        assert_eq!(ContentRange::parse_header("5-9"), expected);
        assert_eq!(ContentRange::parse_header("bytes 5-9/*"), expected);
        assert_eq!(ContentRange::parse_header("bytes=5-9"), expected);
        for bad in ["", "5", "9-5", "-5", "5-", "a-b", "0-18446744073709551615", "5-9-10"] {
            assert_eq!(ContentRange::parse_header(bad), Err(ContentRangeError), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_requested_range_is_within_the_content(first: u64, last: u64, len: u64) {
            if let Ok(Some(range)) = ByteRange::parse_header(&format!("bytes={first}-{last}"))
                && let Some(within) = range.within(len)
            {
                prop_assert!(within.start < within.end && within.end <= len);
            }
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in r"\PC{0,60}") {
            let _ = ByteRange::parse_header(&text);
            let _ = ContentRange::parse_header(&text);
        }
    }
}
