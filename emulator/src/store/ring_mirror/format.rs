//! The file of a mirror: JSON in one line, then its checksum.
//!
//! The format is in `emulator/envelope/FORMAT.md`.

use std::collections::HashSet;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::store::error::StoreError;
use crate::store::registry_rows::RegistryRecord;
use crate::store::rows::RingRow;

/// The version of the format.
const VERSION: u64 = 1;

/// The content of a registry's mirror.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingMirror {
    /// The registry.
    pub registry: String,
    /// The properties of the registry; `None` if the ring is older than the row of the registry.
    pub record: Option<RegistryRecord>,
    /// The rings, newest first. The second one is the ring that the first replaces, if that was not committed yet. After a loss
    /// of rows there may be more: rings with data keys that the newer ones lack.
    pub rings: Vec<RingRow>,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    format_version: u64,
    registry: String,
    record: Option<RegistryRecord>,
    rings: Vec<RingDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RingDocument {
    generation: u64,
    head: String,
    entries: Vec<(String, String)>,
}

impl RingMirror {
    /// The bytes of the file.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let document = Document {
            format_version: VERSION,
            registry: self.registry.clone(),
            record: self.record.clone(),
            rings: self.rings.iter().map(RingDocument::from).collect(),
        };
        let mut bytes = serde_json::to_vec(&document).map_err(io::Error::from)?;
        let checksum = hex::encode(Sha256::digest(&bytes));
        bytes.extend_from_slice(format!("\nsha256:{checksum}\n").as_bytes());
        Ok(bytes)
    }

    /// Reads the bytes of a file; the error is the reason why they are invalid.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no checksum")?;
        let (document, checksum) = bytes.split_at(end);
        let expected = format!("\nsha256:{}\n", hex::encode(Sha256::digest(document)));
        if checksum != expected.as_bytes() {
            return Err("its checksum is wrong".to_owned());
        }
        let document: Document =
            serde_json::from_slice(document).map_err(|error| error.to_string())?;
        if document.format_version != VERSION {
            let found = document.format_version;
            return Err(format!("it has format version {found}, and this program reads {VERSION}"));
        }
        let rings: Option<Vec<RingRow>> = document.rings.iter().map(RingDocument::row).collect();
        let rings = rings.filter(|rings| !rings.is_empty()).ok_or("it holds no ring")?;
        Ok(Self { registry: document.registry, record: document.record, rings })
    }

    /// Takes those rings of another mirror that have a data key which no ring here has.
    pub(super) fn keep_data_keys_of(&mut self, other: Self) {
        for ring in other.rings {
            let known = self.rings.iter().flat_map(|ring| &ring.entries);
            let known: HashSet<[u8; 16]> = known.map(|(id, _)| *id).collect();
            if ring.entries.iter().any(|(id, _)| !known.contains(id)) {
                self.rings.push(ring);
            }
        }
    }
}

impl From<&RingRow> for RingDocument {
    fn from(row: &RingRow) -> Self {
        let entries = row.entries.iter();
        Self {
            generation: row.generation,
            head: STANDARD.encode(&row.head),
            entries: entries.map(|(id, entry)| (hex::encode(id), STANDARD.encode(entry))).collect(),
        }
    }
}

impl RingDocument {
    fn row(&self) -> Option<RingRow> {
        let entry = |(id, entry): &(String, String)| {
            let mut bytes = [0; 16];
            hex::decode_to_slice(id, &mut bytes).ok()?;
            Some((bytes, STANDARD.decode(entry).ok()?))
        };
        Some(RingRow {
            generation: self.generation,
            head: STANDARD.decode(&self.head).ok()?,
            entries: self.entries.iter().map(entry).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{AssignedRow, PrincipalRow, RegistryRow};

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(any::<u8>(), 0..80)
    }

    fn ring() -> impl Strategy<Value = RingRow> {
        let entries = prop::collection::vec((any::<[u8; 16]>(), bytes()), 0..5);
        (any::<u64>(), bytes(), entries).prop_map(|(generation, head, entries)| RingRow {
            generation,
            head,
            entries,
        })
    }

    fn mirror() -> impl Strategy<Value = RingMirror> {
        let rings = prop::collection::vec(ring(), 1..3);
        ("[a-z0-9]{5,20}", any::<(bool, bool)>(), "\\PC{0,20}", rings).prop_map(
            |(registry, (has_record, anonymous), text, rings)| {
                let principal =
                    PrincipalRow { client_id: text.clone(), principal_id: text.clone() };
                let row = RegistryRow {
                    id: Some(text.clone()),
                    created: 7,
                    sku: "Premium".to_owned(),
                    location: text.clone(),
                    group: text.clone(),
                    key: Some(serde_json::json!(text)),
                    system_identity: Some(principal.clone()),
                    content_trust: false,
                    anonymous,
                    strict: !anonymous,
                    port: None,
                    bypass: anonymous.then(|| "None".to_owned()),
                    created_by: None,
                    former_identity: None,
                };
                let record = RegistryRecord {
                    name: registry.clone(),
                    row,
                    tags: [(text.clone(), text.clone())].into(),
                    identities: [(text.clone(), AssignedRow { resource_id: text, principal })]
                        .into(),
                };
                RingMirror { registry, record: has_record.then_some(record), rings }
            },
        )
    }

    proptest! {
        #[test]
        fn a_mirror_is_read_back_as_it_was_written(mirror in mirror()) {
            let bytes = mirror.encode().unwrap();

            prop_assert_eq!(RingMirror::decode(&bytes).unwrap(), mirror);
        }

        #[test]
        fn a_mirror_with_a_changed_byte_or_a_lost_end_is_refused(
            mirror in mirror(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
        ) {
            let bytes = mirror.encode().unwrap();
            let at = at.index(bytes.len());
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;

            prop_assert!(RingMirror::decode(&changed).is_err());
            prop_assert!(RingMirror::decode(&bytes[..at]).is_err());
        }

        #[test]
        fn bytes_that_are_no_mirror_are_an_error(bytes in bytes()) {
            prop_assert!(RingMirror::decode(&bytes).is_err());
        }
    }
}
