//! Work that is due by the clock: expired task runs, abandoned uploads, and the end of a removed identity.
//!
//! Called by the scheduler, which moves the clock from one such moment to the next, and regularly as time passes. Work is
//! due by emulator time. An upload must also have been idle for some real seconds, so that a clock jump never removes a
//! push in progress: collection removes it later.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;

use super::times::seconds;
use crate::keys::Cause;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::registry::{Parts, Registry, TaskRun};

impl Registry {
    /// The next time after now at which work is due.
    pub async fn next_due(&self) -> Result<Option<OffsetDateTime>, Error> {
        let parts = Arc::clone(&self.0);
        let identity = self.identity_works_until().filter(|at| self.0.clock.now() < *at);
        let rows = blocking(move || {
            let now = parts.clock.unix_now();
            let uploads = uploads_end(&parts)?.into_iter().filter(|at| *at > now);
            let runs = parts.store.next_task_run_end(&parts.name, now)?;
            let next = uploads.chain(runs).min();
            Ok::<_, Error>(next.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()))
        });
        Ok([rows.await?, identity].into_iter().flatten().min())
    }

    /// Does the work that is due.
    pub async fn run_due(&self) -> Result<(), Error> {
        let ended = self.identity_works_until().is_some_and(|at| at <= self.0.clock.now());
        if ended && self.key_ring().status().cause != Some(Cause::IdentityInactive) {
            self.key_ring().check().await;
        }
        let parts = Arc::clone(&self.0);
        blocking(move || {
            expire_task_runs(&parts)?;
            expire_uploads(&parts)
        })
        .await
    }
}

/// When each upload expires unless a client continues it.
fn uploads_end(parts: &Parts) -> Result<Vec<i64>, Error> {
    let idle = seconds(parts.settings.collect.upload_idle_for);
    let uploads = parts.store.uploads(&parts.name)?;
    // An upload must be older than that, in whole seconds.
    Ok(uploads.iter().map(|upload| upload.touched.saturating_add(idle + 1)).collect())
}

fn expire_task_runs(parts: &Parts) -> Result<(), Error> {
    for expired in parts.store.expire_task_runs(&parts.name, parts.clock.unix_now())? {
        let run = TaskRun::from(expired);
        tracing::info!(registry.name = parts.name.as_str(), run = %run.id, ended = %run.ends, "a task run has expired, with its log");
    }
    Ok(())
}

fn expire_uploads(parts: &Parts) -> Result<(), Error> {
    let options = parts.settings.collect;
    let before = parts.clock.unix_now().saturating_sub(seconds(options.upload_idle_for));
    let elapsed = parts.clock.elapsed();
    let is_live = |used: Duration| elapsed.saturating_sub(used) < options.really_idle_for;
    let expired = parts
        .store
        .expire_uploads(&parts.name, before, &|row| !parts.sessions.retire(&row.id, is_live))?;
    if 0 < expired.uploads {
        let (uploads, bytes) = (expired.uploads, expired.bytes);
        tracing::info!(registry.name = parts.name.as_str(), uploads, bytes, "uploads have expired");
    }
    Ok(())
}
