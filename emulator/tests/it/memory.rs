//! The memory of the process: a data key is in it while its lease runs, and in no spelling afterwards.
//!
//! The vault is in the process of the test, so that what it holds is not searched.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mock_keyvault::MockKeyVault;
use reqwest::StatusCode;
use sealyard::Sealyard;
use sealyard::config::{Config, VaultChoice};
use tokio::process::{Child, Command};

use crate::support::{Client, external};

/// What is read of a process at a time. Neighbouring pieces overlap by what is looked for.
const PIECE: usize = 1 << 20;

/// How often something is in the writable memory of a process.
fn count(pid: u32, needle: &[u8]) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut found = 0;
    for line in maps.lines() {
        let mut parts = line.split_whitespace();
        let (range, permissions) = (parts.next().unwrap(), parts.next().unwrap());
        if !permissions.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut carried: Vec<u8> = Vec::new();
        memory.seek(SeekFrom::Start(from)).unwrap();
        let mut left = to - from;
        while left > 0 {
            let mut piece = vec![0; usize::try_from(left).unwrap().min(PIECE)];
            let Ok(read) = memory.read(&mut piece) else { break };
            if read == 0 {
                break;
            }
            left -= read as u64;
            carried.extend_from_slice(&piece[..read]);
            found += carried.windows(needle.len()).filter(|window| *window == needle).count();
            carried.drain(..carried.len().saturating_sub(needle.len() - 1));
        }
    }
    found
}

/// The program as a process of its own, with the vault of this one.
async fn spawn(folder: &Path, vault: &MockKeyVault) -> (Child, Client) {
    let endpoints = folder.join("endpoints.json");
    let child = Command::new(env!("CARGO_BIN_EXE_sealyard"))
        .args(["serve", "--listen", "127.0.0.1:0", "--azure-listen", "127.0.0.1:0"])
        .args(["--key-lease", "10m", "--vault-url", &vault.uri()])
        .args(["--authority", &vault.authority_uri()])
        .arg("--azure-ca")
        .arg(vault.ca_path())
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--endpoints-file")
        .arg(&endpoints)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let document = tokio::time::timeout(Duration::from_mins(1), async {
        loop {
            if let Ok(text) = std::fs::read_to_string(&endpoints)
                && let Ok(document) = serde_json::from_str::<serde_json::Value>(&text)
            {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let document = document.await.expect("the program says where it listens");
    (child, Client::at(document["registry"].as_str().unwrap()))
}

#[tokio::test]
async fn no_data_key_is_in_the_memory_of_the_process_when_its_lease_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let vault = MockKeyVault::builder().ephemeral().start().await.unwrap();
    let config = Config { vault: VaultChoice::External(external(&vault)), ..Config::default() };
    let builder = Sealyard::builder().config(config).free_ports();
    let first = builder.data_dir(folder.path().join("data")).start().await.unwrap();
    Client::of(&first).push_blob("app", b"content").await;
    let lease = first.registry().key_ring().current().await.unwrap();
    let key = lease.with(|key| *key.expose()).unwrap();
    drop(lease);
    first.shutdown().await;
    let (child, client) = spawn(folder.path(), &vault).await;
    let pid = child.id().unwrap();
    assert_eq!(client.pull_blob("app", b"content").await.body, b"content");
    assert!(count(pid, &key) > 0, "the search finds what is there");

    let seen = client.key("disable").await;
    let refused = client.pull_blob("app", b"content").await;

    assert_eq!(
        (seen["state"].as_str(), refused.status),
        (Some("unavailable"), StatusCode::FORBIDDEN)
    );
    assert_eq!(count(pid, &key), 0, "raw");
    let spellings = [URL_SAFE_NO_PAD.encode(key), STANDARD_NO_PAD.encode(key), hex::encode(key)];
    for spelling in spellings {
        assert_eq!(count(pid, spelling.as_bytes()), 0, "encoded");
    }
    client.key("enable").await;
    assert_eq!(client.pull_blob("app", b"content").await.body, b"content");
    drop(child);
}
