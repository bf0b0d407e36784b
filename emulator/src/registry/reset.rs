//! A registry begins again: all content goes, with what is known of it in memory, and a new ring of data keys comes.
//!
//! Content asks at [`Gate`] whether a reset is under way, and waits for its end. Who had got past it before meets rows
//! that are gone and a data key that nobody knows: an upload under way is told that there is no such upload, a stream
//! breaks off, and nothing half is left. What was acknowledged before the reset is gone, what is acknowledged after it
//! stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::RwLock;

use super::blocking::blocking;
use super::error::Error;
use super::intents::Intent;
use super::manage_error::ManageError;
use super::names::RegistryName;
use super::resource::{IdentityRef, ResourceGroup, Tags};
use super::{Change, Content, Registries, Registry, UploadId};
use crate::store::End;

/// Lets content through while no reset is under way.
#[derive(Debug, Default)]
pub(super) struct Gate {
    lock: RwLock<()>,
    resets: AtomicU64,
}

impl Gate {
    /// Waits until no reset is under way. Returns how many there were.
    pub(super) async fn pass(&self) -> u64 {
        drop(self.lock.read().await);
        self.resets.load(Ordering::Acquire)
    }
}

impl Registry {
    /// Removes all content, and begins again with the key that the registry was opened with. It fails without having done
    /// anything if the vault does not let that key be used. `intent` ends in the same commit.
    pub async fn reset(&self, intent: &Intent) -> Result<(), Error> {
        let parts = &self.0;
        let alone = parts.gate.lock.write().await;
        parts.ring.begin_again(Some(intent.id())).await?;
        parts.sessions.forget();
        parts.recent.retain(|_| false);
        parts.broken.forget();
        parts.gate.resets.fetch_add(1, Ordering::Release);
        drop(alone);
        Ok(())
    }
}

impl Registries {
    /// Removes every registry but `local`, and every identity but that of the start. Makes `local` what it was when it was made,
    /// but for its content and its key: [`Registry::reset`] does that.
    pub async fn leave_local(&self) -> Result<(), ManageError> {
        for registry in self.all() {
            if !registry.registry_name().is_local() {
                self.delete(registry.registry_name()).await?;
            }
        }
        let start = self.start_identity().resource.clone();
        let name = RegistryName::local();
        let local = self.open_one(&name)?;
        let others = local.profile().identities.clone().into_iter().map(|own| own.resource);
        let change = Change {
            assign: vec![start.clone()],
            remove: others.filter(|own| *own != start).map(IdentityRef::Resource).collect(),
            system_identity: Some(false),
            tags: Some(Tags::default()),
            anonymous: Some(true),
            strict: Some(false),
            no_bypass: Some(false),
            ..Change::default()
        };
        self.change_for_reset(&name, change).await?;
        for identity in self.identities().await? {
            if identity.resource != start {
                self.delete_identity(&identity.resource, true).await?;
            }
        }
        Ok(())
    }

    /// Removes every group but the first and those in `kept`, and all deployments.
    pub async fn leave_first_group(&self, kept: &[ResourceGroup]) -> Result<(), ManageError> {
        for group in self.groups().await? {
            if group.name == ResourceGroup::default() {
                self.forget_deployments(&group.name).await?;
                self.tag_group(&group.name, Tags::default()).await?;
            } else if kept.contains(&group.name) {
                self.forget_deployments(&group.name).await?;
            } else {
                self.delete_group(&group.name, End::Nothing).await?;
            }
        }
        Ok(())
    }
}

impl Content {
    /// What a failed request for an upload is to be told: that there is no such upload, if a reset took it meanwhile.
    pub(super) async fn told_of_upload(&self, id: UploadId, error: Error) -> Error {
        if !matches!(error, Error::Internal(_)) {
            return error;
        }
        self.0.gate.pass().await;
        let parts = Arc::clone(&self.0);
        let found =
            blocking(move || Ok::<_, Error>(parts.store.upload(&parts.name, &id.to_string())?));
        match found.await {
            Ok(None) => Error::UploadUnknown(id),
            _ => error,
        }
    }
}
