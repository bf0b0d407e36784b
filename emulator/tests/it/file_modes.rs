//! Only the owner can read and write the data folder, whatever the umask of the shell is.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::program::{Home, PROGRAM, Serving};
use crate::support::{Client, content};

/// The files that programs of other users may read. They have no secret.
const PUBLIC: [&str; 2] = ["endpoints.json", "vault/tls/ca.pem"];

/// The files and folders whose mode is not that of a private one, with their modes, and the number of all.
fn wide(folder: &Path) -> (Vec<(PathBuf, u32)>, usize) {
    let (mut wide, mut count, mut folders) = (Vec::new(), 0, vec![folder.to_owned()]);
    while let Some(at) = folders.pop() {
        let entries = std::fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().path());
        for path in entries.chain([at.clone()]) {
            let kind = std::fs::symlink_metadata(&path).unwrap();
            let own = if kind.is_dir() { 0o700 } else { 0o600 };
            let mode = kind.permissions().mode() & 0o7777;
            let name = path.strip_prefix(folder).unwrap().to_owned();
            let is_public = PUBLIC.iter().any(|public| name == Path::new(public));
            if mode != if is_public { 0o644 } else { own } {
                wide.push((name, mode));
            }
            if kind.is_dir() && path != at {
                folders.push(path);
            }
            count += 1;
        }
    }
    (wide, count)
}

#[track_caller]
fn assert_private(folder: &Path, when: &str) {
    let (wide, _) = wide(folder);
    assert!(wide.is_empty(), "{when}: {wide:?}");
}

async fn serve(home: &Home, folder: &Path, azure: &[&str]) -> Serving {
    let endpoints = folder.join("endpoints.json");
    let mut command = home.command("sh");
    // A shell in which every user may read and write new files.
    command.args([
        "-c",
        "umask 0 && exec \"$@\"",
        "sh",
        PROGRAM,
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]);
    command.args(["--azure-listen", "127.0.0.1:0", "--data-dir"]).arg(folder.join("data"));
    command.args(azure).arg("--endpoints-file").arg(&endpoints);
    command.stdout(std::process::Stdio::null());
    Serving::found(command.spawn().unwrap(), &endpoints).await
}

/// Makes a file of every kind: content, cut and large uploads, logs, rings, rows, names of damaged files.
async fn fill(client: &Client) {
    client.push_image("app", "v1", &[&content::bytes(1, 300_000)]).await;
    client.push_blob("app", b"a small blob").await;
    let open = client.begin("app").await;
    client.send(Method::PATCH, &open, content::bytes(2, 300_000)).await;
    let made = client.send_json("/_sealyard/registries", &json!({ "name": "team1" })).await;
    assert!(made.status.is_success(), "{made:?}");
    let runs = client.request(Method::POST, "/_sealyard/registries/local/runs");
    let runs = runs.header("content-type", "application/octet-stream");
    assert_eq!(runs.body("a log").send().await.unwrap().status(), StatusCode::CREATED);
    client.key("rotate").await;
    client.key("disable").await;
    client.key("enable").await;
    client.send_json("/_sealyard/clock", &json!({ "advance": "1h" })).await;
    client.send_json("/_sealyard/registries/local/gc", &json!({})).await;
}

#[tokio::test]
async fn every_file_and_folder_is_only_for_its_owner_even_if_the_umask_is_open() {
    let (home, folder) = (Home::new(), tempfile::tempdir().unwrap());
    let data = folder.path().join("data");

    let emulator = serve(&home, folder.path(), &[]).await;
    fill(&Client::at(emulator.url())).await;
    let (found, count) = wide(&data);
    assert!(found.is_empty(), "while it runs: {found:?}");
    assert!(count > 30, "{count}");
    // A start after a kill replays the journal and makes new files.
    emulator.kill().await;
    std::fs::remove_file(folder.path().join("endpoints.json")).unwrap();
    let emulator = serve(&home, folder.path(), &[]).await;
    client_works(emulator.url()).await;
    assert_private(&data, "after a kill");
    emulator.stop().await;
    assert_private(&data, "after a stop");

    // A repair makes copies of damaged files.
    let segment =
        content::paths(&data.join("journal")).into_iter().find(|path| path.extension().is_some());
    let segment = segment.unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    for byte in bytes.iter_mut().take(4096).step_by(64) {
        *byte ^= 0xff;
    }
    std::fs::write(&segment, bytes).unwrap();
    let before: BTreeSet<_> = content::paths(&data).into_iter().collect();
    let mut repair = home.command("sh");
    repair.args(["-c", "umask 0 && exec \"$@\"", "sh", PROGRAM, "repair", "--yes", "--data-dir"]);
    let repaired = crate::support::program::Ended::of(repair.arg(&data)).await;
    assert!(matches!(repaired.code, Some(0 | 6)), "{repaired:?}");
    let after: BTreeSet<_> = content::paths(&data).into_iter().collect();
    assert!(after.difference(&before).next().is_some(), "the repair made files");
    assert_private(&data, "after a repair");
}

async fn client_works(url: &str) {
    let client = Client::at(url);
    assert_eq!(client.get("/v2/app/manifests/v1").await.status, StatusCode::OK);
}

#[test]
fn a_file_that_others_may_read_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    std::fs::set_permissions(&inner, PermissionsExt::from_mode(0o700)).unwrap();
    let file = inner.join("file");
    std::fs::write(&file, "").unwrap();
    for (mode, is_found) in [(0o600, false), (0o640, true), (0o604, true), (0o4600, true)] {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
        let found = wide(folder.path()).0;
        assert_eq!(found.iter().any(|(path, _)| path.ends_with("file")), is_found, "{mode:o}");
    }
}
