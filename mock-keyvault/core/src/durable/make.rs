//! Creates a journal in a temporary folder, and then moves it to its place.
//!
//! Called for a new folder, by a migration and by a repair.

use std::os::unix::fs::MetadataExt;

use crate::disk_calls as fs;

use super::durability::Durability;
use super::head::Head;
use super::journal::FIRST_SEGMENT_LEN;
use super::layout::{Layout, create_private, make_segment};
use super::options::OpenOptions;
use super::outcome::OpenError;
use super::position::Position;
use super::segment::SegmentHeader;
use crate::folders::sync_dir;

/// Creates a journal that begins at this position. After a kill, either all of it exists or nothing. It calls `before` with the
/// paths of the unfinished journal before the journal gets its name.
pub(super) fn make_journal(
    options: &OpenOptions<'_>,
    position: Position,
    before: &dyn Fn(&Layout) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let layout = Layout::unfinished(options.folder);
    if layout.journal().try_exists()? {
        fs::remove_dir_all(layout.journal())?;
    }
    fs::create_dir(layout.journal())?;
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(layout.journal(), private)?;
    let path = layout.segment(position.generation + 1);
    let segment = make_segment(&path, FIRST_SEGMENT_LEN, options.durability)?;
    segment.write_all_at(&SegmentHeader { before: position }.encode(&options.key), 0)?;
    let head = create_private(&layout.head())?;
    let (durability, boot_id) = (options.durability, fs::boot_id(options.folder)?);
    let inode = head.metadata()?.ino();
    let frame = Head { position, durability, clean: false, boot_id, inode };
    head.write_all_at(&frame.encode(&options.key), 0)?;
    if options.durability == Durability::Full {
        segment.sync_all()?;
        head.sync_all()?;
    }
    before(&layout)?;
    if options.durability == Durability::Full {
        sync_dir(layout.journal())?;
    }
    fs::rename(layout.journal(), Layout::new(options.folder).journal())?;
    if options.durability == Durability::Full {
        sync_dir(options.folder)?;
    }
    Ok(())
}
