//! Lists the lost rows, as far as they are still known.

use std::collections::BTreeMap;

use super::super::checkpoint::CheckpointReader;
use super::super::error::FormatError;
use super::index::IndexLook;
use super::records::OwnedOp;
use super::run::Repair;

/// A row that a repair cannot restore to its last value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRow {
    /// The number of the tree.
    pub tree: u8,
    /// The key of the row.
    pub key: Vec<u8>,
    /// Its last known value; `None` if it was removed.
    pub known: Option<Vec<u8>>,
    /// Its value after the repair; `None` if it is missing.
    pub restored: Option<Vec<u8>>,
}

impl Repair {
    /// The lost rows of these trees that are known from the records after a gap, or from an index that does not add up, in
    /// ascending order.
    pub fn lost_rows(&self, trees: &[u8]) -> Result<Vec<LostRow>, FormatError> {
        let mut known: BTreeMap<(u8, Vec<u8>), Option<Vec<u8>>> = BTreeMap::new();
        if let IndexLook::Unproven { rows, .. } = self.index() {
            let mut reader = CheckpointReader::open(self.key(), rows)?;
            while let Some(row) = reader.next_row()? {
                if trees.contains(&row.tree) {
                    known.insert((row.tree, row.key.to_vec()), Some(row.value.to_vec()));
                }
            }
        }
        for op in self.survey().lost.iter().flat_map(|record| &record.ops) {
            match op {
                OwnedOp::Put { tree, key, value } if trees.contains(tree) => {
                    known.insert((*tree, key.clone()), Some(value.clone()));
                }
                OwnedOp::Remove { tree, key } if trees.contains(tree) => {
                    known.insert((*tree, key.clone()), None);
                }
                _ => (),
            }
        }
        if known.is_empty() {
            return Ok(Vec::new());
        }
        let mut restored: BTreeMap<(u8, Vec<u8>), Vec<u8>> = BTreeMap::new();
        self.survey().each_row(self.key(), |row| {
            let at = (row.tree, row.key.to_vec());
            if known.contains_key(&at) {
                restored.insert(at, row.value.to_vec());
            }
            Ok(())
        })?;
        let lost = known.into_iter().filter_map(|(at, known)| {
            let restored = restored.remove(&at);
            let (tree, key) = at;
            (known != restored).then_some(LostRow { tree, key, known, restored })
        });
        Ok(lost.collect())
    }
}
