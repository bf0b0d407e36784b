//! The addresses of the emulator, for clients on this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use url::Url;

use crate::keys::KeyId;
use crate::vault::{VaultConnection, identifier};

/// The addresses of an emulator, and its data folder.
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
    pub(crate) fn new(
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
            login: Some(vault.login_url()),
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
    pub(crate) fn key_identifier(&self, key: &KeyId) -> String {
        match Url::parse(&self.vault) {
            Ok(base) => identifier(key, &base),
            Err(_) => key.to_string(),
        }
    }
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
pub(crate) fn url_of(address: SocketAddr) -> String {
    format!("http://{}", reachable(address))
}

/// The host and port before the repository in `docker push`, for a registry that listens there.
pub(crate) fn login_server(address: SocketAddr) -> String {
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
}
