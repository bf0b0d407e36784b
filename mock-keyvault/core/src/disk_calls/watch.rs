//! Watches the calls on one folder, for tests: records them, makes one of them fail, or ends the use of the folder.
//!
//! A call is chosen by its [`Point`] and a number: the kind of the call, the path without the numbers in it, and how many such
//! calls came before. This does not depend on the order of threads that use different files.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::hook::Change;
pub use super::hook::Kind;

static WATCHED: AtomicUsize = AtomicUsize::new(0);
static WATCHES: RwLock<Vec<Arc<Inner>>> = RwLock::new(Vec::new());

/// A class of calls: what they do, and the path in the watched folder, with `N` for each number.
pub type Point = (Kind, String);

/// The outcome of a call with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The call fails with this error of the system. A write has then written the first half of its bytes.
    Fails(i32),
    /// The process ends before the call: this call and all later ones fail, and change nothing.
    Ends,
    /// The process ends in the middle of the call: a write has written the first half of its bytes.
    Tears,
    /// A write does nothing, and says that it succeeded: a defect that a checker must find.
    Lies,
}

/// A fault at one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The class of the call.
    pub point: Point,
    /// Its number in the class. The first is 1.
    pub number: u32,
    /// Its outcome.
    pub outcome: Outcome,
}

/// A call that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a new, empty file.
    Create(PathBuf),
    /// The file has these bytes at this offset.
    Write(PathBuf, u64, Vec<u8>),
    /// The file has this length.
    SetLen(PathBuf, u64),
    /// Everything that the first `began` events did to this file, or to the names in this folder, is on the disk.
    Sync(PathBuf, usize),
    /// Everything that the first `began` events did is on the disk.
    SyncAll(usize),
    /// It has another name.
    Rename(PathBuf, PathBuf),
    /// The two exchanged their names.
    Exchange(PathBuf, PathBuf),
    /// It is gone, with its content.
    Unlink(PathBuf),
    /// It has a second name.
    Link(PathBuf, PathBuf),
    /// There is a new folder.
    MakeDir(PathBuf),
    /// The test has noted something: see [`Watch::mark`].
    Mark(usize),
}

/// A watched folder. Dropping it ends the watch.
#[derive(Debug)]
pub struct Watch(Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    root: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: bool,
    fault: Option<Fault>,
    reached: bool,
    counts: BTreeMap<Point, u32>,
    events: Option<Vec<Event>>,
    /// The syncs of these classes do nothing, and say that they succeeded.
    left_out: Option<fn(&str) -> bool>,
    boot_id: Option<[u8; 16]>,
}

/// The watch of a path.
pub(super) fn of(path: &Path) -> Option<Arc<Inner>> {
    if WATCHED.load(Ordering::Acquire) == 0 {
        return None;
    }
    let watches = WATCHES.read().unwrap_or_else(PoisonError::into_inner);
    watches.iter().find(|watch| path.starts_with(&watch.root)).cloned()
}

/// The boot id that a test has chosen for a folder.
pub(super) fn boot_id(folder: &Path) -> Option<[u8; 16]> {
    of(folder)?.state().boot_id
}

/// The path with `N` for each number, so that files of the same kind have the same name.
pub fn class_of(path: &Path) -> String {
    let parts = path.iter().map(|part| {
        let part = part.to_string_lossy();
        if part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return "N".to_owned();
        }
        if part.starts_with(".tmp") {
            return ".tmpN".to_owned();
        }
        let mut class = String::new();
        let mut run = String::new();
        for letter in part.chars().chain(['\0']) {
            if letter.is_ascii_hexdigit() || (letter == '-' && !run.is_empty()) {
                run.push(letter);
                continue;
            }
            let is_number = run.len() >= 8 && run.bytes().any(|byte| byte.is_ascii_digit());
            class.push_str(if is_number { "N" } else { &run });
            run.clear();
            if letter != '\0' {
                class.push(letter);
            }
        }
        class
    });
    parts.collect::<Vec<_>>().join("/")
}

