//! The rows of the database: their fields. `encoding.rs` has the form of keys and values.
//!
//! Of the pushed data, rows have only the part that DESIGN.md declares to be metadata: names, digests, sizes and media
//! types. `Serialize` on these types is the format on disk; a change of it is a change of the format version.

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use super::file_id::FileId;
use crate::names::{Digest, DigestError, UploadId};

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
    pub digest: Digest,
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

/// How much a registry holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Repositories that had a manifest.
    pub repositories: u64,
    /// Blobs, each counted once.
    pub blobs: u64,
    /// Manifests, each counted once for each repository.
    pub manifests: u64,
    /// Bytes of plaintext in blobs and manifests.
    pub bytes: u64,
    /// Uploads that have not ended.
    pub uploads: u64,
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

impl UploadRow {
    /// The id that the client uses.
    pub fn upload_id(&self) -> Result<UploadId, StoreError> {
        self.id.parse().map_err(|_| {
            StoreError::Damaged(format!("the id of an upload is not a UUID: {:?}", self.id))
        })
    }
}

impl ManifestRow {
    /// The manifest that it refers to as its subject.
    pub(super) fn subject(&self) -> Result<Option<Digest>, StoreError> {
        self.subject.as_deref().map(stored_digest).transpose()
    }
}

impl TagRow {
    /// The manifest that the tag points to.
    pub fn digest(&self) -> Result<Digest, StoreError> {
        stored_digest(&self.digest)
    }
}

impl NewTaskRun {
    /// The digest of its log.
    pub fn digest(&self) -> Result<Digest, StoreError> {
        stored_digest(&self.digest)
    }
}

/// The digest in a row. Rows have texts, because their serialized form is the format on disk.
fn stored_digest(text: &str) -> Result<Digest, StoreError> {
    text.parse().map_err(|error: DigestError| StoreError::Damaged(error.to_string()))
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
