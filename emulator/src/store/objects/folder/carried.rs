//! Small files that are stored in the journal too.
//!
//! A push of a small object would wait for three syncs: of its file, of the folder, and of the journal. So the sealed content
//! is attached to the transaction that names the file in a row, and only the journal is synced. The file is written as
//! well, and is read like any other file. A power cut can lose it or a part of it: the next start replays the journal to a
//! [`Restorer`], and the journal keeps attachments until the files have been synced.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::op::Op;

use crate::store::disk::{create_private, remove_if_there};
use crate::store::file_id::FileId;
use crate::store::layout::Layout;
use crate::store::rows::ObjectRow;
use crate::store::tables::Table;

/// The longest file that goes into the journal, in bytes. A larger one costs the journal more than its syncs.
pub(in crate::store) const MAX_CARRIED_LEN: u64 = 16 << 10;

impl ObjectRow {
    /// Whether the journal may have carried its file. If the row has no length of the file, the length of the content decides.
    pub fn may_be_carried(&self) -> bool {
        self.sealed_len.unwrap_or(self.size) <= MAX_CARRIED_LEN
    }
}

/// The file of an attachment of this name.
pub(in crate::store) fn carried_file(name: &[u8]) -> Option<FileId> {
    std::str::from_utf8(name).ok()?.parse().ok()
}

/// The content of a file, if it is small enough for the journal.
pub(super) fn content(file: &fs::File) -> io::Result<Option<Vec<u8>>> {
    let Some(len) = Some(file.metadata()?.len()).filter(|len| *len <= MAX_CARRIED_LEN) else {
        return Ok(None);
    };
    let mut content = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    Ok(Some(content))
}

/// Restores the files of attachments.
///
/// It sees the changes of the journal in order, since the index of the rows is not checked yet. A file that was deleted
/// later is removed again if it was restored here.
#[derive(Debug)]
pub(in crate::store) struct Restorer<'a> {
    layout: &'a Layout,
    restored: RefCell<HashSet<FileId>>,
}

impl<'a> Restorer<'a> {
    pub(in crate::store) fn new(layout: &'a Layout) -> Self {
        Self { layout, restored: RefCell::default() }
    }

    /// Applies the next change of the journal.
    pub(in crate::store) fn see(&self, op: &Op<'_>) -> io::Result<()> {
        match *op {
            Op::Attachment { name, content } => {
                let id = carried_file(name).ok_or_else(|| {
                    let message =
                        "the journal holds a file with a name that this program does not use";
                    io::Error::new(io::ErrorKind::InvalidData, message)
                })?;
                self.restore(id, content)
            }
            Op::Remove { tree, key } if tree == Table::Files as u8 => self.forget(key),
            Op::Remove { .. } | Op::Put { .. } => Ok(()),
        }
    }

    /// Writes the file, unless it has this content. It is not synced: after another power cut, the next start restores it again.
    pub(in crate::store) fn restore(&self, id: FileId, content: &[u8]) -> io::Result<()> {
        let path = self.layout.file(id);
        if holds(&path, content)? {
            return Ok(());
        }
        let temporary = self.layout.new_file(id);
        remove_if_there(&temporary)?;
        let mut file = create_private(&temporary)?;
        file.write_all(content)?;
        fs::rename(&temporary, &path)?;
        self.restored.borrow_mut().insert(id);
        Ok(())
    }

    fn forget(&self, key: &[u8]) -> io::Result<()> {
        let id = key.try_into().map(FileId::from_bytes);
        match id.ok().filter(|id| self.restored.borrow_mut().remove(id)) {
            Some(id) => remove_if_there(&self.layout.file(id)),
            None => Ok(()),
        }
    }
}

/// Whether a file has this content. A file of another length is not read.
fn holds(path: &Path, content: &[u8]) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(found) if found.len() == content.len() as u64 => Ok(fs::read(path)? == content),
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
