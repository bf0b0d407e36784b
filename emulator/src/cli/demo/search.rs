//! Searches all files of a folder for every window of sixteen bytes of the pushed content.
//!
//! A window of equal bytes, such as the padding of an archive, is skipped, because it proves nothing. To show that a
//! search without a hit is meaningful, the same search must find the bytes in a plain copy.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use fs_err as fs;

/// The length of a window.
pub(super) const WINDOW: usize = 16;

/// The windows to search for.
pub(super) struct Windows(HashSet<[u8; WINDOW]>);

/// The searched files, and the hits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Searched {
    pub(super) files: u64,
    pub(super) bytes: u64,
    /// The files that contain a window.
    pub(super) hits: Vec<String>,
}

impl Windows {
    pub(super) fn new(secrets: &[&[u8]]) -> Self {
        let windows = secrets.iter().flat_map(|secret| secret.array_windows::<WINDOW>());
        Self(
            windows
                .filter(|window| window.iter().any(|byte| *byte != window[0]))
                .copied()
                .collect(),
        )
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether these bytes contain a window.
    pub(super) fn occur_in(&self, bytes: &[u8]) -> bool {
        bytes.array_windows::<WINDOW>().any(|window| self.0.contains(window))
    }

    /// Searches every file below a folder. Blocks.
    pub(super) fn search(&self, folder: &Path) -> io::Result<Searched> {
        let mut searched = Searched::default();
        for path in files_below(folder)? {
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                // The database replaces some of its files meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            searched.files += 1;
            searched.bytes += bytes.len() as u64;
            if self.occur_in(&bytes) {
                let path = path.strip_prefix(folder).unwrap_or(&path);
                searched.hits.push(path.display().to_string());
            }
        }
        Ok(searched)
    }
}

/// Every file below a folder.
pub(super) fn files_below(folder: &Path) -> io::Result<Vec<std::path::PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(at)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_found_at_any_offset_and_other_bytes_are_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("deep")).unwrap();
        fs::write(folder.path().join("deep/file"), b"xyz an annotation that says so").unwrap();
        fs::write(folder.path().join("zeros"), [0; 100]).unwrap();

        let there = Windows::new(&[b"some words and an annotation that says"]);
        let not_there = Windows::new(&[b"something else altogether", &[0; 100]]);

        assert_eq!(there.search(folder.path()).unwrap().hits, ["deep/file"]);
        let searched = not_there.search(folder.path()).unwrap();
        assert_eq!((searched.files, searched.bytes, searched.hits.len()), (2, 130, 0));
    }
}
