//! The certificates of the emulator's own listeners, and the file with the authorities that clients must trust.
//!
//! `serve/` calls it. The authority is the embedded vault's; with a vault in another process the emulator has its own
//! authority in its data folder. Then clients need two authorities: both are in one file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use azure_emulator_core::clock::Clock;
use azure_emulator_core::tls::{LocalAuthority, TlsError, write_joined};
use mock_keyvault::MockKeyVault;
use rustls::ServerConfig;

use crate::config::{Config, VaultChoice};

/// The folder of the emulator's own authority, in the data folder.
const FOLDER: &str = "tls";
/// The authorities of the emulator and of the external vault, PEM.
const TRUST_FILE: &str = "trust.pem";

/// The certificates of the listeners.
#[derive(Debug)]
pub(crate) struct Certificates {
    /// The TLS configuration of every listener of registries.
    pub(crate) server: Arc<ServerConfig>,
    /// The file that clients must trust.
    pub(crate) ca: PathBuf,
}

impl Certificates {
    /// The certificates of the embedded vault, or the emulator's own.
    pub(crate) async fn open(
        config: &Config,
        vault: Option<&MockKeyVault>,
        data_dir: &Path,
        clock: &Clock,
    ) -> Result<Self, TlsError> {
        let aliases = config.hostname_alias.clone();
        if let Some(vault) = vault {
            let server = vault.certificate_authority().server_config(&aliases)?;
            return Ok(Self { server, ca: vault.ca_path().to_owned() });
        }
        let beside = match &config.vault {
            VaultChoice::External(external) => external.ca.clone(),
            VaultChoice::Embedded => None,
        };
        let (folder, clock) = (data_dir.join(FOLDER), clock.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let authority = LocalAuthority::open(&folder, &clock)?;
            let ca = match beside {
                None => authority.ca_path().to_owned(),
                Some(beside) => write_both(&folder, authority.ca_pem(), &beside)?,
            };
            Ok(Self { server: authority.server_config(&aliases)?, ca })
        });
        opened.await.map_err(io::Error::other)?
    }
}

fn write_both(folder: &Path, ours: &str, beside: &Path) -> io::Result<PathBuf> {
    let path = folder.join(TRUST_FILE);
    write_joined(&path, ours.as_bytes(), &fs_err::read(beside)?)?;
    Ok(path)
}
