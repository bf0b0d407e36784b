//! Content recovered from sealed files, when only the mirrors of the rings are left of the rows.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use futures::{TryStreamExt as _, stream};
use zeroize::Zeroizing;

use super::*;

/// A registry with a customer-managed key, and `local` without one.
struct World {
    platform: Arc<FakePlatform>,
    folder: tempfile::TempDir,
}

/// An image of two blobs, and an index that lists it.
struct Image {
    blobs: Vec<(Digest, Vec<u8>)>,
    manifest: (Digest, Vec<u8>),
    index: (Digest, Vec<u8>),
}

impl World {
    async fn new() -> Self {
        let (platform, folder) = (FakePlatform::new(), tempfile::tempdir().unwrap());
        let registries = open(&folder, &platform).await;
        let new = NewRegistry::named("team1".parse().unwrap());
        registries.create_with_dependencies(new, None, None).await.unwrap();
        Self { platform, folder }
    }

    async fn registries(&self) -> Registries {
        open(&self.folder, &self.platform).await
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder with only the sealed files, the mirrors and the service-managed key.
    fn without_rows(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        drop(Store::open(&data, Durability::Relaxed).unwrap());
        copy(&self.data().join("files"), &data.join("files"));
        copy(&self.data().join("rings"), &data.join("rings"));
        // The journal is under the service-managed key: it is created again, empty, under the content's key.
        fs_err::copy(self.data().join("service.key"), data.join("service.key")).unwrap();
        fs_err::remove_dir_all(data.join("journal")).unwrap();
        fs_err::remove_dir_all(data.join("index")).unwrap();
        fs_err::write(data.join("sealyard.json"), r#"{"formatVersion":2,"unfinished":true}"#)
            .unwrap();
        drop(Store::open(&data, Durability::Relaxed).unwrap());
        Self { platform: Arc::clone(&self.platform), folder }
    }

    async fn recover(&self) -> Recovered {
        self.search(false).await
    }

    /// `all_strict`: whether the emulator was started in strict parity.
    async fn search(&self, all_strict: bool) -> Recovered {
        self.search_for(Search { orphans: true, all_strict, ..Search::default() }).await
    }

    async fn search_for(&self, search: Search) -> Recovered {
        let store = Arc::new(open_store(&self.data()).await);
        let clock = Clock::manual(time::macros::datetime!(2026-01-02 00:00 UTC));
        let platform: Arc<dyn Platform> = Arc::new(Shared(Arc::clone(&self.platform)));
        recover(store, platform, clock, search, |_| ()).await.unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs_err::create_dir_all(to).unwrap();
    for entry in fs_err::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs_err::copy(entry.path(), to).unwrap();
        }
    }
}

async fn push_blob(content: &Content, app: &RepositoryName, bytes: Vec<u8>) -> Digest {
    let digest = Digest::of(Algorithm::Sha512, &bytes);
    let id = content.start_upload(app, Algorithm::Sha512).await.unwrap().id;
    let body = Box::pin(stream::iter([Ok(Bytes::from(bytes))]));
    let headers = ChunkHeaders::default();
    content.finish_upload(app, id, &digest, headers, body).await.unwrap();
    digest
}

async fn put(
    content: &Content,
    app: &RepositoryName,
    tag: &str,
    kind: &str,
    manifest: serde_json::Value,
) -> (Digest, Vec<u8>) {
    let bytes = manifest.to_string().into_bytes();
    let reference = Reference::Tag(tag.parse().unwrap());
    let put = content.put_manifest(app, &reference, Some(kind), Zeroizing::new(bytes.clone()));
    (put.await.unwrap().digest, bytes)
}

/// Neither manifest names its media type: only the `Content-Type` did.
async fn push(registry: &Registry, repository: &str, seed: u8) -> Image {
    let content = registry.content().await.unwrap();
    let app: RepositoryName = repository.parse().unwrap();
    let (config, layer) = (vec![seed; 3], vec![seed.wrapping_add(1); 700_000]);
    let (config_digest, layer_digest) = (
        push_blob(&content, &app, config.clone()).await,
        push_blob(&content, &app, layer.clone()).await,
    );
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "config": {"mediaType": "application/json", "digest": config_digest.as_str(), "size": 3},
        "layers": [{"mediaType": "application/tar", "digest": layer_digest.as_str(), "size": 700_000}],
    });
    let image = "application/vnd.oci.image.manifest.v1+json";
    let manifest = put(&content, &app, "v1", image, manifest).await;
    let index = serde_json::json!({
        "schemaVersion": 2,
        "manifests": [{"mediaType": image, "digest": manifest.0.as_str(), "size": manifest.1.len()}],
    });
    let index = put(&content, &app, "all", OCI_INDEX, index).await;
    Image { blobs: vec![(config_digest, config), (layer_digest, layer)], manifest, index }
}

