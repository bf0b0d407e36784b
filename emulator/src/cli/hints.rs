//! The commands that messages print for people to type, rendered so that each works as printed.
//!
//! A message names a [`Hint`]; [`Hints`] renders it with the path of the running program and the options that select the
//! same emulator. A command without them could change another emulator. Each argument is quoted for a POSIX shell. No other
//! module contains such a command. `tests/it/cli/hints.rs` runs every hint of [`Hint::samples`] with the real program.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use azure_emulator_core::durable::repair::quoted;

use super::container::Container;
use crate::keys::Cause;
use crate::registry::RegistryName;
use crate::revocation::RevocationMethod;

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

/// Renders hints for one program and one emulator.
#[derive(Clone, Debug)]
pub struct Hints {
    program: OsString,
    data_dir: Option<OsString>,
    endpoint: Option<String>,
    container: Option<Container>,
}

/// A command line, quoted for a POSIX shell.
#[derive(Clone, Debug, Default)]
pub struct CommandLine(Vec<OsString>);

impl<'a> Hint<'a> {
    /// A sample of each kind, for tests that run them. `registry` and `identity` exist.
    pub fn samples(registry: &'a str, identity: &'a str) -> Vec<Self> {
        let samples = vec![
            Self::Serve { listen: Some(FREE_PORT), azure_listen: Some(FREE_PORT) },
            Self::Status,
            Self::RevokePolicy,
            Self::Restore { registry },
            Self::ResetYes,
            Self::KeyEnable { key: KeyTarget::for_registry(registry), version: None },
            Self::KeyRecover { key: KeyTarget::for_registry(registry) },
            Self::KeyRotate { registry },
            Self::AssignIdentity { registry, identity },
            Self::Gc { registry },
            Self::Verify { registry },
            Self::ClearFaults,
            Self::ListFaults,
            Self::ResumeClock,
            Self::ExportEnv,
            Self::AddHosts,
            Self::RunCommand,
            Self::Az(vec!["keyvault".to_owned(), "list".to_owned()]),
            Self::Password { owner: true },
            Self::GcNow { registry },
            Self::Doctor,
            Self::Reset,
            Self::Stop,
            Self::KeyList { registry },
            Self::ImageList { registry },
            Self::Health { registry },
        ];
        debug_assert!(
            samples.iter().map(Self::index).eq(0..samples.len()),
            "a sample of each kind"
        );
        samples
    }

    /// The index among the samples. A new kind needs an index here, and a sample.
    fn index(&self) -> usize {
        match self {
            Self::Serve { .. } => 0,
            Self::Status => 1,
            Self::RevokePolicy => 2,
            Self::Restore { .. } => 3,
            Self::ResetYes => 4,
            Self::KeyEnable { .. } => 5,
            Self::KeyRecover { .. } => 6,
            Self::KeyRotate { .. } => 7,
            Self::AssignIdentity { .. } => 8,
            Self::Gc { .. } => 9,
            Self::Verify { .. } => 10,
            Self::ClearFaults => 11,
            Self::ListFaults => 12,
            Self::ResumeClock => 13,
            Self::ExportEnv => 14,
            Self::AddHosts => 15,
            Self::RunCommand => 16,
            Self::Az(_) => 17,
            Self::Password { .. } => 18,
            Self::GcNow { .. } => 19,
            Self::Doctor => 20,
            Self::Reset => 21,
            Self::Stop => 22,
            Self::KeyList { .. } => 23,
            Self::ImageList { .. } => 24,
            Self::Health { .. } => 25,
        }
    }

    fn command_line(&self) -> CommandLine {
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
                line("key enable").option("--version", *version).key(key)
            }
            Self::KeyRecover { key } => line("key recover").key(key),
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

impl Hints {
    /// Hints with the program as it was called, for the emulator of a data folder if the user named it.
    pub fn new(program: Option<&OsString>, data_dir: Option<OsString>) -> Self {
        let program = program.cloned().unwrap_or_else(|| "sealyard".into());
        Self { program, data_dir, endpoint: None, container: None }
    }

    /// The same for a person outside the container, if the program runs in a container.
    #[must_use]
    pub(super) fn outside_container(mut self, container: Option<Container>) -> Self {
        self.container = container;
        self
    }

    /// Whether the reader is outside the container. A container has one emulator, which a command need not name.
    pub(super) fn is_outside_container(&self) -> bool {
        self.container.is_some()
    }

