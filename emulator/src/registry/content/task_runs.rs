//! Task runs and their logs: the results of builds, kept for a day in a registry with a customer-managed key.
//!
//! A log is content: it is sealed under the ring, and reached through [`Content`]. The run's existence, name, status
//! and times are metadata and available in every state. A run expires by the clock: after 24 hours with a
//! customer-managed key, after 30 days without. Then `due.rs` deletes it with its log.
//!
//! This module does not run tasks.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::runtime::Handle;

use super::blob_stream::BlobStream;
use super::damage::StreamSource;
use super::object;
use super::times::seconds;
use super::uploads::{Body, nothing_arrived_for};
use crate::names::{Algorithm, Hasher, TaskRunId};
use crate::registry::blocking::{blocking, blocking_with_key};
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::registry::{Content, Registry};
use crate::store::{NewTaskRun, ObjectRow, TaskRunRow};
use sealed_envelope::{Binding, ObjectKind, SEGMENT_LEN, Sealer, scrubbed};

/// The maximum length of a log, in bytes.
pub const MAX_LOG_LEN: u64 = 64 << 20;

/// The maximum length of a run's name, in bytes.
const MAX_NAME_LEN: usize = 256;

/// How long a run is kept with a customer-managed key, and without one.
const RETENTION_WITH_KEY: Duration = Duration::from_hours(24);
const RETENTION_WITHOUT_KEY: Duration = Duration::from_hours(30 * 24);

/// The result of a run, in Azure's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TaskRunStatus {
    /// It succeeded.
    #[default]
    Succeeded,
    /// It failed.
    Failed,
    /// It was canceled.
    Canceled,
    /// It took too long.
    Timeout,
    /// Another error stopped it.
    Error,
}

/// The metadata of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRun {
    /// Its id.
    pub id: TaskRunId,
    /// The task that was run, if it has a name.
    pub name: Option<String>,
    /// Its result.
    pub status: TaskRunStatus,
    /// When it began.
    pub created: OffsetDateTime,
    /// When it ended and its log was complete.
    pub finished: OffsetDateTime,
    /// When it expires, with its log.
    pub ends: OffsetDateTime,
    /// Length of the log in bytes.
    pub log_len: u64,
}

