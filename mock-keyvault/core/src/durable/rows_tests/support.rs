//! A folder with rows for tests, and methods to damage it.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;

use super::super::draft::Draft;
use super::super::head::Head;
use super::super::index::Index;
use super::super::layout::Layout;
use super::super::position::Position;
use super::super::scan::Scan;
use super::super::set_sum::SetSum;
use super::super::testing::{TREES, key, options};
use super::super::{OpenError, OpenOptions, Rows};

/// All rows of both trees.
pub(super) type All = BTreeMap<(u8, Vec<u8>), Vec<u8>>;

pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder in which these keys were committed, each by its own change, before a clean stop.
    pub(super) fn with(keys: &[&str]) -> Self {
        let folder = Self::new();
        let rows = folder.open().unwrap();
        for key in keys {
            put(&rows, key.as_bytes(), key.as_bytes());
        }
        folder
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn layout(&self) -> Layout {
        Layout::new(self.path())
    }

    /// The options to open existing rows.
    pub(super) fn options(&self) -> OpenOptions<'_> {
        OpenOptions { is_new: !self.layout().journal().exists(), ..options(self.path()) }
    }

    pub(super) fn open(&self) -> Result<Rows, OpenError> {
        Rows::open(&self.options())
    }

    pub(super) fn segment(&self) -> PathBuf {
        self.layout().segments().unwrap().pop().unwrap().1
    }

    /// The offsets at which the records of the last segment begin, and the end of the last.
    pub(super) fn records(&self) -> (Vec<usize>, usize, Position) {
        let (path, key) = (self.segment(), key());
        let bytes = fs::read(&path).unwrap();
        let mut scan = Scan::new(&key, &path, &bytes).unwrap();
        let mut starts = Vec::new();
        for located in scan.by_ref() {
            starts.push(usize::try_from(located.offset).unwrap());
        }
        (starts, usize::try_from(scan.offset()).unwrap(), scan.position())
    }

    /// The frame of a record after the last one, which sets this key.
    pub(super) fn next_frame(&self, row: &[u8]) -> Vec<u8> {
        let (_, _, end) = self.records();
        let mut draft = Draft::new();
        draft.put(0, row, row).unwrap();
        let mut sum: SetSum = end.set_sum;
        sum.add(&key(), 0, row, row);
        draft.seal(&key(), &end, end.generation, sum).bytes
    }

    pub(super) fn overwrite(path: &Path, offset: usize, with: &[u8]) {
        use fs_err::os::unix::fs::FileExt;
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(with, offset as u64).unwrap();
    }

    pub(super) fn flip(path: &Path, offset: usize) {
        let byte = fs::read(path).unwrap()[offset];
        Self::overwrite(path, offset, &[byte ^ 1]);
    }

    /// Changes the head and writes it again.
    pub(super) fn edit_head(&self, edit: impl FnOnce(&mut Head)) {
        let path = self.layout().head();
        let mut head = Head::read(&key(), &path, &fs::read(&path).unwrap()).unwrap();
        edit(&mut head);
        Self::overwrite(&path, 0, &head.encode(&key()));
    }

    /// The folder as after a kill of the process.
    pub(super) fn killed(self) -> Self {
        self.edit_head(|head| head.clean = false);
        self
    }

    /// The folder as after a power cut.
    pub(super) fn powered_off(self) -> Self {
        self.edit_head(|head| (head.clean, head.boot_id) = (false, [9; 16]));
        self
    }

    /// Changes a row of the index without its position.
    pub(super) fn tamper_with_index(&self, row: &[u8], value: Option<&[u8]>) {
        let index = Index::open(&self.layout().index(), TREES).unwrap();
        let sealed = index.sealed_position().unwrap().unwrap();
        let rows = BTreeMap::from([(row.to_vec(), value.map(<[u8]>::to_vec))]);
        index.apply(&BTreeMap::from([(0, rows)]), &sealed).unwrap();
        index.flush().unwrap();
    }

    /// A copy, made file by file in the order of their names.
    pub(super) fn copied(&self) -> Self {
        let copy = Self::new();
        copy_into(self.path(), copy.path());
        copy
    }
}

/// Copies a folder that may be in use. Files that are removed meanwhile are left out.
pub(super) fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let target = to.join(entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => copy_into(&entry.path(), &target),
            _ => match fs::copy(entry.path(), target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("{error}"),
                _ => (),
            },
        }
    }
}

pub(super) fn put(rows: &Rows, row: &[u8], value: &[u8]) {
    rows.transact(|view| {
        view.put(0, row, value);
        Ok::<_, io::Error>(())
    })
    .unwrap();
    rows.commit().unwrap();
}

pub(super) fn all(rows: &Rows) -> All {
    let of = |tree| {
        rows.scan_prefix(tree, b"").map(move |row| {
            let (key, value) = row.unwrap();
            ((tree, key.to_vec()), value.to_vec())
        })
    };
    of(0).chain(of(1)).collect()
}

pub(super) fn keys(rows: &Rows) -> Vec<String> {
    all(rows).into_keys().map(|(_, key)| String::from_utf8(key).unwrap()).collect()
}
