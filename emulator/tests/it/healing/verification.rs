//! `verify` continues after each fault, names the affected repositories and tags, and repairs them where possible.

use reqwest::{Method, StatusCode};
use sealyard::{FindingKind, Verified};
use serde_json::json;

use super::world::{Harm, Image, Part, World};
use crate::support::content;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

async fn verify(world: &World, repair: bool) -> Verified {
    let content = world.emulator.registry().content().await.unwrap();
    content.verify(repair, |_| ()).await.unwrap()
}

fn object(image: &Image, part: Part) -> String {
    let digest = content::digest(image.bytes(part));
    match part {
        Part::Manifest => format!("manifest {}@{digest}", image.repository),
        Part::Layer | Part::Config => format!("blob {digest}"),
    }
}

fn kinds(verified: &Verified) -> Vec<(FindingKind, String)> {
    let mut kinds: Vec<_> =
        verified.findings.iter().map(|found| (found.kind, found.object.clone())).collect();
    kinds.sort();
    kinds
}

#[tokio::test]
async fn verification_continues_after_each_fault_and_finds_all_faults() {
    let world = World::new().await;
    let mut expected = Vec::new();
    let harms = [
        (Harm::Unreadable, FindingKind::Unreadable),
        (Harm::Missing, FindingKind::Missing),
        (Harm::Flipped(8), FindingKind::Damaged),
        (Harm::Empty, FindingKind::Damaged),
    ];
    for (seed, (harm, kind)) in (1..).zip(harms) {
        for (number, part) in (0..).zip([Part::Layer, Part::Config, Part::Manifest]) {
            let image = world.push(10 * seed + number, "app").await;
            World::harm(&image, part, harm, &image);
            expected.push((kind, object(&image, part)));
        }
    }
    expected.sort();

    let verified = verify(&world, false).await;

    assert_eq!(kinds(&verified), expected);
    assert_eq!(verified.blobs + verified.manifests, 36 - 12, "{verified:?}");
    assert_eq!(verified.worst(), Some(FindingKind::Damaged));
}

#[tokio::test]
async fn a_finding_names_the_repositories_and_tags_that_it_affects_through_manifests_and_indexes() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [content::descriptor(content::IMAGE, &image.manifest)],
    });
    let put = world.client.put_manifest("app", "all", index.to_string().as_bytes()).await;
    assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
    assert_eq!(world.mount(&image, Part::Layer, "mounted").await, StatusCode::CREATED);
    World::harm(&image, Part::Layer, Harm::Flipped(8), &image);
    World::harm(&image, Part::Manifest, Harm::Missing, &image);

    let verified = verify(&world, false).await;

    let of = |part| {
        let name = object(&image, part);
        verified.findings.iter().find(|finding| finding.object == name).unwrap()
    };
    assert_eq!(of(Part::Layer).repositories, ["app", "mounted"]);
    assert_eq!(of(Part::Layer).tags, ["app:all", "app:v1"]);
    assert_eq!(of(Part::Manifest).tags, ["app:all", "app:v1"]);
}

#[tokio::test]
async fn content_that_verification_finds_damaged_counts_as_missing_until_verification_can_read_it()
{
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let intact = fs_err::read(image.file(Part::Layer)).unwrap();
    World::harm(&image, Part::Layer, Harm::Flipped(8), &image);
    assert_eq!(
        world.head(&image, Part::Layer).await,
        StatusCode::OK,
        "no request has read the layer yet"
    );

    assert!(verify(&world, false).await.worst().is_some());
    assert_eq!(world.head(&image, Part::Layer).await, StatusCode::NOT_FOUND);

    // The file is restored, as from a backup.
    fs_err::write(image.file(Part::Layer), intact).unwrap();
    assert_eq!(verify(&world, false).await.worst(), None);
    assert_eq!(world.head(&image, Part::Layer).await, StatusCode::OK);
}

#[tokio::test]
async fn a_refused_key_is_reported_and_the_remaining_files_are_still_checked() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    World::harm(&image, Part::Config, Harm::Missing, &image);
    let content = world.emulator.registry().content().await.unwrap();
    world.client.key("disable").await;

    let verified = content.verify(false, |_| ()).await.unwrap();

    assert_eq!(kinds(&verified), [(FindingKind::Missing, object(&image, Part::Config))]);
    assert!(verified.refused.is_some());
    assert_eq!(verified.unchecked, 2, "{verified:?}");
    world.client.key("enable").await;
    assert!(verify(&world, false).await.refused.is_none());
}

#[tokio::test]
async fn a_folder_that_cannot_be_listed_is_a_finding() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let used = image.file(Part::Layer).parent().unwrap().to_owned();
    let shards = fs_err::read_dir(world.data_dir().join("files")).unwrap();
    let mut shards = shards.map(|shard| shard.unwrap().path());
    let is_empty = |shard: &std::path::PathBuf| fs_err::read_dir(shard).unwrap().next().is_none();
    let shard = shards.find(|shard| is_empty(shard) && *shard != used).unwrap();
    fs_err::remove_dir(&shard).unwrap();
    fs_err::write(&shard, b"").unwrap();

    let verified = verify(&world, false).await;

    let name = shard.file_name().unwrap().to_str().unwrap();
    assert_eq!(kinds(&verified), [(FindingKind::Unreadable, format!("folder files/{name}"))]);
    assert_eq!(verified.blobs, 2, "all other files were read");
}

#[tokio::test]
async fn a_repair_restores_a_manifest_from_another_repository_and_reports_the_remaining_faults() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let copy = world.push(1, "copy").await;
    let single = world.push(2, "single").await;
    World::harm(&image, Part::Manifest, Harm::Flipped(8), &image);
    World::harm(&single, Part::Manifest, Harm::Missing, &single);
    World::harm(&single, Part::Layer, Harm::Flipped(8), &single);
    fs_err::write(world.data_dir().join("files/00").join("0".repeat(32)), b"orphan").unwrap();

    let verified = verify(&world, true).await;

    let of = |name: &str| verified.findings.iter().find(|found| found.object == name).unwrap();
    let restored = of(&object(&image, Part::Manifest));
    assert_eq!(restored.done.as_deref(), Some("restored it from repository copy"));
    assert!(restored.healed);
    assert_eq!(world.get(&image, Part::Manifest).await.unwrap().body, image.manifest);
    assert_eq!(world.get(&copy, Part::Manifest).await.unwrap().body, image.manifest);
    for part in [Part::Manifest, Part::Layer] {
        let left = of(&object(&single, part));
        assert!(!left.healed && left.done.as_ref().unwrap().contains("single:v1"), "{left:?}");
        assert_eq!(world.head(&single, part).await, StatusCode::NOT_FOUND);
    }
    let orphan = of(&"0".repeat(32));
    assert!(orphan.healed && orphan.done.as_ref().unwrap().starts_with("removed it"), "{orphan:?}");

    assert_eq!(world.push_again(&single, Part::Layer).await, StatusCode::CREATED);
    assert_eq!(world.push_again(&single, Part::Manifest).await, StatusCode::CREATED);
    assert!(verify(&world, false).await.findings.is_empty());
}

#[tokio::test]
async fn open_uploads_are_counted_with_their_bytes() {
    let world = World::new().await;
    let location = world.client.begin("app").await;
    let sent = content::bytes(1, 600_000);
    let sent = world.client.send(Method::PATCH, &location, sent).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED);

    let verified = verify(&world, false).await;

    assert_eq!(verified.uploads, 1);
    assert!(500_000 < verified.upload_bytes, "{verified:?}");
}
