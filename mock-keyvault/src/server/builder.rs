//! Configures and starts a vault, and names every reason why a start fails.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::MockKeyVault;
use super::folder::Folder;
use super::herald::Herald;
use super::timekeeper::Timekeeper;
use crate::audit::AuditLog;
use crate::auth::ANY_TOKEN_WARNING;
use crate::guard::Guard;
use crate::interference;
use crate::model::names::VaultName;
use crate::model::policy::KeyPermission;
use crate::router::{self, App};
use crate::store::{Store, StoreError};
use crate::throttle::Throttle;
use crate::vault::Vaults;
use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::{Clock, KeptClock};
use azure_emulator_core::durable::Durability;
use azure_emulator_core::events::EventLog;
use azure_emulator_core::faults::Faults;
use azure_emulator_core::files::read_if_there;
use azure_emulator_core::front::FrontSlot;
use azure_emulator_core::identity::{Issuer, MANAGED_IDENTITY_OBJECT_ID, OWNER_OBJECT_ID, Secrets};
use azure_emulator_core::listen::{self, Transport};
use azure_emulator_core::sealing::SealingKey;
use azure_emulator_core::tls::{LocalAuthority, TlsError};

/// Configures a vault. Without any setting, the vault is one for a test: on a free port of the loopback, in a temporary folder,
/// with the well-known principals and a vault called `local`.
///
/// ```
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// use std::time::Duration;
///
/// use mock_keyvault::MockKeyVault;
/// use azure_emulator_core::clock::Clock;
///
/// // Time stands still until the test moves it, and the two vaults in this process are independent.
/// let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
/// let first = MockKeyVault::builder().clock(clock.clone()).start().await.unwrap();
/// let second = MockKeyVault::builder().start().await.unwrap();
///
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(first.clock().now(), time::macros::datetime!(2026-01-01 01:00 UTC));
/// assert_ne!(first.address(), second.address());
/// # });
/// ```
#[derive(Debug)]
pub struct Builder {
    data_dir: Option<PathBuf>,
    socket: Socket,
    clock: Option<Clock>,
    trusted_network: bool,
    accept_any_token: bool,
    legacy_access_policies: bool,
    durability: Option<Durability>,
    aliases: Vec<String>,
}

#[derive(Debug)]
enum Socket {
    Address(SocketAddr),
    Bound(std::net::TcpListener),
}

/// Why a vault cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Another program listens on the address.
    #[error(
        "cannot listen on {address}: another program uses it; choose another address with --listen, such as --listen 127.0.0.1:0 for any free port"
    )]
    PortTaken {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// Another process uses the data folder.
    #[error(
        "the data folder {folder} is in use by another mock-keyvault; stop it, or choose another folder with --data-dir"
    )]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The key that opens the private keys of a used data folder is missing.
    #[error(
        "the file {file} is missing, and the private keys in this folder cannot be opened without it; restore the file, or choose another folder with --data-dir"
    )]
    NoSealingKey {
        /// The missing file of the key.
        file: PathBuf,
    },
    /// The data folder cannot be read or written.
    #[error("the data folder cannot be used: {0}")]
    Io(#[from] io::Error),
    /// The rows of the vaults cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Every client that reaches the listener would be the owner of everything.
    #[error(
        "--accept-any-token is refused on {address}, which other machines can reach; listen on the loopback, or use --trusted-network if you trust every machine on that network"
    )]
    AnyTokenOffLoopback {
        /// The address.
        address: SocketAddr,
    },
    /// A part of the start ended without a result.
    #[error("a part of the start ended early: {0}")]
    CutShort(String),
}

impl StartError {
    /// Names another command to repair the rows: that of the program which embeds this vault.
    #[must_use]
    pub fn repaired_by(self, command: &str) -> Self {
        match self {
            Self::Store(StoreError::Open(error)) => {
                Self::Store(StoreError::Open(error.repaired_by(command)))
            }
            other => other,
        }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            data_dir: None,
            socket: Socket::Address(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            clock: None,
            trusted_network: false,
            accept_any_token: false,
            legacy_access_policies: false,
            durability: None,
            aliases: Vec::new(),
        }
    }
}

