//! The handle of a running emulator, and its stop.

use std::net::SocketAddr;
use std::time::Duration;

use azure_emulator_core::clock::{Clock, ClockRequest};
use azure_emulator_core::disk_space::SimulatedDisk;
use mock_keyvault::MockKeyVault;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::builder::Builder;
use crate::admin::{AdminError, EndpointsFile};
use crate::app::App;
use crate::endpoints::Endpoints;
use crate::registry::{Registry, RegistryName};
use crate::reset::{self, Reset};
use crate::running::Registration;

/// How long a stop waits until the data folder is free.
const RELEASE: Duration = Duration::from_secs(2);

/// A running emulator. Dropping it stops it; [`Sealyard::shutdown`] waits for the end.
#[derive(Debug)]
pub struct Sealyard {
    /// Ends all spawned tasks when it is dropped. It is dropped first.
    pub(super) stop: DropGuard,
    pub(crate) app: App,
    pub(super) local: Registry,
    pub(super) address: SocketAddr,
    pub(super) vault: Option<MockKeyVault>,
    pub(super) server: JoinHandle<()>,
    /// The entry that the command line finds this emulator by, if the caller asked to register it.
    pub(super) registration: Option<Registration>,
    /// The folder of an emulator that deletes its data at exit.
    pub(super) folder: Option<tempfile::TempDir>,
    /// Cancelled when the data folder is closed.
    pub(super) released: CancellationToken,
}

impl Sealyard {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Where the registry `local` listens.
    pub fn registry_address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of the registry `local`.
    pub fn registry_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address where a registry listens, or `None` if there is no such registry or no port could be opened for it. A
    /// registry without a port answers at the address of `local`, under its own host name.
    pub async fn registry_address_of(&self, name: &str) -> Option<SocketAddr> {
        let registry = self.app.registries.get(name)?;
        if registry.name() == RegistryName::LOCAL {
            return Some(self.address);
        }
        self.app.ports.reconcile(&self.app).await;
        self.app.ports.get(registry.name()).map(|port| port.address)
    }

    /// The embedded vault, or `None` with another vault. A change through it returns when the vault has made it,
    /// and the registry sees it a moment later; the changes of [`Sealyard`] itself wait for that.
    pub fn vault(&self) -> Option<&MockKeyVault> {
        self.vault.as_ref()
    }

    /// Sets the disk that the emulator and its embedded vault see: for tests, which cannot fill a real disk.
    pub fn set_disk(&self, disk: SimulatedDisk) {
        self.app.registries.disk_space().simulate(disk);
        if let Some(vault) = &self.vault {
            vault.set_disk(disk);
        }
    }

    /// The clock of the emulator and of its embedded vault.
    pub fn clock(&self) -> &Clock {
        &self.app.clock
    }

    /// Resets everything to a fresh state, for the next test of a suite.
    pub async fn reset(&self) -> Result<Reset, AdminError> {
        Ok(reset::reset(&self.app).await?)
    }

    /// Advances the clock, and returns when everything that became due has run, in the order of time.
    pub async fn advance(&self, by: Duration) -> Result<(), AdminError> {
        Ok(self.app.scheduler.advance(by).await?)
    }

    /// Moves, stops or resumes the clock, as `POST /_sealyard/clock` does.
    pub async fn change_clock(&self, request: ClockRequest) -> Result<(), AdminError> {
        Ok(self.app.scheduler.change(request).await?)
    }

    /// The addresses of all listeners.
    pub fn endpoints(&self) -> &Endpoints {
        &self.app.endpoints
    }

    /// Stops the emulator: it accepts no new connections, and requests in progress get some time to end.
    ///
    /// When this returns, the folder is free for another emulator, unless the caller still holds a part of this one.
    pub async fn shutdown(self) {
        let Self { stop, app, local, address: _, vault, server, registration, folder, released } =
            self;
        // No command should find an emulator that is about to stop.
        drop(registration);
        app.registries.stop_soon();
        drop(stop);
        // Nothing can be done about a server that ended with an error.
        let _ = server.await;
        app.ports.closed().await;
        if let Some(vault) = vault {
            vault.shutdown().await;
        }
        EndpointsFile::remove(&app.endpoints, &app.config);
        // The background tasks end one after the other, and the last one closes the folder.
        drop((app, local));
        if tokio::time::timeout(RELEASE, released.cancelled()).await.is_err() {
            tracing::warn!("the data folder is still in use");
        }
        drop(folder);
    }
}

/// The parts of the emulator, for this project's own tests.
#[cfg(feature = "internals")]
impl Sealyard {
    /// The parts that all APIs share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The registry `local`.
    pub fn registry(&self) -> &Registry {
        &self.local
    }

    /// A registry by its name, in any case.
    pub fn registry_named(&self, name: &str) -> Option<Registry> {
        self.app.registries.get(name)
    }

    /// Marks the stored rows as checked or as still being checked after a start.
    pub fn set_proven(&self, proven: bool) {
        self.app.registries.pretend_proven(proven);
    }
}
