//! `kill -9` at random moments: every acknowledged push survives to the byte, and no partial push is visible.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Method, StatusCode};

use crate::support::process::spawn;
use crate::support::{Client, content};

/// How many times the process is killed.
const KILLS: u64 = 20;
const CLIENTS: u64 = 3;

/// Pushes blobs until the registry is killed, and records the acknowledged ones.
async fn push_until_killed(
    client: Client,
    next: Arc<AtomicU64>,
    count: Arc<AtomicU64>,
    acknowledged: tokio::sync::mpsc::UnboundedSender<u64>,
) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        let blob = blob(seed);
        let path = format!("/v2/app/blobs/uploads/?digest={}", content::digest(&blob));
        match client.request(Method::POST, &path).body(blob).send().await {
            Ok(answer) if answer.status() == StatusCode::CREATED => {
                acknowledged.send(seed).unwrap();
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => panic!("{:?}", answer.status()),
            Err(_) => return,
        }
    }
}

/// A blob with a length from zero to several segments.
fn blob(seed: u64) -> Vec<u8> {
    content::bytes(seed + 1, usize::try_from(seed * 131_071 % 1_200_000).unwrap())
}

#[tokio::test]
async fn acknowledged_pushes_survive_twenty_kills_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (next, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (sender, mut acknowledged) = tokio::sync::mpsc::unbounded_channel();

    for kill in 0..KILLS {
        let mut process = spawn(folder.path(), &[]).await;
        let pushes: Vec<_> = (0..CLIENTS)
            .map(|_| {
                tokio::spawn(push_until_killed(
                    process.client.clone(),
                    Arc::clone(&next),
                    Arc::clone(&count),
                    sender.clone(),
                ))
            })
            .collect();
        // The kill interrupts pushes at different steps each time.
        while count.load(Ordering::Relaxed) < 2 * (kill + 1) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(kill * 37 % 61)).await;
        process.child.kill().await.unwrap();
        for push in pushes {
            push.await.unwrap();
        }
    }
    drop(sender);
    let process = spawn(folder.path(), &[]).await;

    let mut compared = 0;
    while let Some(seed) = acknowledged.recv().await {
        let blob = blob(seed);
        let pulled = process.client.pull_blob("app", &blob).await;
        assert_eq!(pulled.status, StatusCode::OK, "blob {seed} was acknowledged");
        assert!(pulled.body == blob, "blob {seed} differs from the pushed one");
        compared += 1;
    }
    assert!(compared >= 2 * KILLS, "the clients were busy: {compared}");
    let verified = process
        .client
        .send_json("/_sealyard/registries/local/verify", &serde_json::json!({}))
        .await;
    let text = String::from_utf8(verified.body).unwrap();
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let findings = last["verified"]["findings"].as_array().unwrap();
    assert!(findings.iter().all(|finding| finding["kind"] == "unreferenced"), "{findings:?}");
}

#[tokio::test]
async fn an_upload_that_a_kill_interrupted_continues_at_the_offset_in_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let blob = content::bytes(99, 2_000_000);
    let mut process = spawn(folder.path(), &[]).await;
    let location = process.client.begin("app").await;
    process.client.send(Method::PATCH, &location, blob[..1_500_000].to_vec()).await;
    process.child.kill().await.unwrap();

    let process = spawn(folder.path(), &[]).await;
    let status = process.client.get(&location).await;
    let at: usize = status.header("range").trim_start_matches("0-").parse::<usize>().unwrap() + 1;
    process.client.send(Method::PATCH, &location, blob[at..].to_vec()).await;
    let done = process
        .client
        .send(Method::PUT, &format!("{location}?digest={}", content::digest(&blob)), "")
        .await;

    assert!(at > 1_000_000 && at <= 1_500_000, "{at}");
    assert_eq!(done.status, StatusCode::CREATED, "{done:?}");
    assert!(process.client.pull_blob("app", &blob).await.body == blob);
}