/// The parts of an opened data folder.
struct Opened {
    folder: Folder,
    vaults: Vaults,
    issuer: Issuer,
    audit: AuditLog,
    authority: LocalAuthority,
    clock: Clock,
    clock_file: Option<PathBuf>,
    changes: Changes,
}

impl Builder {
    /// Stores everything in this folder. Durable unless [`Builder::durability`] says otherwise.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Stores everything in a folder that is removed at the end. This is the default, and syncs nothing.
    #[must_use]
    pub fn ephemeral(mut self) -> Self {
        self.data_dir = None;
        self
    }

    /// Listens on this address; port 0 means any free port. The default is `127.0.0.1:0`.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.socket = Socket::Address(address);
        self
    }

    /// Listens on a bound socket.
    #[must_use]
    pub fn listener(mut self, listener: std::net::TcpListener) -> Self {
        self.socket = Socket::Bound(listener);
        self
    }

    /// Uses this clock, whose owner must store it for a restart. By default the vault has its own clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Uses the well-known secrets, and opens the admin API and the managed-identity endpoints, even outside the loopback.
    #[must_use]
    pub fn trusted_network(mut self, trusted: bool) -> Self {
        self.trusted_network = trusted;
        self
    }

    /// Treats any bearer token as the owner's, except those of the vault's own issuer: for quick starts, with clients that have
    /// credentials of Azure. Off by default. The permissions of real principals still apply, and a request without a token gets a
    /// challenge as always. [`Builder::start`] refuses this outside the loopback, unless the network is trusted.
    #[must_use]
    pub fn accept_any_token(mut self, accept: bool) -> Self {
        self.accept_any_token = accept;
        self
    }

    /// Makes every new vault use access policies, even if it asks for roles, and permits its creator everything: for texts and
    /// scripts from before `az keyvault create` asked for roles. Off by default.
    #[must_use]
    pub fn legacy_access_policies(mut self, legacy: bool) -> Self {
        self.legacy_access_policies = legacy;
        self
    }

    /// How durable a change must be before it is answered.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Adds a host name or IP address that clients use, such as a container's name. May be called repeatedly.
    #[must_use]
    pub fn hostname_alias(mut self, alias: impl Into<String>) -> Self {
        self.aliases.push(alias.into());
        self
    }

    /// Starts the vault. When it returns, the vault answers requests.
    pub async fn start(self) -> Result<MockKeyVault, StartError> {
        // The port comes first, so that nothing is created on disk if the port is in use.
        let listener = match self.socket {
            Socket::Address(address) => bind(address).await?,
            Socket::Bound(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener)?
            }
        };
        let address = listener.local_addr()?;
        let is_ours_alone = address.ip().is_loopback() || self.trusted_network;
        if self.accept_any_token {
            if !is_ours_alone {
                return Err(StartError::AnyTokenOffLoopback { address });
            }
            tracing::warn!("{ANY_TOKEN_WARNING}");
        }
        let secrets = if is_ours_alone { Secrets::WellKnown } else { Secrets::Random };
        let (data_dir, clock) = (self.data_dir, self.clock);
        let durability = self.durability.unwrap_or(match data_dir {
            Some(_) => Durability::Full,
            None => Durability::Relaxed,
        });
        let opened = tokio::task::spawn_blocking(move || {
            open(data_dir.as_deref(), clock, durability, secrets)
        });
        let opened = opened.await.map_err(|error| StartError::CutShort(error.to_string()))??;
        let transport = Transport::TlsAndPlain(opened.authority.server_config(&self.aliases)?);
        let stop = CancellationToken::new();
        let app = Arc::new(App {
            stop: stop.clone(),
            vaults: Arc::new(opened.vaults),
            issuer: Arc::new(opened.issuer),
            audit: opened.audit,
            port: address.port(),
            guard: Guard::new(self.trusted_network, &self.aliases),
            accept_any_token: self.accept_any_token,
            legacy_access_policies: self.legacy_access_policies,
            clock_file: opened.clock_file,
            faults: Faults::new(opened.clock.clone(), interference::classes())
                .alias("vault", "keys")
                .telling(&opened.changes),
            throttle: Throttle::new(opened.clock.clone(), &opened.changes),
            changes: opened.changes,
            front: FrontSlot::default(),
            clock: opened.clock,
            folder: opened.folder,
        });
        let router = router::build(Arc::clone(&app));
        let timekeeper = Timekeeper::new(&app, stop.clone());
        let time = tokio::spawn(timekeeper.clone().run());
        let herald = tokio::spawn(Herald::new(&app, stop.clone()).run());
        let server = tokio::spawn(listen::serve(listener, router, transport, stop.clone()));
        Ok(MockKeyVault {
            app,
            address,
            authority: opened.authority,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
            server: Some(server),
            timekeeper,
            time: Some(time),
            herald: Some(herald),
        })
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { address },
        _ => StartError::Listen { address, source },
    })
}

