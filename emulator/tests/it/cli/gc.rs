//! `sealyard gc`: what it prints for people and for programs, and its exit code.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::program::{Ended, Home};
use crate::support::{Client, content, start_with_clock};

const NO_LAYERS: &[&[u8]] = &[];

/// The output of `gc` with each of these options in sequence. A client has just pushed a blob without a manifest and an
/// image without a tag, and has begun an upload.
async fn run(more: &[&str]) -> [Ended; 5] {
    let (emulator, client, clock) = start_with_clock().await;
    // Content no longer counts as used because of the start.
    clock.pass(Duration::from_hours(1));
    client.push_blob("app", b"nothing refers to it.").await;
    push_untagged(&client).await;
    client.begin("app").await;
    let (home, url) = (Home::new(), emulator.registry_url());
    let gc =
        async |args: &[&str]| home.run(&[&["gc", "--endpoint", &url], args, more].concat()).await;
    [
        gc(&["--older-than", "0s"]).await,
        gc(&["--now"]).await,
        gc(&["--untagged", "--older-than", "0s"]).await,
        gc(&["--untagged", "--now"]).await,
        gc(&["--untagged", "--now"]).await,
    ]
}

/// The size of an upload without content: the header of its sealed file.
const HEADER: usize = 32;

/// Pushes an image that has only a config of two bytes.
async fn push_untagged(client: &Client) {
    client.push_blob("app", b"{}").await;
    let manifest = manifest();
    let digest = content::digest(&manifest).to_string();
    assert_eq!(client.put_manifest("app", &digest, &manifest).await.status, 201);
}

fn manifest() -> Vec<u8> {
    content::image(b"{}", NO_LAYERS).to_string().into_bytes()
}

#[tokio::test]
async fn gc_prints_what_it_removed_what_it_kept_and_the_option_that_removes_the_rest() {
    let size = manifest().len() + 2;
    let because = "without references, because they are new or a client used them within the last minute: \
                   due at 2026-01-01T01:01:00Z; remove them now with --now";
    let expected = [
        format!(
            "removed nothing\nkept 1 upload, 1 blob {because}, which frees {HEADER} B of uploads\n"
        ),
        format!(
            "removed 1 upload, 1 link to a blob, 1 blob; 21 B of content, {HEADER} B of uploads\n"
        ),
        format!("removed nothing\nkept 1 untagged manifest {because}\n"),
        format!("removed 1 untagged manifest, 1 link to a blob, 1 blob; {size} B of content\n"),
        "removed nothing\n".to_owned(),
    ];

    let ended = run(&[]).await;

    for (ended, expected) in ended.iter().zip(expected) {
        let seen = (ended.code, ended.out.as_str(), ended.err.as_str());
        assert_eq!(seen, (Some(0), expected.as_str(), ""));
    }
}

#[tokio::test]
async fn gc_prints_the_same_as_one_json_document() {
    let report = |removed: [usize; 5], kept: [usize; 3]| {
        let [uploads, manifests, links, blobs, bytes] = removed;
        let mut report = json!({
            "uploads": uploads, "manifests": manifests, "links": links, "blobs": blobs,
            "bytes": bytes, "orphans": 0, "uploadBytes": HEADER * uploads,
            "kept": {
                "uploads": kept[0], "manifests": kept[1], "blobs": kept[2], "uploadBytes": HEADER * kept[0],
            },
        });
        if kept != [0; 3] {
            report["kept"]["firstDue"] = json!("2026-01-01T01:01:00Z");
            report["kept"]["lastDue"] = json!("2026-01-01T01:01:00Z");
        }
        report
    };
    let expected: [Value; 5] = [
        report([0; 5], [1, 0, 1]),
        report([1, 0, 1, 1, 21], [0; 3]),
        report([0; 5], [0, 1, 0]),
        report([0, 1, 1, 1, manifest().len() + 2], [0; 3]),
        report([0; 5], [0; 3]),
    ];

    let ended = run(&["--json"]).await;

    for (ended, expected) in ended.iter().zip(expected) {
        assert_eq!((ended.code, ended.err.as_str(), ended.json()), (Some(0), "", expected));
    }
}

#[tokio::test]
async fn gc_with_an_invalid_age_is_a_usage_error_and_removes_nothing() {
    let (emulator, client, _clock) = start_with_clock().await;
    let upload = client.begin("app").await;
    let url = emulator.registry_url();

    let ended = Home::new().run(&["gc", "--now", "--older-than", "soon", "--endpoint", &url]).await;

    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("--older-than"), "{ended:?}");
    assert_eq!(client.get(&upload).await.status, 204);
}
