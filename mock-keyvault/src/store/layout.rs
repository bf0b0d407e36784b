//! The trees and the kinds of rows, and the form of row keys and of values.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::StoreError;

/// The trees of a vault. The position in the list is part of the format on disk: add a tree at the end.
pub(crate) const TREES: &[&str] = &["settings", "rows", "private", "authorization"];
pub(super) const ROWS: u8 = 1;
pub(super) const PRIVATE: u8 = 2;
/// The tree of the role assignments, which have their own module.
pub(crate) const AUTHORIZATION: u8 = 3;

/// The separator of the parts of a row key: a byte that no name contains.
pub(super) const SEPARATOR: u8 = 0;

/// The first byte of a row key names the kind of the row. These bytes must not change: rows on disk begin with them.
pub(super) const VAULT: u8 = b'v';
pub(super) const POLICY: u8 = b'p';
pub(super) const KEY: u8 = b'k';
pub(super) const VERSION: u8 = b'n';
pub(super) const TAG: u8 = b't';
pub(super) const SCHEDULE: u8 = b'a';

pub(super) fn row_key(kind: u8, names: &[&str]) -> Vec<u8> {
    let mut at = prefix(kind, names);
    at.pop();
    at
}

/// The prefix of every row key under these names.
pub(super) fn prefix(kind: u8, names: &[&str]) -> Vec<u8> {
    let mut at = vec![kind, SEPARATOR];
    for name in names {
        at.extend_from_slice(name.as_bytes());
        at.push(SEPARATOR);
    }
    at
}

/// The names in a row key. The last name may contain the separator, since tags may contain any character.
pub(super) fn named<const N: usize>(parts: &[u8]) -> Result<[String; N], StoreError> {
    let names: Result<Vec<String>, StoreError> =
        parts.splitn(N, |byte| *byte == SEPARATOR).map(text).collect();
    names?.try_into().map_err(|_| StoreError::Damaged("a row key has too few parts".to_owned()))
}

pub(super) fn text(bytes: &[u8]) -> Result<String, StoreError> {
    String::from_utf8(bytes.to_vec()).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn existing<T>(found: Option<&mut T>) -> Result<&mut T, StoreError> {
    found.ok_or_else(|| StoreError::Damaged("a row belongs to an unknown vault or key".to_owned()))
}

pub(super) fn parsed<T: DeserializeOwned>(value: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(value).map_err(|error| StoreError::Damaged(error.to_string()))
}

pub(super) fn json(row: &impl Serialize) -> io::Result<Vec<u8>> {
    serde_json::to_vec(row).map_err(io::Error::other)
}
