//! The memory of the process: it holds a data key while its lease runs, and in no encoding afterwards.
//!
//! The vault is in the process of the test, so the search does not find the vault's copy.

use std::io::{Read as _, Seek as _, SeekFrom};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use mock_keyvault::MockKeyVault;
use reqwest::StatusCode;
use sealyard::Sealyard;
use sealyard::{Config, VaultChoice};

use crate::support::process::spawn;
use crate::support::{Client, external};

/// The bytes that one read gets from a process. Adjacent reads overlap by the length of the needle.
const PIECE: usize = 1 << 20;

/// The number of searches for a key that a task may not have erased yet.
const TRIES: u32 = 50;

/// The number of times that the needle is in the writable memory of a process.
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

#[tokio::test]
async fn no_data_key_is_in_the_memory_of_the_process_after_its_lease() {
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
    let (url, authority) = (vault.uri(), vault.authority_uri());
    let ca = vault.ca_path().to_str().unwrap();
    let elsewhere = ["--vault-url", &url, "--authority", &authority, "--azure-ca", ca];
    let arguments = [&["--key-lease", "10m"], &elsewhere[..]].concat();
    let process = spawn(folder.path(), &arguments).await;
    let (pid, client) = (process.child.id().unwrap(), &process.client);
    assert_eq!(client.pull_blob("app", b"content").await.body, b"content");
    assert!(count(pid, &key) > 0, "the search finds a key during its lease");

    let seen = client.key("disable").await;
    let refused = client.pull_blob("app", b"content").await;

    assert_eq!(
        (seen["state"].as_str(), refused.status),
        (Some("unavailable"), StatusCode::FORBIDDEN)
    );
    // A task that used the key when its lease ended erases it when it runs next.
    for _ in 0..TRIES {
        if count(pid, &key) == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(count(pid, &key), 0, "raw");
    let spellings = [URL_SAFE_NO_PAD.encode(key), STANDARD_NO_PAD.encode(key), hex::encode(key)];
    for spelling in spellings {
        assert_eq!(count(pid, spelling.as_bytes()), 0, "encoded");
    }
    client.key("enable").await;
    assert_eq!(client.pull_blob("app", b"content").await.body, b"content");
    drop(process);
}
