//! A folder of format 1 with every kind of content opens without loss, and a clean stop removes the old rows.

use std::path::Path;

use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::Value;

use crate::support::process::spawn;
use crate::support::{Client, content};

/// Unpacks the folder of format 1 and returns the description of its content.
fn unpack(to: &Path) -> Value {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/folders");
    let archive = std::fs::File::open(folders.join("format-1.tar.gz")).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(to).unwrap();
    serde_json::from_slice(&std::fs::read(folders.join("format-1.json")).unwrap()).unwrap()
}

async fn start(folder: &Path) -> Sealyard {
    Sealyard::builder().ephemeral().data_dir(folder).start().await.unwrap()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// Pulls all content that was pushed to a registry, with this login if there is one.
async fn pull_all(client: &Client, kept: &Value, login: Option<(&str, &str)>) {
    let get = |path: String| {
        let request = client.request(Method::GET, &path).header("accept", "*/*");
        match login {
            Some((user, password)) => request.basic_auth(user, Some(password)),
            None => request,
        }
    };
    for (what, reference) in [("tags", "reference"), ("blobs", "digest")] {
        for one in kept[what].as_array().unwrap() {
            let kind = if what == "tags" { "manifests" } else { "blobs" };
            let path = format!("/v2/{}/{kind}/{}", text(one, "repository"), text(one, reference));
            let answer = get(path.clone()).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            let body = answer.bytes().await.unwrap();
            assert_eq!(content::digest(&body).as_str(), text(one, "digest"), "{path}");
        }
    }
}

/// The text of the upload in the folder: numbers, each on its own line.
fn numbers(length: usize) -> Vec<u8> {
    let mut text: Vec<u8> = (1..length).flat_map(|n| format!("{n}\n").into_bytes()).collect();
    text.truncate(length);
    text
}

fn old_rows(folder: &Path) -> [bool; 2] {
    ["rows", "vault/vaults.format-1"].map(|name| folder.join(name).exists())
}

async fn check(emulator: &Sealyard, kept: &Value) {
    let client = Client::of(emulator);
    pull_all(&client, &kept["registries"]["local"], None).await;
    let token = &kept["token"];
    let team = Client::named(&emulator.registry_url(), "team1.azurecr.localhost");
    let login = Some((text(token, "name"), text(token, "password")));
    pull_all(&team, &kept["registries"]["team1"], login).await;

    let referrer = &kept["referrer"];
    let path =
        format!("/v2/{}/referrers/{}", text(referrer, "repository"), text(referrer, "subject"));
    let referrers = client.get(&path).await.json();
    assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
    let locked = client.send(Method::DELETE, "/acr/v1/app/_tags/v1", "").await;
    assert_eq!(locked.code(), "REGISTRY_DISALLOWED_OPERATION", "{locked:?}");
    let run = format!("/_sealyard/registries/local/runs/{}/log", text(&kept["run"], "id"));
    assert_eq!(client.get(&run).await.body, text(&kept["run"], "log").as_bytes());
    let registry = client.get("/_sealyard/registries/local").await.json();
    assert_eq!(registry["dataKeys"], 3, "the first data key, and one for each rotation");
}

#[tokio::test]
async fn a_folder_of_format_1_keeps_its_content_and_keeps_its_old_rows_until_the_first_clean_stop()
{
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("d");
    let kept = unpack(&folder);

    let emulator = start(&folder).await;
    check(&emulator, &kept).await;
    let client = Client::of(&emulator);
    let upload = &kept["upload"];
    let whole = numbers(400_000);
    let path = text(upload, "path");
    let status = client.get(path).await;
    let at: usize = status.header("range").trim_start_matches("0-").parse::<usize>().unwrap() + 1;
    client.send(Method::PATCH, path, whole[at..].to_vec()).await;
    let done = format!("{path}?digest={}", content::digest(&whole));
    let done = client.send(Method::PUT, &done, "").await;
    client.key("rotate").await;
    let notices = client.get("/_sealyard/status").await.json()["notices"].clone();
    assert_eq!(old_rows(&folder), [true, true]);
    emulator.shutdown().await;

    assert!(at > 200_000, "the upload kept whole segments: {at}");
    assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    assert!(notices[0].as_str().unwrap().contains("from format 1 to format 2"), "{notices}");
    assert_eq!(old_rows(&folder), [false, false]);
    let emulator = start(&folder).await;
    let client = Client::of(&emulator);
    pull_all(&client, &kept["registries"]["local"], None).await;
    assert!(client.pull_blob("app", &whole).await.body == whole);
}

#[tokio::test]
async fn after_a_kill_the_old_rows_still_exist_and_the_next_start_continues() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("data");
    let kept = unpack(&folder);

    let mut process = spawn(root.path(), &[]).await;
    process.child.kill().await.unwrap();
    let after_kill = old_rows(&folder);
    let emulator = start(&folder).await;
    check(&emulator, &kept).await;

    assert_eq!(after_kill, [true, true]);
}

#[tokio::test]
async fn a_failed_migration_does_not_change_the_vault() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("d");
    unpack(&folder);
    std::fs::remove_file(folder.join("rows/db")).unwrap();
    let before = content::files(&folder.join("vault"));

    let refused = Sealyard::builder().ephemeral().data_dir(&folder).start().await.unwrap_err();

    assert!(refused.to_string().contains("rows"), "{refused}");
    assert!(content::files(&folder.join("vault")) == before);
}
