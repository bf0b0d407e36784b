//! Each service with the listener, the name and the path at which clients reach it.

use std::net::SocketAddr;

use sealyard::Sealyard;

use crate::support::raw::Raw;
use crate::support::start;

/// A service on a listener.
pub(super) struct Door {
    /// The name in the message of a failed test.
    pub(super) service: &'static str,
    address: SocketAddr,
    /// The authority to trust, if the service expects TLS.
    authority: Option<String>,
    /// The name in `Host`.
    pub(super) host: String,
    /// A path at which the service answers GET.
    pub(super) path: &'static str,
}

impl Door {
    /// Connects to the service.
    pub(super) fn connect(&self) -> Raw {
        match &self.authority {
            Some(authority) => Raw::tls(self.address, &self.host, authority),
            None => Raw::plain(self.address),
        }
    }

    /// Sends these bytes on a new connection, and reads the answers until it ends.
    pub(super) async fn exchange(&self, bytes: impl Into<Vec<u8>>) -> String {
        self.connect().send(bytes).await.answer().await
    }

    /// The answer to a regular request.
    pub(super) async fn get(&self) -> String {
        let (path, host) = (self.path, &self.host);
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        self.exchange(head).await
    }
}

/// An emulator with the registry `team1`, and all of its services.
pub(super) async fn open() -> (Sealyard, Vec<Door>) {
    let (emulator, _client) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let (local, vault) = (emulator.registry_address(), emulator.vault().unwrap());
    let port = emulator.registry_address_of("team1").await.unwrap();
    let door = |service, address, host: &str, path| {
        let authority = (address == vault.address()).then(|| vault.ca_pem().to_owned());
        Door { service, address, authority, host: host.to_owned(), path }
    };
    let doors = vec![
        door("the registry", local, "localhost", "/v2/"),
        door("the port of another registry", port, "localhost", "/v2/_catalog"),
        door("a registry by its public name", vault.address(), "team1.azurecr.io", "/v2/"),
        door("the admin API", local, "localhost", "/_sealyard/status"),
        door("a vault", vault.address(), "local.vault.azure.net", "/keys?api-version=7.4"),
        door("the issuer", vault.address(), "login.microsoftonline.com", "/common/discovery/keys"),
        door("the control plane", vault.address(), "management.azure.com", "/subscriptions"),
        door("Graph", vault.address(), "graph.microsoft.com", "/v1.0/me"),
        door("the admin API of the vault", vault.address(), "localhost", "/_keyvault/health"),
    ];
    for door in &doors {
        assert!(door.get().await.starts_with("HTTP/1.1 "), "{}", door.service);
    }
    (emulator, doors)
}

/// The statuses of all answers in the bytes of a connection.
pub(super) fn statuses(answers: &str) -> Vec<&str> {
    let all = answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3));
    // A sentence in a body can name the version too.
    all.filter(|status| status.bytes().all(|byte| byte.is_ascii_digit())).collect()
}
