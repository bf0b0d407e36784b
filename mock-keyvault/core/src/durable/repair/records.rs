//! Finds all authentic records of a segment, including those after damage.

use std::collections::HashMap;
use std::path::Path;

use super::super::bytes::Fields;
use super::super::error::FormatError;
use super::super::key::RowsKey;
use super::super::op::Op;
use super::super::position::{Epoch, Position};
use super::super::record::{HEAD_LEN, MAGIC, RecordHead};
use super::super::scan::Scan;
use super::super::segment::{SEGMENT_HEADER_LEN, SegmentHeader};

/// A change that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnedOp {
    /// Sets the value of a row.
    Put {
        /// The number of the tree.
        tree: u8,
        /// The key of the row.
        key: Vec<u8>,
        /// The value of the row.
        value: Vec<u8>,
    },
    /// Removes a row.
    Remove {
        /// The number of the tree.
        tree: u8,
        /// The key of the row.
        key: Vec<u8>,
    },
    /// Attaches the content of a small file that is stored outside the rows.
    Attachment {
        /// The name of the file.
        name: Vec<u8>,
        /// The content of the file.
        content: Vec<u8>,
    },
}

/// A record that was found at any position.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) position: Position,
    pub(super) ops: Vec<OwnedOp>,
}

/// The records of all segments, by the code of the record that each continues.
#[derive(Debug, Default)]
pub(super) struct Records {
    found: HashMap<([u8; 16], [u8; 32]), Found>,
    /// The epoch, generation and readable changes of damaged records. Only the names in them are used, to report lost rows.
    damaged: Vec<(Epoch, u64, Vec<OwnedOp>)>,
}

impl OwnedOp {
    fn from_op(op: &Op<'_>) -> Self {
        match *op {
            Op::Put { tree, key, value } => {
                Self::Put { tree, key: key.to_vec(), value: value.to_vec() }
            }
            Op::Remove { tree, key } => Self::Remove { tree, key: key.to_vec() },
            Op::Attachment { name, content } => {
                Self::Attachment { name: name.to_vec(), content: content.to_vec() }
            }
        }
    }
}

impl RecordHead {
    /// The changes before the damage in a record of which only the front is authentic.
    fn readable(&self, bytes: &[u8]) -> Vec<OwnedOp> {
        let body = bytes.get(HEAD_LEN..).unwrap_or_default();
        let mut fields = Fields(&body[..self.body_len().min(body.len())]);
        std::iter::from_fn(|| Op::take(&mut fields)).map(|op| OwnedOp::from_op(&op)).collect()
    }
}

impl Records {
    /// Takes all records from the bytes of a segment. `epochs` are the histories that the other files name; records of the
    /// epoch in the segment's own header come first. Returns the damage of the segment, if there is any.
    pub(super) fn take(
        &mut self,
        key: &RowsKey,
        path: &Path,
        bytes: &[u8],
        epochs: &[Epoch],
    ) -> Option<FormatError> {
        let header = SegmentHeader::read(key, path, bytes);
        let own = header.as_ref().ok().map(|header| header.before.epoch);
        for epoch in own.iter().chain(epochs.iter().filter(|epoch| Some(**epoch) != own)) {
            self.take_epoch(key, bytes, *epoch);
        }
        match Scan::new(key, path, bytes) {
            Ok(scan) => {
                let (offset, what) = scan.end().fault()?;
                Some(FormatError::damaged(path, offset, what))
            }
            Err(error) => Some(error),
        }
    }

    /// The record that continues a position.
    pub(super) fn after(&self, position: &Position) -> Option<&Found> {
        let found = self.found.get(&(position.epoch.0, position.chain.0))?;
        (Some(found.position.generation) == position.generation.checked_add(1)).then_some(found)
    }

    /// The records of an epoch after a generation, in order.
    pub(super) fn later(&self, epoch: Epoch, generation: u64) -> Vec<&Found> {
        let mut later: Vec<&Found> = self
            .found
            .values()
            .filter(|found| found.position.epoch == epoch && generation < found.position.generation)
            .collect();
        later.sort_by_key(|found| found.position.generation);
        later
    }

    /// The readable changes of the damaged records of an epoch after a generation.
    pub(super) fn damaged(
        &self,
        epoch: Epoch,
        generation: u64,
    ) -> impl Iterator<Item = (u64, &Vec<OwnedOp>)> {
        let wanted =
            move |found: &&(Epoch, u64, Vec<OwnedOp>)| found.0 == epoch && generation < found.1;
        self.damaged.iter().filter(wanted).map(|(_, generation, ops)| (*generation, ops))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Found> {
        self.found.values()
    }

    fn take_epoch(&mut self, key: &RowsKey, bytes: &[u8], epoch: Epoch) {
        let mut at = SEGMENT_HEADER_LEN.min(bytes.len());
        while let Some(next) = next_magic(bytes, at) {
            at = next + 1;
            let Ok(head) = RecordHead::verify(key, epoch, &bytes[next..]) else { continue };
            // The length in an authentic front is right, and its body can contain anything, so the search skips the record.
            at = next + head.frame_len();
            if let Ok(record) = head.record(key, epoch, &bytes[next..]) {
                let ops = record.ops().map(|op| OwnedOp::from_op(&op)).collect();
                let found = Found { position: record.position, ops };
                self.found.insert((epoch.0, record.before.0), found);
            } else {
                self.damaged.push((epoch, head.generation, head.readable(&bytes[next..])));
            }
        }
    }
}

/// The offset at which the next record may begin.
fn next_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == MAGIC[0])?;
        if bytes[at..].starts_with(MAGIC) {
            return Some(at);
        }
        at += 1;
    }
}