impl Content {
    /// Stores a run whose log is the body. Durable on return; an incomplete body leaves nothing.
    pub async fn add_task_run(
        &self,
        name: Option<String>,
        status: TaskRunStatus,
        mut log: Body,
    ) -> Result<TaskRun, Error> {
        if name.as_ref().is_some_and(|name| MAX_NAME_LEN < name.len()) {
            return Err(Error::MetadataTooLong);
        }
        let parts = Arc::clone(&self.0);
        let created = parts.clock.unix_now();
        // Held to the end: a leased data key is not retired.
        let lease = parts.ring.current().await?;
        let runtime = Handle::current();
        let binding = Binding::new(parts.name.as_str(), ObjectKind::Log);
        let mut sealer = blocking({
            let (parts, data_key) = (Arc::clone(&parts), lease.id());
            move || {
                let new = parts.store.new_object()?;
                Ok::<_, Error>(Sealer::create(new, data_key, binding, SEGMENT_LEN)?)
            }
        })
        .await?;
        let mut hasher = Hasher::new(Algorithm::Sha256);
        let idle = parts.settings.body_idle;
        loop {
            let chunk = match tokio::time::timeout(idle, log.next()).await {
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(message))) => return Err(Error::BodyCut(message)),
                Ok(None) => break,
                Err(_) => return Err(Error::BodyCut(nothing_arrived_for(idle))),
            };
            if MAX_LOG_LEN < sealer.len() + chunk.len() as u64 {
                return Err(Error::LogTooLong(MAX_LOG_LEN));
            }
            let (parts, borrowed, runtime) = (Arc::clone(&parts), lease.clone(), runtime.clone());
            (sealer, hasher) = blocking_with_key(&lease, move || {
                parts.store.ensure_space()?;
                scrubbed(|| hasher.update(&chunk));
                borrowed.with_renewal(&runtime, |key| sealer.append(key, &chunk))??;
                Ok::<_, Error>((sealer, hasher))
            })
            .await?;
        }
        let borrowed = lease.clone();
        let row = blocking_with_key(&borrowed, move || {
            let digest = scrubbed(|| hasher.finish());
            let sealed = lease.with_renewal(&runtime, |key| sealer.finish(key, digest.as_str()))?;
            let (new, finished) = sealed?;
            let now = parts.clock.unix_now();
            let kept = if parts.ring.describe().configured.is_some() {
                RETENTION_WITH_KEY
            } else {
                RETENTION_WITHOUT_KEY
            };
            let log = ObjectRow {
                file: new.id(),
                size: finished.plaintext_len,
                data_key: *lease.id().as_bytes(),
                created: now,
                sealed_len: Some(finished.file_len),
            };
            let run = NewTaskRun {
                name,
                status: status.as_str().to_owned(),
                created,
                finished: now,
                ends: now.saturating_add(seconds(kept)),
                digest: digest.as_str().to_owned(),
                log,
            };
            Ok::<_, Error>(parts.store.add_task_run(&parts.name, &run, new)?)
        })
        .await?;
        Ok(row.into())
    }

    /// The log of a run, and its length. The trailer is authenticated before this returns.
    pub async fn task_run_log(&self, id: TaskRunId) -> Result<(u64, BlobStream), Error> {
        let parts = Arc::clone(&self.0);
        let found = blocking(move || parts.store.task_run(&parts.name, id.number())).await?;
        let row = found.ok_or(Error::TaskRunUnknown(id))?;
        let digest = row.run.digest()?;
        let name = ObjectName::Log(id, digest);
        let opened = object::open(&self.0, &name, row.run.log).await?;
        let (len, source) =
            (opened.opener.len(), StreamSource::new(&self.0, name, opened.row.clone()));
        Ok((len, BlobStream::new(opened, 0..len, source)))
    }
}

impl Registry {
    /// All runs that have not expired, newest first.
    pub async fn task_runs(&self) -> Result<Vec<TaskRun>, Error> {
        let parts = Arc::clone(&self.0);
        blocking(move || {
            let rows: Result<Vec<_>, _> = parts.store.task_runs(&parts.name).collect();
            Ok::<_, Error>(rows?.into_iter().rev().map(TaskRun::from).collect())
        })
        .await
    }

    /// A run.
    pub async fn task_run(&self, id: TaskRunId) -> Result<TaskRun, Error> {
        let parts = Arc::clone(&self.0);
        let found = blocking(move || parts.store.task_run(&parts.name, id.number())).await?;
        found.map(TaskRun::from).ok_or(Error::TaskRunUnknown(id))
    }

    /// Deletes a run with its log. Needs no key, because it opens nothing.
    pub async fn delete_task_run(&self, id: TaskRunId) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let removed =
            blocking(move || parts.store.remove_task_run(&parts.name, id.number())).await?;
        if removed { Ok(()) } else { Err(Error::TaskRunUnknown(id)) }
    }
}

impl TaskRunStatus {
    /// Azure's term.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Timeout => "Timeout",
            Self::Error => "Error",
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Canceled" => Self::Canceled,
            "Timeout" => Self::Timeout,
            _ => Self::Error,
        }
    }
}

impl From<TaskRunRow> for TaskRun {
    fn from(row: TaskRunRow) -> Self {
        let TaskRunRow { number, run } = row;
        let at = |seconds| {
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        };
        Self {
            id: TaskRunId::from_number(number),
            name: run.name,
            status: TaskRunStatus::from_name(&run.status),
            created: at(run.created),
            finished: at(run.finished),
            ends: at(run.ends),
            log_len: run.log.size,
        }
    }
}
