//! Operations of several steps: each leaves a durable intent, so that it ends although a stop cuts it short.
//!
//! An operation calls [`Intents::begin`] before the first step that cannot be undone (for a 202: before the answer). Its
//! steps can be repeated. Its last transaction of rows removes the intent ([`Intent::end_with`], then [`Intent::ended`]);
//! an operation whose last step is in the vault or in a file calls [`Intent::end`]. An [`Intent`] that is dropped before
//! waits: the runner (`resume/`) takes it and calls the area that the operation belongs to, which finishes the operation
//! or undoes it. That is how an operation goes on after a kill, and after a failure at a point of no return as well.
//!
//! An older operation must not undo what a newer one did. So an operation that begins on a subject first ends the waiting
//! ones that it replaces (`replace.rs`), and parameters name the very thing that is meant, not its name alone.
//!
//! Invariants: nothing here knows what an operation means. Parameters are sealed on disk, since those of a deployment can
//! hold secrets. One attempt of an operation runs at a time.

mod kind;
mod replace;
mod waiting;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::room::Purpose;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

pub use self::kind::Kind;
use self::replace::held_by_reset;
pub use self::waiting::Unfinished;
use self::waiting::{Entry, State};
use super::blocking::blocking;
use super::events::Events;
use super::{Error, cmk};
use crate::keys::ServiceKey;
use crate::store::{End, IntentRow, OutcomeRow, Store};

/// The purpose that parameters are sealed for. They belong to no registry.
const PURPOSE: &str = "intent";

/// The longest error of an outcome that is kept whole.
const MAX_ERROR: usize = 3000;
/// After so many ends the oldest outcomes are forgotten.
const ENDS_PER_SWEEP: usize = 100;

/// The operations of a data folder that have begun and not ended. Clones share them.
#[derive(Clone)]
pub struct Intents(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    key: ServiceKey,
    clock: Clock,
    events: Events,
    entries: Mutex<HashMap<Uuid, Entry>>,
    /// The operations of which an attempt is under way, also those that were replaced meanwhile.
    attempts: Mutex<HashSet<Uuid>>,
    /// Told when an attempt has ended.
    attempt_ended: Notify,
    /// Told when operations were replaced.
    replaced: Notify,
    /// Told when an entry begins to wait.
    waits: Notify,
    /// How many operations have ended since the oldest outcomes were forgotten.
    ends: AtomicUsize,
    #[cfg(test)]
    stop: super::tests::stop::Stop,
}

/// An attempt of an operation. Dropped before its end, the operation waits for the next attempt.
#[derive(Debug)]
pub struct Intent {
    intents: Intents,
    id: Uuid,
    kind: Kind,
    /// What the operation needs, as JSON.
    parameters: Vec<u8>,
    step: String,
}

/// How an operation ended that clients ask about.
pub type Outcome = Result<(), Value>;

impl Intents {
    /// Reads what has begun and not ended. Each waits for its first attempt.
    pub fn open(store: Arc<Store>, clock: Clock, events: Events) -> Result<Self, Error> {
        let key = cmk::service_key(&store)?;
        let rows = store.intents()?;
        let intents = Self(Arc::new(Inner {
            store,
            key,
            clock,
            events,
            entries: Mutex::default(),
            attempts: Mutex::default(),
            attempt_ended: Notify::new(),
            replaced: Notify::new(),
            waits: Notify::new(),
            // The first end forgets what an earlier run has left.
            ends: AtomicUsize::new(ENDS_PER_SWEEP),
            #[cfg(test)]
            stop: super::tests::stop::Stop::default(),
        }));
        for row in rows {
            intents.add(row);
        }
        Ok(intents)
    }

    /// The clock of everything.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Notes durably that an operation begins.
    pub async fn begin(&self, kind: Kind, parameters: &impl Serialize) -> Result<Intent, Error> {
        self.begin_for(kind, parameters, kind.purpose()).await
    }

    /// The same for an operation that removes something, whatever its kind may do at other times: its intent may use the
    /// reserve of a full disk.
    pub(super) async fn begin_removal(
        &self,
        kind: Kind,
        parameters: &impl Serialize,
    ) -> Result<Intent, Error> {
        self.begin_for(kind, parameters, Purpose::Removal).await
    }

