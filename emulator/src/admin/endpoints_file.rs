//! The files that contain the addresses of the emulator.
//!
//! A file is written when the emulator answers and again whenever the state of a registry changes: `endpoints.json` in
//! the data folder, with which `--data-dir` finds the process, and the file of `--endpoints-file`. An ephemeral emulator
//! writes into a data folder only if the user named it and no other emulator runs there. The files contain no secret. A file is
//! replaced by a rename, so that no reader sees half of it, and is removed at the end.

use std::io;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::disk_space::{Purpose, is_out_of_space};
use fs_err as fs;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::status::StatusReport;
use crate::app::App;
use crate::config::Config;
use crate::endpoints::Endpoints;
use crate::running::is_alive;

/// The name of the file in the data folder.
pub const ENDPOINTS_FILE: &str = "endpoints.json";

/// The files of a running emulator.
pub(crate) struct EndpointsFile;

impl EndpointsFile {
    /// Writes the files for the first time, and creates their folders. A full disk does not prevent the start: commands find the
    /// emulator by its URL, and the next change of a state writes the files.
    pub(crate) async fn create(app: &App) -> io::Result<()> {
        let paths = files(&app.config);
        let made = tokio::task::spawn_blocking(move || {
            paths.iter().try_for_each(|path| fs::create_dir_all(folder_of(path)))
        });
        let written = match made.await? {
            Ok(()) => Self::write(app).await,
            Err(error) => Err(error),
        };
        match written {
            Err(error) if is_out_of_space(&error) => {
                tracing::warn!(%error, "cannot write the endpoints file: the disk is full");
                Ok(())
            }
            written => written,
        }
    }

    /// Writes the files. It creates no folder, because a state change at the very end must not create a folder again that
    /// was removed with its emulator.
    async fn write(app: &App) -> io::Result<()> {
        let report = StatusReport::collect(app).await.map_err(io::Error::other)?;
        let disk_space = Arc::clone(app.registries.disk_space());
        let paths = files(&app.config);
        let guarded = app.config.ephemeral.then(|| app.config.data_dir.join(ENDPOINTS_FILE));
        let written = tokio::task::spawn_blocking(move || {
            // On one line, so that a search of the data folder for pushed JSON does not find the same indentation here.
            let mut text = serde_json::to_vec(&report)?;
            text.push(b'\n');
            // On a full disk the writes themselves may still succeed.
            let _ = disk_space.spend(text.len() as u64, Purpose::SmallFile);
            let is_taken =
                |path: &PathBuf| guarded.as_ref() == Some(path) && is_of_another(path, &report);
            let mut paths = paths.iter().filter(|path| !is_taken(path));
            paths.try_for_each(|path| replace(path, &text))
        });
        written.await?
    }

    /// Writes the files again when a registry is created, is deleted or changes its state, until `stop`. The caller spawns this.
    pub(crate) async fn follow(app: App, stop: CancellationToken) {
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
            if let Err(error) = Self::write(&app).await
                && !stop.is_cancelled()
            {
                tracing::warn!(%error, "cannot write the endpoints file");
            }
        }
    }

    /// Removes the files, unless another process has written them since.
    pub(crate) fn remove(endpoints: &Endpoints, config: &Config) {
        for path in files(config) {
            if read(&path).is_some_and(|report| report.instance == endpoints.instance())
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

#[cfg(test)]
mod tests {
    use super::*;

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
