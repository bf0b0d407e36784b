//! Verification in the background: authenticates a few mebibytes a second while the registry is in use.
//!
//! It runs only while clients use content, and borrows a data key only while their lease lives (`IdleLease`). It
//! never renews a lease and never asks the vault, so an idle emulator stays idle.
//!
//! Every segment is authenticated, but content is not hashed: the trailer, which is authenticated too, binds the
//! segments to the digest. So the work can stop at any segment of a large object when the registry becomes idle, and no
//! content stays in memory.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::task::Task;
use crate::keys::LeaseEnded;
use crate::registry::Parts;
use crate::registry::blocking::blocking;
use crate::registry::content::damage;
use crate::registry::error::Error;
use crate::store::WalkPlace;
use sealed_envelope::{Binding, Header, OpenError, Opener};

/// The number of objects read at a time.
const PAGE: usize = 64;

/// The progress of the background.
struct Pass {
    /// Where the walk continues. `None`: it has ended.
    place: Option<WalkPlace>,
    queue: VecDeque<Task>,
    /// The next segment of the first object in the queue.
    segment: u64,
}

/// The result of a step.
enum Step {
    /// There is more work.
    More,
    /// The lease has ended.
    NoLease,
    /// The first object in the queue cannot be read.
    Fault(Error),
    /// Everything was authenticated once.
    Completed,
}

/// The result for the first object in the queue.
enum Part {
    Whole,
    UpTo(u64),
    NoLease,
}

impl Default for Pass {
    fn default() -> Self {
        Self { place: Some(WalkPlace::default()), queue: VecDeque::new(), segment: 0 }
    }
}

/// Verifies while the registry is in use, until it is deleted.
pub(in crate::registry) async fn verify_in_background(
    parts: Weak<Parts>,
    ended: CancellationToken,
) {
    let mut pass = Pass::default();
    loop {
        let Some(strong) = parts.upgrade() else { return };
        let (clock, options) = (strong.clock.clone(), strong.settings.background);
        let activity = Arc::clone(&strong.activity);
        drop(strong);
        tokio::select! {
            () = ended.cancelled() => return,
            () = activity.used() => (),
        }
        tokio::select! {
            () = ended.cancelled() => return,
            () = clock.until(clock.deadline(options.every)) => (),
        }
        let Some(strong) = parts.upgrade() else { return };
        let step;
        (pass, step) = match pass.step(&strong, options.bytes).await {
            Ok(stepped) => stepped,
            Err(error) => {
                tracing::warn!(%error, "the background cannot verify; it retries later");
                (Pass::default(), Step::NoLease)
            }
        };
        match step {
            Step::More => activity.go_on(),
            Step::NoLease => (),
            Step::Fault(error) => {
                pass.mark_if_damaged(&strong, error).await;
                activity.go_on();
            }
            Step::Completed => {
                strong.settings.events.metrics().note_pass(strong.name.as_str(), clock.unix_now());
                pass = Pass::default();
                drop(strong);
                tokio::select! {
                    () = ended.cancelled() => return,
                    () = clock.until(clock.deadline(options.rest)) => (),
                }
            }
        }
    }
}

impl Pass {
    async fn step(mut self, parts: &Arc<Parts>, budget: u64) -> Result<(Self, Step), Error> {
        let parts = Arc::clone(parts);
        blocking(move || {
            let step = self.run(&parts, budget)?;
            Ok::<_, Error>((self, step))
        })
        .await
    }

    fn run(&mut self, parts: &Parts, mut budget: u64) -> Result<Step, Error> {
        loop {
            let Some(task) = self.queue.front() else {
                let Some(place) = &self.place else { return Ok(Step::Completed) };
                let page = parts.store.objects_after(&parts.name, place, PAGE)?;
                self.place = page.next;
                // `verify` reports rows that cannot be read.
                let tasks = page.objects.into_iter().flatten().map(Task::from);
                self.queue.extend(tasks);
                continue;
            };
            match authenticate(parts, task, self.segment, &mut budget) {
                Ok(Part::Whole) => {
                    damage::clear(parts, &task.name, &task.row);
                    parts.settings.events.metrics().count_checked(parts.name.as_str());
                    self.pop();
                    if budget == 0 {
                        return Ok(Step::More);
                    }
                }
                Ok(Part::UpTo(segment)) => {
                    self.segment = segment;
                    return Ok(Step::More);
                }
                Ok(Part::NoLease) => return Ok(Step::NoLease),
                Err(error) => return Ok(Step::Fault(error)),
            }
        }
    }

    /// Marks the first object in the queue if it is damaged, and skips it.
    async fn mark_if_damaged(&mut self, parts: &Arc<Parts>, error: Error) {
        let Some(task) = self.queue.front().cloned() else { return };
        match damage::after_failure(parts, &task.name, &task.row, error).await {
            // It was replaced: the next step reads the new file.
            Ok(row) => {
                self.segment = 0;
                if let Some(first) = self.queue.front_mut() {
                    first.row = row;
                }
            }
            Err(_) => self.pop(),
        }
    }

    fn pop(&mut self) {
        self.queue.pop_front();
        self.segment = 0;
    }
}

/// Authenticates an object from a segment on, until the budget is used up.
fn authenticate(parts: &Parts, task: &Task, from: u64, budget: &mut u64) -> Result<Part, Error> {
    let Task { name, row } = task;
    let mut reader = parts.store.open_object(row.file)?;
    let header = Header::of_file(&mut reader)?;
    if header.data_key().as_bytes() != &row.data_key {
        return Err(OpenError::Damaged.into());
    }
    let lease = parts.ring.idle_lease(header.data_key())?;
    let binding = Binding::new(parts.name.as_str(), name.kind());
    let digest = name.digest().as_str();
    let mut opener = match lease.with(|key| Opener::open(reader, header, binding, key, digest)) {
        Ok(opened) => opened?,
        Err(LeaseEnded) => return Ok(Part::NoLease),
    };
    // Opening has a cost too, so that a million small objects are spread over time.
    *budget = budget.saturating_sub(4096);
    let mut segment = Zeroizing::new(Vec::new());
    for index in from..opener.segment_count() {
        match lease.with(|key| opener.read_segment(key, index, &mut segment)) {
            Ok(read) => read?,
            Err(LeaseEnded) => return Ok(Part::NoLease),
        }
        *budget = budget.saturating_sub(segment.len() as u64);
        if *budget == 0 && index + 1 < opener.segment_count() {
            return Ok(Part::UpTo(index + 1));
        }
    }
    Ok(Part::Whole)
}
