//! An attempt of an operation: its steps and its end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::kind::Kind;
use super::list::{Intents, Outcome, millis};
use super::waiting::{Entry, State};
use crate::registry::Error;
use crate::registry::blocking::blocking;
use crate::store::{End, IntentNote, OutcomeRow};

/// The maximum length of an outcome's error that is stored whole.
const MAX_ERROR: usize = 3000;

/// An attempt of an operation. If it is dropped before its end, the operation waits for the next attempt.
#[derive(Debug)]
pub struct Intent {
    pub(super) intents: Intents,
    pub(super) id: Uuid,
    kind: Kind,
    /// The parameters of the operation, as JSON.
    parameters: Vec<u8>,
    step: String,
}

/// New parameters of an operation.
#[derive(Debug)]
pub(in crate::registry) struct Note {
    /// The row that the transaction stores.
    pub(in crate::registry) row: IntentNote,
    parameters: Vec<u8>,
}

impl Intents {
    /// Records durably the step that an operation has reached.
    pub async fn reach(&self, id: Uuid, step: &'static str) -> Result<(), Error> {
        let store = Arc::clone(&self.0.store);
        blocking(move || store.reach_step(id, step)).await?;
        if let Some(entry) = self.entries().get_mut(&id) {
            step.clone_into(&mut entry.step);
        }
        Ok(())
    }
}

impl Intent {
    pub(super) fn new(
        intents: &Intents,
        id: Uuid,
        kind: Kind,
        parameters: Vec<u8>,
        step: String,
    ) -> Self {
        intents.attempts().insert(id);
        Self { intents: intents.clone(), id, kind, parameters, step }
    }

    /// The id of the operation.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The kind of the operation.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The parameters of the operation.
    pub fn parameters<P: DeserializeOwned>(&self) -> Result<P, Error> {
        serde_json::from_slice(&self.parameters).map_err(Error::internal)
    }

    /// New parameters, for a transaction that stores them together with other rows. Call [`Intent::noted`] after it.
    pub(in crate::registry) fn note(&self, parameters: &impl Serialize) -> Result<Note, Error> {
        let parameters = serde_json::to_vec(parameters).map_err(Error::internal)?;
        let sealed = self.intents.sealed(self.id, &parameters)?;
        Ok(Note { row: IntentNote { id: self.id, parameters: sealed }, parameters })
    }

    /// Uses new parameters, after they were stored.
    pub(in crate::registry) fn noted(&mut self, Note { parameters, .. }: Note) {
        if let Some(entry) = self.intents.entries().get_mut(&self.id) {
            entry.parameters.clone_from(&parameters);
        }
        self.parameters = parameters;
    }

    /// The number of attempts refused since the start.
    pub fn refusals(&self) -> u32 {
        self.intents.entries().get(&self.id).map_or(0, Entry::refusals)
    }

    /// The last step reached, also before a restart.
    pub fn step(&self) -> &str {
        &self.step
    }

    /// Records durably that a step was reached.
    pub async fn reach(&mut self, step: &'static str) -> Result<(), Error> {
        self.intents.reach(self.id, step).await?;
        step.clone_into(&mut self.step);
        self.passed().await
    }

    /// Checks between two steps whether the operation was replaced. Call it before each step that changes something. After an
    /// error, the attempt must end without another step.
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

    /// The end of the intent, for the transaction with the last change of rows. Call [`Intent::ended`] after it.
    pub fn end_with(&self) -> End {
        End::Forget(self.id)
    }

    /// The same, and keeps the outcome for clients that poll the operation.
    pub fn end_as(&self, outcome: &Outcome) -> End {
        self.intents.0.ends.fetch_add(1, Ordering::Relaxed);
        let error = outcome.as_ref().err().map(shortened);
        End::Keep(self.id, OutcomeRow { ended: millis(self.intents.0.clock.now()), error })
    }

    /// Ends the operation, whose last transaction has removed the intent.
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

    /// The same, and keeps the outcome for clients that poll the operation.
    pub async fn conclude(self, outcome: &Outcome) -> Result<(), Error> {
        let end = self.end_as(outcome);
        self.end_after(end).await
    }

    /// Stores the outcome in place of the intent. Call [`Intent::ended`] after it.
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

    /// Records why this attempt failed. The time until the next attempt grows with each failure.
    pub fn failed(&self, why: &(impl fmt::Display + ?Sized)) {
        let why = why.to_string();
        self.intents.note_failure(self.id, self.kind, why, Entry::fail);
    }

    /// Records that the attempt was refused: like [`failed`](Self::failed), and counted by [`refusals`](Self::refusals).
    pub fn refused(&self, why: &(impl fmt::Display + ?Sized)) {
        let why = why.to_string();
        self.intents.note_failure(self.id, self.kind, why, Entry::refuse);
    }

    /// Leaves an operation that has only begun to the runner, which continues it at once.
    pub(super) fn leave_to_runner(self) {
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
        // This is needed after an end as well: other operations may have waited for the end of a reset.
        self.intents.0.waits.notify_one();
        self.intents.attempts().remove(&self.id);
        self.intents.0.attempt_ended.notify_waiters();
    }
}

/// Shortens an error to fit into a row.
fn shortened(error: &Value) -> Value {
    if error.to_string().len() <= MAX_ERROR {
        return error.clone();
    }
    let text =
        |name: &str| error[name].as_str().unwrap_or_default().chars().take(500).collect::<String>();
    serde_json::json!({ "code": text("code"), "message": text("message") })
}
