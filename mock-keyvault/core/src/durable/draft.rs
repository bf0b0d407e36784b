//! A record that is being written.

use super::key::{CHECK_LEN, RowsKey};
use super::op::Op;
use super::position::{Chain, Position};
use super::record::{CHECKED_LEN, HEAD_LEN, MAGIC, MAX_BODY_LEN, padded};
use super::set_sum::SetSum;

/// A transaction has more bytes than a record can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the change is larger than the {} MiB that one record of the journal holds: make it in several steps",
    MAX_BODY_LEN >> 20
)]
pub struct TooLarge;

/// The changes of one transaction, as the bytes of its record.
#[derive(Clone, Debug)]
pub struct Draft(Vec<u8>);

/// A finished record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The state after the record.
    pub position: Position,
    /// The whole frame. It is a multiple of 8 bytes long.
    pub bytes: Vec<u8>,
}

impl Draft {
    /// A record without changes.
    pub fn new() -> Self {
        Self(vec![0; HEAD_LEN])
    }

    /// A record whose changes are arbitrary bytes, for the fuzz targets.
    pub(super) fn from_body(body: &[u8]) -> Self {
        Self([&[0; HEAD_LEN], body].concat())
    }

    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.0.len() == HEAD_LEN
    }

    /// The bytes that the frame will have.
    pub fn frame_len(&self) -> usize {
        HEAD_LEN + padded(self.0.len() - HEAD_LEN)
    }

    /// Sets the value of a row.
    pub fn put(&mut self, tree: u8, key: &[u8], value: &[u8]) -> Result<(), TooLarge> {
        self.push(&Op::Put { tree, key, value })
    }

    /// Removes a row.
    pub fn remove(&mut self, tree: u8, key: &[u8]) -> Result<(), TooLarge> {
        self.push(&Op::Remove { tree, key })
    }

    /// Attaches the content of a small file.
    pub fn attach(&mut self, name: &[u8], content: &[u8]) -> Result<(), TooLarge> {
        self.push(&Op::Attachment { name, content })
    }

    /// Adds a change, unless it does not fit.
    pub fn push(&mut self, op: &Op<'_>) -> Result<(), TooLarge> {
        if self.0.len() - HEAD_LEN + op.len() > MAX_BODY_LEN {
            return Err(TooLarge);
        }
        op.write(&mut self.0);
        Ok(())
    }

    /// Finishes the record that follows `before`. All generations up to `synced_through` are on the disk, and
    /// `set_sum` is the sum of all rows after the changes.
    pub fn seal(
        self,
        key: &RowsKey,
        before: &Position,
        synced_through: u64,
        set_sum: SetSum,
    ) -> Sealed {
        let Self(mut bytes) = self;
        let body_len = bytes.len() - HEAD_LEN;
        let generation = before.generation + 1;
        let head = Head { body_len, generation, synced_through, set_sum, before: before.chain };
        bytes[..CHECKED_LEN].copy_from_slice(&head.to_bytes());
        let check = key.mac(&[&bytes[..CHECKED_LEN], &before.epoch.0]);
        bytes[CHECKED_LEN..HEAD_LEN].copy_from_slice(&check[..CHECK_LEN]);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let chain = key.mac(&[&bytes, &before.epoch.0]);
        bytes.extend_from_slice(&chain);
        let position = Position { epoch: before.epoch, generation, chain: Chain(chain), set_sum };
        Sealed { position, bytes }
    }
}

impl Default for Draft {
    fn default() -> Self {
        Self::new()
    }
}

/// The fields at the front of a record.
struct Head {
    body_len: usize,
    generation: u64,
    synced_through: u64,
    set_sum: SetSum,
    before: Chain,
}

impl Head {
    fn to_bytes(&self) -> [u8; CHECKED_LEN] {
        let mut bytes = [0; CHECKED_LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&(self.body_len as u64).to_le_bytes());
        bytes[16..24].copy_from_slice(&self.generation.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.synced_through.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.set_sum.to_bytes());
        bytes[64..].copy_from_slice(&self.before.0);
        bytes
    }
}
