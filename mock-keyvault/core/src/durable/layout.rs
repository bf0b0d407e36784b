//! The names of the files that hold the rows, and the making of segments.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;

use super::Durability;
use super::checkpoint::{checkpoint_name, parse_checkpoint_name};
use super::segment::{parse_segment_name, segment_name};

/// What the name of a file ends in that is still being written.
const UNFINISHED: &str = ".new";

/// What the name of a segment ends in that the journal does not need, kept for people.
const CUT: &str = ".cut";

/// What the name of a file begins with that [`crate::files::write_whole`] had not finished.
const TEMPORARY: &str = ".tmp";

/// A journal that was not finished, and the copy of rows of format 1 that a migration reads.
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

    /// The paths of a journal that is being made in another folder.
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

    /// The segment that is made ahead.
    pub(super) fn spare(&self) -> PathBuf {
        self.journal.join(format!("spare{UNFINISHED}"))
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index")
    }

    /// An index that was built while the program ran. It takes the place of the other at the next start.
    pub(super) fn healed_index(&self) -> PathBuf {
        self.root.join("index.healed")
    }

    /// Is there from the moment at which rows were given up to the one at which the files of those rows are safe.
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

    /// Removes what a process that ended left half written.
    pub(super) fn remove_unfinished(&self) -> io::Result<()> {
        for name in UNFINISHED_FOLDERS {
            super::rebuild::remove(&self.root.join(name))?;
        }
        self.remove_files(|name| name.ends_with(UNFINISHED) || name.starts_with(TEMPORARY))
    }

    /// Removes what was taken out of the journal and kept for people.
    pub(super) fn remove_cut(&self) -> io::Result<()> {
        self.remove_files(|name| name.ends_with(CUT))
    }

    fn remove_files(&self, is_gone: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.journal)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&is_gone) {
                super::rebuild::remove_file(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Takes a file out of the journal and keeps it under another name.
    pub(super) fn set_aside(file: &Path) -> io::Result<()> {
        fs::rename(file, cut_name(file))
    }

    /// Keeps a copy of a segment whose end is about to be cut.
    pub(super) fn keep_copy(segment: &Path) -> io::Result<()> {
        let copy = cut_name(segment);
        super::disk::room_for(&copy)?;
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

/// Makes a file for the owner only.
pub(super) fn create_private(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
}

/// Makes an empty segment of this length whose room on the device is taken, so that writing into it needs no more. With
/// [`Durability::Full`] its zeros are on the disk: a sync of what is written into it later writes no metadata.
pub(super) fn make_segment(path: &Path, len: u64, durability: Durability) -> io::Result<fs::File> {
    // One may be there whose making, or naming, failed half way.
    super::rebuild::remove_file(path)?;
    let mut file = create_private(path)?;
    let made = match durability {
        Durability::Full => write_zeros(&mut file, len).and_then(|()| file.sync_data()),
        Durability::Relaxed => {
            let flags = rustix::fs::FallocateFlags::empty();
            match rustix::fs::fallocate(file.file(), flags, 0, len) {
                Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
                    write_zeros(&mut file, len)
                }
                allocated => allocated.map_err(io::Error::from),
            }
        }
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
