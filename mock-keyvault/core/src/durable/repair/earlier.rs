//! The files that earlier repairs have left: the damaged rows, and the list of lost rows.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;
use serde::{Deserialize, Serialize};

use super::super::layout::LOST_FILE;
use crate::files::{Access, read_if_there, write_whole};

/// The prefix of the names of folders with damaged rows.
pub(super) const ASIDE: &str = "damaged-";

/// An earlier repair, as described by the files that it left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Earlier {
    /// The folder with the damaged rows.
    pub kept: PathBuf,
    /// Descriptions of the rows that it could not restore.
    pub lost: Vec<String>,
}

impl Earlier {
    /// The earlier repairs that could not restore everything and whose damaged rows are still kept, in order.
    pub fn all(root: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)) {
                found.push(Self::read(entry.path())?);
            }
        }
        found.retain(|earlier: &Self| !earlier.lost.is_empty());
        found.sort_by(|a, b| a.kept.cmp(&b.kept));
        Ok(found)
    }

    /// Adds entries to the list of lost rows in the folder of a repair. The next repair prints the list.
    pub fn add_lost(kept: &Path, lost: &[String]) -> io::Result<()> {
        let mut all = Self::read(kept.to_owned())?.lost;
        all.extend_from_slice(lost);
        write_lost(kept, &all)
    }

    /// The repair that kept its damaged rows in this folder.
    pub(super) fn read(kept: PathBuf) -> io::Result<Self> {
        let text = read_if_there(&kept.join(LOST_FILE))?.unwrap_or_default();
        let lost = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        Ok(Self { kept, lost })
    }
}

/// Writes the list into a folder.
pub(super) fn write_lost(folder: &Path, lost: &[String]) -> io::Result<()> {
    let lines: Vec<String> = lost.iter().map(|lost| one_line(lost)).collect();
    write_whole(&folder.join(LOST_FILE), (lines.join("\n") + "\n").as_bytes(), Access::Private)
}

/// Removes control characters: names come from clients, and must not begin a new line.
fn one_line(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
