//! Content whose rows and files change between two reads.

use bytes::Bytes;
use futures::stream;

use super::*;

fn body(bytes: &'static [u8]) -> Body {
    Box::pin(stream::iter([Ok(Bytes::from_static(bytes))]))
}

#[tokio::test]
async fn an_upload_that_expires_under_a_request_is_unknown_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let (content, app) = (registry.content().await.unwrap(), "app".parse().unwrap());
    let digest = Digest::of(Algorithm::Sha256, b"more");
    let begin = async || content.start_upload(&app, Algorithm::Sha256).await.unwrap().id;
    let expire = |id: UploadId| {
        assert!(registry.0.store.remove_upload(&RegistryName::local(), id).unwrap());
    };

    let (appended, finished) = (begin().await, begin().await);
    expire(appended);
    expire(finished);
    let append = content.append(&app, appended, ChunkHeaders::default(), body(b"more")).await;
    let finish = content
        .finish_upload(&app, finished, &digest, ChunkHeaders::default(), body(b"more"))
        .await;

    assert!(matches!(append, Err(Error::UploadUnknown(_))), "{append:?}");
    assert!(matches!(finish, Err(Error::UploadUnknown(_))), "{finish:?}");
}

#[tokio::test]
async fn a_blob_that_is_deleted_between_its_row_and_its_file_is_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let (content, app) = (registry.content().await.unwrap(), "app".parse().unwrap());
    let digest = Digest::of(Algorithm::Sha256, b"layer");
    let id = content.start_upload(&app, Algorithm::Sha256).await.unwrap().id;
    content
        .finish_upload(&app, id, &digest, ChunkHeaders::default(), body(b"layer"))
        .await
        .unwrap();

    let blob = content.blob(&app, &digest).await.unwrap();
    content.delete_blob(&app, &digest).await.unwrap();
    let read = content.read_blob(&blob, 0..blob.len).await;

    assert!(matches!(read, Err(Error::BlobUnknown(_))), "{read:?}");
}

#[tokio::test]
async fn a_file_that_names_another_data_key_is_damaged_and_verification_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let (content, app) = (registry.content().await.unwrap(), "app".parse().unwrap());
    for bytes in [&b"one"[..], b"two"] {
        let digest = Digest::of(Algorithm::Sha256, bytes);
        let id = content.start_upload(&app, Algorithm::Sha256).await.unwrap().id;
        let headers = ChunkHeaders::default();
        content.finish_upload(&app, id, &digest, headers, body(bytes)).await.unwrap();
    }
    let one = content.blob(&app, &Digest::of(Algorithm::Sha256, b"one")).await.unwrap();
    let name = one.row.file.to_string();
    let path = folder.path().join("data/files").join(&name[..2]).join(&name);
    let mut sealed = fs_err::read(&path).unwrap();
    sealed[20] ^= 1;
    fs_err::write(&path, sealed).unwrap();

    let read = content.read_blob(&one, 0..one.len).await;
    let verified = content.verify(false, |_| ()).await.unwrap();

    assert!(matches!(read, Err(Error::DamagedObject(_))), "{read:?}");
    assert_eq!((verified.blobs, verified.findings.len()), (1, 1));
    assert_eq!(verified.findings[0].kind, FindingKind::Damaged);
}

#[tokio::test]
async fn two_verifications_at_once_run_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let (content, app) = (registry.content().await.unwrap(), "app".parse().unwrap());
    for letter in b"abcdefghijklmnopqrst".chunks(1) {
        let digest = Digest::of(Algorithm::Sha256, letter);
        let id = content.start_upload(&app, Algorithm::Sha256).await.unwrap().id;
        let headers = ChunkHeaders::default();
        content.finish_upload(&app, id, &digest, headers, body(letter)).await.unwrap();
    }
    let order = std::sync::Mutex::new(Vec::new());
    let note = |who: char| order.lock().unwrap().push(who);

    let (one, two) =
        tokio::join!(content.verify(false, |_| note('a')), content.verify(false, |_| note('b')));

    assert_eq!((one.unwrap().blobs, two.unwrap().blobs), (20, 20));
    let order: String = order.into_inner().unwrap().into_iter().collect();
    assert_eq!(order, format!("{}{}", "a".repeat(20), "b".repeat(20)));
}

#[tokio::test]
async fn requests_for_missing_blobs_leave_nothing_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(&folder).await;
    let (content, app) = (registry.content().await.unwrap(), "app".parse().unwrap());

    for n in 0..10_u8 {
        let digest = Digest::of(Algorithm::Sha256, &[n]);
        assert!(content.blob(&app, &digest).await.is_err());
        assert!(!content.mount_blob(&app, &digest, None).await.unwrap());
    }

    assert!(registry.0.recent.is_empty());
}