async fn pull_blob(content: &Content, digest: &Digest) -> Vec<u8> {
    let blob = content.blob(&RepositoryName::recovered(), digest).await.unwrap();
    let stream = content.read_blob(&blob, 0..blob.len).await.unwrap();
    let chunks: Vec<Bytes> = stream.try_collect().await.unwrap();
    chunks.concat()
}

/// Asserts that all bytes of an image are in the repository of recovered content.
async fn assert_is_there(registry: &Registry, image: &Image) {
    let content = registry.content().await.unwrap();
    for (digest, bytes) in &image.blobs {
        assert_eq!(&pull_blob(&content, digest).await, bytes);
    }
    for (digest, bytes) in [&image.manifest, &image.index] {
        let reference = Reference::Digest(digest.clone());
        let manifest = content.manifest(&RepositoryName::recovered(), &reference).await.unwrap();
        assert_eq!(&*content.read_manifest(&manifest).await.unwrap(), bytes);
    }
}

fn path_of(world: &World, store: &Store, registry: &str, digest: &Digest) -> PathBuf {
    let (registry, app) = (registry.parse().unwrap(), "app".parse().unwrap());
    let file = store.blob(&registry, &app, digest).unwrap().unwrap().file.to_string();
    world.data().join("files").join(&file[..2]).join(file)
}

