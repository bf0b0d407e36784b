//! Folders that a start refuses: the command in the refusal repairs each of them, and only the content that it prints as
//! lost is lost.

use std::path::{Path, PathBuf};

use azure_emulator_core::clock::Clock;
use reqwest::{Method, StatusCode};
use sealyard::Config;
use sealyard::Sealyard;
use sealyard::repair::Repair;
use serde_json::Value;

use crate::support::content::files;
use crate::support::program::{Ended, Home, PROGRAM};
use crate::support::{Client, content};

/// A folder with two images.
struct World {
    home: Home,
    folder: tempfile::TempDir,
    layers: [Vec<u8>; 2],
    manifests: [Vec<u8>; 2],
}

async fn start(data: &Path) -> Result<Sealyard, sealyard::StartError> {
    Sealyard::builder().ephemeral().data_dir(data).start().await
}

/// The messages of an error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let emulator = start(&folder.path().join("data")).await.unwrap();
        let client = Client::of(&emulator);
        let layers = [content::bytes(1, 300_000), content::bytes(2, 100_000)];
        let first = client.push_image("app", "v1", &[&layers[0]]).await;
        let second = client.push_image("app", "v2", &[&layers[1]]).await;
        emulator.shutdown().await;
        Self { home: Home::new(), folder, layers, manifests: [first, second] }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Checks that a start refuses the folder, and returns the command in the refusal.
    async fn refused(&self) -> String {
        let error = start(&self.data()).await.expect_err("the folder starts");
        let text = chain(&error);
        let (_, rest) = text.split_once("run `").unwrap_or_else(|| panic!("no command: {text}"));
        rest.split('`').next().unwrap().to_owned()
    }

    /// Runs a line in a shell, where `sealyard` is the program under test.
    async fn type_line(&self, line: &str) -> Ended {
        let mut command = self.home.command("sh");
        let programs = Path::new(PROGRAM).parent().unwrap().display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(["-c", line]).env("PATH", format!("{programs}:{path}"));
        Ended::of(&mut command).await
    }

    /// Repairs with the command in the refusal. Before that, the same command without `--yes` changes nothing.
    async fn repair(&self) -> (Option<i32>, Value) {
        let line = self.refused().await;
        let before = files(&self.data());
        let not_confirmed = self.type_line(&line).await;
        assert_eq!(not_confirmed.code, Some(5), "{} {}", not_confirmed.out, not_confirmed.err);
        let dry = self.type_line(&format!("{line} --dry-run")).await;
        assert_eq!(dry.code, Some(0), "{} {}", dry.out, dry.err);
        assert_eq!(files(&self.data()), before, "the command without `--yes` changed the folder");
        let repaired = self.type_line(&format!("{line} --yes --json")).await;
        let again = self.type_line(&format!("{line} --yes --json")).await;
        assert!(repaired.code.is_some_and(|code| [0, 6].contains(&code)), "{}", repaired.err);
        assert_eq!(again.json()["rows"], Value::Null, "a second repair finds sound rows");
        (repaired.code, repaired.json())
    }

    /// Checks that the folder has the content from before the damage.
    async fn assert_is_whole(&self) {
        let emulator = start(&self.data()).await.unwrap();
        let client = Client::of(&emulator);
        for (at, tag) in ["v1", "v2"].into_iter().enumerate() {
            let manifest = client.get(&format!("/v2/app/manifests/{tag}")).await;
            assert_eq!(manifest.body, self.manifests[at], "{manifest:?}");
            assert!(client.pull_blob("app", &self.layers[at]).await.body == self.layers[at]);
        }
        emulator.shutdown().await;
    }

    /// Checks that the content can be pulled by digest and no name exists.
    async fn assert_is_recovered(&self) {
        let emulator = start(&self.data()).await.unwrap();
        let client = Client::of(&emulator);
        for (manifest, layer) in self.manifests.iter().zip(&self.layers) {
            let path = format!("/v2/recovered/files/manifests/{}", content::digest(manifest));
            assert_eq!(&client.get(&path).await.body, manifest);
            assert!(&client.pull_blob("recovered/files", layer).await.body == layer);
        }
        let lost = client.get("/v2/app/manifests/v1").await;
        assert_eq!(lost.status, StatusCode::NOT_FOUND);
        let tags = client.get("/v2/recovered/files/tags/list").await;
        assert!(tags.json()["tags"].as_array().is_none_or(Vec::is_empty), "{tags:?}");
        emulator.shutdown().await;
    }
}

fn segments(journal: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(journal).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "segment")).collect();
    segments.sort();
    segments
}

/// Changes a byte in the middle of the written part of the newest segment.
fn damage(journal: &Path) {
    damage_at(journal, 60);
}

