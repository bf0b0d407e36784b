//! Starting an emulator: the folder, the vault, the registries, the listeners; and stopping it.
//!
//! [`Sealyard`] is the handle that `main.rs`, the tests of this project and the tests of others hold.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::{Clock, ClockRequest};
use azure_emulator_core::disk_space::SimulatedDisk;
use azure_emulator_core::durable::Durability;
use azure_emulator_core::listen::{self, Transport};
use azure_emulator_core::tls::TlsError;
use fs_err as fs;
use mock_keyvault::{MockKeyVault, StartError as VaultStartError};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::acr::Ping;
use crate::admin::EndpointsFile;
use crate::app::{App, Parts};
use crate::arm::{ControlPlane, PlaneOptions};
use crate::config::{ArmOperations, Config, VaultChoice};
use crate::directory::EmbeddedDirectory;
use crate::endpoints::Endpoints;
use crate::faults::FaultRules;
use crate::inflight::InflightRequests;
use crate::listeners::{AzureRoutes, Certificates, Guard, Ports};
use crate::platform::LocalPlatform;
use crate::registry::{
    Authenticator, Directory, Encryption, Error, Events, Intents, ManageError, NewRegistry,
    NoDirectory, Platform as _, PlatformError, Registries, Registry, RegistryName, Settings,
};
#[cfg(feature = "internals")]
use crate::registry::{Identity, IdentityResource, Location, ResourceGroup, Tags};
use crate::reset::{self, Reset, ResetError};
use crate::resume::Runner;
use crate::revocation::Revocations;
use crate::routes;
use crate::running::{Entry, Registration, RunningError, RuntimeFolder};
use crate::scheduler::{self, Scheduler, SchedulerError, VaultTime};
use crate::state_watch::StateWatch;
use crate::store::{LockedFolder, Store, StoreError};
use crate::vault::{ChangeFeed, ConnectionError, SubscribeError, Subscription, VaultConnection};

/// How long a stop waits until the data folder is free.
const RELEASE: Duration = Duration::from_secs(2);

/// How long a start waits until the vault reports its changes.
const FEED_LIMIT: Duration = Duration::from_secs(1);

/// A running emulator. Dropping it stops it; [`Sealyard::shutdown`] waits for the end.
#[derive(Debug)]
pub struct Sealyard {
    /// Ends all spawned tasks when it is dropped. It is dropped first.
    stop: DropGuard,
    pub(crate) app: App,
    local: Registry,
    address: SocketAddr,
    vault: Option<MockKeyVault>,
    server: JoinHandle<()>,
    /// The entry that the command line finds this emulator by, if the caller asked to register it.
    registration: Option<Registration>,
    /// The folder of an emulator that deletes its data at exit.
    folder: Option<tempfile::TempDir>,
    /// Cancelled when the data folder is closed.
    released: CancellationToken,
}

/// The settings of an emulator that has not started.
#[derive(Debug)]
pub struct Builder {
    config: Config,
    clock: Option<Clock>,
    settings: Settings,
    /// Whether the file of endpoints also goes into the temporary folder.
    hidden: bool,
    registers: bool,
}

