//! Arbitrary sequences of upload requests against a registry, next to a model that keeps the bytes in memory.
//!
//! In any order of requests, an upload holds exactly the bytes that its status reports, and a finished blob is read
//! back byte for byte.
#![no_main]

use std::sync::LazyLock;

use bytes::Bytes;
use futures::StreamExt as _;
use sealyard::Sealyard;
use sealyard::internals::registry::{Algorithm, Body, ChunkHeaders, Content, Digest, RepositoryName, UploadId};
use tokio::runtime::Runtime;

static WORLD: LazyLock<(Runtime, Sealyard)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let emulator = runtime.block_on(Sealyard::builder().ephemeral().start()).expect("an emulator");
    (runtime, emulator)
});

/// The model's view of an upload.
struct Upload {
    id: UploadId,
    bytes: Vec<u8>,
}

/// The operation that a byte of the input selects, with its content.
struct Step {
    operation: u8,
    content: Vec<u8>,
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (runtime, emulator) = &*WORLD;
    runtime.block_on(async {
        let content = emulator.registry().content().await.expect("the key is there");
        run(&content, data).await;
    });
});

async fn run(content: &Content, data: &[u8]) {
    let name: RepositoryName = "fuzz".parse().expect("a name");
    let mut upload: Option<Upload> = None;
    for step in steps(data) {
        let Some(open) = &mut upload else {
            let id = content.start_upload(&name, Algorithm::default()).await.expect("a start").id;
            upload = Some(Upload { id, bytes: Vec::new() });
            continue;
        };
        match step.operation % 6 {
            0 => append(content, &name, open, &step.content, right_place, false).await,
            1 => append(content, &name, open, &step.content, wrong_place, false).await,
            2 => append(content, &name, open, &step.content, wrong_length, false).await,
            3 => append(content, &name, open, &step.content, right_place, true).await,
            4 => {
                finish(content, &name, open, step.content).await;
                upload = None;
            }
            _ => {
                content.cancel_upload(&name, open.id).await.expect("a cancel");
                assert!(content.upload_status(&name, open.id).await.is_err());
                upload = None;
            }
        }
    }
    if let Some(open) = upload {
        content.cancel_upload(&name, open.id).await.expect("a cancel");
    }
}

fn steps(data: &[u8]) -> impl Iterator<Item = Step> {
    data.chunks_exact(3).take(16).map(|step| {
        // Small and large contents: a segment has 256 KiB.
        let len = usize::from(step[1]) << (step[2] % 12);
        Step { operation: step[0], content: vec![step[2]; len] }
    })
}

fn right_place(open: &Upload, chunk: &[u8]) -> ChunkHeaders {
    ChunkHeaders { start: Some(open.bytes.len() as u64), len: Some(chunk.len() as u64) }
}

fn wrong_place(open: &Upload, chunk: &[u8]) -> ChunkHeaders {
    ChunkHeaders { start: Some(open.bytes.len() as u64 + 1), len: Some(chunk.len() as u64) }
}

fn wrong_length(open: &Upload, chunk: &[u8]) -> ChunkHeaders {
    ChunkHeaders { start: Some(open.bytes.len() as u64), len: Some(chunk.len() as u64 + 1) }
}

async fn append(
    content: &Content,
    name: &RepositoryName,
    open: &mut Upload,
    chunk: &[u8],
    headers: fn(&Upload, &[u8]) -> ChunkHeaders,
    is_cut: bool,
) {
    let headers = headers(open, chunk);
    let appended = content.append(name, open.id, headers, body(chunk, is_cut)).await;
    let status = content.upload_status(name, open.id).await.expect("a status").received;
    let before = open.bytes.len() as u64;
    if appended.is_ok() {
        assert!(!is_cut && status == before + chunk.len() as u64, "accepted bytes are there");
    }
    assert!(status <= before + chunk.len() as u64, "only sent bytes are there");
    open.bytes.extend_from_slice(chunk);
    open.bytes.truncate(usize::try_from(status).expect("a length"));
}

async fn finish(content: &Content, name: &RepositoryName, open: &mut Upload, last: Vec<u8>) {
    let headers = right_place(open, &last);
    open.bytes.extend_from_slice(&last);
    let wrong = Digest::of(Algorithm::default(), b"something else");
    let digest = Digest::of(Algorithm::default(), &open.bytes);
    if open.bytes.len() % 7 == 3 {
        assert!(
            content
                .finish_upload(name, open.id, &wrong, headers, body(&last, false))
                .await
                .is_err()
        );
        return;
    }
    content
        .finish_upload(name, open.id, &digest, headers, body(&last, false))
        .await
        .expect("a blob");
    assert!(content.upload_status(name, open.id).await.is_err(), "the upload has ended");

    let blob = content.blob(name, &digest).await.expect("the blob");
    assert_eq!(blob.len, open.bytes.len() as u64);
    let mut stream = content.read_blob(&blob, 0..blob.len).await.expect("a stream");
    let mut read = Vec::new();
    while let Some(bytes) = stream.next().await {
        read.extend_from_slice(&bytes.expect("bytes"));
    }
    assert!(read == open.bytes, "the bytes read are the bytes sent");
}

/// A body in pieces, which may break off at its end.
fn body(bytes: &[u8], is_cut: bool) -> Body {
    let pieces: Vec<Result<Bytes, String>> = bytes
        .chunks(60_000)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .chain(is_cut.then(|| Err("cut".to_owned())))
        .collect();
    Box::pin(futures::stream::iter(pieces))
}
