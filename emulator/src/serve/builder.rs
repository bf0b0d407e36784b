//! The settings of an emulator before its start.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::durable::Durability;

use crate::config::Config;
use crate::registry::Settings;

/// The settings of an emulator that has not started.
#[derive(Debug)]
pub struct Builder {
    pub(super) config: Config,
    pub(super) clock: Option<Clock>,
    pub(super) settings: Settings,
    /// Whether the file of endpoints also goes into the temporary folder.
    pub(super) hidden: bool,
    pub(super) registers: bool,
}

impl Builder {
    /// A builder with the default settings.
    pub(super) fn new() -> Self {
        Self {
            config: Config::default(),
            clock: None,
            settings: Settings::default(),
            hidden: false,
            registers: false,
        }
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
}
