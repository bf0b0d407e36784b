//! The options for opening rows.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::durability::Durability;
use super::key::RowsKey;
use super::op::Op;
use crate::disk_space::DiskSpace;

/// The options for opening rows.
pub struct OpenOptions<'a> {
    /// The data folder of the service.
    pub folder: &'a Path,
    /// The names of all trees. New names are only appended, since the index of a tree in the list is part of the format.
    pub trees: &'static [&'static str],
    /// The key of the journal.
    pub key: Arc<RowsKey>,
    /// How durable a commit is.
    pub durability: Durability,
    /// The space on the device, and the reserve for a full disk.
    pub disk_space: Arc<DiskSpace>,
    /// Whether the folder is new. Then a missing journal is created; otherwise it is damage.
    pub is_new: bool,
    /// The command that repairs the folder, for the messages.
    pub repair: &'a str,
    /// The numbers of the trees whose rows the service keeps in memory from its start on.
    pub remembered: &'static [u8],
    /// A folder of an older format, which is removed when these rows are closed cleanly.
    pub superseded: Option<&'a Path>,
    /// Called with the changes of the journal, in order, if small files whose content is attached to it may not be on the disk: after
    /// a power cut, or in a copy of the folder. A later removal of a row can mean that such a file is no longer needed.
    pub restore: Option<&'a Restore<'a>>,
}

/// A function that handles a change of the journal.
pub type Restore<'a> = dyn Fn(&Op<'_>) -> io::Result<()> + 'a;

impl fmt::Debug for OpenOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenOptions").field("folder", &self.folder).finish_non_exhaustive()
    }
}
