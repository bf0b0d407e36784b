//! The addresses of the emulator, and the files that contain them.
//!
//! A file is written when the emulator answers and again whenever the state of a registry changes: `endpoints.json` in
//! the data folder, with which `--data-dir` finds the process, and the file of `--endpoints-file`. An ephemeral emulator
//! writes into a data folder only if the user named it and no other emulator runs there. The files contain no secret. A file is
//! replaced by a rename, so that no reader sees half of it, and is removed at the end.

use std::io;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::room::{Purpose, is_lacking};
use fs_err as fs;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::status::StatusReport;
use crate::app::App;
use crate::config::Config;
use crate::keys::KeyId;
use crate::running::is_alive;
use crate::vault_owner::{VaultConnection, identifier};

/// The name of the file in the data folder.
pub const ENDPOINTS_FILE: &str = "endpoints.json";

/// The addresses and files of an emulator.
#[derive(Clone, Debug)]
pub struct Endpoints {
    registry: String,
    login_server: String,
    azure: Option<String>,
    vault: String,
    login: Option<String>,
    ca: PathBuf,
    owner_secret: Option<PathBuf>,
    data_dir: PathBuf,
    instance: String,
}

impl Endpoints {
    /// The addresses for a client on this machine. `data_dir` is the folder in use, which for an ephemeral emulator
    /// is not the folder of the configuration.
    pub fn new(
        registry: SocketAddr,
        vault: &VaultConnection,
        ca: PathBuf,
        data_dir: &Path,
    ) -> Self {
        debug_assert_ne!(registry.port(), 0, "the listener is bound");
        Self {
            registry: url_of(registry),
            login_server: login_server(registry),
            azure: vault.azure_url(),
            vault: vault.vault_url(),
            login: vault.login_url(),
            ca,
            owner_secret: vault.owner_secret_file().map(Path::to_owned),
            data_dir: data_dir.to_owned(),
            instance: hex::encode(rand::random::<[u8; 16]>()),
        }
    }

    /// The random id of this run.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// The base URL of the registry `local` and of the admin API.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The host and port before the repository in `docker push`: `localhost` and a port, which docker accepts without TLS.
    pub fn login_server(&self) -> &str {
        &self.login_server
    }

    /// The base URL of the Azure side.
    pub fn azure(&self) -> Option<&str> {
        self.azure.as_deref()
    }

    /// The base URL of the vault.
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// The base URL of the authority that issues tokens.
    pub fn login(&self) -> Option<&str> {
        self.login.as_deref()
    }

    /// The file of the authorities that clients have to trust: the authority of the listeners here, and that of a vault in
    /// another process if it has its own.
    pub fn ca(&self) -> &Path {
        &self.ca
    }

    /// The file with the secret of the embedded vault's owner, if that is not the well-known secret.
    pub fn owner_secret(&self) -> Option<&Path> {
        self.owner_secret.as_deref()
    }

    /// The data folder in use.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// The identifier of a key, with the vault's address.
    pub fn key_identifier(&self, key: &KeyId) -> String {
        match Url::parse(&self.vault) {
            Ok(base) => identifier(key, &base),
            Err(_) => key.to_string(),
        }
    }

    /// Writes the files for the first time, and creates their folders. A full disk does not prevent the start: commands find the
    /// emulator by its URL, and the next change of a state writes the files.
    pub async fn make_files(&self, app: &App) -> io::Result<()> {
        let paths = files(&app.config);
        let made = tokio::task::spawn_blocking(move || {
            paths.iter().try_for_each(|path| fs::create_dir_all(folder_of(path)))
        });
        let written = match made.await? {
            Ok(()) => self.write_files(app).await,
            Err(error) => Err(error),
        };
        match written {
            Err(error) if is_lacking(&error) => {
                tracing::warn!(%error, "cannot write the endpoints file: the disk is full");
                Ok(())
            }
            written => written,
        }
    }

