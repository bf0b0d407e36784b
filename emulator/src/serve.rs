//! Starting an emulator: the folder, the vault, the registries, the listeners; and stopping it.
//!
//! [`Sealyard`] is the handle that `main.rs`, the tests of this project and the tests of others hold.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mock_keyvault::clock::{Clock, ClockRequest};
use mock_keyvault::durable::Durability;
use mock_keyvault::listen::{self, Transport};
use mock_keyvault::tls::TlsError;
use mock_keyvault::{MockKeyVault, StartError as VaultStartError};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::admin::{Endpoints, Guard};
use crate::agenda::{self, Agenda, AgendaError, VaultTime};
use crate::app::{self, App, Parts};
use crate::arm;
use crate::config::{Config, VaultChoice};
use crate::directory::EmbeddedDirectory;
use crate::faults::FaultDesk;
use crate::listeners::{AzureFront, Certificates, Ports};
use crate::platform::LocalPlatform;
use crate::registry::{
    Directory, Doorkeeper, Encryption, Identity, IdentityResource, Location, ManageError,
    NewRegistry, NoDirectory, Platform as _, PlatformError, Registries, Registry, RegistryName,
    ResourceGroup, Settings, Tags,
};
use crate::reset::{self, Reset, ResetError};
use crate::revocation::Revocations;
use crate::store::{Store, StoreError};
use crate::vault_owner::VaultConnection;

/// How long it is waited for that the data folder is free.
const RELEASE: Duration = Duration::from_secs(2);

/// The registry that answers where no other is named.
pub const LOCAL: &str = RegistryName::LOCAL;

/// A running emulator. It stops when this is dropped; [`Sealyard::shutdown`] waits for it.
#[derive(Debug)]
pub struct Sealyard {
    /// Ends everything that was spawned when it is dropped, which is first.
    stop: DropGuard,
    app: App,
    local: Registry,
    address: SocketAddr,
    vault: Option<MockKeyVault>,
    server: JoinHandle<()>,
    /// The folder of an emulator that is gone at exit.
    folder: Option<tempfile::TempDir>,
    /// Is cancelled when the last one has let go of the data folder.
    released: CancellationToken,
}

/// What a running emulator is made from.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    clock: Option<Clock>,
    settings: Settings,
    /// Whether even the file by which the command line finds an emulator goes into the folder that is gone at exit.
    hidden: bool,
}

/// Why an emulator did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The data folder cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded vault did not start.
    #[error("the embedded vault did not start")]
    Vault(#[from] VaultStartError),
    /// The vault cannot be reached with what was given.
    #[error("the vault cannot be used: {0}")]
    VaultAccess(String),
    /// The registries cannot be opened.
    #[error("the registry cannot be opened")]
    Registry(#[from] ManageError),
    /// Cannot happen: it is opened or the start fails.
    #[error("there is no registry {LOCAL}")]
    NoLocal,
    /// The certificates of the listeners cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Sealyard {
    /// An emulator that is still to be told what it should be like.
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            clock: None,
            settings: Settings::default(),
            hidden: false,
        }
    }

    /// The parts of the emulator.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Where the registry `local` listens.
    pub fn registry_address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of the registry `local`.
    pub fn registry_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The registry `local`.
    pub fn registry(&self) -> &Registry {
        &self.local
    }

    /// A registry by its name, whatever its case.
    pub fn registry_named(&self, name: &str) -> Option<Registry> {
        self.app.registries.get(name)
    }

    /// Makes a registry of this name with a key of its own: an identity and a key in the vault `local`, both of its name,
    /// the permission of one to use the other, and the registry.
    pub async fn create_registry(&self, name: &str) -> Result<Registry, ManageError> {
        let new = NewRegistry::named(name.parse().map_err(crate::registry::Error::from)?);
        Ok(self.app.registries.create_with_what_it_needs(new, None, None).await?.0)
    }

    /// Makes a registry that says all of what it is to be.
    pub async fn create_registry_as(&self, new: NewRegistry) -> Result<Registry, ManageError> {
        Ok(self.app.registries.create(new).await?.0)
    }

    /// Makes a user-assigned identity in the group `sealyard`. It is allowed nothing yet.
    pub async fn create_identity(&self, name: &str) -> Result<Identity, ManageError> {
        let resource = IdentityResource::new(ResourceGroup::default(), name)?;
        self.app.registries.create_identity(resource, Location::default(), Tags::default()).await
    }

    /// The embedded vault, unless another one is used.
    pub fn vault(&self) -> Option<&MockKeyVault> {
        self.vault.as_ref()
    }

    /// The clock of the emulator and of its embedded vault.
    pub fn clock(&self) -> &Clock {
        &self.app.clock
    }

    /// Has everything be as at a fresh start, for the next test of a suite.
    pub async fn reset(&self) -> Result<Reset, ResetError> {
        reset::reset(&self.app).await
    }

    /// Moves the time of everything, and returns when all that became due was done, in the order of time.
    pub async fn advance(&self, by: Duration) -> Result<(), AgendaError> {
        self.app.agenda.advance(by).await
    }

    /// Moves, stops or resumes the time of everything, as `POST /_sealyard/clock` does.
    pub async fn change_clock(&self, request: ClockRequest) -> Result<(), AgendaError> {
        self.app.agenda.change(request).await
    }

    /// Where everything is to be found.
    pub fn endpoints(&self) -> &Endpoints {
        &self.app.endpoints
    }

    /// Stops: no new connections, requests under way get some time to end.
    ///
    /// When this returns, the folder is free for another emulator, unless somebody still holds a part of this one.
    pub async fn shutdown(self) {
        let Self { stop, app, local, address: _, vault, server, folder, released } = self;
        drop(stop);
        // There is nothing to be done about a server that did not end well.
        let _ = server.await;
        app.ports.closed().await;
        if let Some(vault) = vault {
            vault.shutdown().await;
        }
        app.endpoints.remove_files(&app.config);
        // Background tasks end one after the other, and the last one lets go of the folder.
        drop((app, local));
        if tokio::time::timeout(RELEASE, released.cancelled()).await.is_err() {
            tracing::warn!("the data folder is still in use");
        }
        drop(folder);
    }
}

