//! The names of the files that hold the rows, and the creation of segments.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::checkpoint::{checkpoint_name, parse_checkpoint_name};
use super::durability::Durability;
use super::removal::{remove, remove_file};
use super::segment::{parse_segment_name, segment_name};

/// The file that lists the rows that a repair could not restore.
pub const LOST_FILE: &str = "lost.txt";

/// The suffix of a file that is still being written.
const UNFINISHED: &str = ".new";

/// The suffix of a segment that the journal does not need, and that is kept for people.
const CUT: &str = ".cut";

/// The prefix of a file that [`crate::files::write_whole`] has not finished.
const TEMPORARY: &str = ".tmp";

/// An unfinished journal, and the copy of rows of format 1 that a migration reads.
const UNFINISHED_FOLDERS: [&str; 2] = ["journal.new", "rows.reading"];

/// The paths of one service's rows, below its data folder.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    root: PathBuf,
    journal: PathBuf,
}

impl Layout {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), journal: root.join("journal") }
    }

    /// The paths of an unfinished journal, in another folder.
    pub(super) fn unfinished(root: &Path) -> Self {
        Self { root: root.to_owned(), journal: root.join("journal.new") }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn journal(&self) -> &Path {
        &self.journal
    }

    pub(super) fn head(&self) -> PathBuf {
        self.journal.join("head")
    }

    pub(super) fn segment(&self, first: u64) -> PathBuf {
        self.journal.join(segment_name(first))
    }

    pub(super) fn checkpoint(&self, generation: u64) -> PathBuf {
        self.journal.join(checkpoint_name(generation))
    }

    /// A checkpoint that is being written.
    pub(super) fn new_checkpoint(&self, generation: u64) -> PathBuf {
        self.journal.join(checkpoint_name(generation) + UNFINISHED)
    }

    /// The segment that is created in advance.
    pub(super) fn spare(&self) -> PathBuf {
        self.journal.join(format!("spare{UNFINISHED}"))
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// An index that was built while the program ran. It replaces the other at the next start.
    pub(super) fn healed_index(&self) -> PathBuf {
        self.root.join("index.healed")
    }

    /// A file that exists from the time when rows were given up until the files of those rows are safe.
    pub(super) fn loss(&self) -> PathBuf {
        self.journal.join("loss")
    }

    /// The segments, in order, each with the generation in its name.
    pub(super) fn segments(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        self.named(parse_segment_name)
    }

    /// The checkpoints, in order, each with the generation in its name.
    pub(super) fn checkpoints(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        self.named(parse_checkpoint_name)
    }

    /// Removes files that an earlier process did not finish.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        for name in UNFINISHED_FOLDERS {
            remove(&self.root.join(name))?;
        }
        self.remove_files(|name| name.ends_with(UNFINISHED) || name.starts_with(TEMPORARY))
    }

    /// Removes the files that were moved out of the journal and kept for people.
    pub(super) fn remove_cut(&self) -> io::Result<()> {
        self.remove_files(|name| name.ends_with(CUT))
    }

    fn remove_files(&self, is_gone: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.journal)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&is_gone) {
                remove_file(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Moves a file out of the journal, and keeps it under another name.
    pub(super) fn set_aside(file: &Path) -> io::Result<()> {
        fs::rename(file, cut_name(file))
    }

    /// Keeps a copy of a segment before its end is removed.
    pub(super) fn save_copy(segment: &Path) -> io::Result<()> {
        let copy = cut_name(segment);
        super::disk::ensure_space_for(&copy)?;
        fs::copy(segment, copy).map(drop)
    }

    fn named(&self, parse: impl Fn(&str) -> Option<u64>) -> io::Result<Vec<(u64, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.journal)? {
            let entry = entry?;
            if let Some(generation) = entry.file_name().to_str().and_then(&parse) {
                found.push((generation, entry.path()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }
}

/// Creates a file that only the owner can read.
pub(super) fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Creates an empty segment of this length, with all its blocks allocated, so that writing into it needs no further space. With
/// [`Durability::Full`] its zeros are on the disk, so that a sync of later writes does not write metadata.
pub(super) fn make_segment(path: &Path, len: u64, durability: Durability) -> io::Result<fs::File> {
    // An earlier attempt may have left a file.
    remove_file(path)?;
    let mut file = create_private(path)?;
    let made = match durability {
        Durability::Full => write_zeros(&mut file, len).and_then(|()| file.sync_data()),
        Durability::Relaxed => match fs::fallocate(&file, 0, len) {
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                write_zeros(&mut file, len)
            }
            allocated => allocated.map_err(io::Error::from),
        },
    };
    made.map(|()| file)
}

fn write_zeros(file: &mut fs::File, len: u64) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    let mut left = len;
    while left > 0 {
        let part = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    Ok(())
}

fn cut_name(segment: &Path) -> PathBuf {
    let mut name = segment.as_os_str().to_owned();
    name.push(CUT);
    name.into()
}
