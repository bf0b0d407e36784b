//! The parts of a running vault as one value, which all its routes share.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::audit::AuditLog;
use crate::folder::Folder;
use crate::guard::Guard;
use crate::throttle::Throttle;
use crate::vault::Vaults;
use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::Clock;
use azure_emulator_core::faults::Faults;
use azure_emulator_core::files::{Access, write_whole};
use azure_emulator_core::host_router::HostRouter;
use azure_emulator_core::identity::Issuer;

/// All parts of a running vault.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) vaults: Arc<Vaults>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) audit: AuditLog,
    pub(crate) clock: Clock,
    /// Reports every change after which the vault may give different answers.
    pub(crate) changes: Changes,
    /// The port of the listener.
    pub(crate) port: u16,
    /// Admits requests to the admin API and the managed-identity endpoints.
    pub(crate) guard: Guard,
    /// Whether a token of another issuer counts as the owner's.
    pub(crate) accept_any_token: bool,
    /// Whether a new vault uses access policies even if it asks for roles.
    pub(crate) legacy_access_policies: bool,
    /// The file that stores the setting of the clock, if the clock is this vault's own.
    pub(crate) clock_file: Option<PathBuf>,
    /// The faults to inject.
    pub(crate) faults: Faults,
    /// The limit on calls of a vault, if there is one.
    pub(crate) throttle: Throttle,
    /// The routes of an embedding program; they come first.
    pub(crate) host_router: HostRouter,
    /// Cancelled when the vault ends: long work stops between two steps.
    pub(crate) stop: CancellationToken,
    /// The data folder. It is the last field, so that its lock is released after all users of the folder are dropped.
    pub(crate) folder: Folder,
}

impl App {
    /// Stores the setting of the clock so that it survives a restart, if the clock is this vault's own. Blocks.
    pub(crate) fn save_clock(&self) -> io::Result<()> {
        match &self.clock_file {
            None => Ok(()),
            Some(path) => {
                let saved = self.clock.saved();
                let frozen = saved.frozen_at.map(|at| at.unix_timestamp().to_string());
                let offset = saved.offset.whole_seconds();
                let text = format!("{offset} {}", frozen.unwrap_or_default());
                write_whole(path, text.trim_end().as_bytes(), Access::Private)
            }
        }
    }
}