#[tokio::test]
async fn every_blob_and_manifest_is_recovered_from_only_the_sealed_files() {
    let world = World::new().await;
    let registries = world.registries().await;
    let local = push(&registries.get("local").unwrap(), "app", 1).await;
    let team1 = push(&registries.get("team1").unwrap(), "app", 9).await;
    let identities = registries.identities().await.unwrap().len();
    drop(registries);
    let lost = world.without_rows();

    let recovered = lost.recover().await;
    let again = lost.recover().await;
    let registries = lost.registries().await;

    assert_eq!(recovered.registries, ["local", "team1"]);
    assert!(!recovered.is_incomplete(), "{recovered:?}");
    assert_eq!(recovered.content.iter().map(|one| one.blobs).sum::<u64>(), 4);
    assert_eq!(recovered.content.iter().map(|one| one.manifests.len()).sum::<usize>(), 4);
    assert_eq!((again.files, again.content.len()), (0, 0), "a second run finds nothing to do");
    assert_is_there(&registries.get("local").unwrap(), &local).await;
    assert_is_there(&registries.get("team1").unwrap(), &team1).await;
    assert_eq!(registries.identities().await.unwrap().len(), identities);
    let content = registries.get("team1").unwrap().content().await.unwrap();
    assert!(content.tags(&RepositoryName::recovered(), None, None).await.unwrap().items.is_empty());
    assert!(content.verify(false, |_| ()).await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn in_strict_parity_an_identity_that_was_removed_still_opens_sealed_files() {
    let world = World::new().await;
    let settings = Settings { strict_parity: true, ..Settings::default() };
    let registries = open_with(&world.folder, &world.platform, settings).await;
    let image = push(&registries.get("team1").unwrap(), "app", 7).await;
    let remove = vec!["team1".parse().unwrap()];
    let change = Change { remove, ..Change::default() };
    registries.change(&"team1".parse().unwrap(), change).await.unwrap();
    drop(registries);
    let lost = world.without_rows();

    let without = lost.search(false).await;
    let within = lost.search(true).await;

    assert_eq!(without.lost.len(), 4, "{without:?}");
    assert!(without.lost.iter().all(|lost| lost.can_be_tried_again), "{without:?}");
    assert!(within.lost.is_empty(), "{within:?}");
    assert!(within.content[0].manifests.contains(&image.manifest.0.to_string()), "{within:?}");
}

#[tokio::test]
async fn a_damaged_file_is_reported_and_kept_and_the_rest_is_recovered() {
    let world = World::new().await;
    let registries = world.registries().await;
    let registry = registries.get("team1").unwrap();
    let image = push(&registry, "app", 3).await;
    let layer = path_of(&world, &registry.0.store, "team1", &image.blobs[1].0);
    drop((registry, registries));
    let lost = world.without_rows();
    let name = layer.file_name().unwrap().to_str().unwrap();
    let layer = lost.data().join("files").join(&name[..2]).join(name);
    let mut bytes = fs_err::read(&layer).unwrap();
    bytes[300_000] ^= 1;
    fs_err::write(&layer, &bytes).unwrap();
    fs_err::write(lost.data().join("files/00").join("0".repeat(32)), "no sealed file").unwrap();

    let recovered = lost.recover().await;

    assert_eq!(recovered.lost.len(), 2);
    let damaged = recovered.lost.iter().find(|lost| lost.file == name).unwrap();
    assert_eq!(damaged.digest.as_deref(), Some(image.blobs[1].0.as_str()));
    assert_eq!(damaged.registry.as_deref(), Some("team1"));
    assert_eq!(damaged.message, "it does not authenticate");
    assert!(lost.data().join("quarantine").join(name).exists());
    assert_eq!(recovered.incomplete.len(), 1);
    assert_eq!(recovered.incomplete[0].missing, [image.blobs[1].0.as_str()]);
    let registries = lost.registries().await;
    let content = registries.get("team1").unwrap().content().await.unwrap();
    assert_eq!(pull_blob(&content, &image.blobs[0].0).await, image.blobs[0].1);
    let reference = Reference::Digest(image.manifest.0.clone());
    content.manifest(&RepositoryName::recovered(), &reference).await.unwrap();
}

#[tokio::test]
async fn files_of_a_refused_key_stay_in_quarantine_and_are_recovered_with_the_key() {
    let world = World::new().await;
    let registries = world.registries().await;
    let image = push(&registries.get("team1").unwrap(), "app", 5).await;
    drop(registries);
    let lost = world.without_rows();
    let allowed = std::mem::take(&mut *world.platform.allowed.lock().unwrap());

    let refused = lost.recover().await;
    // A start in between sweeps the files that no row names.
    lost.registries().await.get("team1").unwrap().0.store.sweep_orphans().unwrap();
    *world.platform.allowed.lock().unwrap() = allowed;
    let recovered = lost.recover().await;

    assert_eq!(refused.lost.len(), 4);
    assert!(refused.lost.iter().all(|lost| lost.can_be_tried_again), "{refused:?}");
    assert!(!recovered.is_incomplete(), "{recovered:?}");
    assert_is_there(&lost.registries().await.get("team1").unwrap(), &image).await;
}

#[tokio::test]
async fn a_start_between_the_loss_and_the_repair_removes_no_data_key() {
    let world = World::new().await;
    let registries = world.registries().await;
    let local = push(&registries.get("local").unwrap(), "app", 1).await;
    let team1 = push(&registries.get("team1").unwrap(), "app", 9).await;
    drop(registries);
    let lost = world.without_rows();
    fs_err::write(lost.data().join("journal/loss"), "").unwrap();

    // The start creates `local` again, with a new ring.
    let registries = lost.registries().await;
    let registry = registries.get("local").unwrap();
    registry.0.store.sweep_orphans().unwrap();
    registry.0.store.mirror_rings().unwrap();
    registry.collect(CollectOptions::default()).await.unwrap();
    drop((registry, registries));
    let recovered = lost.recover().await;

    assert_eq!(recovered.registries, ["team1"]);
    assert!(!recovered.is_incomplete(), "{recovered:?}");
    let registries = lost.registries().await;
    assert_is_there(&registries.get("local").unwrap(), &local).await;
    assert_is_there(&registries.get("team1").unwrap(), &team1).await;
}

#[tokio::test]
async fn rows_of_a_registry_without_a_valid_name_do_not_stop_the_recovery_of_the_others() {
    let world = World::new().await;
    let registries = world.registries().await;
    let image = push(&registries.get("team1").unwrap(), "app", 9).await;
    drop(registries);
    let lost = world.without_rows();
    fs_err::write(lost.data().join("journal/loss"), "").unwrap();
    let registries = lost.registries().await;
    let registry = registries.get("local").unwrap();
    for invalid in ["a name!", "Local"] {
        registry.0.store.add_rows_of(invalid);
    }
    drop((registry, registries));
    // A start in between.
    drop(lost.registries().await);

    let search = Search { orphans: true, named_except: Some(HashSet::new()), all_strict: false };
    let recovered = lost.search_for(search).await;

    assert_eq!(recovered.registries, ["team1"]);
    assert!(!recovered.is_incomplete(), "{recovered:?}");
    let registries = lost.registries().await;
    assert!(registries.get("a name!").is_none());
    assert_is_there(&registries.get("team1").unwrap(), &image).await;
}

#[tokio::test]
async fn a_damaged_mirror_is_reported_and_its_files_are_kept() {
    let world = World::new().await;
    let registries = world.registries().await;
    push(&registries.get("team1").unwrap(), "app", 5).await;
    drop(registries);
    let lost = world.without_rows();
    let mirror = lost.data().join("rings/team1.ring");
    let mut bytes = fs_err::read(&mirror).unwrap();
    bytes[40] ^= 1;
    fs_err::write(&mirror, bytes).unwrap();

    let recovered = lost.recover().await;

    assert_eq!(recovered.notes.len(), 1);
    assert!(recovered.notes[0].contains("team1.ring: its checksum is wrong"), "{recovered:?}");
    assert_eq!(recovered.lost.len(), 4);
    assert!(recovered.lost[0].message.starts_with("no ring has its data key"), "{recovered:?}");
    assert_eq!(fs_err::read_dir(lost.data().join("quarantine")).unwrap().count(), 4);
}

#[tokio::test]
async fn recovered_blobs_are_not_collected_while_their_manifest_is_in_quarantine() {
    let world = World::new().await;
    let registries = world.registries().await;
    let image = push(&registries.get("team1").unwrap(), "app", 1).await;
    drop(registries);
    let lost = world.without_rows();
    // An interrupted repair has read the blobs and not yet the manifests, which are neither the smallest nor the
    // largest.
    let mut files = Vec::new();
    for shard in fs_err::read_dir(lost.data().join("files")).unwrap() {
        for entry in fs_err::read_dir(shard.unwrap().path()).unwrap() {
            let entry = entry.unwrap();
            files.push((entry.metadata().unwrap().len(), entry.path()));
        }
    }
    files.sort();
    assert_eq!(files.len(), 4);
    let hidden = lost.folder.path().join("hidden");
    fs_err::create_dir(&hidden).unwrap();
    for (_, file) in &files[1..3] {
        fs_err::rename(file, hidden.join(file.file_name().unwrap())).unwrap();
    }
    lost.recover().await;
    copy(&hidden, &lost.data().join("quarantine"));

    let registries = lost.registries().await;
    let now = CollectOptions {
        unreferenced_for: Duration::ZERO,
        really_idle_for: Duration::ZERO,
        ..CollectOptions::default()
    };
    let registry = registries.get("team1").unwrap();
    let collection = registry.collect(now).await.unwrap();
    drop((registry, registries));

    assert_eq!((collection.removed.links, collection.retained.blobs), (0, 2));
    lost.recover().await;
    let registries = lost.registries().await;
    assert_is_there(&registries.get("team1").unwrap(), &image).await;
}