impl Builder {
    /// Everything that the command line can set.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// For tests: free ports, a folder that goes with the handle, and no waiting for disks.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.config.ephemeral = true;
        self.hidden = true;
        self.config.durability = Durability::Relaxed;
        self.free_ports()
    }

    /// Free ports on the loopback, chosen by the system.
    #[must_use]
    pub fn free_ports(mut self) -> Self {
        self.config.listen.set_port(0);
        self.config.azure_listen.set_port(0);
        self
    }

    /// The data folder.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.config.data_dir = path.into();
        self.config.ephemeral = false;
        self
    }

    /// Where the registry `local` listens.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = address;
        self
    }

    /// The time that the emulator and its vault go by.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long an unwrapped data key may be used without asking the vault.
    #[must_use]
    pub fn key_lease(mut self, lease: Duration) -> Self {
        self.config.key_lease = lease;
        self
    }

    /// What a commit waits for.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// What the command line cannot set of a registry.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts the emulator. When this returns, it answers.
    pub async fn start(self) -> Result<Sealyard, StartError> {
        let Self { mut config, clock, mut settings, hidden } = self;
        let clock = clock.unwrap_or_else(Clock::system);
        let folder = if config.ephemeral { Some(tempfile::tempdir()?) } else { None };
        let data_dir = folder
            .as_ref()
            .map_or_else(|| config.data_dir.clone(), |folder| folder.path().join("data"));
        if hidden {
            config.data_dir.clone_from(&data_dir);
        }
        let any_port = config.listen.port() == 0;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        config.listen = address;
        // The folder before the vault: a folder in use is the sentence that helps most.
        let store = open_store(data_dir.clone(), config.durability).await?;
        let released = store.released();
        agenda::restore_clock(&data_dir, &clock)?;
        let vault = match config.vault {
            VaultChoice::Embedded => Some(start_vault(&mut config, &data_dir, &clock).await?),
            VaultChoice::External(_) => None,
        };
        let access = VaultConnection::of(&config, vault.as_ref(), &clock)?;
        let owner = access.owner()?;
        settings.key_lease = config.key_lease;
        settings.rotation_check = config.rotation_check;
        settings.write_back = config.durability == Durability::Full;
        settings.sparse_indexes = config.sparse_indexes;
        settings.strict_parity = config.strict_parity;
        settings.max_uploads = settings.max_uploads.min(uploads_for(open_files()));
        let platform =
            LocalPlatform::new(access.clone(), owner.clone(), vault.as_ref(), config.key_size)?;
        let revocations = Revocations::open(Arc::clone(&store))?;
        let events = settings.events.clone();
        let directory: Arc<dyn Directory> = match &vault {
            Some(vault) => Arc::new(EmbeddedDirectory::new(vault.directory())),
            None => Arc::new(NoDirectory),
        };
        let doorkeeper =
            Doorkeeper::open(&store, directory, clock.clone()).map_err(ManageError::from)?;
        let registries = open_registries(&config, store, platform, clock.clone(), settings).await?;
        let local = registries.get(LOCAL).ok_or(StartError::NoLocal)?;
        if let Err(error) = revocations.forget_gone(&registries).await {
            tracing::warn!(%error, "notes of revocations outlive their registries");
        }
        let faults = FaultDesk::new(clock.clone());
        let guard = Guard::open(&config, config.listen, &data_dir)?;
        let certificates = Certificates::open(&config, vault.as_ref(), &data_dir, &clock).await?;
        let stop = CancellationToken::new();
        // A start that fails, or is given up, ends what it has begun.
        let stop_on_drop = stop.clone().drop_guard();
        let ports = Ports::new(address, any_port, Arc::clone(&certificates.server), stop.clone());
        let endpoints = Endpoints::new(address, &access, certificates.ca, &data_dir);
        let time = match &vault {
            Some(vault) => VaultTime::Shared(vault.timekeeper()),
            None => access.time()?,
        };
        let agenda =
            Agenda::new(clock.clone(), time, registries.clone(), data_dir.clone(), stop.clone());
        tokio::spawn(Arc::clone(&agenda).follow());
        let app = App::new(Parts {
            registries,
            clock,
            config,
            endpoints,
            events,
            ports,
            owner,
            revocations,
            faults,
            resetting: tokio::sync::Mutex::default(),
            agenda,
            doorkeeper,
            guard,
        });
        if let Some(vault) = &vault {
            let guard = Guard::open(&app.config, vault.address(), &data_dir)?;
            let content = app::registry_routes(&app, &guard, LOCAL);
            let arm = arm::router(app.registries.clone(), vault.gate());
            vault.set_front(Arc::new(AzureFront::new(content, arm)));
        }
        let server = tokio::spawn(listen::serve(
            listener,
            app::routes(&app),
            Transport::TlsAndPlain(certificates.server),
            stop.clone(),
        ));
        app.ports.settle(&app).await;
        tokio::spawn(app.ports.clone().follow(app.clone()));
        app.endpoints.make_files(&app).await?;
        tokio::spawn(app.clone().forget_what_goes(stop.clone()));
        tokio::spawn(Endpoints::follow(app.clone(), stop));
        Ok(Sealyard { stop: stop_on_drop, app, local, address, vault, server, folder, released })
    }
}

