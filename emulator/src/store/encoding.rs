//! The form of keys and values in the database.
//!
//! A key is its parts joined by a zero byte, which no name and no digest has. A value is JSON, below [`MAX_ROW`]:
//! sled keeps larger values in files that are never synced.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::file_id::FileId;
use super::tables::Table;
use crate::names::RegistryName;

/// Enough for most keys: a registry, a repository and a digest.
const USUAL_KEY_LEN: usize = 160;

/// The longest part of an invalid key that an error quotes, in characters.
const MAX_QUOTED: usize = 100;

/// The largest encoded row, in bytes: sled's limit for a value in its log is far higher, but it keeps only such rows durably.
pub(super) const MAX_ROW: usize = 4000;

/// Joins the parts of a key.
pub(super) fn key(parts: &[&dyn fmt::Display]) -> Vec<u8> {
    let mut key = String::with_capacity(USUAL_KEY_LEN);
    for (index, part) in parts.iter().enumerate() {
        if 0 < index {
            key.push('\0');
        }
        let start = key.len();
        // A `String` accepts every text.
        let _ = write!(key, "{part}");
        debug_assert!(!key[start..].contains('\0'), "names are parsed: {:?}", &key[start..]);
    }
    key.into_bytes()
}

/// The prefix of all keys that have these parts and more.
pub(super) fn prefix(parts: &[&dyn fmt::Display]) -> Vec<u8> {
    let mut prefix = key(parts);
    prefix.push(0);
    prefix
}

/// The last part of a key, as text or as a name.
pub(super) fn last_part<T: FromStr + fmt::Display>(key: &[u8]) -> Result<T, StoreError> {
    part(key, |parts| parts.next_back())
}

/// The part of a key at an index, as text or as a name.
pub(super) fn nth_part<T: FromStr + fmt::Display>(
    key: &[u8],
    index: usize,
) -> Result<T, StoreError> {
    part(key, |parts| parts.nth(index))
}

/// A part of a key. A part in another form than a name is written in, such as upper case, is invalid: the name would be the
/// key of another row.
fn part<'a, T: FromStr + fmt::Display>(
    key: &'a [u8],
    pick: impl FnOnce(&mut dyn DoubleEndedIterator<Item = &'a str>) -> Option<&'a str>,
) -> Result<T, StoreError> {
    let found = std::str::from_utf8(key).ok().and_then(|text| pick(&mut text.split('\0')));
    let parsed = found.and_then(|part| {
        let value: T = part.parse().ok()?;
        is_written_as(&value, part).then_some(value)
    });
    parsed.ok_or_else(|| {
        let quoted: String = String::from_utf8_lossy(key).chars().take(MAX_QUOTED).collect();
        StoreError::Damaged(format!("a row has an invalid key: {quoted:?}"))
    })
}

/// The registry that was read from a key of a table. `None`: the key is damaged or foreign. It is logged and skipped, because
/// one such row must not stop the work on all others.
pub(super) fn registry_or_skip(
    table: Table,
    read: Result<RegistryName, StoreError>,
) -> Option<RegistryName> {
    read.inspect_err(|error| {
        tracing::error!(%error, table = table.name(), "cannot read the registry of a row; skipping the row");
    })
    .ok()
}

/// Whether a value is displayed as exactly this text. Allocates nothing, because every scan calls it for every row.
fn is_written_as(value: &impl fmt::Display, text: &str) -> bool {
    struct Rest<'a>(&'a str);

    impl fmt::Write for Rest<'_> {
        fn write_str(&mut self, written: &str) -> fmt::Result {
            self.0 = self.0.strip_prefix(written).ok_or(fmt::Error)?;
            Ok(())
        }
    }

    let mut rest = Rest(text);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// Encodes a row, if it is short enough to be durable.
pub(super) fn encode<T: Serialize>(row: &T) -> Result<Vec<u8>, StoreError> {
    let bytes = serde_json::to_vec(row).map_err(|error| StoreError::Damaged(error.to_string()))?;
    limited(bytes)
}