/// The reasons why an emulator did not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is taken or cannot be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The data folder cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedded vault did not start.
    #[error("the embedded vault did not start")]
    Vault(#[from] VaultStartError),
    /// The given settings do not lead to a usable vault.
    #[error(transparent)]
    VaultAccess(#[from] ConnectionError),
    /// The registries cannot be opened.
    #[error("the registry cannot be opened")]
    Registry(#[from] ManageError),
    /// Cannot happen: `local` is opened or the start fails.
    #[error("there is no registry {}", RegistryName::LOCAL)]
    NoLocal,
    /// The certificates of the listeners cannot be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An emulator that deletes its data at exit has no folder for it.
    #[error(
        "neither {} nor {} is writable, and the data needs a folder until the exit: make one of them writable, or name another with TMPDIR (docker run --tmpfs /tmp)",
        temporary.display(),
        data_dir.display()
    )]
    NoTemporaryFolder {
        /// The system's folder for temporary files.
        temporary: PathBuf,
        /// The data folder, which would be used instead.
        data_dir: PathBuf,
        /// The reason why the folder for temporary files cannot be used.
        source: std::io::Error,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl Sealyard {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder {
            config: Config::default(),
            clock: None,
            settings: Settings::default(),
            hidden: false,
            registers: false,
        }
    }

    /// Where the registry `local` listens.
    pub fn registry_address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of the registry `local`.
    pub fn registry_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address where a registry listens, or `None` if there is no such registry.
    pub async fn registry_address_of(&self, name: &str) -> Option<SocketAddr> {
        let registry = self.app.registries.get(name)?;
        if registry.name() == RegistryName::LOCAL {
            return Some(self.address);
        }
        self.app.ports.reconcile(&self.app).await;
        self.app.ports.get(registry.name()).map(|port| port.address)
    }

    /// Creates a registry of this name with its own key: an identity and a key in the vault `local`, both of its name,
    /// the identity's permission to use the key, and the registry.
    pub async fn create_registry(&self, name: &str) -> Result<(), ManageError> {
        let new = NewRegistry::named(name.parse().map_err(Error::from)?);
        self.app.registries.create_with_dependencies(new, None, None).await?;
        Ok(())
    }

    /// Deletes a registry with everything in it.
    pub async fn delete_registry(&self, name: &str) -> Result<(), ManageError> {
        self.app.delete_registry(&name.parse().map_err(Error::from)?).await
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
    pub async fn reset(&self) -> Result<Reset, ResetError> {
        reset::reset(&self.app).await
    }

    /// Advances the clock, and returns when everything that became due has run, in the order of time.
    pub async fn advance(&self, by: Duration) -> Result<(), SchedulerError> {
        self.app.scheduler.advance(by).await
    }

    /// Moves, stops or resumes the clock, as `POST /_sealyard/clock` does.
    pub async fn change_clock(&self, request: ClockRequest) -> Result<(), SchedulerError> {
        self.app.scheduler.change(request).await
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

    /// Creates a user-assigned identity in the group `sealyard`, with no permissions.
    pub async fn create_identity(&self, name: &str) -> Result<Identity, ManageError> {
        let resource = IdentityResource::new(ResourceGroup::default(), name)?;
        self.app.registries.create_identity(resource, Location::default(), Tags::default()).await
    }

    /// Marks the stored rows as checked or as still being checked after a start.
    pub fn set_proven(&self, proven: bool) {
        self.app.registries.pretend_proven(proven);
    }
}

#[cfg(feature = "internals")]
impl Builder {
    /// The settings of a registry that the command line cannot set.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }
}

impl Builder {
    /// Everything that the command line can set.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// For tests: free ports, a folder that is deleted with the handle, and no waits for the disk.
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

    /// The clock of the emulator and its vault.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// How long an unwrapped data key may be used until the registry asks the vault again.
    #[must_use]
    pub fn key_lease(mut self, lease: Duration) -> Self {
        self.config.key_lease = lease;
        self
    }

    /// Whether a commit waits for the disk.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.config.durability = durability;
        self
    }

    /// Registers the emulator as running for this user, so that the command line finds it without `--endpoint`.
    #[must_use]
    pub fn register(mut self) -> Self {
        self.registers = true;
        self
    }

    /// Starts the emulator. When this returns, it answers requests.
    pub async fn start(self) -> Result<Sealyard, StartError> {
        let Self { mut config, clock, mut settings, hidden, registers } = self;
        let clock = clock.unwrap_or_else(Clock::system);
        let folder = folder_until_exit(&config)?;
        let data_dir = folder
            .as_ref()
            .map_or_else(|| config.data_dir.clone(), |folder| folder.path().join("data"));
        if hidden {
            config.data_dir.clone_from(&data_dir);
            config.found_by_data_dir = true;
        }
        let any_port = config.listen.port() == 0;
        let listener = bind(config.listen).await?;
        let address = listener.local_addr()?;
        config.listen = address;
        let (store, vault) = open_folder(&mut config, &data_dir, &clock).await?;
        let released = store.released();
        let access = VaultConnection::from_config(&config, vault.as_ref(), &clock)?;
        let owner = access.owner()?;
        configure(&mut settings, &config);
        let platform =
            LocalPlatform::new(access.clone(), owner.clone(), vault.as_ref(), config.key_size)?;
        let events = settings.events.clone();
        tell_notices(vault.as_ref(), &events, &clock);
        let intents = Intents::open(Arc::clone(&store), clock.clone(), events.clone())
            .map_err(ManageError::from)?;
        let revocations = Revocations::open(Arc::clone(&store), intents.clone())?;
        let authenticator = open_authenticator(&store, vault.as_ref(), &clock)?;
        let feed = access.change_feed()?;
        let (registries, subscription) =
            open_registries(&config, store, platform, settings, intents, feed.as_ref()).await?;
        let local = registries.get(RegistryName::LOCAL).ok_or(StartError::NoLocal)?;
        if let Err(error) = revocations.remove_deleted_registries(&registries).await {
            tracing::warn!(%error, "could not delete the revocation records of deleted registries");
        }
        let faults = FaultRules::new(clock.clone());
        let guard = Guard::open(&config, config.listen, &data_dir)?;
        let certificates = Certificates::open(&config, vault.as_ref(), &data_dir, &clock).await?;
        let stop = CancellationToken::new();
        // A failed or cancelled start ends everything that it has begun.
        let stop_on_drop = stop.clone().drop_guard();
        let ports = Ports::new(address, any_port, Arc::clone(&certificates.server), stop.clone());
        let endpoints = Endpoints::new(address, &access, certificates.ca, &data_dir);
        let shared = vault.as_ref().map(|vault| VaultTime::Shared(vault.timekeeper()));
        let time = shared.map_or_else(|| VaultTime::from_connection(&access), Ok)?;
        let scheduler =
            Scheduler::new(clock.clone(), time, registries.clone(), data_dir.clone(), stop.clone());
        tokio::spawn(Arc::clone(&scheduler).follow());
        let lease = config.key_lease;
        let state_watch =
            StateWatch::new(registries.clone(), clock.clone(), lease, feed, stop.clone());
        tokio::spawn(Arc::clone(&state_watch).run(subscription));
        let app = App::new(Parts {
            registries,
            clock,
            config,
            endpoints,
            events,
            ports,
            owner,
            embedded: vault.as_ref().map(MockKeyVault::manager),
            revocations,
            faults,
            resetting: tokio::sync::Mutex::default(),
            scheduler,
            state_watch,
            authenticator,
            inflight: InflightRequests::default(),
            guard,
        });
        resume_operations(&app, vault.as_ref(), &data_dir, &stop).await?;
        let server = tokio::spawn(listen::serve(
            listener,
            routes::routes(&app),
            Transport::TlsAndPlain(certificates.server),
            stop.clone(),
        ));
        app.ports.reconcile(&app).await;
        tokio::spawn(app.ports.clone().follow(app.clone()));
        // Registration comes first: a program that reads the files finds the emulator registered.
        let registration = if registers { register(&app).await } else { None };
        // A program that reads the files finds the disk reserve as full as it can be.
        app.registries.disk_space().refill();
        EndpointsFile::create(&app).await?;
        tokio::spawn(app.clone().forget_what_goes(stop.clone()));
        tokio::spawn(EndpointsFile::follow(app.clone(), stop));
        Ok(Sealyard {
            stop: stop_on_drop,
            app,
            local,
            address,
            vault,
            server,
            registration,
            folder,
            released,
        })
    }
}

/// Resumes interrupted operations, beginning with those that `local` depends on, and opens the Azure side.
async fn resume_operations(
    app: &App,
    vault: Option<&MockKeyVault>,
    data_dir: &Path,
    stop: &CancellationToken,
) -> Result<(), StartError> {
    let options = PlaneOptions {
        polled: app.config.arm_operations == ArmOperations::Polled,
        strict: app.config.strict_parity,
    };
    let plane = vault.map(|vault| ControlPlane::new(app.registries.clone(), vault.gate(), options));
    let runner = Runner::new(app.clone(), plane.clone(), stop.clone());
    runner.before_ready().await;
    if let (Some(vault), Some(plane)) = (vault, plane) {
        let guard = Guard::open(&app.config, vault.address(), data_dir)?;
        let content = routes::registry_routes(app, &guard, RegistryName::LOCAL, Ping::Challenge);
        vault.set_embedded_routes(Arc::new(AzureRoutes::new(content, plane.router())));
    }
    tokio::spawn(runner.follow());
    Ok(())
}

/// Copies the settings of registries from the configuration.
fn configure(settings: &mut Settings, config: &Config) {
    settings.key_lease = config.key_lease;
    settings.rotation_check = config.rotation_check;
    settings.write_back = config.durability == Durability::Full;
    settings.sparse_indexes = config.sparse_indexes;
    settings.strict_parity = config.strict_parity;
    settings.max_uploads = settings.max_uploads.min(uploads_for(open_files()));
}

/// Registers an emulator. If that fails, commands still find it by its data folder or its URL.
async fn register(app: &App) -> Option<Registration> {
    let endpoints = &app.endpoints;
    let entry = Entry {
        registry: endpoints.registry().to_owned(),
        pid: std::process::id(),
        instance: endpoints.instance().to_owned(),
        data_dir: endpoints.data_dir().to_owned(),
    };
    let register = move || RuntimeFolder::for_user()?.register(&entry);
    let registered = tokio::task::spawn_blocking(register).await;
    match registered {
        Ok(Ok(registration)) => Some(registration),
        // The home folder of a container is often missing or read-only. Its commands name the data folder.
        Ok(Err(error @ (RunningError::NoFolder | RunningError::Io(_))))
            if app.config.found_by_data_dir =>
        {
            tracing::debug!(%error, "the emulator is not registered");
            None
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "commands find this emulator only with --endpoint or --data-dir");
            None
        }
        Err(_) => None,
    }
}

/// The folder of an emulator that deletes its data at exit.
fn folder_until_exit(config: &Config) -> Result<Option<tempfile::TempDir>, StartError> {
    let temporary = || temporary_folder(&std::env::temp_dir(), &config.data_dir);
    config.ephemeral.then(temporary).transpose()
}

/// Makes a folder for an emulator that deletes its data at exit: in the folder for temporary files, or else in the data folder.
fn temporary_folder(temporary: &Path, data_dir: &Path) -> Result<tempfile::TempDir, StartError> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("sealyard-");
    let source = match builder.tempdir_in(temporary) {
        Ok(folder) => return Ok(folder),
        Err(source) => source,
    };
    let in_data_dir = fs::create_dir_all(data_dir).and_then(|()| builder.tempdir_in(data_dir));
    let Ok(folder) = in_data_dir else {
        let (temporary, data_dir) = (temporary.to_owned(), data_dir.to_owned());
        return Err(StartError::NoTemporaryFolder { temporary, data_dir, source });
    };
    tracing::warn!(
        temporary = %temporary.display(),
        error = %source,
        "the folder for temporary files is not writable: the data is in {} until the exit",
        folder.path().display()
    );
    Ok(folder)
}

