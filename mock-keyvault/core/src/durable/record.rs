//! A record of the journal: the changes of one transaction, with an authentication code.
//!
//! A second, short code over the first fields authenticates the length of the record and the generations that were on the disk when
//! it was written, even if the rest of the record is damaged. Its cost does not depend on the length of the record.

use super::bytes::Fields;
use super::error::FrameDamage;
use super::key::{CHECK_LEN, MAC_LEN, RowsKey};
use super::op::Ops;
use super::position::{Chain, Epoch, Position};
use super::set_sum::SetSum;

/// The most bytes that the changes of one record can have.
pub const MAX_BODY_LEN: usize = 64 << 20;

pub(super) const MAGIC: &[u8; 8] = b"SYRECORD";

/// The fields at the front that the short code authenticates.
pub(super) const CHECKED_LEN: usize = 8 + 8 + 8 + 8 + 32 + 32;

/// The fields at the front with their code.
pub(super) const HEAD_LEN: usize = CHECKED_LEN + CHECK_LEN;

/// The bytes after the head of a record whose body has this length. Padding makes frames begin at multiples of 8.
pub(super) const fn padded(body_len: usize) -> usize {
    body_len.next_multiple_of(8) + MAC_LEN
}

/// A record whose code was verified.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// The state after this record.
    pub position: Position,
    /// The code of the record before it.
    pub before: Chain,
    /// All generations up to this one were on the disk when the record was written.
    pub synced_through: u64,
    ops: Ops<'a>,
}

impl<'a> Record<'a> {
    /// The changes, in order.
    pub fn ops(&self) -> Ops<'a> {
        self.ops.clone()
    }

    /// Whether this record continues that position.
    pub fn continues(&self, position: &Position) -> bool {
        self.before == position.chain
            && self.position.epoch == position.epoch
            && Some(self.position.generation) == position.generation.checked_add(1)
    }
}

/// The verified front of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordHead {
    body_len: usize,
    pub(super) generation: u64,
    pub(super) synced_through: u64,
    set_sum: SetSum,
    before: Chain,
}

impl RecordHead {
    /// Verifies the front of the record at the beginning of the bytes.
    pub(super) fn verify(key: &RowsKey, epoch: Epoch, bytes: &[u8]) -> Result<Self, FrameDamage> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(FrameDamage::Magic);
        }
        let (front, _) = bytes.split_at_checked(HEAD_LEN).ok_or(FrameDamage::Cut)?;
        let (fields, check) = front.split_at(CHECKED_LEN);
        if !key.verifies(&[fields, &epoch.0], check) {
            return Err(FrameDamage::Mac);
        }
        Self::take(Fields(&fields[MAGIC.len()..])).ok_or(FrameDamage::Length)
    }

    fn take(mut fields: Fields<'_>) -> Option<Self> {
        Some(Self {
            body_len: usize::try_from(fields.u64()?).ok().filter(|len| *len <= MAX_BODY_LEN)?,
            generation: fields.u64()?,
            synced_through: fields.u64()?,
            set_sum: SetSum::from_bytes(fields.array()?),
            before: Chain(fields.array()?),
        })
    }

    /// The bytes of the changes.
    pub(super) fn body_len(&self) -> usize {
        self.body_len
    }

    /// The bytes of the whole record.
    pub(super) fn frame_len(&self) -> usize {
        HEAD_LEN + padded(self.body_len)
    }

    /// Verifies the whole record at the beginning of the bytes, whose front this is.
    pub(super) fn record<'a>(
        &self,
        key: &RowsKey,
        epoch: Epoch,
        bytes: &'a [u8],
    ) -> Result<Record<'a>, FrameDamage> {
        let (frame, _) = bytes.split_at_checked(self.frame_len()).ok_or(FrameDamage::Cut)?;
        let (covered, mac) = frame.split_at(frame.len() - MAC_LEN);
        if !key.verifies(&[covered, &epoch.0], mac) {
            return Err(FrameDamage::Mac);
        }
        let chain = Chain(Fields(mac).array().ok_or(FrameDamage::Cut)?);
        let body = &covered[HEAD_LEN..HEAD_LEN + self.body_len];
        let ops = Ops::parse(body).ok_or(FrameDamage::Content)?;
        let Self { generation, synced_through, set_sum, before, .. } = *self;
        let position = Position { epoch, generation, chain, set_sum };
        Ok(Record { position, before, synced_through, ops })
    }
}
