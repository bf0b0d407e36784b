//! The head: one small frame that stores the end of the journal.
//!
//! It is written in place after each sync and is not synced itself, so it can be behind the journal. If it is ahead, the journal
//! has lost its end.

use std::path::Path;

use super::bytes::Fields;
use super::durability::Durability;
use super::error::{FormatError, FrameDamage};
use super::frame;
use super::key::{MAC_LEN, RowsKey};
use super::position::{POSITION_LEN, Position};

/// The length of the frame: less than a sector, so that a disk writes all of it or nothing.
pub const HEAD_LEN: usize = frame::FRONT_LEN + POSITION_LEN + 8 + 16 + 8 + MAC_LEN;

const MAGIC: [u8; 8] = *b"SYJRHEAD";
const CLEAN: u8 = 1;
const RELAXED: u8 = 2;

/// The end of the journal, and the circumstances of the write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The state after the last record whose commit has returned.
    pub position: Position,
    /// The durability of the commits.
    pub durability: Durability,
    /// Whether the service stopped after this, and synced everything first.
    pub clean: bool,
    /// The boot in which the frame was written.
    pub boot_id: [u8; 16],
    /// The inode of the file that holds this frame. In a copy of the folder the file has another inode. The inode of a segment could
    /// not be used: a journal whose last segment was deleted would look like a copy.
    pub inode: u64,
}

impl Head {
    /// The frame as it is stored.
    pub fn encode(&self, key: &RowsKey) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[16..104].copy_from_slice(&self.position.to_bytes());
        let relaxed = if self.durability == Durability::Relaxed { RELAXED } else { 0 };
        bytes[104] = relaxed | if self.clean { CLEAN } else { 0 };
        bytes[112..128].copy_from_slice(&self.boot_id);
        bytes[128..136].copy_from_slice(&self.inode.to_le_bytes());
        frame::seal(key, MAGIC, &mut bytes);
        bytes
    }

    /// Reads the frame from the whole content of this file.
    pub fn read(key: &RowsKey, file: &Path, bytes: &[u8]) -> Result<Self, FormatError> {
        Self::verify(key, bytes).map_err(|what| FormatError::damaged(file, 0, what))
    }

    fn verify(key: &RowsKey, bytes: &[u8]) -> Result<Self, FrameDamage> {
        let (whole, rest) = bytes.split_at_checked(HEAD_LEN).ok_or(FrameDamage::Cut)?;
        if !rest.is_empty() {
            return Err(FrameDamage::Trailing);
        }
        Self::take(&mut frame::open(key, MAGIC, whole)?).ok_or(FrameDamage::Content)
    }

    fn take(fields: &mut Fields<'_>) -> Option<Self> {
        let position = Position::take(fields)?;
        let [flags, zeros @ ..] = fields.array::<8>()?;
        if flags & !(CLEAN | RELAXED) != 0 || zeros != [0; 7] {
            return None;
        }
        let durability = if flags & RELAXED == 0 { Durability::Full } else { Durability::Relaxed };
        let clean = flags & CLEAN != 0;
        Some(Self { position, durability, clean, boot_id: fields.array()?, inode: fields.u64()? })
    }
}
