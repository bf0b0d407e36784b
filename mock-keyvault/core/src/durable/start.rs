//! A start: finds the end of the journal and updates the index to it, or refuses the folder.
//!
//! Called by [`super::Rows::open`]. Until the journal is accepted, nothing in the folder is changed, except that sled writes to the
//! index when it opens it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::disk_calls as fs;

use super::attachments::each_op;
use super::disk;
use super::durability::Durability;
use super::error::FormatError;
use super::index::Index;
use super::journal::{Journal, Tail};
use super::key::RowsKey;
use super::layout::{Layout, create_private};
use super::look::{Damage, JournalState};
use super::op::Op;
use super::options::{OpenOptions, Restore};
use super::outcome::{Notice, OpenError};
use super::position::Position;
use super::proof::PROVEN_FIRST;
use super::prove::sum_of;
use super::reach::Reach;
use super::rebuild;
use super::repair::{Earlier, WorkFolder};
use super::set_sum::SetSum;
use super::start_index::{ExistingIndex, open_index, rebuild_index, replay};
use super::verdict::{TrailingBytes, Verdict};
use crate::disk_space::is_out_of_space;
use crate::folders::sync_dir;

/// The result of a start.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) journal: Journal,
    pub(super) tail: Tail,
    pub(super) index: Index,
    /// The set sum of the index, if it was computed while the journal was read and nothing was changed after that.
    pub(super) early_sum: Option<io::Result<SetSum>>,
    pub(super) notices: Vec<Notice>,
}

/// Opens the journal and the index of a data folder.
pub(super) fn start(options: &OpenOptions<'_>) -> Result<Started, OpenError> {
    let layout = Layout::new(options.folder);
    let key = &options.key;
    let repaired = WorkFolder::new(options.folder).finish(key)?;
    let missing = || {
        let folder = layout.journal().to_owned();
        OpenError::Missing { folder, repair: options.repair.to_owned() }
    };
    // This comes first: without a segment, the index is left for the repair.
    match layout.segments() {
        Ok(segments) if !segments.is_empty() => (),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => return Err(missing()),
    }
    let has_healed = layout.healed_index().try_exists()?;
    let at = if has_healed { layout.healed_index() } else { layout.index() };
    let mut old = open_index(&at, options)?;
    let of_index = match &old {
        ExistingIndex::Usable(_, position) => Some(*position),
        _ => None,
    };
    let (looked, early_sum) = beside_sum(&old, key, || JournalState::at(&layout, key, of_index));
    let looked = looked
        .map_err(|error| OpenError::from_format(error, options.repair))?
        .ok_or_else(missing)?;
    let Verdict::Accept(mut notices) = looked.judge() else {
        return Err(match looked.damage() {
            Ok(Damage { file, offset, generation, what }) => {
                let repair = options.repair.to_owned();
                OpenError::Damaged { file, offset, generation, what, repair }
            }
            Err(error) => OpenError::from_format(error, options.repair),
        });
    };
    let JournalState { segments, head, inode, boot_id: boot, reach, .. } = looked;
    notices.extend(repaired.map(|Earlier { kept, lost }| Notice::RepairFinished { kept, lost }));
    if notices.iter().any(Notice::is_loss) {
        // Before anything is removed. Without this file the next start would find a sound journal, and remove the files that the lost
        // rows named.
        note_loss(&layout)
            .map_err(|error| OpenError::LossNotNoted { file: layout.loss(), error })?;
    }
    if !layout.loss().try_exists()? {
        // Nothing was lost, or an earlier run found all files safe that the loss had affected.
        layout.remove_cut()?;
    }
    cut(&layout, &reach, options.durability)?;
    layout.remove_unfinished()?;
    if has_healed {
        // sled cannot keep a folder open that is renamed.
        drop(old);
        rebuild::adopt_healed(&layout)?;
        old = open_index(&layout.index(), options)?;
    }
    let on_chain = of_index.is_some() && reach.passed.first().copied().flatten() == Some(true);
    let early_sum = early_sum.filter(|_| !has_healed && on_chain && of_index == Some(reach.end));
    let index = match old {
        ExistingIndex::Usable(index, position) if on_chain => {
            replay(&index, key, &segments, position, &reach.end)
                .map_err(|error| OpenError::from_format(error, options.repair))?;
            index
        }
        ExistingIndex::Usable(index, _) => {
            drop(index);
            let why = "it was not that of the journal".to_owned();
            rebuild_index(&layout, options, &reach, Some(why), &mut notices)?
        }
        ExistingIndex::Damaged(why) => {
            rebuild_index(&layout, options, &reach, Some(why), &mut notices)?
        }
        ExistingIndex::None => rebuild_index(&layout, options, &reach, None, &mut notices)?,
    };
    // A stop is clean only if commits waited for the disk.
    let is_at_rest = head.is_some_and(|head| head.clean && head.durability == Durability::Full);
    // In the same boot the kernel has every file, unless the folder is a copy whose files are older than its journal. After a power
    // cut files may be missing even if the service stopped before, since it did not sync them.
    let lacks_files = head.is_none_or(|head| head.boot_id != boot || head.inode != inode);
    if let Some(restore) = options.restore.filter(|_| lacks_files) {
        restore_files(&layout, key, &reach.end, restore)
            .map_err(|error| OpenError::from_format(error, options.repair))?;
    }
    let file = fs::OpenOptions::new().read(true).write(true).open(&reach.segment)?;
    let tail =
        Tail { position: reach.end, file: Arc::new(file), offset: reach.offset, len: reach.len };
    let is_full = options.durability == Durability::Full;
    if is_full && !is_at_rest {
        // The files may only be in the kernel's memory, and the next record will state that they are synced.
        for (_, path) in layout.segments()?.into_iter().chain(layout.checkpoints()?) {
            disk::sync(&fs::File::open(path)?)?;
        }
        sync_dir(layout.journal())?;
    }
    let head = open_head(&layout)?;
    let (key, durability) = (Arc::clone(key), options.durability);
    let journal = Journal::new(layout, key, durability, head, reach.end, is_full)?;
    Ok(Started { journal, tail, index, early_sum, notices })
}