    async fn begin_for(
        &self,
        kind: Kind,
        parameters: &impl Serialize,
        purpose: Purpose,
    ) -> Result<Intent, Error> {
        let id = Uuid::new_v4();
        let parameters = serde_json::to_vec(parameters).map_err(Error::internal)?;
        let sealed = self.0.key.seal_secret(&id.to_string(), PURPOSE, &parameters);
        let begun = self.0.clock.now();
        let row = IntentRow {
            id,
            operation: kind.name().to_owned(),
            step: String::new(),
            begun: millis(begun),
            parameters: sealed.map_err(Error::internal)?,
            damage: None,
        };
        let store = Arc::clone(&self.0.store);
        // Before the row: what is in it can only be waiting if this one was dropped.
        let entry = Entry::running(kind, parameters.clone(), begun);
        let intent = Intent::new(self, id, kind, parameters, String::new());
        self.insert_new(id, kind, entry)?;
        // In a task of its own: if the caller is dropped, the intent is dropped only after its row is stored.
        let this = self.clone();
        let storing = async move {
            let stored = blocking(move || store.begin_intent(&row, purpose)).await;
            stored.inspect_err(|_| drop(this.entries().remove(&id)))?;
            if intent.is_replaced() {
                // A reset has ended it before its row was stored.
                intent.end().await?;
                return Err(Error::Replaced);
            }
            Ok::<_, Error>(intent)
        };
        let intent = tokio::spawn(storing).await??;
        if let Err(replaced) = intent.passed().await {
            // Dropped without an end it would be tried again, although its caller was told that it was not begun.
            intent.end().await?;
            return Err(replaced);
        }
        Ok(intent)
    }

    /// Adopts deletions of registries that an older program has begun: it kept no intents.
    pub(super) async fn adopt<P>(
        &self,
        kind: Kind,
        is_it: impl Fn(&P) -> bool,
        parameters: &P,
    ) -> Result<(), Error>
    where
        P: Serialize + DeserializeOwned,
    {
        let is_known = self.entries().values().any(|entry| {
            entry.kind == Some(kind)
                && serde_json::from_slice(&entry.parameters).is_ok_and(|known| is_it(&known))
        });
        if !is_known {
            self.begin(kind, parameters).await?.leave_to_runner();
        }
        Ok(())
    }

    /// The operations that wait for an attempt, or are in one, the oldest first.
    pub fn unfinished(&self) -> Vec<Unfinished> {
        let now = self.0.clock.elapsed();
        let mut all: Vec<Unfinished> =
            self.entries().iter().map(|(id, entry)| entry.report(*id, now)).collect();
        all.sort_by_key(|one| (one.begun, one.id));
        all
    }

    /// The next operation whose attempt is due and that `is_wanted`, for the runner.
    pub fn take_due(&self, is_wanted: impl Fn(Uuid, Kind) -> bool) -> Option<Intent> {
        let now = self.0.clock.elapsed();
        let mut entries = self.entries();
        let is_held = held_by_reset(&entries);
        let mut due: Vec<(&Uuid, &mut Entry)> =
            entries.iter_mut().filter(|(_, entry)| entry.is_due(now) && !is_held(entry)).collect();
        due.sort_by_key(|(id, entry)| (entry.begun, **id));
        let wanted = due.into_iter().find_map(|(id, entry)| {
            let kind = entry.kind.filter(|kind| is_wanted(*id, *kind))?;
            Some((*id, kind, entry))
        });
        let (id, kind, entry) = wanted?;
        entry.run();
        let (parameters, step) = (entry.parameters.clone(), entry.step.clone());
        drop(entries);
        Some(Intent::new(self, id, kind, parameters, step))
    }

    /// Returns when an attempt may be due.
    pub async fn wait_for_due(&self) {
        let notified = self.0.waits.notified();
        let now = self.0.clock.elapsed();
        let next = {
            let entries = self.entries();
            let is_held = held_by_reset(&entries);
            let free = entries.values().filter(|entry| !is_held(entry));
            free.filter_map(|entry| entry.next(now)).min()
        };
        match next {
            Some(rest) => tokio::select! {
                () = notified => (),
                () = tokio::time::sleep(rest) => (),
            },
            None => notified.await,
        }
    }

    /// Notes durably the step that an operation has reached.
    pub async fn reach(&self, id: Uuid, step: &'static str) -> Result<(), Error> {
        let store = Arc::clone(&self.0.store);
        blocking(move || store.reach_step(id, step)).await?;
        if let Some(entry) = self.entries().get_mut(&id) {
            step.clone_into(&mut entry.step);
        }
        Ok(())
    }

    /// The operation of this kind with an id that clients know.
    pub fn is_unfinished(&self, id: Uuid) -> bool {
        self.entries().contains_key(&id)
    }

    /// The parameters of all operations of a kind.
    pub fn parameters<P: DeserializeOwned>(&self, kind: Kind) -> Vec<(Uuid, P)> {
        let entries = self.entries();
        let of_kind = entries.iter().filter(|(_, entry)| entry.kind == Some(kind));
        of_kind
            .filter_map(|(id, entry)| Some((*id, serde_json::from_slice(&entry.parameters).ok()?)))
            .collect()
    }