/// Refuses a value that sled would put into a file of its own.
pub(super) fn limited(bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let len = bytes.len();
    if MAX_ROW < len {
        return Err(StoreError::RowTooLong { len, limit: MAX_ROW });
    }
    Ok(bytes)
}

/// Decodes a row.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Damaged(format!("a row cannot be read: {error}")))
}

/// The key of the mark of a damaged file.
pub(super) fn damage_key(registry: &RegistryName, file: FileId) -> Vec<u8> {
    key(&[registry, &file])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::names::UploadId;
    use crate::store::rows::UploadRow;

    fn upload() -> impl Strategy<Value = UploadRow> {
        (any::<[u8; 16]>(), any::<[u8; 16]>(), "[a-z0-9/._-]{1,255}", any::<(i64, i64)>()).prop_map(
            |(file, data_key, repository, (started, touched))| UploadRow {
                id: "3f2504e0-4f89-41d3-9a0c-0305e82c3301".to_owned(),
                repository,
                file: FileId::from_bytes(file),
                data_key,
                algorithm: "sha512".to_owned(),
                started,
                touched,
            },
        )
    }

    proptest! {
        #[test]
        fn a_row_is_read_back_as_it_was_written(row in upload()) {
            let bytes = encode(&row).unwrap();

            prop_assert!(bytes.len() < MAX_ROW);
            prop_assert_eq!(decode::<UploadRow>(&bytes).unwrap(), row);
        }

        #[test]
        fn the_parts_of_a_key_survive_a_round_trip(parts in prop::collection::vec("[a-z0-9:/._-]{1,40}", 1..5)) {
            let displayed: Vec<&dyn fmt::Display> = parts.iter().map(|part| part as _).collect();
            let key = key(&displayed);

            for (i, part) in parts.iter().enumerate() {
                prop_assert_eq!(&nth_part::<String>(&key, i).unwrap(), part);
            }
            prop_assert_eq!(&last_part::<String>(&key).unwrap(), &parts[parts.len() - 1]);
            prop_assert!(key.starts_with(&prefix(&displayed[..parts.len() - 1])) || parts.len() == 1);
        }

        #[test]
        fn bytes_that_are_no_row_are_an_error(bytes in any::<Vec<u8>>()) {
            prop_assert!(matches!(decode::<UploadRow>(&bytes), Err(StoreError::Damaged(_))));
        }
    }

    #[test]
    fn a_name_in_another_form_than_it_is_written_in_is_an_invalid_key() {
        let id = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
        let bare = id.replace('-', "");
        assert!(last_part::<RegistryName>(b"team1").is_ok());
        assert!(last_part::<UploadId>(id.as_bytes()).is_ok());

        assert!(last_part::<RegistryName>(b"Team1").is_err());
        assert!(nth_part::<UploadId>(id.to_uppercase().as_bytes(), 0).is_err());
        assert!(nth_part::<UploadId>(bare.as_bytes(), 0).is_err());
    }

    #[test]
    fn the_error_of_an_invalid_key_quotes_its_beginning() {
        let message = |key: &[u8]| last_part::<RegistryName>(key).unwrap_err().to_string();

        let bytes = message(b"team1\0no name\xff");
        assert!(
            bytes.ends_with("a row has an invalid key: \"team1\\0no name\u{fffd}\""),
            "{bytes}"
        );
        let long = message(&[b'a'; 1000]);
        assert!(long.ends_with(&format!("{:?}", "a".repeat(MAX_QUOTED))), "{long}");
    }

    #[test]
    fn a_row_that_sled_would_not_keep_durably_is_refused() {
        assert!(limited(vec![0; MAX_ROW]).is_ok());
        assert!(matches!(limited(vec![0; MAX_ROW + 1]), Err(StoreError::RowTooLong { .. })));
    }
}
