//! Tests that stop each operation of several steps at every boundary between two steps, as a kill would: after the
//! restart it is finished or undone, and no intent is left.
//!
//! Each emulator runs in its own runtime. Dropping the runtime drops all its tasks at once, so nothing of it continues
//! to run. The folder is a copy of a folder that was prepared once for each operation.

mod beside_reset;
mod control_plane;
mod failures;
mod keys;
mod registries;
mod replaced;
mod resets;
mod revocations;
mod updates;

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::Value;
use sha2::Digest as _;
use tokio::runtime::Runtime;

use crate::keys::State;
use crate::registry::{Change, NewRegistry, ResourceGroup};
use crate::serve::Sealyard;

/// A limit above the number of boundaries of every operation.
const MANY: usize = 100;
/// The timeout for expected events, in real time.
const LIMIT: Duration = Duration::from_mins(1);

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn start(folder: &Path) -> Sealyard {
    crate::install_crypto_provider();
    let path = folder.join("d");
    // Tasks of a dropped runtime may still have to release the folder.
    let mut last = None;
    for _ in 0..6000 {
        match Sealyard::builder().ephemeral().data_dir(&path).start().await {
            Ok(emulator) => return emulator,
            Err(error) if format!("{error:?}").contains("InUse") => {
                last = Some(error);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    panic!("{last:?}");
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs_err::copy(entry.path(), target).unwrap();
        }
    }
}

async fn operations_end(emulator: &Sealyard) {
    let ended = async {
        while !emulator.app().registries.intents().unfinished().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let ended = tokio::time::timeout(LIMIT, ended).await;
    assert!(ended.is_ok(), "{:?}", emulator.app().registries.intents());
}

/// A scenario: the preparation, the operation, and the check.
struct Case<P, O, C> {
    /// The preparation, which runs once.
    prepare: P,
    /// The operation.
    operate: O,
    /// The check after the restart; the second argument says whether the operation had completed.
    check: C,
}

impl<P, O, C> Case<P, O, C>
where
    P: AsyncFn(&Sealyard),
    O: AsyncFn(&Sealyard),
    C: AsyncFn(&Sealyard, bool),
{
    /// Returns the number of boundaries at which the operation was stopped.
    fn run(self) -> usize {
        let prepared = tempfile::tempdir().unwrap();
        runtime().block_on(async {
            let emulator = start(prepared.path()).await;
            (self.prepare)(&emulator).await;
            operations_end(&emulator).await;
            emulator.shutdown().await;
        });
        for boundaries in 0..MANY {
            let folder = tempfile::tempdir().unwrap();
            copy(prepared.path(), folder.path());
            let before = runtime();
            let (emulator, has_ended) = before.block_on(async {
                let emulator = start(folder.path()).await;
                let stop = emulator.app().registries.intents().clone();
                stop.stop().after(boundaries);
                let has_ended = tokio::select! {
                    () = stop.stop().reached() => false,
                    () = (self.operate)(&emulator) => true,
                };
                (emulator, has_ended)
            });
            // A kill lets no task finish.
            before.shutdown_timeout(LIMIT);
            drop(emulator);
            eprintln!("stopped after {boundaries} boundaries; has ended: {has_ended}");
            runtime().block_on(async {
                let emulator = start(folder.path()).await;
                operations_end(&emulator).await;
                (self.check)(&emulator, has_ended).await;
                emulator.shutdown().await;
            });
            if has_ended {
                return boundaries;
            }
        }
        panic!("the operation does not end");
    }
}

/// The status and the JSON of the emulator's answer to a request.
async fn ask(
    emulator: &Sealyard,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let url = format!("{}{path}", emulator.registry_url());
    let request = reqwest::Client::new().request(method, url);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

async fn push(emulator: &Sealyard, bytes: &'static [u8]) -> StatusCode {
    let path = format!("/v2/app/blobs/uploads/?digest={}", digest(bytes));
    let url = format!("{}{path}", emulator.registry_url());
    reqwest::Client::new().post(url).body(bytes).send().await.unwrap().status()
}

async fn pull(emulator: &Sealyard, bytes: &[u8]) -> StatusCode {
    let url = format!("{}/v2/app/blobs/{}", emulator.registry_url(), digest(bytes));
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status();
    assert!(status != StatusCode::OK || answer.bytes().await.unwrap() == bytes, "other bytes");
    status
}

async fn state(emulator: &Sealyard, registry: &str) -> State {
    let registry = emulator.registry_named(registry).unwrap();
    registry.key_ring().check().await.state
}

fn principals(emulator: &Sealyard) -> usize {
    emulator.vault().unwrap().principals().len()
}

/// Creates a registry in a group, with its own user-assigned identity and a system-assigned identity.
async fn make_registry(emulator: &Sealyard, name: &str, group: &str) {
    let registries = &emulator.app().registries;
    let group: ResourceGroup = group.parse().unwrap();
    let new = NewRegistry { group, ..NewRegistry::named(name.parse().unwrap()) };
    let (made, _) = registries.create_with_dependencies(new, None, None).await.unwrap();
    let change = Change { system_identity: Some(true), ..Change::default() };
    registries.change(made.registry_name(), change).await.unwrap();
}

/// The stored files of content.
fn files(emulator: &Sealyard) -> usize {
    let files = emulator.endpoints().data_dir().join("files");
    let shards = fs_err::read_dir(files).unwrap();
    shards.map(|shard| fs_err::read_dir(shard.unwrap().path()).unwrap().count()).sum()
}
