//! The proof: compares the sum of all rows of the index with the set sum of the journal. An index that fails it is rebuilt.
//!
//! It runs once after each start, before any write is allowed: a value that is derived from a wrong row, such as a counter, would
//! be stored as right. Reads do not wait, so a service may keep rows in memory that turn out to be wrong. Then nothing is written
//! until the next start, which reads them again.

use std::io;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};

use super::engine::Engine;
use super::index::Index;
use super::key::RowsKey;
use super::outcome::Notice;
use super::proof::Proof;
use super::rebuild;
use super::removal::remove;
use super::set_sum::SetSum;

impl Engine {
    /// Proves the index, or rebuilds it. Does nothing if the proof was begun before.
    pub(super) fn prove(&self) {
        if self.proof_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        // sled panics on some damage, also when an index is closed. Threads that wait for the proof must still get a result.
        let proven = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            assert!(!self.simulated_panic.load(Ordering::Relaxed), "a test makes the proof panic");
            self.proven()
        }))
        .unwrap_or_else(|_| Err(io::Error::other("sled panicked while the rows were proven")));
        let proof = match proven {
            Ok(proof) => proof,
            Err(_) if self.stopping.load(Ordering::Relaxed) => {
                Proof::Failed("the program stops".to_owned())
            }
            Err(error) => {
                self.note(Notice::NotHealed { why: error.to_string() });
                Proof::Failed(error.to_string())
            }
        };
        self.proof.set(proof);
    }

    fn proven(&self) -> io::Result<Proof> {
        // Writers wait for the proof, so this is the state of the index as well.
        let position = self.tail().position;
        let index = self.index();
        let early = self.early_sum.lock().unwrap_or_else(PoisonError::into_inner).take();
        let why = match early.unwrap_or_else(|| self.sum(&index)) {
            Ok(sum) if sum == position.set_sum => return Ok(Proof::Matched),
            Ok(_) => "its rows are not those of the journal".to_owned(),
            Err(error) if self.stopping.load(Ordering::Relaxed) => return Err(error),
            Err(error) => error.to_string(),
        };
        tracing::warn!(folder = %self.folder().display(), why, "the index of the rows is damaged: rebuilding it from the journal");
        let folder = self.layout.healed_index();
        remove(&folder)?;
        let to = rebuild::To { at: &folder, trees: self.trees, end: &position };
        let built = rebuild::build(&self.layout, &self.key, &to, &self.stopping)
            .map_err(io::Error::other)?;
        if self.sum(&built)? != position.set_sum {
            return Err(io::Error::other("the rebuilt index is wrong as well"));
        }
        let is_outdated = self.is_open.load(Ordering::Relaxed) && self.differs(&index, &built);
        self.replace_index(Arc::new(built));
        if is_outdated {
            self.note(Notice::Outdated);
            return Ok(Proof::Failed(Notice::Outdated.to_string()));
        }
        self.note(Notice::Healed);
        Ok(Proof::Healed)
    }

    /// Whether a tree that the service keeps in memory was read with wrong rows.
    fn differs(&self, read: &Index, right: &Index) -> bool {
        let rows = |index: &Index, tree| index.range(tree, Bound::Unbounded, Bound::Unbounded);
        self.remembered.iter().any(|tree| {
            let (mut read, mut right) = (rows(read, *tree), rows(right, *tree));
            loop {
                match (read.next().transpose(), right.next().transpose()) {
                    (Ok(None), Ok(None)) => return false,
                    (Ok(read), Ok(right)) if read == right => {}
                    _ => return true,
                }
            }
        })
    }

    /// The set sum of an index.
    pub(super) fn sum(&self, index: &Index) -> io::Result<SetSum> {
        sum_of(index, &self.key, &self.stopping)
    }
}

/// The set sum of an index. Returns [`io::ErrorKind::Interrupted`] soon after `stopping` is set.
pub(super) fn sum_of(index: &Index, key: &RowsKey, stopping: &AtomicBool) -> io::Result<SetSum> {
    let mut sum = SetSum::default();
    index.each_row(|tree, row, value| {
        if stopping.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        sum.add(key, tree, row, value);
        Ok(())
    })?;
    Ok(sum)
}
