//! Verification: every stored byte is authenticated and hashed again.
//!
//! It finds what is damaged (does not authenticate, or has another digest), what is missing (a row without its file)
//! and what is not referenced (a file without a row). It changes nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::blocking::blocking;
use super::digest::{Digest, Hasher};
use super::error::Error;
use super::object::{self, OpenObject};
use super::{Content, Parts};
use crate::envelope::ObjectKind;
use crate::keys::KeyError;
use crate::store::{ObjectRow, StoreError, StoredObject};

/// How many objects are read at the same time.
const PARALLEL: usize = 2;

/// What a verification found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// Blobs that were read.
    pub blobs: u64,
    /// Manifests that were read.
    pub manifests: u64,
    /// Logs of task runs that were read.
    #[serde(default)]
    pub logs: u64,
    /// Bytes of content that were authenticated and hashed.
    pub bytes: u64,
    /// Everything that is not as it should be; empty if all is well.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The blob or manifest, or the file that nothing names.
    pub object: String,
    /// More, in words.
    pub words: String,
}

/// What can be wrong with a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FindingKind {
    /// It does not authenticate or has another digest.
    Damaged,
    /// Its file is gone.
    Missing,
    /// A file that no row names; `sealyard gc` takes it away.
    Unreferenced,
}

/// An object to be verified.
struct Task {
    name: String,
    digest: String,
    kind: ObjectKind,
    row: ObjectRow,
}

impl Content {
    /// Reads everything. `progress` is told the sum so far after each object.
    pub async fn verify(&self, mut progress: impl FnMut(&Verified)) -> Result<Verified, Error> {
        let (sender, mut tasks) = mpsc::channel(64);
        let parts = Arc::clone(&self.0);
        let walk = tokio::task::spawn_blocking(move || walk(&parts, &sender));
        let mut verified = Verified::default();
        let mut running = tokio::task::JoinSet::new();
        loop {
            while running.len() < PARALLEL {
                let Some(task) = tasks.recv().await else { break };
                let content = self.clone();
                running.spawn(async move { (content.check(&task).await, task) });
            }
            let Some(done) = running.join_next().await else { break };
            let (checked, task) = done?;
            verified.note(&task, checked)?;
            progress(&verified);
        }
        walk.await??;
        let parts = Arc::clone(&self.0);
        for file in blocking(move || parts.store.orphans()).await? {
            verified.findings.push(Finding {
                kind: FindingKind::Unreferenced,
                object: file.to_string(),
                words: "no row names this file; `sealyard gc` takes it away".to_owned(),
            });
        }
        Ok(verified)
    }

    /// The number of bytes of an object, all read.
    async fn check(&self, task: &Task) -> Result<u64, Error> {
        let digest: Digest = task.digest.parse()?;
        let opened = object::open(&self.0, task.row.clone(), task.kind, digest.clone()).await?;
        let runtime = Handle::current();
        blocking(move || {
            let OpenObject { mut opener, lease } = opened;
            let mut hasher = Hasher::new(digest.algorithm());
            let mut segment = Vec::new();
            for index in 0..opener.segment_count() {
                lease.with_renewal(&runtime, |key| {
                    opener.read_segment(key, index, &mut segment)
                })??;
                hasher.update(&segment);
            }
            let actual = hasher.finish();
            if actual == digest {
                Ok(opener.len())
            } else {
                Err(Error::DigestMismatch { named: digest, actual })
            }
        })
        .await
    }
}

impl Verified {
    /// Whether nothing is damaged or missing. A file that nothing names harms nobody.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.kind == FindingKind::Unreferenced)
    }

    fn note(&mut self, task: &Task, checked: Result<u64, Error>) -> Result<(), Error> {
        let kind = match &checked {
            Ok(len) => {
                self.bytes += len;
                match task.kind {
                    ObjectKind::Manifest => self.manifests += 1,
                    ObjectKind::Log => self.logs += 1,
                    _ => self.blobs += 1,
                }
                return Ok(());
            }
            Err(Error::Damaged(_) | Error::DigestMismatch { .. }) => FindingKind::Damaged,
            Err(Error::Internal(cause))
                if matches!(cause.downcast_ref(), Some(StoreError::NotFound(_))) =>
            {
                FindingKind::Missing
            }
            // Its data key is lost: nobody will open it again, but all others can.
            Err(Error::Internal(cause)) if cause.is::<KeyError>() => FindingKind::Damaged,
            // Deleted since its row was read.
            Err(Error::BlobUnknown(_) | Error::ManifestUnknown(_)) => return Ok(()),
            // The key was refused, or the disk failed: this says nothing of the object.
            Err(_) => return checked.map(drop),
        };
        let words = checked.err().map(|error| error.to_string()).unwrap_or_default();
        self.findings.push(Finding { kind, object: task.name.clone(), words });
        Ok(())
    }
}

fn walk(parts: &Parts, sender: &mpsc::Sender<Task>) -> Result<(), Error> {
    for stored in parts.store.all_objects(&parts.name) {
        let task = match stored? {
            StoredObject::Blob { digest, object } => {
                Task { name: format!("blob {digest}"), digest, kind: ObjectKind::Blob, row: object }
            }
            StoredObject::Manifest { repository, digest, object } => Task {
                name: format!("manifest {repository}@{digest}"),
                digest,
                kind: ObjectKind::Manifest,
                row: object,
            },
            StoredObject::Log { run, digest, object } => Task {
                name: format!("log of run cb{run}"),
                digest,
                kind: ObjectKind::Log,
                row: object,
            },
        };
        if sender.blocking_send(task).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Algorithm;
    use crate::store::FileId;

    #[test]
    fn what_is_deleted_while_it_is_looked_for_is_no_finding_and_what_is_lost_is_one() {
        let digest = Digest::of(Algorithm::Sha256, b"x");
        let file = FileId::random();
        let row = ObjectRow { file, size: 1, data_key: [0; 16], created: 0 };
        let name = format!("blob {digest}");
        let task = Task { name, digest: digest.to_string(), kind: ObjectKind::Blob, row };
        let mut verified = Verified::default();

        verified.note(&task, Err(Error::BlobUnknown(digest))).unwrap();
        assert!(verified.is_sound() && verified.findings.is_empty());
        verified.note(&task, Err(StoreError::NotFound(file).into())).unwrap();

        assert!(!verified.is_sound());
        assert_eq!(verified.findings[0].kind, FindingKind::Missing);
    }
}
