//! No content that a client pushed is on the disk in plain text.

use std::path::Path;

use bytes::Bytes;
use futures::stream;
use reqwest::Method;
use sealyard::Sealyard;
use serde_json::json;

use crate::support::{Client, content};

/// The first 16-byte piece of a needle that is in a file below the folder.
fn find_in_clear(folder: &Path, needles: &[&[u8]]) -> Option<String> {
    for path in content::paths(folder) {
        let bytes = std::fs::read(&path).unwrap();
        let windows: std::collections::HashSet<&[u8]> = bytes.windows(16).collect();
        let hit = needles
            .iter()
            .flat_map(|needle| needle.chunks_exact(16))
            .find(|window| windows.contains(window));
        if let Some(hit) = hit {
            return Some(format!("{}: {:?}", path.display(), String::from_utf8_lossy(hit)));
        }
    }
    None
}

#[tokio::test]
async fn the_data_folder_has_no_plain_text_of_layers_configs_manifests_annotations_logs_and_cut_uploads()
 {
    let folder = tempfile::tempdir().unwrap();
    let emulator =
        Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start().await.unwrap();
    let client = Client::of(&emulator);
    let layer = content::bytes(1, 600_000);
    let cut = content::bytes(2, 600_000);
    client.push_image("app", "v1", &[&layer]).await;
    let note = "an annotation that says something confidential";
    let mut artifact = content::image(b"{}", &[&layer]);
    client.push_blob("app", b"{}").await;
    artifact["annotations"] = json!({ "org.example.note": note });
    let put = client.put_manifest("app", "v2", artifact.to_string().as_bytes()).await;
    assert_eq!(put.status, reqwest::StatusCode::CREATED, "{put:?}");
    let location = client.begin("app").await;
    let body = stream::iter([Ok(Bytes::from(cut.clone())), Err(std::io::Error::other("cut"))]);
    let _ = client
        .request(Method::PATCH, &location)
        .body(reqwest::Body::wrap_stream(body))
        .send()
        .await;
    client.get(&location).await;
    let log = content::bytes(3, 300_000);
    let runs = client.request(Method::POST, "/_sealyard/registries/local/runs");
    let runs = runs.header("content-type", "application/octet-stream");
    let run = runs.body(log.clone()).send().await.unwrap();
    assert_eq!(run.status(), reqwest::StatusCode::CREATED);

    let config = b"{\"architecture\":\"amd64\",\"os\":\"linux\",\"comment\":\"app:v1\"}";
    let found = find_in_clear(folder.path(), &[&layer, &cut, &log, config, note.as_bytes()]);

    assert_eq!(found, None);
}

#[test]
fn the_search_finds_plain_text() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), b"xx an annotation that says so").unwrap();

    assert!(find_in_clear(folder.path(), &[b"an annotation that"]).is_some());
}
