//! Collection: content kept because of real time, its report, and manifests that no tag reaches.

use bytes::Bytes;
use futures::stream;
use zeroize::Zeroizing;

use super::*;
use crate::store::Collected;

const NONE: Duration = Duration::ZERO;

struct World {
    registry: Registry,
    content: Content,
    repository: RepositoryName,
    clock: Clock,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = registry(&folder).await;
        let content = registry.content().await.unwrap();
        let clock = registry.0.clock.clone();
        // Long after the start, so that nothing counts as recent because of it.
        clock.pass(Duration::from_hours(1));
        Self { registry, content, repository: "app".parse().unwrap(), clock, _folder: folder }
    }

    async fn push_blob(&self, bytes: &'static [u8]) -> Digest {
        let (app, digest) = (&self.repository, Digest::of(Algorithm::Sha256, bytes));
        let id = self.content.start_upload(app, Algorithm::Sha256).await.unwrap().id;
        let body = Box::pin(stream::iter([Ok(Bytes::from_static(bytes))]));
        let headers = ChunkHeaders::default();
        self.content.finish_upload(app, id, &digest, headers, body).await.unwrap();
        digest
    }

    /// Pushes an image of one blob by its digest.
    async fn push_image(&self, bytes: &'static [u8]) -> (Digest, usize) {
        let config = self.push_blob(bytes).await;
        let image = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/json", "digest": config.as_str(), "size": bytes.len()},
            "layers": [],
        });
        let image = Zeroizing::new(image.to_string().into_bytes());
        let (digest, len) = (Digest::of(Algorithm::Sha256, &image), image.len());
        let reference = Reference::Digest(digest.clone());
        self.content.put_manifest(&self.repository, &reference, None, image).await.unwrap();
        (digest, len)
    }

    async fn push_index(&self, tag: &str, (child, len): (&Digest, usize)) {
        let index = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": child.as_str(),
                "size": len,
            }],
        });
        let index = Zeroizing::new(index.to_string().into_bytes());
        let tag = Reference::Tag(tag.parse().unwrap());
        self.content.put_manifest(&self.repository, &tag, None, index).await.unwrap();
    }

    /// Like `--older-than 0s`, with `--now` or `--untagged`.
    async fn collect(&self, now: bool, untagged: bool) -> Collection {
        let default = CollectOptions::default();
        let options = CollectOptions {
            unreferenced_for: NONE,
            upload_idle_for: NONE,
            really_idle_for: if now { NONE } else { default.really_idle_for },
            untagged,
        };
        self.registry.collect(options).await.unwrap()
    }

    async fn has(&self, digest: &Digest) -> bool {
        let (local, reference) = (RegistryName::local(), Reference::Digest(digest.clone()));
        self.registry.0.store.manifest(&local, &self.repository, digest).unwrap().is_some()
            && self.content.manifest(&self.repository, &reference).await.is_ok()
    }
}

#[tokio::test]
async fn recently_used_content_is_kept_and_reported_until_it_is_due_or_now() {
    for now in [true, false] {
        let world = World::new().await;
        world.push_blob(b"unreferenced content.").await;
        world.clock.pass(Duration::from_secs(20));
        world.content.start_upload(&world.repository, Algorithm::Sha256).await.unwrap();
        let at = world.clock.unix_now();

        let first = world.collect(false, false).await;
        if !now {
            world.clock.freeze();
            world.clock.pass(Duration::from_mins(1));
        }
        let second = world.collect(now, false).await;

        let due = Some((at + 40, at + 60));
        let upload_bytes = first.retained.upload_bytes;
        let retained = RetainedContent { uploads: 1, upload_bytes, blobs: 1, manifests: 0, due };
        assert_eq!((first.removed, first.retained), (Collected::default(), retained));
        assert_eq!(second.removed.upload_bytes, upload_bytes);
        assert_eq!((second.removed.uploads, second.removed.blobs), (1, 1));
        assert_eq!(second.retained, RetainedContent::default());
    }
}

#[tokio::test]
async fn young_content_is_reported_with_the_time_when_it_is_due() {
    let world = World::new().await;
    world.push_blob(b"unreferenced content.").await;
    let at = world.clock.unix_now();

    let retained = world.registry.collect(CollectOptions::default()).await.unwrap().retained;

    assert_eq!((retained.blobs, retained.due), (1, Some((at + 3600, at + 3600))));
}

#[tokio::test]
async fn now_keeps_an_upload_that_a_request_is_writing() {
    let world = World::new().await;
    let (app, content) = (world.repository.clone(), world.content.clone());
    let id = content.start_upload(&app, Algorithm::Sha256).await.unwrap().id;
    let (sender, body) = futures::channel::mpsc::unbounded::<Result<Bytes, String>>();
    let appending = tokio::spawn(async move {
        content.append(&app, id, ChunkHeaders::default(), Box::pin(body)).await
    });
    let held = || world.registry.0.sessions.last_used(&id.to_string()).is_none();
    while !held() {
        tokio::task::yield_now().await;
    }

    let collection = world.collect(true, false).await;
    sender.unbounded_send(Ok(Bytes::from_static(b"some"))).unwrap();
    drop(sender);

    assert_eq!((collection.removed.uploads, collection.retained.uploads), (0, 1));
    assert_eq!(appending.await.unwrap().unwrap().received, 4);
}

#[tokio::test]
async fn an_untagged_manifest_is_kept_for_a_minute_after_a_push_or_pull() {
    let world = World::new().await;
    let (image, _) = world.push_image(b"{}").await;

    let pushed = world.collect(false, true).await;
    world.clock.pass(Duration::from_mins(1));
    assert!(world.has(&image).await, "this also reads the manifest");
    let requested = world.collect(false, true).await;
    world.clock.pass(Duration::from_mins(1));
    let untouched = world.collect(false, false).await;
    let gone = world.collect(false, true).await;

    assert_eq!((pushed.removed.manifests, pushed.retained.manifests), (0, 1));
    assert_eq!((requested.removed.manifests, requested.retained.manifests), (0, 1));
    assert_eq!(untouched.removed.manifests, 0, "only on request");
    assert_eq!((gone.removed.manifests, gone.removed.blobs), (1, 1));
    assert!(!world.has(&image).await);
}

#[tokio::test]
async fn an_image_of_a_tagged_index_stays_also_when_the_index_is_older_than_its_rows() {
    let world = World::new().await;
    let (image, len) = world.push_image(b"{}").await;
    world.push_index("v1", (&image, len)).await;
    let (alone, _) = world.push_image(b"{\"alone\":true}").await;
    let store = &world.registry.0.store;
    store.remove_children(&RegistryName::local(), &world.repository).unwrap();

    let collection = world.collect(true, true).await;

    assert_eq!(collection.removed.manifests, 1);
    assert!(world.has(&image).await && !world.has(&alone).await);
}
