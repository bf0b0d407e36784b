//! A model of a disk after a power cut.
//!
//! It follows a record of calls, and knows what the disk must have and what it may have. A sync of a file keeps its earlier
//! writes, a sync of a folder the earlier changes of its names; a rename is one change. Everything else may be lost: a write as
//! a whole or in some of its sectors, in any order; changes of names either from a moment on, as on a file system with a
//! journal, or from a moment on in each folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use azure_emulator_core::disk_calls::watch::Event;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The least part of a write that a disk writes as a whole.
const SECTOR: usize = 512;

type Id = usize;

const ROOT: Id = 0;

/// A file or a folder.
#[derive(Clone, Debug, Default)]
struct Node {
    is_folder: bool,
    /// The content at the beginning.
    base: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    event: usize,
    kind: ChangeKind,
    is_synced: bool,
}

#[derive(Clone, Debug)]
enum ChangeKind {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

/// A name in a folder.
type Name = (Id, OsString);

/// One change of names, which is made completely or not at all.
#[derive(Clone, Debug)]
struct NameChange {
    event: usize,
    sets: Vec<(Name, Option<Id>)>,
    is_synced: bool,
}

/// The disk.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    root: PathBuf,
    nodes: Vec<Node>,
    /// The names at the beginning, which are on the disk.
    base: BTreeMap<Name, Id>,
    names: BTreeMap<Name, Id>,
    changes: Vec<NameChange>,
}

/// The files with their content, and the folders, that are on the disk after a power cut.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) folders: Vec<PathBuf>,
    pub(super) files: Vec<(PathBuf, Id, Vec<u8>)>,
}

impl Disk {
    /// A disk that has everything in this folder. The paths of the record are below `root`.
    pub(super) fn new(root: &Path, folder: Option<&Path>) -> Self {
        let parent = Node { is_folder: true, ..Node::default() };
        let mut disk = Self {
            root: root.parent().unwrap().to_owned(),
            nodes: vec![parent],
            base: BTreeMap::new(),
            names: BTreeMap::new(),
            changes: Vec::new(),
        };
        if let Some(folder) = folder {
            disk.load(ROOT, root.file_name().unwrap().to_owned(), folder);
        }
        disk.names = disk.base.clone();
        disk
    }

    fn load(&mut self, parent: Id, name: OsString, at: &Path) {
        let is_folder = at.is_dir();
        let base = if is_folder { Vec::new() } else { std::fs::read(at).unwrap() };
        let id = self.add(Node { is_folder, base, changes: Vec::new() });
        self.base.insert((parent, name), id);
        if is_folder {
            for entry in std::fs::read_dir(at).unwrap() {
                let entry = entry.unwrap();
                self.load(id, entry.file_name(), &entry.path());
            }
        }
    }

