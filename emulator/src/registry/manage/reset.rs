//! Resets a registry: deletes all content, and its state in memory, and creates a new ring of data keys.
//!
//! Content waits at the gate (`parts/gate.rs`) until a reset has ended. Requests that passed it before find missing rows and an unknown
//! data key: an open upload gets the error that there is no such upload, a stream breaks, and nothing incomplete
//! remains. Content acknowledged before the reset is deleted; content acknowledged after it stays.

use super::change::Change;
use super::error::ManageError;
use super::registries::Registries;
use crate::names::RegistryName;
use crate::registry::error::Error;
use crate::registry::intents::Intent;
use crate::registry::parts::Registry;
use crate::registry::resources::{IdentityRef, ResourceGroup, Tags};
use crate::store::End;

impl Registry {
    /// Deletes all content, and starts again with the key that the registry was opened with. If the vault refuses that
    /// key, it fails without any change. `intent` ends in the same commit.
    pub async fn reset(&self, intent: &Intent) -> Result<(), Error> {
        let parts = &self.0;
        let closed = parts.gate.close().await;
        parts.ring.reinitialize(Some(intent.id())).await?;
        parts.sessions.forget();
        parts.recent.retain(|_| false);
        parts.broken.forget();
        closed.note_reset();
        Ok(())
    }
}

impl Registries {
    /// Deletes every registry but `local`, and every identity but the start identity. Restores the first profile of
    /// `local`, but not its content and its key: [`Registry::reset`] does that.
    pub async fn delete_all_but_local(&self) -> Result<(), ManageError> {
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

    /// Deletes every group but the first and those in `kept`, and all deployments.
    pub async fn reset_groups(&self, kept: &[ResourceGroup]) -> Result<(), ManageError> {
        for group in self.groups().await? {
            if group.name == ResourceGroup::default() {
                self.remove_deployments(&group.name).await?;
                self.tag_group(&group.name, Tags::default()).await?;
            } else if kept.contains(&group.name) {
                self.remove_deployments(&group.name).await?;
            } else {
                self.delete_group(&group.name, End::Nothing).await?;
            }
        }
        Ok(())
    }
}