/// Opens the authenticator of registries, with the roles of the embedded vault if there is one.
fn open_authenticator(
    store: &Arc<Store>,
    vault: Option<&MockKeyVault>,
    clock: &Clock,
) -> Result<Authenticator, StartError> {
    let directory: Arc<dyn Directory> = match vault {
        Some(vault) => Arc::new(EmbeddedDirectory::new(vault.directory())),
        None => Arc::new(NoDirectory),
    };
    let opened = Authenticator::open(store, directory, clock.clone());
    Ok(opened.map_err(ManageError::from)?)
}

/// Turns notices about the rows of the embedded vault into events.
fn tell_notices(vault: Option<&MockKeyVault>, events: &Events, clock: &Clock) {
    if let Some(vault) = vault {
        let (events, time) = (events.clone(), clock.clone());
        let tell = move |notice: &_| events.noticed(time.now(), "vault", notice);
        vault.listen_to_notices(Box::new(tell));
    }
}

/// How many files and connections the system lets this process have open.
fn open_files() -> u64 {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// How many uploads may be open so that half of the files are left for everything else. An upload has two handles.
fn uploads_for(open_files: u64) -> usize {
    usize::try_from(open_files / 4).unwrap_or(usize::MAX).max(1)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })
}

/// Opens the store and the embedded vault, if there is one, at the same time, because each waits for its disk.
///
/// The lock comes before the vault: that the folder is in use is the most helpful error. Rows of an earlier format also come before
/// it: a folder that cannot be migrated stays unchanged. So do all rows on a nearly full disk.
async fn open_folder(
    config: &mut Config,
    data_dir: &Path,
    clock: &Clock,
) -> Result<(Arc<Store>, Option<MockKeyVault>), StartError> {
    let (path, durability) = (data_dir.to_owned(), config.durability);
    let command = config.repair_command(data_dir).to_string();
    let locked = blocking(&command, move || LockedFolder::lock(&path, durability)).await?;
    let must_open_first = locked.must_open_first();
    scheduler::restore_clock(data_dir, clock)?;
    let store = blocking(&command, move || locked.open());
    let has_vault = matches!(config.vault, VaultChoice::Embedded);
    let vault = async {
        if has_vault { start_vault(config, data_dir, clock).await.map(Some) } else { Ok(None) }
    };
    let (store, vault) =
        if must_open_first { (Ok(store.await?), vault.await) } else { tokio::join!(store, vault) };
    match (store, vault) {
        (Ok(store), vault) => Ok((Arc::new(store), vault?)),
        (Err(error), Ok(Some(vault))) => {
            vault.shutdown().await;
            Err(error)
        }
        (Err(error), _) => Err(error),
    }
}