/// Reads the journal, and computes the set sum of a small index at the same time, since the proof of a small index is a part of the
/// start.
fn beside_sum<T>(
    index: &ExistingIndex,
    key: &RowsKey,
    read: impl FnOnce() -> T,
) -> (T, Option<io::Result<SetSum>>) {
    let ExistingIndex::Usable(index, _) = index else {
        return (read(), None);
    };
    if !index.size_on_disk().is_ok_and(|size| size <= PROVEN_FIRST) {
        return (read(), None);
    }
    std::thread::scope(|scope| {
        let sum = std::thread::Builder::new()
            .name("rows".to_owned())
            .spawn_scoped(scope, || sum_of(index, key, &AtomicBool::new(false)));
        let read = read();
        // Without a thread, or after a panic of sled, the proof computes it again and reports what it finds.
        (read, sum.ok().and_then(|sum| sum.join().ok()))
    })
}

/// Notes in a file that rows are lost.
fn note_loss(layout: &Layout) -> io::Result<()> {
    disk::ensure_space_for(&layout.loss())?;
    crate::files::write_whole(&layout.loss(), b"", crate::files::Access::Private)
}

/// Opens the file of the head, or creates it. The caller writes its content.
fn open_head(layout: &Layout) -> io::Result<fs::File> {
    let path = layout.head();
    match fs::OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => {
            file.set_len(super::head::HEAD_LEN as u64)?;
            Ok(file)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_private(&path),
        Err(error) => Err(error),
    }
}

/// Passes the small files that are attached to the journal to `restore`, since they were not synced themselves.
fn restore_files(
    layout: &Layout,
    key: &RowsKey,
    end: &Position,
    restore: &Restore<'_>,
) -> Result<(), FormatError> {
    let segments: Vec<PathBuf> = layout.segments()?.into_iter().map(|(_, path)| path).collect();
    let each = |op: &Op<'_>| Ok(restore(op)?);
    if let Some(damage) = each_op::<FormatError>(key, &segments, end.generation, each)? {
        tracing::warn!(error = %damage, "some small files in the journal may not be restored");
    }
    Ok(())
}

/// Removes everything after the end of the journal. If that is more than a part of one record, it is kept under another name.
fn cut(layout: &Layout, reach: &Reach, durability: Durability) -> io::Result<()> {
    for path in &reach.rest {
        Layout::set_aside(path)?;
    }
    if matches!(reach.trailing, TrailingBytes::Junk | TrailingBytes::Records { .. }) {
        match Layout::save_copy(&reach.segment) {
            Err(error) if is_out_of_space(&error) => {
                tracing::warn!(%error, "cannot keep a copy of the removed part of the journal");
            }
            kept => kept?,
        }
    }
    if reach.trailing != TrailingBytes::Nothing {
        let file = fs::OpenOptions::new().write(true).open(&reach.segment)?;
        let zeros = vec![0; 64 << 10];
        let mut at = reach.offset;
        while at < reach.len {
            let part = zeros.len().min(usize::try_from(reach.len - at).unwrap_or(usize::MAX));
            file.write_all_at(&zeros[..part], at)?;
            at += part as u64;
        }
        file.sync_data()?;
    }
    for (generation, path) in layout.checkpoints()? {
        if reach.end.generation < generation {
            Layout::set_aside(&path)?;
        }
    }
    if durability == Durability::Full && !reach.rest.is_empty() {
        sync_dir(layout.journal())?;
    }
    Ok(())
}
