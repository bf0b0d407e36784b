//! What earlier repairs have left: the damaged rows, and the list of what they could not bring back.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::files::{Access, read_if_there, write_whole};

/// What the names of folders with damaged rows begin with.
pub(super) const ASIDE: &str = "damaged-";

/// The file that lists what a repair could not bring back.
pub const LOST_FILE: &str = "lost.txt";

/// An earlier repair, as far as what it left says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Earlier {
    /// Where the damaged rows are kept.
    pub kept: PathBuf,
    /// What it could not bring back, in words.
    pub lost: Vec<String>,
}

impl Earlier {
    /// The earlier repairs whose damaged rows are still kept and that could not bring everything back, in order.
    pub fn all(root: &Path) -> io::Result<Vec<Self>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(root)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE)) {
                found.push(Self::of(entry.path())?);
            }
        }
        found.retain(|earlier: &Self| !earlier.lost.is_empty());
        found.sort_by(|a, b| a.kept.cmp(&b.kept));
        Ok(found)
    }

    /// Adds to what the repair that kept its damaged rows in this folder could not bring back. The next repair prints it.
    pub fn add_lost(kept: &Path, lost: &[String]) -> io::Result<()> {
        let mut all = Self::of(kept.to_owned())?.lost;
        all.extend_from_slice(lost);
        write_lost(kept, &all)
    }

    /// The one that kept what was damaged in this folder.
    pub(super) fn of(kept: PathBuf) -> io::Result<Self> {
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

/// Names come from clients of long ago: none of them begins a line of its own.
fn one_line(words: &str) -> String {
    words.chars().map(|char| if char.is_control() { ' ' } else { char }).collect()
}