    /// How the operation of this id ended, if that is kept.
    pub async fn outcome(&self, id: Uuid) -> Result<Option<Outcome>, Error> {
        let store = Arc::clone(&self.0.store);
        let row = blocking(move || store.outcome(id)).await?;
        Ok(row.map(|row| row.error.map_or(Ok(()), Err)))
    }

    /// Keeps that something has succeeded which needed no intent, for those who ask for its id. Durable on return.
    pub async fn keep_success(&self) -> Result<Uuid, Error> {
        let id = Uuid::new_v4();
        self.0.ends.fetch_add(1, Ordering::Relaxed);
        let end = End::Keep(id, OutcomeRow { ended: millis(self.0.clock.now()), error: None });
        let store = Arc::clone(&self.0.store);
        blocking(move || store.end_intent(&end)).await?;
        self.sweep().await;
        Ok(id)
    }

    /// Notes why an attempt failed that has ended, unless it has done so itself.
    pub fn explain(&self, id: Uuid, kind: Kind, why: &(impl fmt::Display + ?Sized)) {
        let is_unexplained = self.entries().get(&id).is_some_and(Entry::is_unexplained);
        if is_unexplained {
            self.note_failure(id, kind, why.to_string(), |entry, why, _| entry.explain(why));
        }
    }

    fn note_failure(
        &self,
        id: Uuid,
        kind: Kind,
        why: String,
        note: impl FnOnce(&mut Entry, String, Duration) -> bool,
    ) {
        let (registry, is_news) = {
            let now = self.0.clock.elapsed();
            let mut entries = self.entries();
            let Some(entry) = entries.get_mut(&id) else { return };
            let is_news = note(entry, why.clone(), now);
            (entry.registry(), is_news)
        };
        if is_news {
            tracing::warn!(operation = %kind, why, "{} could not go on and is tried again", kind.words());
            self.0.events.blocked(self.0.clock.now(), kind, registry, why);
        }
    }

