//! The parts of the rows of one service: the index, which answers reads, and the journal, which is authoritative.
//!
//! Shared by [`super::Rows`] and its worker. A change is appended to the journal first and then applied to the index.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use super::changes::{Attachments, Changes};
use super::draft::{Draft, TooLarge};
use super::durability::Durability;
use super::group::Group;
use super::index::Index;
use super::journal::{Journal, Rolled, Tail};
use super::key::RowsKey;
use super::layout::Layout;
use super::make;
use super::notices::Notices;
use super::options::OpenOptions;
use super::outcome::{Notice, OpenError};
use super::position::{Epoch, Position};
use super::proof::{Proof, ProofCell};
use super::removal::remove;
use super::set_sum::SetSum;
use super::start::{self, Started};
use crate::disk_space::{DiskSpace, Purpose};

/// The next segment is created when less than one part in this many is left of the current one.
const SPARE_WHEN_LEFT: u64 = 4;

/// How many changes may wait for the proof at the same time, if the wait is limited.
const MOST_WAITING: usize = 64;

/// The reason that a change is refused while the proof runs.
const NOT_PROVEN: &str =
    "the stored rows are still being checked after the start, and changes wait for that: try again";

/// Work for the background thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// The next segment must be created.
    Spare,
    /// A segment was begun.
    Rolled,
}

/// The rows of one service.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) layout: Layout,
    pub(super) key: Arc<RowsKey>,
    pub(super) trees: &'static [&'static str],
    pub(super) durability: Durability,
    pub(super) disk_space: Arc<DiskSpace>,
    pub(super) journal: Journal,
    pub(super) group: Group,
    pub(super) proof: ProofCell,
    /// The trees that the service keeps in memory from the start on.
    pub(super) remembered: &'static [u8],
    /// The set sum of the index, if it was computed while the journal was read. The proof takes it.
    pub(super) early_sum: Mutex<Option<io::Result<SetSum>>>,
    /// Set when the proof begins.
    pub(super) proof_begun: AtomicBool,
    /// Set when the service may have read rows.
    pub(super) is_open: AtomicBool,
    /// How long a change waits for the proof, in milliseconds; [`u64::MAX`] means without a limit.
    pub(super) proof_timeout_millis: AtomicU64,
    /// How many changes wait for the proof.
    pub(super) waiting: AtomicUsize,
    /// Set before the rows are closed. Background work then ends soon.
    pub(super) stopping: AtomicBool,
    /// Whether a test makes the index fail.
    pub(super) simulated_failure: AtomicBool,
    /// The longest frame that is appended. A test can make it shorter than the format allows.
    pub(super) record_limit: AtomicUsize,
    /// Whether a test makes the proof panic.
    #[cfg(test)]
    pub(super) simulated_panic: AtomicBool,
    index: RwLock<Arc<Index>>,
    /// The right to write.
    tail: Mutex<Tail>,
    notices: Notices,
}

impl Engine {
    /// Opens the rows, and creates the journal of a new folder.
    pub(super) fn open(options: &OpenOptions<'_>) -> Result<Self, OpenError> {
        let layout = Layout::new(options.folder);
        // sled writes when it opens. If there is no space for that, it may still open for reading.
        if let Err(error) = options.disk_space.spend(0, Purpose::Maintenance) {
            tracing::warn!(%error, "the disk is full, and its reserve is used up");
        }
        if options.is_new && !layout.journal().try_exists()? {
            remove(&layout.index())?;
            remove(&layout.healed_index())?;
            let (epoch, empty) = (Epoch::random()?, SetSum::default());
            let position = Position::start(&options.key, epoch, 0, empty);
            make::make_journal(options, position, &|_| Ok(()))?;
        }
        let Started { journal, tail, index, early_sum, notices } = start::start(options)?;
        for notice in &notices {
            tracing::warn!(folder = %options.folder.display(), "{notice}");
        }
        Ok(Self {
            layout,
            key: Arc::clone(&options.key),
            trees: options.trees,
            durability: options.durability,
            disk_space: Arc::clone(&options.disk_space),
            journal,
            group: Group::default(),
            proof: ProofCell::default(),
            early_sum: Mutex::new(early_sum),
            remembered: options.remembered,
            proof_begun: AtomicBool::new(false),
            is_open: AtomicBool::new(false),
            proof_timeout_millis: AtomicU64::new(u64::MAX),
            waiting: AtomicUsize::new(0),
            stopping: AtomicBool::new(false),
            simulated_failure: AtomicBool::new(false),
            record_limit: AtomicUsize::new(usize::MAX),
            #[cfg(test)]
            simulated_panic: AtomicBool::new(false),
            index: RwLock::new(Arc::new(index)),
            tail: Mutex::new(tail),
            notices: Notices::new(notices),
        })
    }

