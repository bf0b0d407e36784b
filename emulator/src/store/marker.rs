//! `sealyard.json`, the file with the format version of the data folder.
//!
//! Every start and every repair reads it first. If it is missing or damaged, the rest of the folder decides the
//! format: only this program makes the journal and the service-managed key, and a start verifies the journal with the key.

use std::io;

use azure_emulator_core::disk_calls as fs;
use azure_emulator_core::durable::Durability;
use azure_emulator_core::durable::marker::Marker;

use super::disk::replace_file;
use super::error::StoreError;
use super::layout::{FORMAT_VERSION, Layout, OLD_FORMAT_VERSION, SERVICE_KEY};

/// The state of the marker file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is missing, and nothing else shows that the folder is ours.
    Nothing,
    /// It is damaged, or missing from a folder that is ours, and nothing else shows the format of the folder.
    Damage,
    /// It is missing or damaged, and the rows show this format.
    Assumed(Marker),
    /// It is intact.
    Marker(Marker),
}

/// Reads the marker. Fails for a version that this program does not know.
pub(super) fn read_marker(layout: &Layout) -> Result<Found, StoreError> {
    let bytes = match fs::read(layout.marker()) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let otherwise = if is_ours(layout) { Found::Damage } else { Found::Nothing };
            return Ok(assumed(layout).map_or(otherwise, Found::Assumed));
        }
        Err(error) => return Err(error.into()),
    };
    let Some(marker) = Marker::read(&bytes) else {
        return Ok(assumed(layout).map_or(Found::Damage, Found::Assumed));
    };
    if !(OLD_FORMAT_VERSION..=FORMAT_VERSION).contains(&marker.format_version) {
        return Err(StoreError::FormatVersion {
            path: layout.root().to_owned(),
            found: marker.format_version,
            supported: FORMAT_VERSION,
        });
    }
    Ok(Found::Marker(marker))
}

/// Derives the marker from the rows in the folder: the current format has a journal, and format 1 a database. The database stays
/// for a while after a migration: it is older than the new journal, and must not be migrated again.
fn assumed(layout: &Layout) -> Option<Marker> {
    if !layout.named(SERVICE_KEY).is_file() {
        return None;
    }
    let format_version = if layout.journal().is_dir() {
        FORMAT_VERSION
    } else if layout.old_rows().is_dir() && !layout.index().exists() && !layout.rings().exists() {
        OLD_FORMAT_VERSION
    } else {
        return None;
    };
    Some(Marker { format_version, unfinished: false })
}

/// Whether the folder has files that only this program makes, and only after the marker.
fn is_ours(layout: &Layout) -> bool {
    layout.named(SERVICE_KEY).is_file() && (layout.index().is_dir() || layout.files().is_dir())
}

/// Writes the marker of the present format.
pub(super) fn write_marker(
    layout: &Layout,
    unfinished: bool,
    durability: Durability,
) -> Result<Marker, StoreError> {
    let marker = Marker { format_version: FORMAT_VERSION, unfinished };
    replace_file(&layout.marker(), &marker.encode()?, durability)?;
    Ok(marker)
}
