//! The parts of every frame: a magic and a version at its beginning, and an authentication code at its end.
//!
//! The headers of segments and checkpoints, and the head, are such frames. Records have another form.

use super::bytes::Fields;
use super::error::FrameDamage;
use super::key::{MAC_LEN, RowsKey};

/// The bytes before the content: magic and version.
pub(super) const FRONT_LEN: usize = 8 + 8;

/// The version of every frame.
const VERSION: u64 = 1;

/// Fills in the magic, the version and the code. The content, after the first [`FRONT_LEN`] bytes, is already in the frame, which
/// must be longer than front and code together.
pub(super) fn seal(key: &RowsKey, magic: [u8; 8], frame: &mut [u8]) {
    let (covered, mac) = frame.split_at_mut(frame.len() - MAC_LEN);
    covered[..8].copy_from_slice(&magic);
    covered[8..FRONT_LEN].copy_from_slice(&VERSION.to_le_bytes());
    mac.copy_from_slice(&key.mac(&[covered]));
}

/// The content of a frame that [`seal`] finished under this key and magic.
pub(super) fn open<'a>(
    key: &RowsKey,
    magic: [u8; 8],
    frame: &'a [u8],
) -> Result<Fields<'a>, FrameDamage> {
    let (covered, mac) = frame.split_last_chunk::<MAC_LEN>().ok_or(FrameDamage::Cut)?;
    let mut fields = Fields(covered);
    if fields.array() != Some(magic) {
        return Err(FrameDamage::Magic);
    }
    if !key.verifies(&[covered], mac) {
        return Err(FrameDamage::Mac);
    }
    if fields.u64() != Some(VERSION) {
        return Err(FrameDamage::Version);
    }
    Ok(fields)
}
