//! A file to which lines are appended: the audit log and the event log.
//!
//! One call writes a line and gives it to the operating system, so that it survives the end of the process, even a kill.
//! It is not synced, so a power cut may lose the last lines. The next opening removes a half line that a full disk or a
//! kill left. Only the owner can read the files, and their number is limited: a full file is renamed to `NAME.1`, that one
//! to `NAME.2`, and so on; the oldest is removed. On a full disk a line takes its space from the reserve ([`DiskSpace`]).
//!
//! This module knows nothing of the content of the lines.

use std::ffi::OsString;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk_calls as fs;

use crate::disk_space::{DiskSpace, Purpose, is_out_of_space};

/// How often a line is tried if another program uses its space up first.
const TRIES: u32 = 3;

/// The limits on the size and the number of the files.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The largest size of a file. A line that would exceed it begins a new file.
    pub bytes: u64,
    /// How many full files are kept.
    pub old_files: u32,
}

/// The reason that a line cannot be written, without the paths that the error of the operating system may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// There is no space for it, not even in the reserve.
    #[error("the disk is full")]
    DiskFull,
    /// The file cannot be written for another reason.
    #[error("{0}")]
    Failed(io::ErrorKind),
}

impl From<&io::Error> for Unwritable {
    fn from(error: &io::Error) -> Self {
        if is_out_of_space(error) { Self::DiskFull } else { Self::Failed(error.kind()) }
    }
}

/// An open file of lines.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    file: fs::File,
    len: u64,
    limits: Limits,
    disk_space: Arc<DiskSpace>,
    purpose: Purpose,
}

impl Lines {
    /// Opens the file, or creates it. Its lines use the space for this purpose. Blocks.
    pub fn open(
        path: &Path,
        limits: Limits,
        disk_space: Arc<DiskSpace>,
        purpose: Purpose,
    ) -> io::Result<Self> {
        let mut file = opened(path)?;
        let len = whole_lines(&mut file)?;
        file.set_len(len)?;
        Ok(Self { path: path.to_owned(), file, len, limits, disk_space, purpose })
    }

    /// Returns an error if there is no space for a line of this length. Blocks.
    pub fn ensure_space(&self, bytes: usize) -> io::Result<()> {
        self.disk_space.spend(u64::try_from(bytes).unwrap_or(u64::MAX), self.purpose)
    }

    /// Appends a line, which must not contain a line feed. Blocks.
    pub fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let mut tries = TRIES;
        loop {
            self.ensure_space(line.len())?;
            tries -= 1;
            match self.try_append(line) {
                Err(error) if is_out_of_space(&error) && tries > 0 => (),
                done => return done,
            }
        }
    }

    fn try_append(&mut self, line: &[u8]) -> io::Result<()> {
        let grown = self.len.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX)) + 1;
        if grown > self.limits.bytes && self.len > 0 {
            self.begin_new()?;
        }
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
        if let Err(error) = self.file.write_all(&bytes) {
            // The next line must not be joined to a half line.
            self.file.set_len(self.len)?;
            return Err(error);
        }
        self.len += u64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }

    /// The lines of the newest full file and of this one, the oldest first. Blocks.
    pub fn recent(&self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        for path in [numbered(&self.path, 1), self.path.clone()] {
            let bytes = crate::files::read_if_there(&path)?.unwrap_or_default();
            let found = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            lines.extend(found.map(<[u8]>::to_vec));
        }
        Ok(lines)
    }

    fn begin_new(&mut self) -> io::Result<()> {
        // An earlier attempt may have renamed it and then found no space for a new file. Then nothing is renamed a second time.
        if self.path.try_exists()? {
            self.move_on()?;
        }
        self.file = opened(&self.path)?;
        self.len = 0;
        Ok(())
    }

    fn move_on(&self) -> io::Result<()> {
        for number in (1..self.limits.old_files).rev() {
            rename_if_there(&numbered(&self.path, number), &numbered(&self.path, number + 1))?;
        }
        if self.limits.old_files > 0 {
            rename_if_there(&self.path, &numbered(&self.path, 1))
        } else {
            fs::remove_file(&self.path)
        }
    }
}

fn opened(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    let file = options.create(true).append(true).read(true).mode(0o600).open(path)?;
    // A file that existed before may have another mode.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    Ok(file)
}

/// The length of the file up to its last line feed.
fn whole_lines(file: &mut fs::File) -> io::Result<u64> {
    const STEP: u64 = 4096;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        io::Read::by_ref(file).take(end - start).read_to_end(&mut bytes)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(at).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk_space::SimulatedDisk;

    const SMALL: Limits = Limits { bytes: 10, old_files: 2 };

    fn opened(path: &Path, limits: Limits) -> io::Result<Lines> {
        let disk_space = Arc::new(DiskSpace::without_reserve(path.parent().unwrap()));
        Lines::open(path, limits, disk_space, Purpose::Audit)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn full_files_are_renamed_and_the_oldest_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut lines = opened(&path, SMALL).unwrap();

        for line in ["one", "two", "three", "four", "five", "a line that is longer than a file"] {
            lines.append(line.as_bytes()).unwrap();
        }

        assert_eq!(text(&path), "a line that is longer than a file\n");
        assert_eq!(text(&numbered(&path, 1)), "four\nfive\n");
        assert_eq!(text(&numbered(&path, 2)), "three\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        assert_eq!(lines.recent().unwrap().len(), 3);
    }

    #[test]
    fn a_file_that_could_not_be_created_is_created_later_and_no_old_one_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut lines = opened(&path, SMALL).unwrap();
        for line in ["the first", "the second"] {
            lines.append(line.as_bytes()).unwrap();
        }
        // As after an attempt that found no space: all files are renamed, and there is no new one.
        fs::rename(numbered(&path, 1), numbered(&path, 2)).unwrap();
        fs::rename(&path, numbered(&path, 1)).unwrap();

        lines.append(b"the third").unwrap();

        assert_eq!(text(&numbered(&path, 2)), "the first\n");
        assert_eq!(text(&numbered(&path, 1)), "the second\n");
        assert_eq!(text(&path), "the third\n");
    }

    #[test]
    fn the_next_opening_removes_a_half_line_that_a_kill_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "whole\nhal").unwrap();

        opened(&path, Limits { bytes: 1000, old_files: 1 }).unwrap().append(b"next").unwrap();

        assert_eq!(text(&path), "whole\nnext\n");
        fs::write(&path, "x".repeat(10_000)).unwrap();
        drop(opened(&path, SMALL).unwrap());
        assert_eq!(text(&path), "");
    }

    #[test]
    fn the_file_becomes_private_if_it_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();

        let mut lines = opened(&path, SMALL).unwrap();
        lines.append(b"0123456789").unwrap();
        lines.append(b"0123456789").unwrap();

        for path in [numbered(&path, 1), path] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_line_takes_its_space_from_the_reserve_and_is_refused_when_that_is_used_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let disk_space = Arc::new(DiskSpace::open(folder.path()));
        let limits = Limits { bytes: 1000, old_files: 1 };
        let mut lines =
            Lines::open(&path, limits, Arc::clone(&disk_space), Purpose::Audit).unwrap();

        disk_space.simulate(SimulatedDisk::Full);
        lines.append(b"from the reserve").unwrap();
        disk_space.simulate(SimulatedDisk::UsedUp);
        let refused = lines.append(b"no room").unwrap_err();
        disk_space.simulate(SimulatedDisk::Off);
        lines.append(b"room again").unwrap();

        assert!(is_out_of_space(&refused), "{refused}");
        assert_eq!(text(&path), "from the reserve\nroom again\n");
    }
}