impl Watch {
    /// Watches a folder and everything in it. The program must use the same path.
    pub fn new(root: &Path) -> Self {
        let inner = Arc::new(Inner { root: root.to_owned(), state: Mutex::default() });
        WATCHES.write().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&inner));
        WATCHED.fetch_add(1, Ordering::Release);
        Self(inner)
    }

    /// Forgets everything, and begins to count.
    pub fn restart(&self) {
        let mut state = self.0.state();
        *state = State { boot_id: state.boot_id, ..State::default() };
    }

    /// Sets the fault.
    pub fn fail(&self, fault: Fault) {
        self.0.state().fault = Some(fault);
    }

    /// Whether the fault has happened.
    pub fn reached(&self) -> bool {
        self.0.state().reached
    }

    /// From now on each call fails and changes nothing, as if the process had ended.
    pub fn end(&self) {
        self.0.state().ended = true;
    }

    /// Begins a record of all calls.
    pub fn record(&self) {
        self.0.state().events = Some(Vec::new());
    }

    /// Notes something in the record.
    pub fn mark(&self, number: usize) {
        if let Some(events) = &mut self.0.state().events {
            events.push(Event::Mark(number));
        }
    }

    /// Ends the record and returns it. The paths are those at the time of the call.
    pub fn events(&self) -> Vec<Event> {
        self.0.state().events.take().unwrap_or_default()
    }

    /// How many calls of each class there were.
    pub fn counts(&self) -> BTreeMap<Point, u32> {
        self.0.state().counts.clone()
    }

    /// From now on, the syncs of these classes do nothing and say that they succeeded: a defect that a checker must find.
    pub fn leave_out_syncs(&self, is_left_out: fn(&str) -> bool) {
        self.0.state().left_out = Some(is_left_out);
    }

    /// Sets the boot id that the programs see for this folder.
    pub fn set_boot_id(&self, id: [u8; 16]) {
        self.0.state().boot_id = Some(id);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = WATCHES.write().unwrap_or_else(PoisonError::into_inner);
        watches.retain(|watch| !Arc::ptr_eq(watch, &self.0));
        WATCHED.fetch_sub(1, Ordering::Release);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and returns what happens at it, and how many events there are.
    fn enter(&self, kind: Kind, path: &Path) -> (Option<Outcome>, usize) {
        let class = class_of(path.strip_prefix(&self.root).unwrap_or(path));
        let mut state = self.state();
        let began = state.events.as_ref().map_or(0, Vec::len);
        if state.ended {
            return (Some(Outcome::Ends), began);
        }
        if kind == Kind::Sync && state.left_out.is_some_and(|is_left_out| is_left_out(&class)) {
            return (Some(Outcome::Lies), began);
        }
        let point = (kind, class);
        let count = state.counts.entry(point.clone()).or_default();
        *count += 1;
        let number = *count;
        let fault = state.fault.as_ref();
        let hit = fault.filter(|fault| fault.number == number && fault.point == point);
        let outcome = hit.map(|fault| fault.outcome);
        state.reached |= outcome.is_some();
        state.ended |= matches!(outcome, Some(Outcome::Ends | Outcome::Tears));
        (outcome, began)
    }

    pub(super) fn call<T>(
        &self,
        kind: Kind,
        path: &Path,
        change: Change<'_>,
        make: impl FnOnce() -> io::Result<T>,
    ) -> io::Result<T> {
        let (outcome, began) = self.enter(kind, path);
        match outcome {
            Some(Outcome::Fails(number)) => return Err(io::Error::from_raw_os_error(number)),
            Some(Outcome::Ends | Outcome::Tears) => return Err(ended()),
            Some(Outcome::Lies) => return make(),
            None => {}
        }
        let done = make()?;
        if let Some(event) = event(path, change, began) {
            self.push(event);
        }
        Ok(done)
    }

    pub(super) fn write(
        &self,
        file: &fs_err::File,
        bytes: &[u8],
        make: &mut WriteCall<'_>,
    ) -> io::Result<usize> {
        let now = current_path(file);
        let (outcome, _) = self.enter(Kind::Write, &now);
        let allowed = match outcome {
            None => bytes,
            Some(Outcome::Lies) => return Ok(bytes.len()),
            Some(Outcome::Ends) => return Err(ended()),
            Some(Outcome::Fails(_) | Outcome::Tears) => &bytes[..bytes.len() / 2],
        };
        let (offset, written) = make(allowed)?;
        self.push(Event::Write(now, offset, allowed[..written].to_vec()));
        match outcome {
            Some(Outcome::Fails(number)) => Err(io::Error::from_raw_os_error(number)),
            Some(_) => Err(ended()),
            None => Ok(written),
        }
    }

    fn push(&self, event: Event) {
        if let Some(events) = &mut self.state().events {
            events.push(event);
        }
    }
}

fn event(path: &Path, change: Change<'_>, began: usize) -> Option<Event> {
    let path = path.to_owned();
    Some(match change {
        Change::Nothing => return None,
        Change::Create => Event::Create(path),
        Change::SetLen(len) => Event::SetLen(path, len),
        Change::Sync => Event::Sync(path, began),
        Change::SyncAll => Event::SyncAll(began),
        Change::Rename(to) => Event::Rename(path, to.to_owned()),
        Change::Exchange(other) => Event::Exchange(path, other.to_owned()),
        Change::Unlink => Event::Unlink(path),
        Change::Link(to) => Event::Link(path, to.to_owned()),
        Change::Copy(from) => {
            let bytes = fs_err::read(from).unwrap_or_default();
            Event::Write(path, 0, bytes)
        }
        Change::MakeDir => Event::MakeDir(path),
    })
}

/// Writes bytes, and returns the offset and the number of those that were written.
type WriteCall<'a> = dyn FnMut(&[u8]) -> io::Result<(u64, usize)> + 'a;

/// The name that an open file has now: it may have been renamed since it was opened.
pub(super) fn current_path(file: &fs_err::File) -> PathBuf {
    let link = format!("/proc/self/fd/{}", file.file().as_raw_fd());
    std::fs::read_link(link).unwrap_or_else(|_| file.path().to_owned())
}

fn ended() -> io::Error {
    io::Error::other("a test has ended the use of this folder")
}
