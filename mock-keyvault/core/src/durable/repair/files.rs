//! Reads the files of a journal that may be damaged, as far as possible.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::disk_calls as fs;

use super::super::checkpoint::{CheckpointReader, parse_checkpoint_name};
use super::super::error::{FormatError, FrameDamage};
use super::super::head::Head;
use super::super::journal::BLOCK_LEN;
use super::super::key::RowsKey;
use super::super::position::Position;
use super::super::segment::{MAX_SEGMENT_LEN, parse_segment_name};
use super::fault::Fault;

/// Reads a whole checkpoint. Its position is returned even if its rows are damaged.
pub(super) fn verify(key: &RowsKey, path: &Path) -> (Option<Position>, Result<(), FormatError>) {
    let mut reader = match CheckpointReader::open(key, path) {
        Ok(reader) => reader,
        Err(error) => return (None, Err(error)),
    };
    let position = Some(reader.position());
    loop {
        match reader.next_row() {
            Ok(Some(_)) => (),
            Ok(None) => return (position, Ok(())),
            Err(error) => return (position, Err(error)),
        }
    }
}

/// The files of a journal, with the newest checkpoint first.
#[derive(Default)]
pub(super) struct Files {
    head: PathBuf,
    pub(super) checkpoints: Vec<PathBuf>,
    segments: Vec<PathBuf>,
    pub(super) faults: Vec<Fault>,
}

impl Files {
    /// Lists the files of the journal in this folder. A missing folder has no files.
    pub(super) fn list(journal: &Path) -> io::Result<Self> {
        let mut files = Self { head: journal.join("head"), ..Self::default() };
        let entries = match fs::read_dir(journal) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                files.faults.push(Fault(format!("{}: the journal is missing", journal.display())));
                return Ok(files);
            }
            Err(error) => return Err(error),
        };
        let (mut checkpoints, mut segments) = (Vec::new(), Vec::new());
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
            checkpoints.extend(parse_checkpoint_name(&name).map(|at| (at, entry.path())));
            segments.extend(parse_segment_name(&name).map(|at| (at, entry.path())));
        }
        if segments.is_empty() {
            files.faults.push(Fault(format!("{}: the journal has no segment", journal.display())));
        }
        checkpoints.sort_by(|a, b| b.cmp(a));
        segments.sort();
        files.checkpoints = checkpoints.into_iter().map(|(_, path)| path).collect();
        files.segments = segments.into_iter().map(|(_, path)| path).collect();
        Ok(files)
    }

    /// The head. It is a fault if the head cannot be read.
    pub(super) fn head(&self, key: &RowsKey, faults: &mut Vec<Fault>) -> Option<Head> {
        let read = fs::read(&self.head)
            .map_err(FormatError::from)
            .and_then(|bytes| Head::read(key, &self.head, &bytes));
        match read {
            Ok(head) => Some(head),
            // A missing journal is already a fault.
            Err(_) if self.segments.is_empty() && self.checkpoints.is_empty() => None,
            Err(error) => {
                faults.push(Fault(error.to_string()));
                None
            }
        }
    }

    /// The segments, each with all bytes that can be read.
    pub(super) fn read_segments(
        &self,
        faults: &mut Vec<Fault>,
    ) -> io::Result<Vec<(PathBuf, Vec<u8>)>> {
        let mut segments = Vec::new();
        for path in &self.segments {
            let mut bytes = Vec::new();
            // A part of a file from a failing disk is still useful.
            let read = fs::File::open(path)?.take(MAX_SEGMENT_LEN).read_to_end(&mut bytes);
            faults.extend(read.err().map(|error| Fault(error.to_string())));
            // A start refuses such a segment, but its records can still be whole.
            let len = bytes.len() as u64;
            if len == 0 || !len.is_multiple_of(BLOCK_LEN) {
                faults.push(Fault(FormatError::damaged(path, len, FrameDamage::Cut).to_string()));
            }
            segments.push((path.clone(), bytes));
        }
        Ok(segments)
    }
}
