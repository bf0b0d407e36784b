//! A position in the history of the rows, which the next record continues.

use std::io;

use crate::random;

use super::bytes::Fields;
use super::key::{MAC_LEN, RowsKey};
use super::set_sum::SetSum;

/// The bytes of a position.
pub(super) const POSITION_LEN: usize = 16 + 8 + 32 + 32;

/// The bytes of a sealed position: see [`Position::seal`].
pub const SEALED_POSITION_LEN: usize = POSITION_LEN + MAC_LEN;

const START: &[u8; 8] = b"SYRSTART";
const SEALED: &[u8; 8] = b"SYRPOSIT";

/// The random name of one history. A reset begins another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch(pub [u8; 16]);

impl Epoch {
    /// A new epoch.
    pub fn random() -> io::Result<Self> {
        random::bytes().map(Self)
    }
}

/// The authentication code of a record. The next record contains it, so that no record can be left out or replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub [u8; MAC_LEN]);

/// The state after one record, or before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The history.
    pub epoch: Epoch,
    /// The number of the last record. Each record has the next number.
    pub generation: u64,
    /// The authentication code of the last record.
    pub chain: Chain,
    /// The sum of all rows.
    pub set_sum: SetSum,
}

impl Position {
    /// The beginning of an epoch: generation 0 without rows, or any generation with the rows of a checkpoint.
    pub fn start(key: &RowsKey, epoch: Epoch, generation: u64, set_sum: SetSum) -> Self {
        let number = generation.to_le_bytes();
        let chain = Chain(key.mac(&[START, &epoch.0, &number, &set_sum.to_bytes()]));
        Self { epoch, generation, chain, set_sum }
    }

    /// The position with an authentication code, for storage outside the journal.
    pub fn seal(&self, key: &RowsKey) -> [u8; SEALED_POSITION_LEN] {
        let mut sealed = [0; SEALED_POSITION_LEN];
        let (position, mac) = sealed.split_at_mut(POSITION_LEN);
        position.copy_from_slice(&self.to_bytes());
        mac.copy_from_slice(&key.mac(&[SEALED, position]));
        sealed
    }

    /// The position that was sealed as these bytes; `None` if they were changed.
    pub fn unseal(key: &RowsKey, sealed: &[u8]) -> Option<Self> {
        let (position, mac) = sealed.split_at_checked(POSITION_LEN)?;
        let authentic = mac.len() == MAC_LEN && key.verifies(&[SEALED, position], mac);
        authentic.then(|| Self::take(&mut Fields(position)))?
    }

    pub(super) fn to_bytes(self) -> [u8; POSITION_LEN] {
        let mut bytes = [0; POSITION_LEN];
        bytes[..16].copy_from_slice(&self.epoch.0);
        bytes[16..24].copy_from_slice(&self.generation.to_le_bytes());
        bytes[24..56].copy_from_slice(&self.chain.0);
        bytes[56..].copy_from_slice(&self.set_sum.to_bytes());
        bytes
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Option<Self> {
        Some(Self {
            epoch: Epoch(fields.array()?),
            generation: fields.u64()?,
            chain: Chain(fields.array()?),
            set_sum: SetSum::from_bytes(fields.array()?),
        })
    }
}