/// How many files and connections the system lets this process have open.
fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many uploads may be open so that half of the files are left to everything else. An upload has two handles.
fn uploads_for(open_files: u64) -> usize {
    usize::try_from(open_files / 4).unwrap_or(usize::MAX).max(1)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

async fn open_store(path: PathBuf, durability: Durability) -> Result<Arc<Store>, StartError> {
    let opened = tokio::task::spawn_blocking(move || Store::open(&path, durability)).await;
    Ok(Arc::new(opened.map_err(std::io::Error::other)??))
}

/// Starts the embedded vault beside the registry's own data, on a listener of its own.
async fn start_vault(
    config: &mut Config,
    data_dir: &Path,
    clock: &Clock,
) -> Result<MockKeyVault, StartError> {
    let folder = config.vault_data_dir.clone().filter(|_| !config.ephemeral);
    let mut builder = MockKeyVault::builder()
        .data_dir(folder.unwrap_or_else(|| data_dir.join("vault")))
        .listen(config.azure_listen)
        .clock(clock.clone())
        .trusted_network(config.trusted_network)
        .legacy_access_policies(config.legacy_access_policies)
        .durability(config.durability);
    for alias in &config.hostname_alias {
        builder = builder.hostname_alias(alias);
    }
    let vault = builder.start().await?;
    config.azure_listen = vault.address();
    Ok(vault)
}

/// Opens the registries. At the first start `local` is made, with its key where we may make that.
async fn open_registries(
    config: &Config,
    store: Arc<Store>,
    platform: LocalPlatform,
    clock: Clock,
    settings: Settings,
) -> Result<Registries, StartError> {
    let key = platform.key_of_local(&config.key_name)?;
    // A vault that is down at a later start is no reason not to start: the registry is dark until it is back.
    match platform.ensure_key(&key).await {
        Ok(()) | Err(PlatformError::NotOurs { .. }) => (),
        Err(error) => {
            tracing::warn!(key = %key, %error, "the key could not be looked up in the vault");
        }
    }
    let local = NewRegistry {
        identities: vec![platform.start_identity().resource.clone()],
        encryption: Some(Encryption { key: key.clone(), identity: None }),
        ..NewRegistry::named(RegistryName::local())
    };
    let platform = Arc::new(platform);
    let registries = Registries::open(store, platform, clock, settings, local).await?;
    let used = registries.get(LOCAL).and_then(|local| local.key_ring().describe().configured);
    if let Some(used) = used.filter(|used| used.unversioned() != key) {
        tracing::warn!(key = %used, asked = %key, "the registry keeps the key that it has; rotate to change it");
    }
    Ok(registries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_leave_half_of_the_open_files_to_everything_else() {
        assert_eq!(uploads_for(1024), 256);
        assert_eq!(uploads_for(0), 1);
        assert!(Settings::default().max_uploads <= uploads_for(1 << 20));
    }
}
