//! The marker file of a data folder: the format of the folder, with a checksum.
//!
//! Both services write one when they create their folder, and read it before anything else there. Without the checksum, a single
//! flipped bit could turn the format into that of a newer program. Markers of earlier programs have none. Every program that
//! writes a later format writes a checksum, so a later format without one is damage.
//! The callers decide what a damaged marker means, since they know what else is in the folder.

use std::collections::BTreeMap;
use std::io;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The last format whose marker can lack a checksum.
const LAST_WITHOUT_CHECKSUM: u64 = 2;

const FORMAT_VERSION: &str = "formatVersion";
const UNFINISHED: &str = "unfinished";
const CHECKSUM: &str = "checksum";

/// The content of a marker file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// The format of the folder.
    pub format_version: u64,
    /// Set while the folder is being created. Its journal may not exist yet.
    pub unfinished: bool,
}

/// The fields of a marker, in the order of the checksum.
type Fields = BTreeMap<String, Value>;

impl Marker {
    /// Parses the content of a marker file; `None` if it is damaged.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields: Fields = serde_json::from_slice(bytes).ok()?;
        let checksum = fields.remove(CHECKSUM);
        let format_version = fields.get(FORMAT_VERSION)?.as_u64()?;
        let is_right = if let Some(found) = checksum {
            found == checksum_of(&fields).ok()?.as_str()
        } else {
            let is_known = |name: &String| [FORMAT_VERSION, UNFINISHED].contains(&&**name);
            (1..=LAST_WITHOUT_CHECKSUM).contains(&format_version) && fields.keys().all(is_known)
        };
        if !is_right {
            return None;
        }
        let unfinished = fields.get(UNFINISHED).map_or(Some(false), Value::as_bool)?;
        Some(Self { format_version, unfinished })
    }

    /// The content of the marker file.
    pub fn encode(&self) -> io::Result<Vec<u8>> {
        let mut fields = Fields::from([(FORMAT_VERSION.to_owned(), self.format_version.into())]);
        if self.unfinished {
            fields.insert(UNFINISHED.to_owned(), true.into());
        }
        let checksum = checksum_of(&fields)?;
        fields.insert(CHECKSUM.to_owned(), checksum.into());
        Ok(serde_json::to_vec(&fields)?)
    }
}

/// The first eight bytes of the SHA-256 of the fields as JSON, in hexadecimal.
fn checksum_of(fields: &Fields) -> io::Result<String> {
    Ok(hex::encode(&Sha256::digest(serde_json::to_vec(fields)?)[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKERS: [Marker; 2] = [
        Marker { format_version: 2, unfinished: false },
        Marker { format_version: 2, unfinished: true },
    ];

    /// Every content that differs from this one in one bit.
    fn with_flipped_bits(marker: &[u8]) -> impl Iterator<Item = Vec<u8>> + use<'_> {
        (0..marker.len() * 8).map(|bit| {
            let mut flipped = marker.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            flipped
        })
    }

    #[test]
    fn every_marker_with_a_flipped_bit_is_detected_as_damaged() {
        let without_checksum = [
            r#"{"formatVersion":1}"#,
            r#"{"formatVersion":2}"#,
            r#"{"formatVersion":2,"unfinished":true}"#,
        ];
        let written = MARKERS.map(|marker| marker.encode().unwrap());
        let later = Marker { format_version: 3, ..MARKERS[0] }.encode().unwrap();
        let earlier = without_checksum.map(|text| text.as_bytes().to_vec());

        for marker in written.iter().chain(&earlier).chain([&later]) {
            assert!(Marker::read(marker).is_some());
            for flipped in with_flipped_bits(marker) {
                assert_eq!(Marker::read(&flipped), None, "{}", String::from_utf8_lossy(&flipped));
            }
        }
    }

    #[test]
    fn a_marker_is_read_as_it_was_written_even_that_of_a_later_program_with_more_fields() {
        for marker in MARKERS {
            assert_eq!(Marker::read(&marker.encode().unwrap()), Some(marker));
        }
        let mut fields = Fields::from([
            (FORMAT_VERSION.to_owned(), 3.into()),
            ("more".to_owned(), "of a later program".into()),
        ]);
        fields.insert(CHECKSUM.to_owned(), checksum_of(&fields).unwrap().into());

        let read = Marker::read(&serde_json::to_vec(&fields).unwrap());

        assert_eq!(read, Some(Marker { format_version: 3, unfinished: false }));
        assert_eq!(Marker::read(br#"{"formatVersion":3}"#), None);
    }
}
