//! A command line, built argument by argument.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::SocketAddr;

use azure_emulator_core::durable::repair::quoted;

use crate::registry::RegistryName;

/// A command line, quoted for a POSIX shell.
#[derive(Clone, Debug, Default)]
pub struct CommandLine(pub(super) Vec<OsString>);

impl CommandLine {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments that need no quotes, separated by spaces.
    pub(super) fn args(self, args: &str) -> Self {
        args.split_ascii_whitespace().fold(self, Self::arg)
    }

    /// Adds `--registry`, unless the registry is the default.
    pub(super) fn registry(self, registry: &str) -> Self {
        if registry == RegistryName::LOCAL { self } else { self.arg("--registry").arg(registry) }
    }

    /// Adds an option, if it has a value.
    pub(super) fn option(self, name: &str, value: Option<impl AsRef<OsStr>>) -> Self {
        match value {
            Some(value) => self.arg(name).arg(value),
            None => self,
        }
    }

    /// Adds an option with an address, if there is one.
    pub(super) fn address(self, name: &str, address: Option<SocketAddr>) -> Self {
        self.option(name, address.map(|address| address.to_string()))
    }

    /// Adds all arguments of another command line.
    pub(super) fn append(mut self, more: Self) -> Self {
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
