//! Compares the formats of the journal with a model: readers return what was written, and nothing else.

mod arbitrary;
mod checkpoints;
mod merges;
mod records;
mod segments;
mod vectors;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use zeroize::Zeroizing;

use super::draft::{Draft, Sealed};
use super::key::RowsKey;
use super::op::Op;
use super::position::{Epoch, Position};
use super::segment::SegmentHeader;
use super::set_sum::SetSum;

const EPOCH: Epoch = Epoch([7; 16]);

type Rows = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

fn key() -> RowsKey {
    RowsKey::from_root(&Zeroizing::new([1; 32]))
}

fn file() -> &'static Path {
    Path::new("journal/0000000000000001.segment")
}

/// A change that owns its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Put(u8, Vec<u8>, Vec<u8>),
    Remove(u8, Vec<u8>),
    Attach(Vec<u8>, Vec<u8>),
}

impl Change {
    fn from_op(op: &Op<'_>) -> Self {
        match *op {
            Op::Put { tree, key, value } => Self::Put(tree, key.into(), value.into()),
            Op::Remove { tree, key } => Self::Remove(tree, key.into()),
            Op::Attachment { name, content } => Self::Attach(name.into(), content.into()),
        }
    }
}

/// Few keys, so that rows are replaced and removed.
fn changes() -> impl Strategy<Value = Vec<Change>> {
    let row = || (0..3_u8, prop::collection::vec(0..4_u8, 0..3));
    let value = || prop::collection::vec(any::<u8>(), 0..40);
    let change = prop_oneof![
        4 => (row(), value()).prop_map(|((tree, key), value)| Change::Put(tree, key, value)),
        2 => row().prop_map(|(tree, key)| Change::Remove(tree, key)),
        1 => (value(), value()).prop_map(|(name, content)| Change::Attach(name, content)),
    ];
    prop::collection::vec(change, 0..6)
}

fn transactions(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<Vec<Change>>> {
    prop::collection::vec(changes(), count)
}

/// A journal as its writer holds it in memory, with a plain map as the model of its rows.
struct Journal {
    key: RowsKey,
    position: Position,
    rows: Rows,
}

impl Journal {
    fn new() -> Self {
        let key = key();
        let position = Position::start(&key, EPOCH, 0, SetSum::default());
        Self { key, position, rows: Rows::new() }
    }

    fn header(&self) -> Vec<u8> {
        SegmentHeader { before: self.position }.encode(&self.key).to_vec()
    }

    fn append(&mut self, changes: &[Change], synced_through: u64) -> Vec<u8> {
        let (mut draft, mut sum) = (Draft::new(), self.position.set_sum);
        for change in changes {
            match change {
                Change::Put(tree, row, value) => {
                    draft.put(*tree, row, value).unwrap();
                    let old = self.rows.insert((*tree, row.clone()), value.clone());
                    if let Some(old) = old {
                        sum.remove(&self.key, *tree, row, &old);
                    }
                    sum.add(&self.key, *tree, row, value);
                }
                Change::Remove(tree, row) => {
                    draft.remove(*tree, row).unwrap();
                    if let Some(old) = self.rows.remove(&(*tree, row.clone())) {
                        sum.remove(&self.key, *tree, row, &old);
                    }
                }
                Change::Attach(name, content) => draft.attach(name, content).unwrap(),
            }
        }
        let length = draft.frame_len();
        let Sealed { position, bytes } = draft.seal(&self.key, &self.position, synced_through, sum);
        assert_eq!(bytes.len(), length);
        self.position = position;
        bytes
    }

    /// A segment with these records, each of which is synced, and the offset of the end of each record.
    fn segment(&mut self, transactions: &[Vec<Change>], zeros: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (self.header(), Vec::new());
        for changes in transactions {
            let record = self.append(changes, self.position.generation);
            bytes.extend_from_slice(&record);
            ends.push(bytes.len());
        }
        bytes.resize(bytes.len() + zeros, 0);
        (bytes, ends)
    }
}