    pub(super) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn replace_index(&self, index: Arc<Index>) {
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        // If the holder of the lock panics, the tail is still right: it changes only after the bytes are written.
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to write. It waits for the proof, but no longer than [`Engine::proof_timeout_millis`]; then it returns
    /// [`io::ErrorKind::ResourceBusy`]. Each waiting change blocks a thread of its caller, so their number is limited.
    pub(super) fn right_to_write(&self) -> io::Result<MutexGuard<'_, Tail>> {
        let proof = match self.proof.get() {
            Proof::Pending => match self.proof_timeout_millis.load(Ordering::Relaxed) {
                u64::MAX => self.proof.wait(),
                millis => {
                    let others = self.waiting.fetch_add(1, Ordering::Relaxed);
                    let limit = if others < MOST_WAITING { millis } else { 0 };
                    let proof = self.proof.wait_at_most(Duration::from_millis(limit));
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    proof
                }
            },
            proof => proof,
        };
        if proof == Proof::Pending {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, NOT_PROVEN));
        }
        Ok(self.tail())
    }

    /// Adds a notice about this run, and logs it.
    pub(super) fn note(&self, notice: Notice) {
        tracing::warn!(folder = %self.folder().display(), "{notice}");
        self.notice(notice);
    }

    /// Adds a notice about this run, without a log line.
    pub(super) fn notice(&self, notice: Notice) {
        self.notices.add(notice);
    }

    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Fails if nothing may be written in this run any more.
    pub(super) fn writable(&self) -> io::Result<()> {
        if let Proof::Failed(why) = self.proof.get() {
            return Err(io::Error::new(
                io::ErrorKind::ReadOnlyFilesystem,
                format!("the rows are damaged and can only be read: {why}"),
            ));
        }
        self.group.check()
    }

    /// Appends the changes to the journal and applies them to the index. Returns the work that the worker has to do.
    pub(super) fn change(
        &self,
        tail: &mut Tail,
        index: &Index,
        purpose: Purpose,
        changes: &Changes,
        attachments: &Attachments,
    ) -> io::Result<Option<Work>> {
        let (mut draft, mut sum) = (Draft::new(), tail.position.set_sum);
        let mut applied = Changes::new();
        for (tree, rows) in changes {
            let mut differing = BTreeMap::new();
            for (row, value) in rows {
                let old = index.get(*tree, row)?;
                if old.as_deref() == value.as_deref() {
                    continue;
                }
                if let Some(old) = &old {
                    sum.remove(&self.key, *tree, row, old);
                }
                match value {
                    Some(value) => {
                        sum.add(&self.key, *tree, row, value);
                        draft.put(*tree, row, value).map_err(io::Error::other)?;
                    }
                    None => draft.remove(*tree, row).map_err(io::Error::other)?,
                }
                differing.insert(row.clone(), value.clone());
            }
            if !differing.is_empty() {
                applied.insert(*tree, differing);
            }
        }
        for (name, content) in attachments {
            draft.attach(name, content).map_err(io::Error::other)?;
        }
        if draft.is_empty() {
            return Ok(None);
        }
        if self.record_limit.load(Ordering::Relaxed) < draft.frame_len() {
            return Err(io::Error::other(TooLarge));
        }
        let rolled =
            self.journal.append(tail, draft, sum, (&self.disk_space, purpose), |error| {
                self.group.fail(error);
            })?;
        // The journal has the change, so an index without it must not be used any more.
        let applied = if self.simulated_failure.load(Ordering::Relaxed) {
            Err(io::Error::other("a test makes the index fail"))
        } else {
            index.apply(&applied, &tail.position.seal(&self.key))
        };
        applied.inspect_err(|error| self.group.fail(error))?;
        if index.wants_flush() {
            // A failure here happens again at the commit of the caller or at the next flush.
            let flushed = self.commit().and_then(|()| index.flush());
            flushed.unwrap_or_else(|error| tracing::warn!(%error, "cannot flush the index"));
        }
        let is_short = tail.len - tail.offset < tail.len / SPARE_WHEN_LEFT;
        Ok(match rolled {
            Rolled::New => Some(Work::Rolled),
            Rolled::Same => (is_short && self.journal.lacks_spare()).then_some(Work::Spare),
        })
    }

    /// Waits until all records that were appended before the call are as durable as the setting requires. Blocks.
    pub(super) fn commit(&self) -> io::Result<()> {
        self.group.commit(|| self.journal.sync())
    }

    /// Writes the index to its file. Commits first, since the index on disk must not be ahead of the journal.
    pub(super) fn flush_index(&self) -> io::Result<()> {
        self.commit()?;
        self.index().flush()
    }

    /// Syncs everything and writes that the service stopped.
    pub(super) fn stop(&self) -> io::Result<()> {
        self.flush_index()?;
        self.journal.stop()
    }

    /// The folder of the data.
    pub(super) fn folder(&self) -> &Path {
        self.layout.root()
    }
}