    /// The same for the emulator at a URL.
    #[must_use]
    pub fn at(&self, endpoint: &str) -> Self {
        let endpoint = Some(endpoint.trim_end_matches('/').to_owned());
        Self { endpoint, ..self.clone() }
    }

    /// The same for the emulator at a URL, without the named folder.
    #[must_use]
    pub fn only_at(&self, endpoint: &str) -> Self {
        Self { data_dir: None, ..self.at(endpoint) }
    }

    /// The same for the emulator of a data folder.
    #[must_use]
    pub fn in_folder(&self, folder: &Path) -> Self {
        let data_dir = Some(folder.as_os_str().to_owned());
        Self { data_dir, endpoint: None, ..self.clone() }
    }

    /// The same without the name of an emulator.
    #[must_use]
    pub fn anywhere(&self) -> Self {
        Self { data_dir: None, endpoint: None, ..self.clone() }
    }

    /// The command line to type.
    pub fn line(&self, hint: &Hint<'_>) -> String {
        let outside = self.container.as_ref().map(Container::exec).unwrap_or_default();
        let mut line = CommandLine::default().args(&outside).arg(&self.program);
        if let Some(folder) = &self.data_dir {
            line = line.arg("--data-dir").arg(folder);
        }
        // A start is on this machine, wherever the endpoint is.
        if let Some(endpoint) = &self.endpoint
            && !matches!(hint, Hint::Serve { .. })
        {
            line = line.arg("--endpoint").arg(endpoint);
        }
        let line = line.append(hint.command_line());
        match hint {
            Hint::ExportEnv => format!("eval \"$({line})\""),
            Hint::AddHosts => format!("{line} | sudo tee -a /etc/hosts"),
            _ => line.to_string(),
        }
    }

    /// The command that makes a registry available again after its key became unusable. `revoked`: the known methods by which
    /// `revoke` has revoked the key; `restore` undoes nothing else. `None` if no command is known.
    pub fn repair_hint(
        &self,
        cause: Cause,
        registry: &str,
        revoked: &[RevocationMethod],
    ) -> Option<String> {
        let method = RevocationMethod::from_cause(cause)?;
        let key = KeyTarget::for_registry(registry);
        let hint = match method {
            _ if revoked.contains(&method) => Hint::Restore { registry },
            RevocationMethod::Disable => Hint::KeyEnable { key, version: None },
            RevocationMethod::Delete => Hint::KeyRecover { key },
            RevocationMethod::Policy
            | RevocationMethod::Role
            | RevocationMethod::Firewall
            | RevocationMethod::Vault
            | RevocationMethod::Identity => {
                return Some(self.doctor_hint());
            }
        };
        Some(format!("`{}` repairs it", self.line(&hint)))
    }

    /// The same after a `restore`, which has undone every `revoke`.
    pub fn repair_hint_after_restore(&self, cause: Cause, registry: &str) -> String {
        self.repair_hint(cause, registry, &[]).unwrap_or_else(|| self.doctor_hint())
    }

    fn doctor_hint(&self) -> String {
        format!("`{}` finds the reason, and the command that repairs it", self.line(&Hint::Doctor))
    }
}

impl<'a> KeyTarget<'a> {
    /// The key of a registry.
    pub fn for_registry(registry: &'a str) -> Self {
        Self { registry, vault: None, key: None }
    }
}

impl CommandLine {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments that need no quotes, separated by spaces.
    fn args(self, args: &str) -> Self {
        args.split_ascii_whitespace().fold(self, Self::arg)
    }

    /// Adds `--registry`, unless the registry is the default.
    fn registry(self, registry: &str) -> Self {
        if registry == RegistryName::LOCAL { self } else { self.arg("--registry").arg(registry) }
    }

    /// Adds the options that name a key.
    fn key(self, key: &KeyTarget<'_>) -> Self {
        self.option("--vault", key.vault).option("--key", key.key).registry(key.registry)
    }

    /// Adds an option, if it has a value.
    fn option(self, name: &str, value: Option<impl AsRef<OsStr>>) -> Self {
        match value {
            Some(value) => self.arg(name).arg(value),
            None => self,
        }
    }

    fn address(self, name: &str, address: Option<SocketAddr>) -> Self {
        self.option(name, address.map(|address| address.to_string()))
    }

    fn append(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, arg) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(arg))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hints() -> Hints {
        Hints::new(Some(&OsString::from("sealyard")), None)
    }

