//! Helpers of the tests: clients, content to push, and the program as a process.

pub(crate) mod arm;
pub(crate) mod azure;
pub(crate) mod client;
pub(crate) mod content;
pub(crate) mod paths;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod registries;

use std::path::Path;

use azure_emulator_core::clock::Clock;
use mock_keyvault::MockKeyVault;
use sealyard::Sealyard;
use sealyard::{Config, ExternalVault, VaultChoice};

pub(crate) use client::{Answer, Client};

/// A fresh emulator, which ends with its handle, and a client of it.
pub(crate) async fn start() -> (Sealyard, Client) {
    let emulator = Sealyard::builder().ephemeral().start().await.unwrap();
    let client = Client::of(&emulator);
    (emulator, client)
}

/// The same, with a clock whose two times stand still.
pub(crate) async fn start_with_clock() -> (Sealyard, Client, Clock) {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let emulator = Sealyard::builder().ephemeral().clock(clock.clone()).start().await.unwrap();
    let client = Client::of(&emulator);
    (emulator, client, clock)
}

/// The configuration that describes a vault of this process as an external vault.
pub(crate) fn external(vault: &MockKeyVault) -> ExternalVault {
    ExternalVault {
        url: vault.uri().parse().unwrap(),
        authority: Some(vault.authority_uri().parse().unwrap()),
        tenant: None,
        client_id: None,
        client_secret_file: None,
        ca: Some(vault.ca_path().to_owned()),
    }
}

/// An emulator with an external vault and its data in this folder, and a client of it.
pub(crate) async fn start_beside(external: ExternalVault, folder: &Path) -> (Sealyard, Client) {
    let config = Config {
        vault: VaultChoice::External(external),
        data_dir: folder.join("d"),
        ..Config::default()
    };
    let emulator = Sealyard::builder().config(config).free_ports().start().await.unwrap();
    let client = Client::of(&emulator);
    (emulator, client)
}
