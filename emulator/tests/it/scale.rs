//! What must not grow with the number of blobs.

use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};

use crate::support::{content, start_with_clock};

/// The vault calls of a rotation of a registry with this many blobs.
async fn calls_of_a_rotation(blobs: u64) -> usize {
    // Time stands still, or the renewal of a lease would be counted too.
    let (emulator, client, _clock) = start_with_clock().await;
    stream::iter(0..blobs)
        .for_each_concurrent(8, async |blob| {
            let bytes = content::bytes(blob + 1, 40);
            let path = format!("/v2/app/blobs/uploads/?digest={}", content::digest(&bytes));
            let pushed = client.send(Method::POST, &path, bytes).await;
            assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
        })
        .await;
    assert_eq!(emulator.registry().stats().await.unwrap().blobs, blobs);
    let before = emulator.vault().unwrap().calls().len();

    client.key("rotate").await;

    let calls = emulator.vault().unwrap().calls().len() - before;
    for blob in [0, blobs / 2, blobs - 1] {
        let bytes = content::bytes(blob + 1, 40);
        assert_eq!(client.pull_blob("app", &bytes).await.body, bytes);
    }
    calls
}

#[tokio::test]
async fn rotating_two_thousand_blobs_asks_the_vault_as_often_as_rotating_one() {
    assert_eq!(calls_of_a_rotation(1).await, calls_of_a_rotation(2_000).await);
}
