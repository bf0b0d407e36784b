//! The changes of a transaction, before they are in the journal and in the index.

use std::collections::BTreeMap;

/// The changed rows of each tree; `None` removes a row.
pub(super) type Changes = BTreeMap<u8, BTreeMap<Vec<u8>, Option<Vec<u8>>>>;

/// The names and contents of small files that are attached to the record.
pub(super) type Attachments = Vec<(Vec<u8>, Vec<u8>)>;
