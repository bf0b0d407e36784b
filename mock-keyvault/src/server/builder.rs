//! Configures and starts a vault.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::change_notifier::ChangeNotifier;
use super::error::StartError;
use super::handle::MockKeyVault;
use super::open::open;
use super::timekeeper::Timekeeper;
use crate::app::App;
use crate::auth::ANY_TOKEN_WARNING;
use crate::fault_injection;
use crate::guard::Guard;
use crate::router;
use crate::throttle::Throttle;
use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::Durability;
use azure_emulator_core::faults::Faults;
use azure_emulator_core::host_router::HostRouter;
use azure_emulator_core::identity::Secrets;
use azure_emulator_core::listen::{self, Transport};

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

impl MockKeyVault {
    /// A builder with the default settings.
    pub fn builder() -> Builder {
        Builder::default()
    }
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
            faults: Faults::new(opened.clock.clone(), fault_injection::classes())
                .alias("vault", "keys")
                .notifying(&opened.changes),
            throttle: Throttle::new(opened.clock.clone(), &opened.changes),
            changes: opened.changes,
            host_router: HostRouter::default(),
            clock: opened.clock,
            folder: opened.folder,
        });
        let router = router::build(Arc::clone(&app));
        let timekeeper = Timekeeper::new(&app, stop.clone());
        let time = tokio::spawn(timekeeper.clone().run());
        let change_notifier = tokio::spawn(ChangeNotifier::new(&app, stop.clone()).run());
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
            change_notifier: Some(change_notifier),
        })
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::PortTaken { address },
        _ => StartError::Listen { address, source },
    })
}
