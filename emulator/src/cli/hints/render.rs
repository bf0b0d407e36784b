//! Renders hints: with the path of the running program, and with the options that select the same emulator.

use std::ffi::OsString;
use std::path::Path;

use super::command_line::CommandLine;
use super::hint::{Hint, KeyTarget};
use crate::cli::container::Container;
use crate::keys::Cause;
use crate::revocation::RevocationMethod;

/// Renders hints for one program and one emulator.
#[derive(Clone, Debug)]
pub struct Hints {
    program: OsString,
    data_dir: Option<OsString>,
    endpoint: Option<String>,
    container: Option<Container>,
}

impl Hints {
    /// Hints with the program as it was called, for the emulator of a data folder if the user named it.
    pub fn new(program: Option<&OsString>, data_dir: Option<OsString>) -> Self {
        let program = program.cloned().unwrap_or_else(|| "sealyard".into());
        Self { program, data_dir, endpoint: None, container: None }
    }

    /// The same for a person outside the container, if the program runs in a container.
    #[must_use]
    pub(in crate::cli) fn outside_container(mut self, container: Option<Container>) -> Self {
        self.container = container;
        self
    }

    /// Whether the reader is outside the container. A container has one emulator, which a command need not name.
    pub fn is_outside_container(&self) -> bool {
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