/// Changes a byte at this percentage of the written part of the newest segment.
fn damage_at(journal: &Path, percent: usize) {
    let path = segments(journal).pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[written * percent / 100] ^= 0x20;
    std::fs::write(path, bytes).unwrap();
}

/// Changes a byte in each record of a segment.
fn damage_records(segment: &Path) {
    let mut bytes = std::fs::read(segment).unwrap();
    let begins = bytes.windows(8).enumerate().filter(|(_, begin)| *begin == b"SYRECORD");
    // Behind the front of the record.
    for at in begins.map(|(at, _)| at + 112).collect::<Vec<_>>() {
        bytes[at] ^= 1;
    }
    std::fs::write(segment, bytes).unwrap();
}

fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_bad_record_in_the_middle_of_the_journal_loses_nothing_with_a_complete_index() {
    let world = World::new().await;
    damage(&world.data().join("journal"));

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["lost"], serde_json::json!([]));
    world.assert_is_whole().await;
}

#[tokio::test]
async fn a_bad_record_without_an_index_loses_only_the_printed_names_and_the_content_is_recovered() {
    let world = World::new().await;
    damage(&world.data().join("journal"));
    remove(&world.data().join("index"));

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(6), "{report:#}");
    let lost: Vec<&str> =
        report["lost"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(lost.iter().any(|lost| lost.contains("the tag app:v2 in local")), "{lost:?}");
    let emulator = start(&world.data()).await.unwrap();
    let client = Client::of(&emulator);
    for (at, tag) in ["v1", "v2"].into_iter().enumerate() {
        let is_named = lost.iter().any(|lost| lost.contains(&format!("the tag app:{tag} in")));
        let by_tag = client.get(&format!("/v2/app/manifests/{tag}")).await;
        let is_lost = by_tag.status == StatusCode::NOT_FOUND;
        // A name inside the damaged record is not known any more, so it is not printed.
        assert!(is_lost || !is_named, "{tag}: {by_tag:?}");
        let repository = if is_lost { "recovered/files" } else { "app" };
        let digest = content::digest(&world.manifests[at]);
        let manifest = client.get(&format!("/v2/{repository}/manifests/{digest}")).await;
        assert_eq!(manifest.body, world.manifests[at]);
        let layer = &world.layers[at];
        assert!(&client.pull_blob(repository, layer).await.body == layer, "{tag}");
    }
    emulator.shutdown().await;
}

#[tokio::test]
async fn a_missing_segment_loses_nothing_with_a_complete_index() {
    let world = World::new().await;
    for segment in segments(&world.data().join("journal")) {
        std::fs::remove_file(segment).unwrap();
    }

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(0), "{report:#}");
    world.assert_is_whole().await;
}

#[tokio::test]
async fn without_a_journal_the_index_restores_all_rows() {
    let world = World::new().await;
    remove(&world.data().join("journal"));

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(0), "{report:#}");
    world.assert_is_whole().await;
}

#[tokio::test]
async fn without_journal_and_index_the_content_is_recovered_from_the_sealed_files() {
    let world = World::new().await;
    remove(&world.data().join("journal"));
    remove(&world.data().join("index"));

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(6), "{report:#}");
    assert_eq!(report["recovered"]["registries"], serde_json::json!(["local"]));
    world.assert_is_recovered().await;
}

#[tokio::test]
async fn without_the_only_checkpoint_the_content_is_recovered_from_the_sealed_files() {
    let world = World::new().await;
    // A repair leaves a journal that begins with a checkpoint.
    remove(&world.data().join("journal"));
    world.repair().await;
    for entry in std::fs::read_dir(world.data().join("journal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "checkpoint") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let index = world.data().join("index");
    if index.exists() {
        remove(&index);
    }

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(6), "{report:#}");
    world.assert_is_recovered().await;
}

#[tokio::test]
async fn a_damaged_journal_of_the_vault_is_repaired_as_well() {
    let world = World::new().await;
    damage(&world.data().join("vault/journal"));

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(0), "{report:#}");
    assert!(!report["vault"]["faults"].as_array().unwrap().is_empty(), "{report:#}");
    world.assert_is_whole().await;
}

#[tokio::test]
async fn a_folder_in_use_is_not_changed() {
    let world = World::new().await;
    let emulator = start(&world.data()).await.unwrap();

    let line = format!("sealyard repair --yes --data-dir {}", world.data().display());
    let refused = world.type_line(&line).await;

    assert_eq!(refused.code, Some(7), "{}", refused.err);
    emulator.shutdown().await;
    world.assert_is_whole().await;
}

