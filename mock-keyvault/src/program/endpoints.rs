//! The files that hold the addresses of a vault: `endpoints.json` in its data folder, and the file that an option names.
//!
//! The vault writes them when it answers requests and removes them when it stops. They hold no secret.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use azure_emulator_core::disk_space::is_out_of_space;
use azure_emulator_core::files::{Access, read_if_there, write_for_this_run};
use fs_err as fs;
use mock_keyvault::MockKeyVault;
use serde::{Deserialize, Serialize};

use super::network::reachable;

const FILE: &str = "endpoints.json";

/// The addresses of a vault.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoints {
    /// The base address of all services, by the address of the socket.
    pub(super) azure: String,
    /// The base address of the vault `local`.
    pub(super) vault: String,
    /// The base address of the issuer.
    pub(super) login: String,
    /// The file with the local authority's certificate.
    pub(super) ca: PathBuf,
    /// The process id.
    pub(super) pid: u32,
    /// The address of the socket.
    pub(super) address: SocketAddr,
    /// The tenant of all identities.
    pub(super) tenant: String,
    /// The client id of the owner.
    pub(super) client_id: String,
    /// The file of the owner's secret, unless it is the well-known one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret_file: Option<PathBuf>,
}

impl Endpoints {
    pub(super) fn new(vault: &MockKeyVault) -> Self {
        let owner = vault.owner();
        Self {
            azure: format!("https://{}", reachable(vault.address())),
            vault: vault.uri(),
            login: vault.authority_uri(),
            ca: vault.ca_path().to_owned(),
            pid: std::process::id(),
            address: vault.address(),
            tenant: vault.tenant().to_owned(),
            client_id: owner.client_id.to_owned(),
            secret_file: owner.secret_file.clone(),
        }
    }

    /// Reads the file of the vault of this folder, if one runs.
    pub(super) fn read(data_dir: &Path) -> io::Result<Option<Self>> {
        let bytes = read_if_there(&data_dir.join(FILE))?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes)).transpose()?)
    }

    /// Writes the files. They are removed when the returned value is dropped.
    pub(super) fn write(&self, data_dir: &Path, chosen: Option<&Path>) -> io::Result<Written> {
        let mut text = serde_json::to_vec(self)?;
        text.push(b'\n');
        let mut written = Written { paths: Vec::new(), text };
        for path in [Some(data_dir.join(FILE)), chosen.map(Path::to_owned)].into_iter().flatten() {
            match write_for_this_run(&path, &written.text, Access::Public) {
                // The vault runs anyway: clients that know the addresses need no file.
                Err(error) if is_out_of_space(&error) => {
                    tracing::warn!(%error, "the disk is full: cannot write a file of endpoints");
                }
                done => {
                    done?;
                    written.paths.push(path);
                }
            }
        }
        Ok(written)
    }
}

/// Files that are removed when this is dropped, unless another vault has written them since.
#[derive(Debug)]
pub(super) struct Written {
    paths: Vec<PathBuf>,
    text: Vec<u8>,
}

impl Drop for Written {
    fn drop(&mut self) {
        for path in &self.paths {
            if fs::read(path).is_ok_and(|text| text == self.text) {
                // A missing file needs no removal.
                let _ = fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(port: u16) -> Endpoints {
        Endpoints {
            azure: String::new(),
            vault: String::new(),
            login: String::new(),
            ca: PathBuf::new(),
            pid: 1,
            address: SocketAddr::from(([127, 0, 0, 1], port)),
            tenant: String::new(),
            client_id: String::new(),
            secret_file: None,
        }
    }

    #[test]
    fn a_stopping_vault_keeps_the_file_of_its_successor() {
        let folder = tempfile::tempdir().unwrap();
        let stops = endpoints(1).write(folder.path(), None).unwrap();
        let starts = endpoints(2).write(folder.path(), None).unwrap();

        drop(stops);

        let left = Endpoints::read(folder.path()).unwrap().unwrap();
        assert_eq!(left.address.port(), 2);
        drop(starts);
        assert!(Endpoints::read(folder.path()).unwrap().is_none());
    }
}
