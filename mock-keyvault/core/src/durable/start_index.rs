//! Opens the index at a start, and updates it to the end of the journal or rebuilds it.
//!
//! Called by `start.rs`, which decides whether the journal is accepted.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::changes::Changes;
use super::error::FormatError;
use super::index::Index;
use super::key::RowsKey;
use super::layout::Layout;
use super::op::Op;
use super::options::OpenOptions;
use super::outcome::{Notice, OpenError};
use super::position::Position;
use super::reach::{Reach, read_segment};
use super::rebuild;
use super::removal::remove;
use super::scan::Scan;
use crate::disk_space::is_out_of_space;

/// The index as it was found.
pub(super) enum ExistingIndex {
    /// It can be opened, and is at this position.
    Usable(Index, Position),
    /// It cannot be used, for this reason. It is kept for people to inspect.
    Damaged(String),
    /// It is missing.
    None,
}

/// Opens the index in this folder.
pub(super) fn open_index(at: &Path, options: &OpenOptions<'_>) -> Result<ExistingIndex, OpenError> {
    if !at.join("db").try_exists()? {
        return Ok(ExistingIndex::None);
    }
    let opened =
        Index::open(at, options.trees).and_then(|index| Ok((index.sealed_position()?, index)));
    match opened {
        Ok((Some(sealed), index)) => Ok(match Position::unseal(&options.key, &sealed) {
            Some(position) => ExistingIndex::Usable(index, position),
            None => ExistingIndex::Damaged("its position does not verify".to_owned()),
        }),
        Ok((None, _)) => Ok(ExistingIndex::Damaged("it holds no rows of this journal".to_owned())),
        // These errors say nothing about the content of the files.
        Err(error)
            if is_out_of_space(&error)
                || matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::WouldBlock
                ) =>
        {
            Err(error.into())
        }
        Err(error) => Ok(ExistingIndex::Damaged(error.to_string())),
    }
}

/// Rebuilds the index from the journal, and sets a damaged one aside.
pub(super) fn rebuild_index(
    layout: &Layout,
    options: &OpenOptions<'_>,
    reach: &Reach,
    why: Option<String>,
    notices: &mut Vec<Notice>,
) -> Result<Index, OpenError> {
    // A first start that was interrupted may have left an unfinished index.
    let is_new = reach.end.generation == 0;
    let aside = match &why {
        Some(_) if !is_new => rebuild::set_aside(layout)?,
        _ => remove(&layout.index()).map(|()| None)?,
    };
    let index = layout.index();
    let to = rebuild::To { at: &index, trees: options.trees, end: &reach.end };
    let build = || rebuild::build(layout, &options.key, &to, &AtomicBool::new(false));
    let built = match (build(), &aside) {
        // The damaged index is only for people to inspect, and the rows need its space.
        (Err(FormatError::Io(error)), Some(aside)) if is_out_of_space(&error) => {
            remove(aside)?;
            build()
        }
        (built, _) => built,
    };
    let index = built.map_err(|error| OpenError::from_format(error, options.repair))?;
    if !is_new {
        let why = why.unwrap_or_else(|| "it was missing".to_owned());
        notices.push(Notice::Rebuilt { why, aside });
    }
    Ok(index)
}

/// Applies the missing changes to the index.
pub(super) fn replay(
    index: &Index,
    key: &RowsKey,
    segments: &[(u64, PathBuf)],
    mut at: Position,
    end: &Position,
) -> Result<(), FormatError> {
    for (_, path) in segments {
        if at == *end {
            break;
        }
        let bytes = read_segment(path)?;
        for located in Scan::new(key, path, &bytes)? {
            let record = located.record;
            if !record.continues(&at) {
                continue;
            }
            let mut changes = Changes::new();
            for op in record.ops() {
                match op {
                    Op::Put { tree, key, value } => {
                        changes.entry(tree).or_default().insert(key.into(), Some(value.into()));
                    }
                    Op::Remove { tree, key } => {
                        changes.entry(tree).or_default().insert(key.into(), None);
                    }
                    Op::Attachment { .. } => {}
                }
            }
            at = record.position;
            index.apply(&changes, &at.seal(key))?;
            if at == *end {
                break;
            }
        }
    }
    Ok(())
}
