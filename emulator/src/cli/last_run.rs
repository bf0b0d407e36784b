//! The last emulator of a data folder, if it ended without a shutdown: it was killed, or the machine stopped.
//!
//! It could not remove its endpoints file, which contains its addresses. So a message can name the command that starts
//! it again with the same addresses. If the process in the file exists, that proves nothing: it may be in another container.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use super::hints::{Hint, Hints};
use crate::admin::{ENDPOINTS_FILE, StatusReport, read_endpoints};
use crate::config::{Config, DEFAULT_AZURE_LISTEN, DEFAULT_LISTEN};
use crate::running::{RuntimeFolder, is_alive};

/// An emulator that ended without a shutdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LastRun {
    /// Its data folder.
    folder: PathBuf,
    /// Its process id.
    pub(super) pid: u32,
    /// The address of the registry, if it is not the default.
    listen: Option<SocketAddr>,
    /// The address of the Azure side, if it is not the default.
    azure_listen: Option<SocketAddr>,
}

impl LastRun {
    /// The last emulator of a data folder, or `None` if it was shut down or may still run.
    pub(super) fn in_folder(folder: &Path) -> Option<Self> {
        Self::from_report(folder, &read_endpoints(&folder.join(ENDPOINTS_FILE))?)
    }

    /// The last emulator that answered at a URL: the emulator of the named or the default folder, or a registered one.
    pub(super) fn at(endpoint: &Url, named: Option<&Path>) -> Option<Self> {
        let is_it = |report: &StatusReport| {
            report.registry.parse::<Url>().is_ok_and(|url| url == *endpoint)
        };
        let entries = RuntimeFolder::for_user().and_then(|folder| folder.entries());
        let registered = entries.unwrap_or_default().into_iter().map(|(_, entry)| entry.data_dir);
        let known = named.map(Path::to_owned).into_iter().chain(Config::default_data_dir());
        known.chain(registered).find_map(|folder| {
            let report = read_endpoints(&folder.join(ENDPOINTS_FILE)).filter(is_it)?;
            Self::from_report(&folder, &report)
        })
    }

    fn from_report(folder: &Path, report: &StatusReport) -> Option<Self> {
        if is_alive(report.pid) {
            return None;
        }
        let address = |url: &str, default: SocketAddr| {
            let url: Url = url.parse().ok()?;
            let found = url.socket_addrs(|| None).ok()?.into_iter().next()?;
            (found != default).then_some(found)
        };
        Some(Self {
            folder: folder.to_owned(),
            pid: report.pid,
            listen: address(&report.registry, DEFAULT_LISTEN),
            azure_listen: report
                .azure
                .as_deref()
                .and_then(|url| address(url, DEFAULT_AZURE_LISTEN)),
        })
    }

    /// The command that starts it again.
    pub(super) fn start_command(&self, hints: &Hints) -> String {
        // The default folder needs no option, and hints contain the typed folder.
        let is_named = Config::default_data_dir().is_none_or(|folder| folder != self.folder);
        let hints = if is_named { hints.in_folder(&self.folder) } else { hints.clone() };
        hints.line(&Hint::Serve { listen: self.listen, azure_listen: self.azure_listen })
    }

    /// The addresses of the registry and the Azure side, if they are not the defaults.
    pub(super) fn addresses(&self) -> [Option<SocketAddr>; 2] {
        [self.listen, self.azure_listen]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::report;

    fn hints() -> Hints {
        Hints::new(Some(&"sealyard".into()), None)
    }

    /// The id of a process that has ended.
    fn ended() -> u32 {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        child.id()
    }

    #[test]
    fn the_command_for_a_killed_emulator_has_its_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let mut status = report();
        (status.pid, status.registry) = (ended(), "http://127.0.0.1:6000".to_owned());
        let file = folder.path().join(ENDPOINTS_FILE);
        fs_err::write(&file, serde_json::to_vec(&status).unwrap()).unwrap();
        let url = "http://127.0.0.1:6000".parse().unwrap();

        let last = LastRun::in_folder(folder.path()).unwrap();

        let line = format!(
            "sealyard --data-dir {} serve --listen 127.0.0.1:6000",
            folder.path().display()
        );
        assert_eq!(last.start_command(&hints()), line);
        assert_eq!(LastRun::at(&url, Some(folder.path())), Some(last));
        let other = "http://127.0.0.1:6001".parse().unwrap();
        assert_eq!(LastRun::at(&other, Some(folder.path())), None);
    }

    #[test]
    fn an_emulator_whose_process_exists_may_still_run() {
        let folder = tempfile::tempdir().unwrap();
        let mut status = report();
        status.pid = std::process::id();
        let file = folder.path().join(ENDPOINTS_FILE);
        fs_err::write(&file, serde_json::to_vec(&status).unwrap()).unwrap();

        assert_eq!(LastRun::in_folder(folder.path()), None);
        assert_eq!(LastRun::in_folder(&folder.path().join("none")), None);
    }
}
