//! The commands that messages name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::command_line::CommandLine;

/// A port of the loopback that the system chooses.
pub const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A command that a message prints for people to type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// Start an emulator.
    Serve {
        /// The address of the registry, if it is not the default.
        listen: Option<SocketAddr>,
        /// The address of the Azure side, if it is not the default.
        azure_listen: Option<SocketAddr>,
    },
    /// Show the state.
    Status,
    /// Print a password.
    Password {
        /// Whether to print the owner's secret instead.
        owner: bool,
    },
    /// Revoke the access policy of the registry `local`.
    RevokePolicy,
    /// Undo all revocations.
    Restore {
        /// The registry.
        registry: &'a str,
    },
    /// Reset without a confirmation.
    ResetYes,
    /// Enable a version of a key.
    KeyEnable {
        /// The key.
        key: KeyTarget<'a>,
        /// The version, if it is not the version in use.
        version: Option<&'a str>,
    },
    /// Recover a deleted key.
    KeyRecover {
        /// The key.
        key: KeyTarget<'a>,
    },
    /// Rotate to a new version of the key.
    KeyRotate {
        /// The registry.
        registry: &'a str,
    },
    /// Assign an identity to the registry.
    AssignIdentity {
        /// The registry.
        registry: &'a str,
        /// The identity.
        identity: &'a str,
    },
    /// Collect garbage.
    Gc {
        /// The registry.
        registry: &'a str,
    },
    /// Collect garbage of any age, also uploads in progress.
    GcNow {
        /// The registry.
        registry: &'a str,
    },
    /// Verify all content.
    Verify {
        /// The registry.
        registry: &'a str,
    },
    /// Remove all faults.
    ClearFaults,
    /// List the faults.
    ListFaults,
    /// Resume the clock.
    ResumeClock,
    /// Export the environment into this shell.
    ExportEnv,
    /// Add the names to the hosts file.
    AddHosts,
    /// Run a command, which the reader writes instead of `CMD`.
    RunCommand,
    /// Run the Azure CLI against the emulator.
    Az(
        /// Its arguments.
        Vec<String>,
    ),
    /// Find problems, and the commands that repair them.
    Doctor,
    /// Reset, with a confirmation.
    Reset,
    /// Stop the emulator.
    Stop,
    /// List the versions of the key.
    KeyList {
        /// The registry.
        registry: &'a str,
    },
    /// List the images.
    ImageList {
        /// The registry.
        registry: &'a str,
    },
    /// Check whether a registry serves its content.
    Health {
        /// The registry.
        registry: &'a str,
    },
}

/// The key that a command is for: by default the registry's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTarget<'a> {
    /// The registry.
    pub registry: &'a str,
    /// The vault, if it is not the vault of the registry's key.
    pub vault: Option<&'a str>,
    /// The key, if it is not the registry's.
    pub key: Option<&'a str>,
}

impl Hint<'_> {
    /// The arguments of the command, after the options that select the emulator.
    pub(super) fn command_line(&self) -> CommandLine {
        let line = |args: &str| CommandLine::default().args(args);
        match self {
            Self::Serve { listen, azure_listen } => {
                line("serve").address("--listen", *listen).address("--azure-listen", *azure_listen)
            }
            Self::Status => line("status"),
            Self::Password { owner: false } => line("password"),
            Self::Password { owner: true } => line("password --owner"),
            Self::RevokePolicy => line("revoke --by policy"),
            Self::Restore { registry } => line("restore").registry(registry),
            Self::ResetYes => line("reset --yes"),
            Self::KeyEnable { key, version } => {
                key.add_to(line("key enable").option("--version", *version))
            }
            Self::KeyRecover { key } => key.add_to(line("key recover")),
            Self::KeyRotate { registry } => line("key rotate").registry(registry),
            Self::AssignIdentity { registry, identity } => {
                line("registry assign-identity").arg(registry).arg(identity)
            }
            Self::Gc { registry } => line("gc").registry(registry),
            Self::GcNow { registry } => line("gc --now").registry(registry),
            Self::Verify { registry } => line("verify").registry(registry),
            Self::ClearFaults => line("faults clear"),
            Self::ListFaults => line("faults list"),
            Self::ResumeClock => line("clock resume"),
            Self::ExportEnv => line("env"),
            Self::AddHosts => line("env --hosts"),
            Self::RunCommand => line("run -- CMD"),
            Self::Doctor => line("doctor"),
            Self::Reset => line("reset"),
            Self::Stop => line("stop"),
            Self::KeyList { registry } => line("key list").registry(registry),
            Self::ImageList { registry } => line("image list").registry(registry),
            Self::Health { registry } => line("health").arg("--registry").arg(registry),
            Self::Az(args) => args.iter().fold(line("az --"), CommandLine::arg),
        }
    }
}

impl<'a> KeyTarget<'a> {
    /// The key of a registry.
    pub fn for_registry(registry: &'a str) -> Self {
        Self { registry, vault: None, key: None }
    }

    /// Adds the options that name the key.
    fn add_to(&self, line: CommandLine) -> CommandLine {
        line.option("--vault", self.vault).option("--key", self.key).registry(self.registry)
    }
}
