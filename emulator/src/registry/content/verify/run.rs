//! The verification on request: reads every object of the registry, and records each problem.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::finding::{Finding, Verified};
use super::task::{Task, read_through};
use crate::registry::blocking::blocking;
use crate::registry::content::damage::{self, TRIES};
use crate::registry::content::object::{self, OpenObject};
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;
use crate::registry::parts::{Content, Parts};
use crate::store::StoreError;

/// How many objects are read at the same time.
const PARALLEL: usize = 2;

/// The result for an object.
enum Checked {
    /// All of it was read.
    Sound(u64),
    /// The key was refused before. The file exists and has the right length.
    OnlyLookedAt,
}

impl Content {
    /// Reads everything, and repairs what it can if `repair` is set. `progress` gets the totals after each object.
    /// A second verification of the same registry waits for the first.
    pub async fn verify(
        &self,
        repair: bool,
        mut progress: impl FnMut(&Verified),
    ) -> Result<Verified, Error> {
        let _alone = self.0.verifying.lock().await;
        let (sender, mut tasks) = mpsc::channel(64);
        let parts = Arc::clone(&self.0);
        let walk = tokio::task::spawn_blocking(move || walk(&parts, &sender));
        let mut verified = Verified::default();
        let mut running = tokio::task::JoinSet::new();
        loop {
            while running.len() < PARALLEL {
                let Some(task) = tasks.recv().await else { break };
                let task = match task {
                    Ok(task) => task,
                    Err(message) => {
                        verified.findings.push(Finding::for_row(message));
                        continue;
                    }
                };
                let (content, is_dark) = (self.clone(), verified.refused.is_some());
                running.spawn(async move {
                    let checked = if is_dark {
                        content.look(&task).await
                    } else {
                        content.check(&task).await
                    };
                    (checked, task)
                });
            }
            let Some(done) = running.join_next().await else { break };
            let (checked, task) = done?;
            self.note(&mut verified, task, checked).await?;
            progress(&verified);
        }
        walk.await?;
        self.look_beyond_rows(&mut verified).await?;
        self.check_rows(&mut verified).await?;
        self.name_what_is_affected(&mut verified).await?;
        if repair {
            self.repair(&mut verified).await?;
        }
        let parts = Arc::clone(&self.0);
        blocking(move || parts.store.keep_marks()).await?;
        Ok(verified)
    }

    /// Reads an object to its end. Marks it if it is damaged, and removes its mark if it is not.
    async fn check(&self, task: &Task) -> Result<Checked, Error> {
        let Task { name, row } = task;
        let mut row = row.clone();
        for _ in 0..TRIES {
            let opened = object::open(&self.0, name, row).await?;
            row = opened.row.clone();
            match self.read(name, opened).await {
                Ok(len) => {
                    let (parts, name) = (Arc::clone(&self.0), name.clone());
                    tokio::task::spawn_blocking(move || damage::clear(&parts, &name, &row)).await?;
                    return Ok(Checked::Sound(len));
                }
                Err(error) => row = damage::after_failure(&self.0, name, &row, error).await?,
            }
        }
        Err(name.unknown())
    }

    /// Reads all bytes of an object, and returns their number.
    async fn read(&self, name: &ObjectName, opened: OpenObject) -> Result<u64, Error> {
        let (runtime, digest) = (Handle::current(), name.digest().clone());
        blocking(move || read_through(opened, &digest, &runtime)).await
    }

    /// Checks an object without the key.
    async fn look(&self, task: &Task) -> Result<Checked, Error> {
        let (parts, task) = (Arc::clone(&self.0), task.clone());
        blocking(move || damage::sound_row(&parts, &task.name, task.row)).await?;
        Ok(Checked::OnlyLookedAt)
    }

    /// Counts an object, or records its problem.
    async fn note(
        &self,
        verified: &mut Verified,
        task: Task,
        checked: Result<Checked, Error>,
    ) -> Result<(), Error> {
        let error = match checked {
            Ok(Checked::Sound(len)) => {
                verified.count(&task.name, len);
                return Ok(());
            }
            Ok(Checked::OnlyLookedAt) => {
                verified.unchecked += 1;
                return Ok(());
            }
            Err(error) => error,
        };
        match error {
            // Deleted since its row was read.
            Error::BlobUnknown(_) | Error::ManifestUnknown(_) | Error::TaskRunUnknown(_) => Ok(()),
            Error::Refused(refusal) => {
                verified.refused.get_or_insert(refusal.message());
                verified.unchecked += 1;
                match self.look(&task).await {
                    Err(error @ Error::DamagedObject(_)) => {
                        self.add(verified, task, &error).await;
                        Ok(())
                    }
                    _ => Ok(()),
                }
            }
            Error::RegistryGone => Err(Error::RegistryGone),
            error => {
                self.add(verified, task, &error).await;
                Ok(())
            }
        }
    }

    async fn add(&self, verified: &mut Verified, task: Task, error: &Error) {
        let parts = Arc::clone(&self.0);
        let row = task.row.clone();
        let mark = blocking(move || parts.store.damage(&parts.name, &row)).await;
        let message = match mark {
            Ok(Some(mark)) => mark.message,
            // The object has another file by now, or the mark could not be written.
            Ok(None) | Err(_) => damage::cause_of(error),
        };
        verified.findings.push(Finding::for_object(&task.name, error, message));
    }

    /// Finds files that no row names, folders that cannot be listed, and open uploads.
    async fn look_beyond_rows(&self, verified: &mut Verified) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (found, held) = blocking(move || {
            let held = parts.store.held_by_uploads(&parts.name)?;
            Ok::<_, StoreError>((parts.store.orphans_and_faults()?, held))
        })
        .await?;
        (verified.uploads, verified.upload_bytes) = (held.uploads, held.bytes);
        let (orphans, faults) = found;
        verified.findings.extend(orphans.into_iter().map(Finding::for_orphan));
        verified.findings.extend(faults.iter().map(Finding::for_fault));
        Ok(())
    }
}

/// Sends every object of the registry. An error is the message about a row that cannot be read.
fn walk(parts: &Parts, sender: &mpsc::Sender<Result<Task, String>>) {
    for stored in parts.store.all_objects(&parts.name) {
        let task = stored.map(Task::from).map_err(|error| error.to_string());
        if sender.blocking_send(task).is_err() {
            return;
        }
    }
}