fn open(
    data_dir: Option<&Path>,
    clock: Option<Clock>,
    durability: Durability,
    secrets: Secrets,
) -> Result<Opened, StartError> {
    let folder = data_dir.map_or_else(Folder::temporary, Folder::open)?;
    let (clock, clock_file) = match clock {
        Some(clock) => (clock, None),
        None => (own_clock(&folder)?, Some(folder.clock())),
    };
    // A new key in its place would seem to work until a client uses an existing key.
    if folder.has_rows() && !folder.sealing_key().exists() {
        return Err(StartError::NoSealingKey { file: folder.sealing_key() });
    }
    let sealing = Arc::new(SealingKey::open(&folder.sealing_key())?);
    let changes = Changes::default();
    // Finding primes takes by far the longest, so everything else runs in parallel.
    let (issuer, rest) = std::thread::scope(|scope| {
        let issuer =
            scope.spawn(|| Issuer::open(&folder.identity(), secrets, &sealing, &clock, &changes));
        let rest = open_beside(&folder, durability, &sealing, &clock, &changes);
        (issuer.join(), rest)
    });
    let issuer = issuer.map_err(|_| {
        StartError::CutShort("the thread that opens the issuer panicked".to_owned())
    })??;
    let (vaults, authority, audit) = rest?;
    folder.make_private()?;
    folder.room().refill();
    Ok(Opened { folder, vaults, issuer, audit, authority, clock, clock_file, changes })
}

fn open_beside(
    folder: &Folder,
    durability: Durability,
    sealing: &Arc<SealingKey>,
    clock: &Clock,
    changes: &Changes,
) -> Result<(Vaults, LocalAuthority, AuditLog), StartError> {
    let events = EventLog::open(&folder.events(), Arc::clone(folder.room()))?;
    let vaults = Vaults::open(
        Store::open(folder.path(), durability, Arc::clone(folder.room()))?,
        Arc::clone(sealing),
        clock,
        events,
        OWNER_OBJECT_ID,
        changes,
    )?;
    vaults.ensure_vault(
        &VaultName::local(),
        &[
            (OWNER_OBJECT_ID, KeyPermission::ALL),
            (MANAGED_IDENTITY_OBJECT_ID, KeyPermission::FOR_ENCRYPTION),
        ],
    )?;
    let authority = LocalAuthority::open(&folder.tls(), clock)?;
    let audit = AuditLog::open(&folder.audit(), Arc::clone(folder.room()))?;
    Ok((vaults, authority, audit))
}

fn own_clock(folder: &Folder) -> Result<Clock, StartError> {
    let clock = Clock::system();
    if let Some(text) = read_if_there(&folder.clock())? {
        let kept = std::str::from_utf8(&text).ok().and_then(kept_clock);
        clock.restore(kept.ok_or_else(|| {
            let words = format!("{} is not a valid clock setting", folder.clock().display());
            io::Error::new(io::ErrorKind::InvalidData, words)
        })?);
    }
    Ok(clock)
}

/// Parses `OFFSET`, or `OFFSET FROZEN-AT`, both in seconds.
fn kept_clock(text: &str) -> Option<KeptClock> {
    let mut words = text.split_whitespace();
    let offset = time::Duration::seconds(words.next()?.parse().ok()?);
    let frozen_at = match words.next() {
        Some(at) => Some(OffsetDateTime::from_unix_timestamp(at.parse().ok()?).ok()?),
        None => None,
    };
    words.next().is_none().then_some(KeptClock { offset, frozen_at })
}