#[tokio::test]
async fn an_undamaged_folder_is_not_changed() {
    let world = World::new().await;
    let before = files(&world.data());

    let line = format!("sealyard repair --data-dir {}", world.data().display());
    let sound = world.type_line(&line).await;

    assert_eq!(sound.code, Some(0), "{}", sound.err);
    assert!(sound.out.contains("nothing has to be repaired"), "{}", sound.out);
    assert_eq!(files(&world.data()), before);
}

/// The published sealed files that are small enough for the journal.
fn small_files(data: &Path) -> Vec<PathBuf> {
    let found = files(&data.join("files")).into_iter();
    found.filter(|(_, content)| content.len() < 10_000).map(|(path, _)| path).collect()
}

#[tokio::test]
async fn small_files_that_exist_only_in_the_damaged_journal_are_recovered() {
    let world = World::new().await;
    // The damage is in the first records, which create the registry: a later record may hold a small file.
    damage_at(&world.data().join("journal"), 3);
    let small = small_files(&world.data());
    assert!(small.len() >= 2, "{small:?}");
    // After a power cut, a file that was not synced is missing or has no content.
    let (gone, empty) = small.split_at(1);
    std::fs::remove_file(&gone[0]).unwrap();
    for file in empty {
        let length = std::fs::metadata(file).unwrap().len();
        std::fs::write(file, vec![0; usize::try_from(length).unwrap()]).unwrap();
    }

    let (code, report) = world.repair().await;

    assert_eq!(code, Some(0), "{report:#}");
    world.assert_is_whole().await;
}

#[tokio::test]
async fn small_files_that_are_damaged_as_the_journal_is_are_printed_as_lost_with_their_tags() {
    let world = World::new().await;
    let small = small_files(&world.data());
    for file in &small {
        let mut content = std::fs::read(file).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(file, content).unwrap();
    }
    let journal = world.data().join("journal");
    for segment in segments(&journal) {
        damage_records(&segment);
    }

    let line = world.refused().await;
    let repaired = world.type_line(&format!("{line} --yes")).await;
    let again = world.type_line(&line).await;
    let emulator = start(&world.data()).await.unwrap();
    let client = Client::of(&emulator);
    let manifest = client.get("/v2/app/manifests/v1").await;
    let layer = client.pull_blob("app", &world.layers[0]).await;
    emulator.shutdown().await;

    assert_eq!(repaired.code, Some(6), "{} {}", repaired.out, repaired.err);
    for (manifest, tag) in world.manifests.iter().zip(["v1", "v2"]) {
        let lost = format!("lost: the manifest app@{}", content::digest(manifest));
        let line = repaired.out.lines().find(|line| line.contains(&lost));
        let line = line.unwrap_or_else(|| panic!("{lost}: {}", repaired.out));
        assert!(line.contains(&format!("app:{tag}")), "{line}");
        assert!(again.out.contains(&format!("manifest app@{}", content::digest(manifest))));
    }
    let lines = repaired.out.lines().filter(|line| line.contains("lost: the ")).count();
    assert_eq!(lines, small.len(), "{}", repaired.out);
    assert_eq!(manifest.status, StatusCode::NOT_FOUND);
    assert!(layer.body == world.layers[0], "what is not lost is not named");
}

#[tokio::test]
async fn a_repair_after_one_that_was_killed_before_it_read_the_small_files_reads_them() {
    let world = World::new().await;
    for file in small_files(&world.data()) {
        let mut content = std::fs::read(&file).unwrap();
        let middle = content.len() / 2;
        content[middle] ^= 1;
        std::fs::write(&file, content).unwrap();
    }
    let mark = world.data().join("repair.unread-small-files");
    let line = format!("sealyard repair --yes --data-dir {}", world.data().display());

    let without_mark = world.type_line(&line).await;
    std::fs::write(&mark, "").unwrap();
    let repaired = world.type_line(&line).await;
    let marked_after = mark.exists();
    let again = world.type_line(&line).await;

    assert_eq!(without_mark.code, Some(0), "{} {}", without_mark.out, without_mark.err);
    assert_eq!(repaired.code, Some(6), "{} {}", repaired.out, repaired.err);
    let lost = format!("lost: the manifest app@{}", content::digest(&world.manifests[0]));
    assert!(repaired.out.contains(&lost), "{}", repaired.out);
    assert!(!marked_after, "the files are read, and the mark is left");
    assert_eq!(again.code, Some(0), "{} {}", again.out, again.err);
}

