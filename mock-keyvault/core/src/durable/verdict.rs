//! Decides whether the end of a journal is complete, incomplete because of a crash or a copy, or damaged.
//!
//! Called at a start, by [`super::start`], with the state of the journal. It reads nothing and changes nothing.
//!
//! An acknowledged record is never dropped silently. Records that were not on the disk may be missing after the machine stopped.
//! A copy of a folder in use may lack anything that was written while the copy was made.

use super::durability::Durability;
use super::head::Head;
use super::outcome::Notice;
use super::position::Position;

/// The state of the end of the journal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// The state after the last record that verifies.
    pub(super) end: Position,
    /// The bytes after that record.
    pub(super) trailing: TrailingBytes,
    /// The head, if it could be read.
    pub(super) head: Option<Head>,
    /// Whether the head names `end` or a record before it; `None` if the read records do not reach back to the head's position.
    pub(super) head_is_on_chain: Option<bool>,
    /// The generation of the index, if it is in the epoch of the journal.
    pub(super) index: Option<u64>,
    /// The current boot.
    pub(super) boot_id: [u8; 16],
    /// The inode of the file of the head.
    pub(super) inode: u64,
}

/// The bytes after the last record that verifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrailingBytes {
    /// Only zeros.
    Nothing,
    /// The beginning of one record, and zeros.
    Torn,
    /// Bytes that are not a record, with no record after them.
    Junk,
    /// Records that do not continue the last record that verifies.
    Records {
        /// The highest generation that was on the disk when one of them was written.
        synced_through: u64,
        /// Whether zeros up to the end of a page lie between them and the last good record, as in a copy that was made while
        /// records were appended.
        hole: bool,
    },
}

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The journal ends there. Remove everything after it, and report these notices.
    Accept(Vec<Notice>),
    /// Records that were acknowledged are missing or damaged.
    Damaged,
}

/// Makes the decision.
pub(super) fn judge(found: &Found) -> Verdict {
    let Found { end, trailing, head, index, .. } = *found;
    let through = end.generation;
    let Some(head) = head else { return judge_without_head(found) };
    if head.position.epoch != end.epoch || found.head_is_on_chain == Some(false) {
        return Verdict::Damaged;
    }
    let same_boot = head.boot_id == found.boot_id;
    let copied = head.inode != found.inode;
    let copied_in_use = copied && !head.clean;
    let crashed = !same_boot && !head.clean;
    let mut notices = Vec::new();
    let is_whole = head.position.generation <= through
        && matches!(trailing, TrailingBytes::Nothing | TrailingBytes::Torn)
        && index.is_none_or(|index| index <= through);
    if head.durability == Durability::Relaxed && !same_boot && !is_whole {
        // Nothing was synced: after a power cut anything may be missing, since pages reach the disk in any order.
        return Verdict::Accept(vec![Notice::Shortened { through }]);
    }
    if through < head.position.generation {
        // Everything up to the head was acknowledged.
        match trailing {
            TrailingBytes::Records { hole: false, .. } => return Verdict::Damaged,
            _ if copied_in_use => notices.push(Notice::Copied { through }),
            _ => return Verdict::Damaged,
        }
    } else {
        match trailing {
            TrailingBytes::Nothing | TrailingBytes::Torn => {}
            TrailingBytes::Junk
                if head.position.generation == through || crashed || copied_in_use =>
            {
                notices.push(Notice::Shortened { through });
            }
            TrailingBytes::Records { hole: true, .. } if copied_in_use => {
                notices.push(Notice::Copied { through });
            }
            TrailingBytes::Records { synced_through, .. }
                if synced_through <= through && crashed =>
            {
                notices.push(Notice::Shortened { through });
            }
            TrailingBytes::Junk | TrailingBytes::Records { .. } => return Verdict::Damaged,
        }
    }
    if notices.is_empty() && index.is_some_and(|index| through < index) {
        if copied {
            notices.push(Notice::Copied { through });
        } else if crashed {
            notices.push(Notice::Shortened { through });
        } else {
            return Verdict::Damaged;
        }
    }
    Verdict::Accept(notices)
}

/// Decides without a head, from the journal and the index only.
fn judge_without_head(found: &Found) -> Verdict {
    let index_is_ahead = found.index.is_some_and(|index| found.end.generation < index);
    match found.trailing {
        TrailingBytes::Nothing | TrailingBytes::Torn if !index_is_ahead => {
            Verdict::Accept(vec![Notice::HeadMissing])
        }
        _ => Verdict::Damaged,
    }
}
