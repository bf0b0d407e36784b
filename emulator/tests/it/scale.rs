//! The cost of a rotation must not grow with the number of blobs.

use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};

use crate::support::{content, start_with_clock};

/// The number of vault calls of a rotation with this number of blobs.
async fn calls_of_a_rotation(blobs: u64) -> usize {
    // The clock stands still, because the renewal of a lease would count too.
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
async fn a_rotation_with_two_thousand_blobs_needs_as_many_vault_calls_as_with_one() {
    assert_eq!(calls_of_a_rotation(1).await, calls_of_a_rotation(2_000).await);
}