#[tokio::test]
async fn a_manifest_that_was_deleted_before_the_damage_is_not_recovered() {
    let world = World::new().await;
    let emulator = start(&world.data()).await.unwrap();
    let client = Client::of(&emulator);
    let manifest = client.push_image("old", "v1", &[b"layer"]).await;
    let path = format!("/v2/old/manifests/{}", content::digest(&manifest));
    assert_eq!(client.send(Method::DELETE, &path, "").await.status, StatusCode::ACCEPTED);
    let collected =
        client.send_json("/_sealyard/registries/local/gc", &serde_json::json!({"now": true})).await;
    assert_eq!(collected.status, StatusCode::OK, "{collected:?}");
    client.push_image("app", "v3", &[&world.layers[0]]).await;
    emulator.shutdown().await;
    damage_at(&world.data().join("journal"), 97);
    remove(&world.data().join("index"));

    let (_, report) = world.repair().await;

    let came_back = report["recovered"].to_string();
    assert!(!came_back.contains(&content::digest(&manifest).to_string()), "{report:#}");
}

#[tokio::test]
async fn lost_names_are_printed_before_the_repair_and_stored_in_a_file() {
    let world = World::new().await;
    damage(&world.data().join("journal"));
    remove(&world.data().join("index"));
    let line = format!("sealyard repair --yes --data-dir {}", world.data().display());

    let repaired = world.type_line(&line).await;
    let again = world.type_line(&line).await;

    assert_eq!(repaired.code, Some(6), "{}", repaired.err);
    let lost = |text: &str| -> Vec<String> {
        let lines = text.lines().filter_map(|line| line.trim().strip_prefix("lost: "));
        lines.map(str::to_owned).collect()
    };
    let (shown, _) = repaired.out.split_once("is repaired").unwrap();
    assert!(lost(shown).iter().any(|lost| lost.starts_with("the tag app:v2 in local")), "{shown}");
    assert!(shown.contains("MiB are needed"), "{shown}");
    let found = files(&world.data());
    let kept = found.iter().find(|(path, _)| path.ends_with("lost.txt")).unwrap();
    let listed: Vec<&str> = std::str::from_utf8(kept.1).unwrap().lines().collect();
    assert_eq!(listed, lost(shown));
    let mode = std::os::unix::fs::PermissionsExt::mode(&kept.0.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!((again.code, lost(&again.out)), (Some(0), lost(shown)), "{}", again.out);
}

#[tokio::test]
async fn a_repair_names_the_folders_that_it_really_used_for_the_damaged_files() {
    let world = World::new().await;
    let data = world.data();
    damage(&data.join("journal"));
    damage(&data.join("vault/journal"));
    let config = Config { data_dir: data.clone(), ..Config::default() };
    let clock = Clock::manual(time::macros::datetime!(2026-01-02 03:04:05 UTC));
    let repair = Repair::examine(config, clock.clone()).unwrap();
    let planned = repair.plan().kept_in.clone();
    // The user confirms later, and another folder has one of the planned names.
    clock.advance(std::time::Duration::from_hours(1));
    std::fs::create_dir(data.join("damaged-20260102T030405Z")).unwrap();

    let report = repair.run(|_| ()).await.unwrap();

    let vault = data.join("vault/damaged-20260102T030405Z");
    assert_eq!(planned, [data.join("damaged-20260102T030405Z"), vault.clone()]);
    let kept = [data.join("damaged-20260102T030405Z-2"), vault];
    assert_eq!(report.plan.kept_in, kept);
    for kept in kept {
        assert!(kept.join("journal").is_dir());
        let line = format!("The damaged files are kept in {}\n", kept.display());
        assert!(report.to_string().contains(&line), "{report}");
    }
}

#[tokio::test]
async fn a_repair_writes_new_markers_of_the_registry_and_of_the_vault() {
    let world = World::new().await;
    let markers = ["sealyard.json", "vault/mock-keyvault.json"].map(|name| world.data().join(name));
    let whole = markers.each_ref().map(|marker| std::fs::read(marker).unwrap());
    for marker in &markers {
        std::fs::write(marker, r#"{"formatVersion":3}"#).unwrap();
    }
    let line = format!("sealyard repair --data-dir {}", world.data().display());

    let dry = world.type_line(&format!("{line} --dry-run")).await;
    let unchanged = markers.each_ref().map(|marker| std::fs::read(marker).unwrap());
    let repaired = world.type_line(&format!("{line} --yes")).await;
    let again = world.type_line(&line).await;

    for marker in &markers {
        let line = format!("damaged or missing: {}, which is written again", marker.display());
        assert!(dry.out.contains(&line) && repaired.out.contains(&line), "{}", repaired.out);
        assert!(!repaired.out.contains("kept in"), "{}", repaired.out);
    }
    assert_ne!(unchanged, whole);
    assert_eq!(markers.each_ref().map(|marker| std::fs::read(marker).unwrap()), whole);
    assert_eq!((dry.code, repaired.code, again.code), (Some(0), Some(0), Some(0)));
    assert!(again.out.contains("nothing has to be repaired"), "{}", again.out);
    world.assert_is_whole().await;
}
