//! The parts of a running emulator, as one value that all its APIs share.
//!
//! `serve/` builds an [`App`]. This module makes no decisions: it only holds the parts together.

use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use mock_keyvault::Manager;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::endpoints::Endpoints;
use crate::faults::FaultRules;
use crate::inflight::InflightRequests;
use crate::listeners::{Guard, Ports};
use crate::registry::{Authenticator, Events, ManageError, Registries, Registry, RegistryName};
use crate::revocation::{RevocationContext, Revocations};
use crate::scheduler::Scheduler;
use crate::state_watch::StateWatch;
use crate::vault::OwnerVault;

/// The parts of a running emulator. Clones share them.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The state that [`App`] shares.
#[derive(Debug)]
pub struct Parts {
    /// The registries, with `local` first.
    pub registries: Registries,
    /// The clock of the registries and the vault.
    pub clock: Clock,
    /// The configuration of the start.
    pub config: Config,
    /// The addresses of all listeners.
    pub endpoints: Endpoints,
    /// The events of the keys of all registries.
    pub events: Events,
    /// The ports of the registries other than `local`.
    pub ports: Ports,
    /// The owner's access to the vault; `None` with an external vault, which the emulator cannot change.
    pub owner: Option<OwnerVault>,
    /// The embedded vault, whose rows `verify` checks; `None` with a vault in another process.
    pub embedded: Option<Manager>,
    /// The changes that `revoke` made, until `restore` undoes them.
    pub revocations: Revocations,
    /// The faults that a client of the admin API asked for.
    pub faults: FaultRules,
    /// Held during a reset.
    pub resetting: tokio::sync::Mutex<()>,
    /// Moves the clock, and runs everything that becomes due.
    pub scheduler: Arc<Scheduler>,
    /// Keeps the states of the registries up to date.
    pub state_watch: Arc<StateWatch>,
    /// Authenticates and authorizes callers of registries that require a login.
    pub authenticator: Authenticator,
    /// The requests in progress.
    pub inflight: InflightRequests,
    /// The password that the admin API and `local` require when the listener can be reached from outside.
    pub guard: Guard,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// A registry by its name.
    pub fn registry(&self, name: &str) -> Option<Registry> {
        self.0.registries.get(name)
    }

    /// Deletes a registry with everything in it, and its revocation records.
    pub async fn delete_registry(&self, name: &RegistryName) -> Result<(), ManageError> {
        self.registries.delete(name).await?;
        if let Err(error) = self.revocations.remove_deleted_registries(&self.registries).await {
            // The next start deletes them.
            tracing::warn!(registry.name = %name, %error, "could not delete the revocation records of the registry");
        }
        Ok(())
    }

    /// Deletes the revocation records of each registry that is deleted: the control plane also deletes registries, and
    /// groups of them. Runs until `stop`; the caller spawns it.
    pub async fn remove_records_of_deleted_registries(self, stop: CancellationToken) {
        let mut changes = self.registries.changes();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
            if let Err(error) = self.revocations.remove_deleted_registries(&self.registries).await {
                tracing::warn!(%error, "could not delete the revocation records of a deleted registry");
            }
        }
    }

    /// The context that revocations need.
    pub fn revocation_context(&self) -> RevocationContext<'_> {
        RevocationContext { owner: self.owner(), registries: &self.registries }
    }

    /// The owner's access to the vault.
    pub fn owner(&self) -> Option<&OwnerVault> {
        self.0.owner.as_ref()
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
