//! The index at a start: opened, brought to the end of the journal, or built again from it.
//!
//! Called by `start.rs`, which judges the journal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::OpenOptions;
use super::error::FormatError;
use super::index::Index;
use super::key::RowsKey;
use super::layout::Layout;
use super::op::Op;
use super::outcome::{Notice, OpenError};
use super::position::Position;
use super::reach::{Reach, read_segment};
use super::rebuild;
use super::scan::Scan;
use super::start::refused;
use crate::room::is_lacking;

/// The index as it was found.
pub(super) enum Old {
    /// It opens, and says where it is.
    Usable(Index, Position),
    /// It cannot be used, for this reason; it is worth keeping for a look.
    Damaged(String),
    /// It is not there.
    None,
}

/// Opens the index in this folder.
pub(super) fn open_index(at: &Path, options: &OpenOptions<'_>) -> Result<Old, OpenError> {
    if !at.join("db").try_exists()? {
        return Ok(Old::None);
    }
    let opened =
        Index::open(at, options.trees).and_then(|index| Ok((index.sealed_position()?, index)));
    match opened {
        Ok((Some(sealed), index)) => Ok(match Position::unseal(&options.key, &sealed) {
            Some(position) => Old::Usable(index, position),
            None => Old::Damaged("its position does not verify".to_owned()),
        }),
        Ok((None, _)) => Ok(Old::Damaged("it holds no rows of this journal".to_owned())),
        // These say nothing about what is in the files.
        Err(error)
            if is_lacking(&error)
                || matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::WouldBlock
                ) =>
        {
            Err(error.into())
        }
        Err(error) => Ok(Old::Damaged(error.to_string())),
    }
}

/// Builds the index from the journal. A damaged one is set aside.
pub(super) fn rebuild_index(
    layout: &Layout,
    options: &OpenOptions<'_>,
    reach: &Reach,
    why: Option<String>,
    notices: &mut Vec<Notice>,
) -> Result<Index, OpenError> {
    // At the first start the index may be half made.
    let is_new = reach.end.generation == 0;
    let aside = match &why {
        Some(_) if !is_new => rebuild::set_aside(layout)?,
        _ => rebuild::remove(&layout.index()).map(|()| None)?,
    };
    let index = layout.index();
    let to = rebuild::To { at: &index, trees: options.trees, end: &reach.end };
    let build = || rebuild::build(layout, &options.key, &to, &AtomicBool::new(false));
    let built = match (build(), &aside) {
        // The damaged one is for people to look at: the rows need its room more.
        (Err(FormatError::Io(error)), Some(aside)) if is_lacking(&error) => {
            rebuild::remove(aside)?;
            build()
        }
        (built, _) => built,
    };
    let index = built.map_err(|error| refused(error, options))?;
    if !is_new {
        let why = why.unwrap_or_else(|| "it was not there".to_owned());
        notices.push(Notice::Rebuilt { why, aside });
    }
    Ok(index)
}

/// Applies to the index what it lacks.
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
            let mut changes = super::transaction::Changes::new();
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