    fn add(&self, row: IntentRow) {
        let opened = self.0.key.open_secret(&row.id.to_string(), PURPOSE, &row.parameters);
        let begun = OffsetDateTime::from_unix_timestamp_nanos(i128::from(row.begun) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let kind = Kind::of(&row.operation);
        let opened = match (kind, row.damage, opened) {
            // A reset needs no parameters, so it can go on in any case. Otherwise no registry would ever serve content again.
            (Some(Kind::Reset), _, _) => Ok(b"null".to_vec()),
            (_, Some(damage), _) => Err(damage),
            (_, None, Ok(parameters)) => Ok(parameters.to_vec()),
            (_, None, Err(_)) => {
                Err("its intent does not open under the service-managed key".to_owned())
            }
        };
        let entry = match (kind, opened) {
            (Some(kind), Ok(parameters)) => {
                tracing::info!(operation = %kind, begun = %begun, step = row.step, "{} was cut short and goes on", kind.words());
                Entry::cut_short(kind, parameters, row.step, begun)
            }
            (kind, opened) => {
                let why = match opened {
                    Err(why) => why,
                    Ok(_) => "this program does not know it: a newer one has begun it".to_owned(),
                };
                tracing::error!(
                    operation = row.operation,
                    why,
                    "an operation was cut short and cannot go on"
                );
                Entry::stuck(kind, row.operation, row.step, begun, why)
            }
        };
        self.entries().insert(row.id, entry);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Uuid, Entry>> {
        // Nothing panics while the lock is held, and whatever is in it is whole.
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        // Nothing panics while the lock is held.
        self.0.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the intents are kept.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> Arc<Store> {
        Arc::clone(&self.0.store)
    }

    /// Whether an operation has ended, or is to end before its next step.
    #[cfg(test)]
    pub(crate) fn is_stopping(&self, id: Uuid) -> bool {
        self.entries().get(&id).is_none_or(|entry| entry.is_stopped)
    }

    /// Has the next attempts be due at once.
    #[cfg(test)]
    pub(crate) fn end_rests(&self) {
        self.entries().values_mut().for_each(Entry::end_rest);
        self.0.waits.notify_one();
    }

    /// Has operations stop for ever at their nth step boundary from now on, as a kill there would.
    #[cfg(test)]
    pub(crate) fn stop(&self) -> &super::tests::stop::Stop {
        &self.0.stop
    }
}

impl Intent {
    fn new(intents: &Intents, id: Uuid, kind: Kind, parameters: Vec<u8>, step: String) -> Self {
        intents.attempts().insert(id);
        Self { intents: intents.clone(), id, kind, parameters, step }
    }

    /// The id of the operation.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What the operation does.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the operation needs.
    pub fn parameters<P: DeserializeOwned>(&self) -> Result<P, Error> {
        serde_json::from_slice(&self.parameters).map_err(Error::internal)
    }

    /// How many attempts were refused since the start.
    pub fn refusals(&self) -> u32 {
        self.intents.entries().get(&self.id).map_or(0, Entry::refusals)
    }

    /// The last step that was reached, also before a restart.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Notes durably that a step was reached.
    pub async fn reach(&mut self, step: &'static str) -> Result<(), Error> {
        self.intents.reach(self.id, step).await?;
        step.clone_into(&mut self.step);
        self.passed().await
    }

    /// A boundary between two steps: to be called before each step that changes something. The error says that the operation
    /// was replaced, and that its attempt ends here without another step.
    pub async fn passed(&self) -> Result<(), Error> {
        self.boundary().await;
        if self.is_replaced() { Err(Error::Replaced) } else { Ok(()) }
    }

    /// A test can stop the operation here.
    #[cfg_attr(not(test), expect(clippy::unused_async, reason = "only tests stop here"))]
    async fn boundary(&self) {
        #[cfg(test)]
        self.intents.0.stop.boundary(self.kind).await;
    }

    /// What the transaction with the last change of rows does to the intent. Call [`Intent::ended`] after it.
    pub fn end_with(&self) -> End {
        End::Forget(self.id)
    }

    /// The same, and keeps how the operation ended for those who ask.
    pub fn end_as(&self, outcome: &Outcome) -> End {
        self.intents.0.ends.fetch_add(1, Ordering::Relaxed);
        let error = outcome.as_ref().err().map(shortened);
        End::Keep(self.id, OutcomeRow { ended: millis(self.intents.0.clock.now()), error })
    }

    /// The operation has ended: its last transaction has removed the intent.
    pub async fn ended(self) {
        self.boundary().await;
        self.intents.entries().remove(&self.id);
        self.intents.sweep().await;
    }

    /// Ends an operation whose last step changed no row. Durable on return.
    pub async fn end(self) -> Result<(), Error> {
        let end = self.end_with();
        self.end_after(end).await
    }

    /// The same, and keeps how the operation ended for those who ask.
    pub async fn conclude(self, outcome: &Outcome) -> Result<(), Error> {
        let end = self.end_as(outcome);
        self.end_after(end).await
    }

    /// Stores how the operation ended, in place of the intent. Call [`Intent::ended`] after it.
    pub async fn note_outcome(&self, outcome: &Outcome) -> Result<(), Error> {
        let (store, end) = (Arc::clone(&self.intents.0.store), self.end_as(outcome));
        blocking(move || store.end_intent(&end)).await
    }

    async fn end_after(self, end: End) -> Result<(), Error> {
        let store = Arc::clone(&self.intents.0.store);
        blocking(move || store.end_intent(&end)).await?;
        self.ended().await;
        Ok(())
    }

    /// Notes why this attempt failed. The next one comes later each time.
    pub fn failed(&self, why: &(impl fmt::Display + ?Sized)) {
        let why = why.to_string();
        self.intents.note_failure(self.id, self.kind, why, Entry::fail);
    }

    /// The attempt was refused: like [`failed`](Self::failed), and counted by [`refusals`](Self::refusals).
    pub fn refused(&self, why: &(impl fmt::Display + ?Sized)) {
        let why = why.to_string();
        self.intents.note_failure(self.id, self.kind, why, Entry::refuse);
    }

    /// Leaves an operation that has only begun to the runner, which goes on with it at once.
    fn leave_to_runner(self) {
        if let Some(entry) = self.intents.entries().get_mut(&self.id) {
            entry.wait_for_runner();
        }
        drop(self);
    }
}

impl Drop for Intent {
    fn drop(&mut self) {
        let now = self.intents.0.clock.elapsed();
        if let Some(entry) = self.intents.entries().get_mut(&self.id)
            && entry.state == State::Running
        {
            entry.wait(now);
        }
        // Also if it has ended: others may have waited for the end of a reset.
        self.intents.0.waits.notify_one();
        self.intents.attempts().remove(&self.id);
        self.intents.0.attempt_ended.notify_waiters();
    }
}

impl fmt::Debug for Intents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.unfinished()).finish()
    }
}

fn millis(moment: OffsetDateTime) -> i64 {
    i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// An error that fits into a row.
fn shortened(error: &Value) -> Value {
    if error.to_string().len() <= MAX_ERROR {
        return error.clone();
    }
    let text =
        |name: &str| error[name].as_str().unwrap_or_default().chars().take(500).collect::<String>();
    serde_json::json!({ "code": text("code"), "message": text("message") })
}