    #[test]
    fn a_hint_has_the_program_and_the_folder_as_typed() {
        let program = OsString::from("target/release/sealyard");
        assert_eq!(
            Hints::new(Some(&program), None).line(&Hint::Status),
            "target/release/sealyard status"
        );

        let (program, folder) =
            (OsString::from("/my programs/sealyard"), OsString::from("it's here"));
        let hints = Hints::new(Some(&program), Some(folder));
        assert_eq!(
            hints.line(&Hint::KeyEnable { key: KeyTarget::for_registry("local"), version: None }),
            r"'/my programs/sealyard' --data-dir 'it'\''s here' key enable"
        );
    }

    #[test]
    fn a_hint_for_an_emulator_at_a_url_has_its_endpoint_except_for_a_start() {
        let hints = Hints::new(Some(&OsString::from("sealyard")), Some("/d".into()));
        let hints = hints.at("http://127.0.0.1:7000/");
        let start = Hint::Serve { listen: None, azure_listen: Some(FREE_PORT) };

        assert_eq!(
            hints.line(&Hint::Status),
            "sealyard --data-dir /d --endpoint http://127.0.0.1:7000 status"
        );
        assert_eq!(hints.line(&start), "sealyard --data-dir /d serve --azure-listen 127.0.0.1:0");
        assert_eq!(
            hints.only_at("http://127.0.0.1:7000").line(&Hint::ExportEnv),
            "eval \"$(sealyard --endpoint http://127.0.0.1:7000 env)\""
        );
    }

    #[test]
    fn a_hint_names_the_registry_that_it_is_for() {
        let restore = |registry| hints().line(&Hint::Restore { registry });

        assert_eq!(restore("local"), "sealyard restore");
        assert_eq!(restore("team1"), "sealyard restore --registry team1");
        assert_eq!(
            hints().repair_hint(Cause::KeyDisabled, "team1", &[]).unwrap(),
            "`sealyard key enable --registry team1` repairs it"
        );
        assert_eq!(
            hints().repair_hint(Cause::VaultUnreachable, "team1", &RevocationMethod::ALL),
            None
        );
    }

    #[test]
    fn restore_is_named_only_for_a_method_that_revoke_used() {
        for (cause, method) in [
            (Cause::PolicyRemoved, RevocationMethod::Policy),
            (Cause::RoleRemoved, RevocationMethod::Role),
            (Cause::KeyDisabled, RevocationMethod::Disable),
            (Cause::KeyDeleted, RevocationMethod::Delete),
            (Cause::VaultFirewall, RevocationMethod::Firewall),
            (Cause::VaultDeleted, RevocationMethod::Vault),
            (Cause::IdentityRemoved, RevocationMethod::Identity),
            (Cause::IdentityInactive, RevocationMethod::Identity),
        ] {
            let others: Vec<RevocationMethod> =
                RevocationMethod::ALL.into_iter().filter(|other| *other != method).collect();

            let by_restore = hints().repair_hint(cause, "local", &[method]).unwrap();
            let by_others = hints().repair_hint(cause, "local", &others).unwrap();

            assert_eq!(by_restore, "`sealyard restore` repairs it", "{cause}");
            assert!(!by_others.contains("restore"), "{cause}: {by_others}");
        }
    }

    #[test]
    fn every_hint_has_a_sample_that_the_program_can_parse() {
        for hint in Hint::samples("team1", "an identity") {
            let typed = hint.command_line().0;
            let args: Vec<OsString> =
                std::iter::once("sealyard".into()).chain(typed.iter().cloned()).collect();

            assert!(crate::cli::command::parse(&args).is_ok(), "{hint:?}");
        }
    }

    #[test]
    fn no_other_module_contains_a_command_of_this_program() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let (mut folders, mut found) = (vec![source], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|end| end == "rs")
                    && !path.ends_with("cli/hints.rs")
                {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                    let is_code = |line: &&str| !line.trim_start().starts_with("//");
                    let lines = code.lines().filter(is_code);
                    let lines = lines.filter(|line| line.contains(concat!('`', "sealyard")));
                    found.extend(lines.map(|line| format!("{}: {line}", path.display())));
                }
            }
        }

        // The tests of the command line compare what is rendered.
        found.retain(|line| !line.contains("/tests"));
        assert!(found.is_empty(), "{found:#?}");
    }
}
