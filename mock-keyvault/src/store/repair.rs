//! The rows of a vault in a repair: their key, and the list of lost rows.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::folder;
use super::layout::{AUTHORIZATION, KEY, POLICY, ROWS, SEPARATOR, VAULT, VERSION};
use azure_emulator_core::durable::error::FormatError;
use azure_emulator_core::durable::key::RowsKey;
use azure_emulator_core::durable::repair::{LostRow, Repair};

pub(crate) use super::folder::{examine, marker_path};
pub(crate) use super::layout::TREES;

/// Writes the marker of a folder whose rows are whole.
pub(crate) fn write_marker(data_folder: &Path) -> io::Result<()> {
    folder::write_marker(data_folder, false)
}

/// The key of the journal. A repair never creates it.
pub(crate) fn journal_key(data_folder: &Path) -> io::Result<Arc<RowsKey>> {
    Ok(Arc::new(RowsKey::from_root(&folder::journal_key(data_folder, false)?)))
}

/// Key versions that cannot be restored, and all other losses, as text.
pub(crate) fn lost(repair: &Repair) -> Result<(Vec<String>, Vec<String>), FormatError> {
    let (mut keys, mut others) = (Vec::new(), Vec::new());
    for row in repair.lost_rows(&[ROWS, AUTHORIZATION])? {
        let LostRow { tree, key, known, restored } = &row;
        if *tree == AUTHORIZATION {
            others.extend(role_assignment(&row));
            continue;
        }
        let (kind, name) = named(key);
        let is_back = known.is_none();
        let changed = restored.is_some() && known.is_some();
        match kind {
            VERSION if restored.is_none() => keys.push(name),
            VERSION if is_back => others.push(format!("the deletion of the key version {name}")),
            VERSION if changed => others.push(format!("a change of the key version {name}")),
            KEY if is_back => others.push(format!("the purge of the key {name}")),
            KEY if changed => others.push(format!("the deletion or recovery of the key {name}")),
            VAULT if restored.is_none() => others.push(format!("the vault {name}")),
            VAULT if is_back => others.push(format!("the deletion of the vault {name}")),
            VAULT => others.push(format!("a change of the vault {name}")),
            POLICY => others.push(format!("a change of the access policy {name}")),
            _ => (),
        }
    }
    others.dedup();
    Ok((keys, others))
}

/// The role assignment of a row. Other rows of the tree mean nothing to a person.
fn role_assignment(row: &LostRow) -> Option<String> {
    let name = uuid::Uuid::from_slice(row.key.strip_prefix(b"a")?).ok()?;
    Some(match (&row.known, &row.restored) {
        (None, _) => format!("the deletion of the role assignment {name}"),
        (Some(_), None) => format!("the role assignment {name}"),
        (Some(_), Some(_)) => format!("a change of the role assignment {name}"),
    })
}

/// The kind of a row, and the names in its key.
fn named(key: &[u8]) -> (u8, String) {
    let (kind, names) = key.split_first().unwrap_or((&0, &[]));
    let names = names.strip_prefix(&[SEPARATOR]).unwrap_or(names);
    let parts = names.split(|byte| *byte == SEPARATOR).map(String::from_utf8_lossy);
    (*kind, parts.collect::<Vec<_>>().join("/"))
}
