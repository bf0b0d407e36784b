//! The rows of the database: their fields and their encoding.
//!
//! A key is its parts joined by a zero byte, which no name and no digest has. A value is JSON, below [`MAX_ROW`]:
//! sled keeps larger values in files that are never synced. Of the pushed data, rows have only the part that
//! DESIGN.md declares to be metadata: names, digests, sizes and media types. `Serialize` on these types is the format
//! on disk; a change of it is a change of the format version.

use std::fmt;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::StoreError;

/// The largest encoded row, in bytes: sled's limit for a value in its log is far higher, but it keeps only such rows durably.
pub(super) const MAX_ROW: usize = 4000;

/// The name of a file in the data folder: random, and unrelated to its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct FileId([u8; 16]);

/// A string that is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a file id is 32 lower-case hexadecimal digits")]
pub struct InvalidFileId;

/// The place of the sealed bytes of a blob or a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// The sealed file.
    pub file: FileId,
    /// Length of the plaintext, in bytes.
    pub size: u64,
    /// Id of the data key that the file is sealed under.
    #[serde(with = "hex_id")]
    pub data_key: [u8; 16],
    /// When it was published: seconds since 1970, emulator time.
    pub created: i64,
    /// Length of the sealed file, in bytes. `None` if an older program wrote the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_len: Option<u64>,
}

/// An upload that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRow {
    /// The id that the client uses: a UUID.
    pub id: String,
    /// The repository that it goes to.
    pub repository: String,
    /// The sealed file that grows.
    pub file: FileId,
    /// Id of the data key that the file is sealed under.
    #[serde(with = "hex_id")]
    pub data_key: [u8; 16],
    /// The digest algorithm that it is hashed with, such as `sha256`.
    pub algorithm: String,
    /// When it began: seconds since 1970, emulator time.
    pub started: i64,
    /// When it last grew: seconds since 1970, emulator time.
    pub touched: i64,
}

/// A manifest of one repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestRow {
    /// Its sealed bytes.
    pub object: ObjectRow,
    /// The media type that it is served as.
    pub media_type: String,
    /// The artifact type, for referrers and for listings.
    pub artifact_type: Option<String>,
    /// The digest that it refers to as its subject.
    pub subject: Option<String>,
    /// When it was pushed first: seconds since 1970, emulator time.
    pub pushed: i64,
    /// The part of that second that had passed, so that lists by time can order pushes.
    #[serde(default)]
    pub pushed_nanos: u32,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "Attributes::are_default")]
    pub attributes: Attributes,
}

/// The manifest that a tag points to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagRow {
    /// Digest of the manifest.
    pub digest: String,
    /// When the tag was made: seconds since 1970, emulator time.
    pub created: i64,
    /// When it was last set: seconds since 1970, emulator time.
    pub updated: i64,
    /// The part of the second in which it was made that had passed.
    #[serde(default)]
    pub created_nanos: u32,
    /// The same of the second in which it was last set.
    #[serde(default)]
    pub updated_nanos: u32,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "Attributes::are_default")]
    pub attributes: Attributes,
}

/// The attributes of a repository, a tag or a manifest. Everything is allowed by default.
#[expect(clippy::struct_excessive_bools, reason = "four independent switches, as in ACR")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Whether it may be deleted.
    pub delete: bool,
    /// Whether lists show it.
    pub list: bool,
    /// Whether it may be pulled.
    pub read: bool,
    /// Whether it may be changed or deleted: this covers both.
    pub write: bool,
}

/// A repository that has, or had, a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryRow {
    /// When the first manifest was pushed: seconds since 1970, emulator time.
    pub created: i64,
    /// When a manifest or a tag was last pushed: seconds since 1970, emulator time.
    pub updated: i64,
    /// How many manifests it has.
    pub manifests: u64,
    /// How many tags it has.
    pub tags: u64,
    /// Its attributes.
    #[serde(default, skip_serializing_if = "Attributes::are_default")]
    pub attributes: Attributes,
}

/// A task run to store; the store gives it a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewTaskRun {
    /// The task that was run.
    pub name: Option<String>,
    /// Its status.
    pub status: String,
    /// When it began: seconds since 1970, emulator time.
    pub created: i64,
    /// When it had ended: seconds since 1970, emulator time.
    pub finished: i64,
    /// When it is deleted: seconds since 1970, emulator time.
    pub ends: i64,
    /// Digest of its log.
    pub digest: String,
    /// Its sealed log.
    pub log: ObjectRow,
}

/// A task run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRunRow {
    /// Its number in the registry, from 1 on.
    pub number: u64,
    /// Its description.
    #[serde(flatten)]
    pub run: NewTaskRun,
}

/// A manifest that names another as its subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Digest of the manifest that refers.
    pub digest: String,
    /// Its artifact type.
    pub artifact_type: Option<String>,
}

/// The ring of wrapped data keys of one registry, opaque to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingRow {
    /// Grows by one with each replacement.
    pub generation: u64,
    /// The sealed head; at most 2 KiB.
    pub head: Vec<u8>,
    /// Data-key id and entry, at most 2 KiB each. The order is kept.
    pub entries: Vec<([u8; 16], Vec<u8>)>,
}

/// A blob of a registry: stored once, whichever repositories show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct BlobRow {
    pub(super) object: ObjectRow,
    /// How many repositories hold a link to it; at least one.
    pub(super) links: u64,
}

/// The link that shows a blob in a repository.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct LinkRow {
    /// When the repository got it, or was last asked for it: emulator time.
    pub(super) touched: i64,
    /// How many manifests of the repository refer to it.
    pub(super) refs: u64,
}

/// The owner of a file of the data folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FileRow {
    pub(super) registry: String,
    #[serde(with = "hex_id")]
    pub(super) data_key: [u8; 16],
}

impl Attributes {
    /// Whether it may be deleted: a lock against writing covers that.
    pub fn allow_delete(self) -> bool {
        self.delete && self.write
    }

    /// Whether all attributes have their default.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn are_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Attributes {
    fn default() -> Self {
        Self { delete: true, list: true, read: true, write: true }
    }
}

impl FileId {
    /// A new random id.
    pub fn random() -> Self {
        Self(rand::random())
    }

    /// The id of these bytes.
    pub(super) fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for FileId {
    type Err = InvalidFileId;

    fn from_str(text: &str) -> Result<Self, InvalidFileId> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(InvalidFileId);
        }
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|_| InvalidFileId)?;
        Ok(Self(id))
    }
}

impl From<FileId> for String {
    fn from(id: FileId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for FileId {
    type Error = InvalidFileId;

    fn try_from(text: String) -> Result<Self, InvalidFileId> {
        text.parse()
    }
}

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

/// Sixteen bytes as 32 hexadecimal digits.
mod hex_id {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(id: &[u8; 16], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&hex::encode(id))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<[u8; 16], D::Error> {
        let text = String::deserialize(from)?;
        let mut id = [0; 16];
        hex::decode_to_slice(&text, &mut id).map_err(de::Error::custom)?;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn upload() -> impl Strategy<Value = UploadRow> {
        (any::<[u8; 16]>(), any::<[u8; 16]>(), "[a-z0-9/._-]{1,255}", any::<(i64, i64)>()).prop_map(
            |(file, data_key, repository, (started, touched))| UploadRow {
                id: "3f2504e0-4f89-41d3-9a0c-0305e82c3301".to_owned(),
                repository,
                file: FileId(file),
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