    fn add(&mut self, node: Node) -> Id {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// The file or folder that has this path now.
    pub(super) fn find(&self, path: &Path) -> Option<Id> {
        let mut at = ROOT;
        for part in path.strip_prefix(&self.root).ok()? {
            at = *self.names.get(&(at, part.to_owned()))?;
        }
        Some(at)
    }

    fn name_of(&self, path: &Path) -> Option<Name> {
        Some((self.find(path.parent()?)?, path.file_name()?.to_owned()))
    }

    fn rename(&mut self, event: usize, sets: Vec<(Name, Option<Id>)>) {
        for (name, id) in &sets {
            match id {
                Some(id) => self.names.insert(name.clone(), *id),
                None => self.names.remove(name),
            };
        }
        self.changes.push(NameChange { event, sets, is_synced: false });
    }

    fn make(&mut self, event: usize, path: &Path, is_folder: bool) -> Option<Id> {
        if let Some(found) = self.find(path) {
            return Some(found);
        }
        if self.find(path.parent()?).is_none() {
            self.make(event, path.parent()?, true)?;
        }
        let name = self.name_of(path)?;
        let id = self.add(Node { is_folder, ..Node::default() });
        self.rename(event, vec![(name, Some(id))]);
        Some(id)
    }

    fn change(&mut self, event: usize, path: &Path, kind: ChangeKind) {
        if let Some(id) = self.make(event, path, false) {
            self.nodes[id].changes.push(Change { event, kind, is_synced: false });
        }
    }

    /// Applies the next event of the record, which has this number.
    pub(super) fn apply(&mut self, event: usize, what: &Event) {
        match what {
            Event::Create(path) => {
                self.make(event, path, false);
            }
            Event::MakeDir(path) => {
                self.make(event, path, true);
            }
            Event::Write(path, offset, bytes) => {
                self.change(event, path, ChangeKind::Write(*offset, bytes.clone()));
            }
            Event::SetLen(path, len) => self.change(event, path, ChangeKind::SetLen(*len)),
            Event::Sync(path, began) => {
                if let Some(id) = self.find(path) {
                    self.sync(*began, Some(id));
                }
            }
            Event::SyncAll(began) => self.sync(*began, None),
            Event::Rename(from, to) => {
                if let (Some(id), Some(old), Some(new)) =
                    (self.find(from), self.name_of(from), self.name_of(to))
                {
                    self.rename(event, vec![(old, None), (new, Some(id))]);
                }
            }
            Event::Exchange(one, other) => {
                if let (Some(first), Some(second), Some(one), Some(other)) =
                    (self.find(one), self.find(other), self.name_of(one), self.name_of(other))
                {
                    self.rename(event, vec![(one, Some(second)), (other, Some(first))]);
                }
            }
            Event::Unlink(path) => {
                if let (Some(_), Some(name)) = (self.find(path), self.name_of(path)) {
                    self.rename(event, vec![(name, None)]);
                }
            }
            Event::Link(from, to) => {
                if let (Some(id), Some(name)) = (self.find(from), self.name_of(to)) {
                    self.rename(event, vec![(name, Some(id))]);
                }
            }
            Event::Mark(_) => {}
        }
    }

    fn sync(&mut self, began: usize, only: Option<Id>) {
        for (id, node) in self.nodes.iter_mut().enumerate() {
            if only.is_none_or(|only| only == id) {
                for change in node.changes.iter_mut().filter(|change| change.event < began) {
                    change.is_synced = true;
                }
            }
        }
        for change in self.changes.iter_mut().filter(|change| change.event < began) {
            let is_there = |(name, _): &(Name, Option<Id>)| Some(name.0) == only;
            change.is_synced |= only.is_none() || change.sets.iter().any(is_there);
        }
    }

    /// The disk after a power cut, by a seed.
    pub(super) fn cut(&self, seed: u64) -> Left {
        let mut chance = StdRng::seed_from_u64(seed);
        let names = self.names_after(&mut chance);
        let mut left = Left::default();
        self.collect(ROOT, &self.root, &names, &mut chance, &mut left);
        left
    }

    fn names_after(&self, chance: &mut StdRng) -> BTreeMap<Name, Id> {
        let end = self.changes.len();
        let last = |is_in: &dyn Fn(&NameChange) -> bool| {
            self.changes
                .iter()
                .rposition(|change| change.is_synced && is_in(change))
                .map_or(0, |at| at + 1)
        };
        // The changes before this moment are made, in all folders or in one.
        let mut moments: BTreeMap<Option<Id>, usize> = BTreeMap::new();
        if chance.random_bool(0.7) {
            moments.insert(None, moment(chance, last(&|_| true), end));
        } else {
            let folders: BTreeSet<Id> = self
                .changes
                .iter()
                .flat_map(|change| change.sets.iter().map(|set| set.0.0))
                .collect();
            for folder in folders {
                let touches = |change: &NameChange| change.sets.iter().any(|set| set.0.0 == folder);
                moments.insert(Some(folder), moment(chance, last(&touches), end));
            }
        }
        let mut names = self.base.clone();
        for (at, change) in self.changes.iter().enumerate() {
            let is_made =
                |folder: Option<Id>| moments.get(&folder).is_some_and(|moment| at < *moment);
            if is_made(None) || change.sets.iter().any(|set| is_made(Some(set.0.0))) {
                for (name, id) in &change.sets {
                    match id {
                        Some(id) => names.insert(name.clone(), *id),
                        None => names.remove(name),
                    };
                }
            }
        }
        names
    }

    fn collect(
        &self,
        folder: Id,
        at: &Path,
        names: &BTreeMap<Name, Id>,
        chance: &mut StdRng,
        left: &mut Left,
    ) {
        for ((_, name), id) in names.range((folder, OsString::new())..(folder + 1, OsString::new()))
        {
            let path = at.join(name);
            if self.nodes[*id].is_folder {
                left.folders.push(path.clone());
                self.collect(*id, &path, names, chance, left);
            } else {
                left.files.push((path, *id, self.nodes[*id].content(chance)));
            }
        }
    }
}

/// A moment from `least` to `end`: often one of the two.
fn moment(chance: &mut StdRng, least: usize, end: usize) -> usize {
    match chance.random_range(0..4) {
        0 => least,
        1 => end,
        _ => chance.random_range(least..=end),
    }
}

impl Node {
    /// The content after the power cut. A file that was named later than it was synced has its synced content.
    fn content(&self, chance: &mut StdRng) -> Vec<u8> {
        let kept = match chance.random_range(0..3) {
            0 => 0.0,
            1 => 1.0,
            _ => 0.5,
        };
        let mut content = self.base.clone();
        for change in &self.changes {
            let is_whole = change.is_synced || chance.random_bool(kept);
            match &change.kind {
                ChangeKind::SetLen(len) if is_whole => {
                    content.resize(usize::try_from(*len).unwrap(), 0);
                }
                ChangeKind::SetLen(_) => {}
                ChangeKind::Write(offset, bytes) => {
                    let start = usize::try_from(*offset).unwrap();
                    let is_torn = !is_whole && kept > 0.0 && chance.random_bool(0.3);
                    if !is_whole && !is_torn {
                        continue;
                    }
                    let end = start + bytes.len();
                    if content.len() < end {
                        content.resize(end, 0);
                    }
                    let mut from = start;
                    while from < end {
                        let to = end.min((from / SECTOR + 1) * SECTOR);
                        if is_whole || chance.random_bool(0.5) {
                            content[from..to].copy_from_slice(&bytes[from - start..to - start]);
                        }
                        from = to;
                    }
                }
            }
        }
        content
    }
}

/// The files of a folder with their content.
type Files = Vec<(PathBuf, Vec<u8>)>;

#[test]
fn a_power_cut_keeps_what_was_synced_and_may_lose_the_rest() {
    let root = Path::new("/d/data");
    let at = |name: &str| root.join(name);
    let mut disk = Disk::new(root, None);
    let events = [
        Event::MakeDir(root.to_owned()),
        Event::Create(at("a")),
        Event::Write(at("a"), 0, b"first".to_vec()),
        Event::Sync(at("a"), 3),
        Event::Rename(at("a"), at("b")),
        Event::Sync(root.to_owned(), 5),
        Event::Sync(PathBuf::from("/d"), 6),
        Event::Write(at("b"), 5, b"second".to_vec()),
        Event::Create(at("c")),
    ];
    for (number, event) in events.iter().enumerate() {
        disk.apply(number, event);
    }
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let left = disk.cut(seed);
        let files = left.files.iter().map(|(path, _, content)| (path.clone(), content.clone()));
        seen.insert(files.collect::<Vec<_>>());
    }

    let first = |files: &Files| files[0].0 == at("b") && files[0].1.starts_with(b"first");
    assert!(seen.iter().all(first), "{seen:?}");
    let has = |is: &dyn Fn(&Files) -> bool| seen.iter().any(is);
    assert!(has(&|files| files[0].1 == b"first") && has(&|files| files[0].1 == b"firstsecond"));
    assert!(has(&|files| files.len() == 1) && has(&|files| files.len() == 2));
}