/// Runs a step of the opening. An error about refused rows names the command that repairs the folder and its vault.
async fn blocking<A: Send + 'static>(
    command: &str,
    step: impl FnOnce() -> Result<A, StoreError> + Send + 'static,
) -> Result<A, StartError> {
    match tokio::task::spawn_blocking(step).await.map_err(std::io::Error::other)? {
        Err(StoreError::Rows(error)) => Err(StoreError::Rows(error.repaired_by(command)).into()),
        done => Ok(done?),
    }
}

/// Starts the embedded vault on its own listener.
pub(crate) async fn start_vault(
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
    let vault = builder.start().await;
    let command = config.repair_command(data_dir).to_string();
    let vault = vault.map_err(|error| error.repaired_by(&command))?;
    config.azure_listen = vault.address();
    Ok(vault)
}

/// Opens the registries. The first start makes `local`, and its key if the vault is a mock vault. The subscription to the
/// vault's changes begins before the registries open: they have seen everything that happened before it.
async fn open_registries(
    config: &Config,
    store: Arc<Store>,
    platform: LocalPlatform,
    settings: Settings,
    intents: Intents,
    feed: Option<&ChangeFeed>,
) -> Result<(Registries, Option<Subscription>), StartError> {
    let key = platform.key_of_local(&config.key_name)?;
    let local = NewRegistry {
        identities: vec![platform.start_identity().resource.clone()],
        encryption: Some(Encryption { key: key.clone(), identity: None }),
        ..NewRegistry::named(RegistryName::local())
    };
    let platform = Arc::new(platform);
    let ensure_key = async {
        // If the vault is down at a later start, the emulator still starts: the registry refuses its content until the vault is
        // back.
        match platform.ensure_key(&key).await {
            Ok(()) | Err(PlatformError::NotOurs { .. }) => (),
            Err(error) => {
                tracing::warn!(key = %key, %error, "the key could not be looked up in the vault");
            }
        }
    };
    let stored = Arc::clone(&store);
    let has_local = tokio::task::spawn_blocking(move || stored.registry(&RegistryName::local()));
    let has_local = has_local.await.map_err(std::io::Error::other)?.is_ok_and(|row| row.is_some());
    let open = async {
        // If the vault is down or slow, its changes are followed later.
        let subscription = match feed {
            Some(feed) => tokio::time::timeout(FEED_LIMIT, feed.subscribe()).await,
            None => Ok(Err(SubscribeError::NotAMock)),
        };
        let platform = Arc::clone(&platform);
        let registries = Registries::open(store, platform, settings, intents, local).await;
        registries.map(|registries| (registries, subscription.ok().and_then(Result::ok)))
    };
    let (registries, subscription) = if has_local {
        // Only a new registry needs the key before it opens.
        tokio::join!(open, ensure_key).0?
    } else {
        ensure_key.await;
        open.await?
    };
    let used = registries
        .get(RegistryName::LOCAL)
        .and_then(|local| local.key_ring().describe().configured);
    if let Some(used) = used.filter(|used| used.unversioned() != key) {
        tracing::warn!(key = %used, asked = %key, "the registry keeps the key that it has; rotate to change it");
    }
    Ok((registries, subscription))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ephemeral_emulator_uses_the_data_folder_if_no_temporary_folder_is_writable() {
        let place = tempfile::tempdir().unwrap();
        let (temporary, data_dir) = (place.path().join("no-tmp"), place.path().join("data"));

        let folder = temporary_folder(&temporary, &data_dir).unwrap();

        assert_eq!(folder.path().parent(), Some(data_dir.as_path()));
        drop(folder);
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 0, "the folder is deleted");

        fs::write(&temporary, "a file").unwrap();
        let error = temporary_folder(&temporary, &temporary).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("--tmpfs /tmp") && message.contains("TMPDIR"), "{message}");
    }

    #[test]
    fn uploads_use_at_most_half_of_the_open_files() {
        assert_eq!(uploads_for(1024), 256);
        assert_eq!(uploads_for(0), 1);
        assert!(Settings::default().max_uploads <= uploads_for(1 << 20));
    }
}
