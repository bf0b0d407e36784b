//! `verify` checks the storage of the rows, repairs the journal from the index, and names the files in quarantine.

use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use sealyard::{Finding, FindingKind};
use serde_json::{Value, json};

use super::world::World;
use crate::support::content;

/// The segments of a journal, the oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder.join("journal")).unwrap();
    let mut segments: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "segment"))
        .collect();
    segments.sort();
    segments
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs_err::read(file).unwrap();
    bytes[at] ^= 4;
    fs_err::write(file, bytes).unwrap();
}

/// The findings of `POST /_sealyard/registries/local/verify`.
async fn verify(world: &World) -> Vec<Finding> {
    let path = "/_sealyard/registries/local/verify";
    let answer = world.client.send_json(path, &json!({})).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let lines = String::from_utf8(answer.body).unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    serde_json::from_value(last["verified"]["findings"].clone()).unwrap()
}

#[tokio::test]
async fn damage_of_an_older_segment_is_named_and_repaired_from_the_index() {
    let world = World::new().await;
    let folder = world.data_dir();
    let first = segments(&folder).remove(0);
    // The journal holds small sealed objects, so these pushes fill it.
    let mut seed = 0;
    while segments(&folder).len() < 2 {
        let blob = content::bytes(seed, 15_000);
        assert_eq!(world.client.push_blob("app", &blob).await.status, StatusCode::CREATED);
        seed += 1;
    }
    flip(&first, 100_000);

    let found = verify(&world).await;
    let afterwards = verify(&world).await;

    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((finding.kind, finding.healed), (FindingKind::Row, true), "{finding:?}");
    let name = first.file_name().unwrap().to_str().unwrap();
    assert!(finding.message.contains(name), "{finding:?}");
    assert_eq!(afterwards, []);
}

#[tokio::test]
async fn damage_of_the_rows_of_the_embedded_vault_is_named_as_well() {
    let world = World::new().await;
    let vault = world.emulator.vault().unwrap().data_dir().to_owned();
    flip(&segments(&vault)[0], 400);

    let found = verify(&world).await;

    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(finding.kind, FindingKind::Row);
    assert_eq!(finding.object, "the stored rows of the vault");
}

#[tokio::test]
async fn files_in_quarantine_are_named_and_do_no_harm() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let name = image.file(super::world::Part::Layer).file_name().unwrap().to_owned();
    let quarantine = world.data_dir().join("quarantine");
    fs_err::create_dir_all(&quarantine).unwrap();
    fs_err::write(quarantine.join(&name), b"sealed").unwrap();

    let found = verify(&world).await;

    let [finding] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (finding.kind, finding.object.as_str()),
        (FindingKind::Quarantined, name.to_str().unwrap())
    );
    assert!(!finding.needs_work());
}
