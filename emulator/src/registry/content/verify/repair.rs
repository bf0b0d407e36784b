//! Repairs the findings of `verify --repair` one by one, and says what is left to the user.
//!
//! - A manifest that another repository of the registry has intact is sealed again from there.
//! - Every other object keeps its mark, so that clients see it as missing and push it again.
//! - Files that no row names are removed, as `gc` does.
//!
//! A finding that cannot be repaired does not stop the repair.

use std::sync::Arc;

use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::finding::{Finding, FindingKind, Verified};
use crate::names::{Digest, RepositoryName};
use crate::registry::Content;
use crate::registry::blocking::{blocking, blocking_with_key};
use crate::registry::content::damage::{self};
use crate::registry::content::manifest_push::seal_manifest;
use crate::registry::content::object;
use crate::registry::error::Error;
use crate::registry::object_name::ObjectName;

impl Content {
    /// Repairs what it can, and records the action for each finding.
    pub(super) async fn repair(&self, verified: &mut Verified) -> Result<(), Error> {
        for finding in &mut verified.findings {
            let done = match (&finding.name, finding.kind) {
                (Some(ObjectName::Manifest(repository, digest)), _) => {
                    let (repository, digest) = (repository.clone(), digest.clone());
                    self.repair_manifest(finding, &repository, &digest).await
                }
                (Some(ObjectName::Blob(_)), _) => Ok(marked(finding)),
                (Some(ObjectName::Log(..)), _) => {
                    Ok("nothing: the log is lost; it goes with its run".to_owned())
                }
                (None, FindingKind::Unreferenced | FindingKind::Quarantined) => continue,
                // A fixed finding has its action already.
                (None, _) if finding.healed => continue,
                (None, _) => {
                    Ok("nothing: repair the disk or the rows, then verify again".to_owned())
                }
            };
            finding.done = Some(done.unwrap_or_else(|error| {
                format!("nothing: the repair failed: {}", damage::cause_of(&error))
            }));
        }
        self.remove_orphans(verified).await
    }

    async fn remove_orphans(&self, verified: &mut Verified) -> Result<(), Error> {
        let is_orphan = |finding: &&mut Finding| finding.kind == FindingKind::Unreferenced;
        if !verified.findings.iter_mut().any(|finding| is_orphan(&finding)) {
            return Ok(());
        }
        let parts = Arc::clone(&self.0);
        let removed = blocking(move || parts.store.sweep_orphans()).await;
        let (done, healed) = match removed {
            // The store removes nothing while its rows are damaged.
            Ok(0) => ("nothing: the rows are damaged".to_owned(), false),
            Ok(_) => ("removed it, or moved it to quarantine/ if rows were lost".to_owned(), true),
            Err(error) => {
                (format!("nothing: cannot remove it: {}", damage::cause_of(&error)), false)
            }
        };
        for finding in verified.findings.iter_mut().filter(is_orphan) {
            (finding.done, finding.healed) = (Some(done.clone()), healed);
        }
        Ok(())
    }

    async fn repair_manifest(
        &self,
        finding: &mut Finding,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<String, Error> {
        let Some((source, bytes)) = self.intact_copy(repository, digest).await? else {
            return Ok(marked(finding));
        };
        let lease = self.0.ring.current().await?;
        let (runtime, parts) = (Handle::current(), Arc::clone(&self.0));
        let (repository, digest) = (repository.clone(), digest.clone());
        let borrowed = lease.clone();
        let replaced = blocking_with_key(&borrowed, move || {
            let Some(row) = parts.store.manifest(&parts.name, &repository, &digest)? else {
                return Ok(false);
            };
            let (new, object) = seal_manifest(&parts, &lease, &runtime, &digest, &bytes)?;
            let condemned = row.object.file;
            let (store, registry) = (&parts.store, &parts.name);
            let replaced = store.replace_manifest_file(
                registry,
                &repository,
                &digest,
                condemned,
                &object,
                new,
            )?;
            Ok::<_, Error>(replaced)
        })
        .await?;
        finding.healed = true;
        Ok(if replaced {
            format!("restored it from repository {source}")
        } else {
            "nothing: it was pushed again or deleted meanwhile".to_owned()
        })
    }

    /// The same manifest from another repository, if one has it intact.
    async fn intact_copy(
        &self,
        repository: &RepositoryName,
        digest: &Digest,
    ) -> Result<Option<(RepositoryName, Zeroizing<Vec<u8>>)>, Error> {
        let parts = Arc::clone(&self.0);
        let (name, named) = (repository.clone(), digest.clone());
        let others = blocking(move || {
            parts.store.other_repositories_with_manifest(&parts.name, &name, &named)
        })
        .await?;
        for other in others {
            let (parts, name, named) = (Arc::clone(&self.0), other.clone(), digest.clone());
            let row = blocking(move || parts.store.manifest(&parts.name, &name, &named)).await?;
            let Some(row) = row else { continue };
            let name = ObjectName::Manifest(other.clone(), digest.clone());
            match object::read_all(&self.0, &name, row.object).await {
                Ok(bytes) if Digest::of(digest.algorithm(), &bytes) == *digest => {
                    return Ok(Some((other, bytes)));
                }
                Ok(_) | Err(Error::DamagedObject(_) | Error::ManifestUnknown(_)) => (),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The action that is left to the user.
fn marked(finding: &Finding) -> String {
    let seen = "marked it: clients see it as missing";
    match finding.tags.as_slice() {
        [] => format!("{seen}; push it again, or delete it"),
        tags => format!("{seen}; push again: {}", tags.join(", ")),
    }
}