    /// Writes the files. It creates no folder, because a state change at the very end must not create a folder again that
    /// was removed with its emulator.
    pub async fn write_files(&self, app: &App) -> io::Result<()> {
        let report = StatusReport::of(app).await.map_err(io::Error::other)?;
        let room = Arc::clone(app.registries.room());
        let paths = files(&app.config);
        let guarded = app.config.ephemeral.then(|| app.config.data_dir.join(ENDPOINTS_FILE));
        let written = tokio::task::spawn_blocking(move || {
            // On one line, so that a search of the data folder for pushed JSON does not find the same indentation here.
            let mut text = serde_json::to_vec(&report)?;
            text.push(b'\n');
            // On a full disk the writes themselves may still succeed.
            let _ = room.spend(text.len() as u64, Purpose::SmallFile);
            let is_taken =
                |path: &PathBuf| guarded.as_ref() == Some(path) && is_of_another(path, &report);
            let mut paths = paths.iter().filter(|path| !is_taken(path));
            paths.try_for_each(|path| replace(path, &text))
        });
        written.await?
    }

    /// Writes the files again when a registry is created, is deleted or changes its state, until `stop`. The caller spawns this.
    pub async fn follow(app: App, stop: CancellationToken) {
        let mut changes = app.registries.changes();
        let watches = |app: &App| -> Vec<_> {
            app.registries.all().iter().map(|registry| registry.key_ring().watch()).collect()
        };
        let mut states = watches(&app);
        loop {
            let changed = async {
                let mut any: FuturesUnordered<_> =
                    states.iter_mut().map(tokio::sync::watch::Receiver::changed).collect();
                any.next().await
            };
            tokio::select! {
                () = stop.cancelled() => return,
                changed = changes.changed() => match changed {
                    // The files that are written now contain all changes in between.
                    Ok(()) => states = watches(&app),
                    Err(_) => return,
                },
                changed = changed => match changed {
                    Some(Ok(())) => (),
                    // The registry is deleted. The set contains the others.
                    Some(Err(_)) => states = watches(&app),
                    None => return,
                },
            }
            if let Err(error) = app.endpoints.write_files(&app).await
                && !stop.is_cancelled()
            {
                tracing::warn!(%error, "cannot write the endpoints file");
            }
        }
    }

    /// Removes the files, unless another process has written them since.
    pub fn remove_files(&self, config: &Config) {
        for path in files(config) {
            if read(&path).is_some_and(|report| report.instance == self.instance)
                && let Err(error) = fs::remove_file(&path)
            {
                tracing::debug!(%error, "cannot remove the endpoints file");
            }
        }
    }
}

/// Reads an endpoints file. `None` if there is no readable file.
pub(crate) fn read(path: &Path) -> Option<StatusReport> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// The files that are written.
fn files(config: &Config) -> Vec<PathBuf> {
    let is_found_there = !config.ephemeral || config.found_by_data_dir;
    let in_data_dir = is_found_there.then(|| config.data_dir.join(ENDPOINTS_FILE));
    in_data_dir.into_iter().chain(config.endpoints_file.clone()).collect()
}

/// Whether another running emulator has written this file.
fn is_of_another(path: &Path, own: &StatusReport) -> bool {
    read(path).is_some_and(|other| other.instance != own.instance && is_alive(other.pid))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder_of(path))?;
    file.write_all(text)?;
    // It contains only addresses, and in a compose file another user reads it.
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// The address that a client on this machine can connect to.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// The base URL of a registry that listens there.
pub(super) fn url_of(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// The host and port before the repository in `docker push`, for a registry that listens there.
pub(super) fn login_server(address: SocketAddr) -> String {
    let address = reachable(address);
    if address.ip().is_loopback() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reported_address_can_be_connected_to() {
        for (bound, url, server) in [
            ("0.0.0.0:5000", "127.0.0.1:5000", "localhost:5000"),
            ("[::]:5000", "[::1]:5000", "localhost:5000"),
            ("127.0.0.1:7000", "127.0.0.1:7000", "localhost:7000"),
            ("192.0.2.7:5000", "192.0.2.7:5000", "192.0.2.7:5000"),
        ] {
            let bound = bound.parse().unwrap();
            assert_eq!(reachable(bound).to_string(), url);
            assert_eq!(login_server(bound), server);
        }
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_and_readable_by_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("endpoints.json");

        replace(&path, b"first, which is longer").unwrap();
        replace(&path, b"second").unwrap();

        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_removed_folder_is_not_created_again() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");

        assert!(replace(&gone.join("endpoints.json"), b"late").is_err());

        assert!(!gone.exists());
    }
}
