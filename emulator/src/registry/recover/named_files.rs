//! Checks small files that rows name, after damage of the journal: it may have held the only copy of their content.
//!
//! A push of a small object waits for no sync of its file (`store/objects/folder/carried.rs`). A power cut can lose the file, and then the next
//! start restores it from the journal, unless its record there is damaged. Only the content shows a loss, so each such file is
//! read. A repair reports each loss with the repositories and tags that it affects, and marks it, so that clients push it
//! again.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use futures::StreamExt as _;
use tokio::runtime::Handle;

use super::orphan_files::PARALLEL;
use super::recovered::{DamagedContent, Recovered};
use super::rings::Rings;
use crate::keys::KeyError;
use crate::names::RegistryName;
use crate::registry::blocking::blocking;
use crate::registry::content::OpenObject;
use crate::registry::content::{Finding, Task, name_affected, read_through};
use crate::registry::content::{cause_of, damage_of, damaged};
use crate::registry::error::Error;
use crate::store::{FileId, Store, StoreError};
use sealed_envelope::{Binding, DataKeyId, Header, OpenError, Opener};

/// A small file that a row names.
pub(super) struct NamedFile {
    registry: RegistryName,
    task: Task,
}

/// The small files that rows name, except those whose content the journal still had.
pub(super) fn named_files(
    store: &Store,
    restored: &HashSet<FileId>,
) -> Result<Vec<NamedFile>, StoreError> {
    let mut all = Vec::new();
    for record in store.registries()? {
        // The recovery of the rings notes it.
        let Ok(registry) = record.registry_name() else { continue };
        // A verification of the rows reports a row that cannot be read.
        let objects = store.all_objects(&registry).flatten();
        for task in objects.map(Task::from) {
            if task.row.may_be_carried() && !restored.contains(&task.row.file) {
                all.push(NamedFile { registry: registry.clone(), task });
            }
        }
    }
    Ok(all)
}

/// Reads the files, and records those that are lost.
pub(super) async fn check(
    store: &Arc<Store>,
    rings: &Arc<Rings>,
    now: i64,
    files: Vec<NamedFile>,
    recovered: &mut Recovered,
) -> Result<(), Error> {
    let mut read = futures::stream::iter(files)
        .map(|file| async move {
            let outcome = file.read(store, rings).await;
            (file, outcome)
        })
        .buffer_unordered(PARALLEL);
    let mut findings: BTreeMap<RegistryName, Vec<Finding>> = BTreeMap::new();
    while let Some((file, outcome)) = read.next().await {
        let Err(error) = outcome else { continue };
        let Some(damage) = damage_of(&error) else {
            recovered.unchecked += 1;
            recovered.why_unchecked.get_or_insert_with(|| cause_of(&error));
            continue;
        };
        let message = cause_of(&error);
        let finding = Finding::for_object(&file.task.name, &error, message.clone());
        findings.entry(file.registry.clone()).or_default().push(finding);
        let store = Arc::clone(store);
        let mark = move || {
            store.mark_damaged(&file.registry, &file.task.row, damage, &message, now).map(drop)
        };
        blocking(mark).await?;
    }
    drop(read);
    let store = Arc::clone(store);
    recovered.damaged = blocking(move || {
        store.keep_marks()?;
        let mut all = Vec::new();
        for (registry, mut findings) in findings {
            name_affected(&store, &registry, &mut findings)?;
            let damaged = |finding| DamagedContent { registry: registry.to_string(), finding };
            all.extend(findings.into_iter().map(damaged));
        }
        Ok::<_, StoreError>(all)
    })
    .await?;
    Ok(())
}

impl NamedFile {
    pub(super) fn data_key(&self) -> DataKeyId {
        DataKeyId::from_bytes(self.task.row.data_key)
    }

    /// Reads the whole file. The error says what is wrong with it, or why it cannot be read now.
    async fn read(&self, store: &Arc<Store>, rings: &Rings) -> Result<(), Error> {
        let Task { name, row } = self.task.clone();
        let (work, object) = (Arc::clone(store), name.clone());
        let opened = blocking(move || {
            if let Some(damage) = work.look_at_file(&row)? {
                return Err(damaged(&object, damage));
            }
            let mut reader = work.open_object(row.file)?;
            let header = Header::of_file(&mut reader)?;
            if header.data_key().as_bytes() != &row.data_key {
                return Err(OpenError::Damaged.into());
            }
            Ok::<_, Error>((reader, header, row))
        });
        let (reader, header, row) = opened.await?;
        let data_key = header.data_key();
        let ring = rings.ring_with(data_key).ok_or(KeyError::NoSuchDataKey(data_key))?;
        let ring = ring.open().map_err(|message| Error::internal(message.to_owned()))?;
        let lease = ring.lease(data_key).await?;
        let (runtime, registry) = (Handle::current(), self.registry.clone());
        blocking(move || {
            let binding = Binding::new(registry.as_str(), name.kind());
            let digest = name.digest();
            let opener = lease.with_renewal(&runtime, |key| {
                Opener::open(reader, header, binding, key, digest.as_str())
            })??;
            read_through(OpenObject { opener, lease, row }, digest, &runtime).map(drop)
        })
        .await
    }
}
