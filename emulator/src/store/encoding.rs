//! The form of keys and values in the database.
//!
//! A key is its parts joined by a zero byte, which no name and no digest has. A value is JSON, below [`MAX_ROW`]:
//! sled keeps larger values in files that are never synced.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::file_id::FileId;

/// The largest encoded row, in bytes: sled's limit for a value in its log is far higher, but it keeps only such rows durably.
pub(super) const MAX_ROW: usize = 4000;

/// Joins the parts of a key.
pub(super) fn key(parts: &[&str]) -> Vec<u8> {
    debug_assert!(parts.iter().all(|part| !part.contains('\0')), "names are parsed: {parts:?}");
    parts.join("\0").into_bytes()
}

/// The prefix of all keys that have these parts and more.
pub(super) fn prefix(parts: &[&str]) -> Vec<u8> {
    let mut prefix = key(parts);
    prefix.push(0);
    prefix
}

/// The last part of a key.
pub(super) fn last_part(key: &[u8]) -> Result<String, StoreError> {
    part(key, |parts| parts.next_back())
}

/// The part of a key at an index.
pub(super) fn nth_part(key: &[u8], index: usize) -> Result<String, StoreError> {
    part(key, |parts| parts.nth(index))
}

fn part<'a>(
    key: &'a [u8],
    pick: impl FnOnce(&mut dyn DoubleEndedIterator<Item = &'a str>) -> Option<&'a str>,
) -> Result<String, StoreError> {
    std::str::from_utf8(key)
        .ok()
        .and_then(|text| pick(&mut text.split('\0')))
        .map(str::to_owned)
        .ok_or_else(|| StoreError::Damaged("a row has an invalid key".to_owned()))
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
pub(super) fn damage_key(registry: &str, file: FileId) -> Vec<u8> {
    key(&[registry, &file.to_string()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
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
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let key = key(&parts);

            for (i, part) in parts.iter().enumerate() {
                prop_assert_eq!(&nth_part(&key, i).unwrap(), part);
            }
            prop_assert_eq!(last_part(&key).unwrap(), parts[parts.len() - 1]);
            prop_assert!(key.starts_with(&prefix(&parts[..parts.len() - 1])) || parts.len() == 1);
        }

        #[test]
        fn bytes_that_are_no_row_are_an_error(bytes in any::<Vec<u8>>()) {
            prop_assert!(matches!(decode::<UploadRow>(&bytes), Err(StoreError::Damaged(_))));
        }
    }

    #[test]
    fn a_row_that_sled_would_not_keep_durably_is_refused() {
        assert!(limited(vec![0; MAX_ROW]).is_ok());
        assert!(matches!(limited(vec![0; MAX_ROW + 1]), Err(StoreError::RowTooLong { .. })));
    }
}
