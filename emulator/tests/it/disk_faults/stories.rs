//! The ten stories, and the folder in which they happen.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use sealyard::Sealyard;

use super::facts::{Facts, Thing};
use super::steps::{Step, look};
use crate::support::{Client, content};

/// A story.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) begins: Begins,
    pub(super) steps: Vec<Step>,
}

/// How a story begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// With the start of an emulator whose folder does not exist.
    WithFirstStart,
    /// With the start of an emulator whose folder has content.
    WithStart,
    /// In a running emulator, whose folder has content.
    Running,
    /// With a repair of a damaged folder.
    WithRepair,
}

/// The content of the folder before a story.
pub(super) struct Content {
    layer: Vec<u8>,
    config: Vec<u8>,
    /// The manifest with the tag `v1`, which no story but the reset removes.
    manifest: Vec<u8>,
    /// Another manifest with the same blobs, and the tag `old`.
    old: Vec<u8>,
    /// A blob and a manifest without a tag.
    untagged: [Vec<u8>; 2],
    /// A blob that no manifest names.
    single: Vec<u8>,
}

fn image(config: &[u8], layers: &[&[u8]], note: &str) -> Vec<u8> {
    let mut document = content::image(config, layers);
    document["annotations"] = serde_json::json!({ "note": note });
    document.to_string().into_bytes()
}

impl Content {
    pub(super) fn new() -> Self {
        let (layer, config) = (content::bytes(1, 300_000), content::bytes(2, 700));
        let manifest = image(&config, &[&layer], "v1");
        let old = image(&config, &[&layer], "old");
        let small = content::bytes(3, 20_000);
        let untagged = [small.clone(), image(&config, &[&small], "untagged")];
        Self { layer, config, manifest, old, untagged, single: content::bytes(4, 40_000) }
    }

    /// A blob that is in the folder.
    pub(super) fn kept_config(&self) -> Vec<u8> {
        self.config.clone()
    }

    fn steps(&self) -> Vec<Step> {
        let [small, untagged] = &self.untagged;
        vec![
            Step::Push(self.layer.clone()),
            Step::Push(self.config.clone()),
            Step::Push(small.clone()),
            Step::Tag("v1", self.manifest.clone()),
            Step::Tag("old", self.old.clone()),
            Step::Tag("untagged", untagged.clone()),
            Step::Delete(Thing::Manifest("untagged".to_owned()), Vec::new()),
            Step::Push(self.single.clone()),
        ]
    }

    /// The facts that stay, whatever a story does that is not a reset.
    pub(super) fn kept(&self) -> Vec<Thing> {
        vec![
            Thing::blob(&self.layer),
            Thing::blob(&self.config),
            Thing::Manifest("v1".to_owned()),
            Thing::by_digest(&self.manifest),
        ]
    }
}

/// The names of the stories.
pub(super) const NAMES: [&str; 11] = [
    "first-start",
    "start",
    "push",
    "chunked-push",
    "tag",
    "delete",
    "rotate",
    "create-registry",
    "reset",
    "collect",
    "repair",
];

pub(super) fn story(name: &'static str) -> Story {
    let content = Content::new();
    let [small, untagged] = &content.untagged;
    let (large, config) = (content::bytes(11, 600_000), content::bytes(12, 900));
    let new = image(&config, &[&large], "new");
    let after = vec![Step::Push(content::bytes(13, 900))];
    let (begins, steps) = match name {
        "first-start" => (Begins::WithFirstStart, after),
        "start" => (Begins::WithStart, after),
        "repair" => (Begins::WithRepair, after),
        "push" => {
            (Begins::Running, vec![Step::Push(large), Step::Push(config), Step::Tag("new", new)])
        }
        "chunked-push" => (Begins::Running, vec![Step::PushChunks(large, 200_000)]),
        "tag" => (
            Begins::Running,
            vec![
                Step::Tag("v2", content.manifest.clone()),
                Step::Tag("old", content.manifest.clone()),
                Step::Tag("v3", image(&content.config, &[&content.layer], "v3")),
            ],
        ),
        "delete" => {
            let old = Thing::Manifest("old".to_owned());
            let steps = vec![
                Step::Delete(old.clone(), Vec::new()),
                Step::Delete(Thing::by_digest(&content.old), vec![old]),
                Step::Delete(Thing::blob(&content.single), Vec::new()),
            ];
            (Begins::Running, steps)
        }
        "rotate" => (Begins::Running, vec![Step::Rotate]),
        "create-registry" => (Begins::Running, vec![Step::CreateRegistry("team1")]),
        "reset" => (Begins::Running, vec![Step::Reset, Step::Push(content::bytes(14, 50_000))]),
        "collect" => {
            let gone =
                [Thing::blob(small), Thing::by_digest(untagged), Thing::blob(&content.single)];
            (Begins::Running, vec![Step::Collect(gone.to_vec())])
        }
        other => panic!("there is no story {other}"),
    };
    Story { begins, steps }
}

/// The folder before a story, and the facts about it.
pub(super) struct Template {
    folder: tempfile::TempDir,
    pub(super) facts: Facts,
}

impl Template {
    /// The folder, which is made once.
    pub(super) fn get() -> &'static Self {
        static MADE: OnceLock<Template> = OnceLock::new();
        MADE.get_or_init(|| {
            // The runtime of the calling test cannot block.
            std::thread::spawn(|| tokio::runtime::Runtime::new().unwrap().block_on(Self::make()))
                .join()
                .unwrap()
        })
    }

    async fn make() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let emulator = start(&folder.path().join("data")).await.unwrap();
        let client = Client::of(&emulator);
        let mut facts = Facts::default();
        for step in Content::new().steps() {
            let reply = step.run(&client).await;
            assert!(matches!(reply, super::steps::Reply::Done), "{step:?} {reply:?}");
            step.done(&mut facts, &client).await;
        }
        facts.told(Thing::Registry("local".to_owned()), Some(Vec::new()));
        let version = look(&client, &Thing::KeyVersion).await.unwrap();
        facts.told(Thing::KeyVersion, version);
        facts.told(Thing::Registry("team1".to_owned()), None);
        emulator.shutdown().await;
        Self { folder, facts }
    }

    /// Copies the folder.
    pub(super) fn copy(&self, to: &Path) {
        copy_folder(&self.folder.path().join("data"), to);
    }
}

/// Starts an emulator that waits for the disk.
pub(super) async fn start(data: &Path) -> Result<Sealyard, sealyard::StartError> {
    Sealyard::builder().data_dir(data).free_ports().start().await
}

pub(super) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (at, to): (PathBuf, PathBuf) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&at, &to);
        } else {
            std::fs::copy(at, to).unwrap();
        }
    }
}

/// Damages the journal of a folder so that a start refuses it and a repair loses nothing.
pub(super) fn damage(data: &Path) {
    for journal in ["journal", "vault/journal"] {
        let entries = std::fs::read_dir(data.join(journal)).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let segment =
            paths.filter(|path| path.extension().is_some_and(|end| end == "segment")).max();
        let path = segment.unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[written * 60 / 100] ^= 0x20;
        std::fs::write(path, bytes).unwrap();
    }
}

/// Waits until no part of an emulator uses the folder, so that its last calls belong to the story.
pub(super) async fn released(data: &Path) {
    for lock in ["lock", "vault/lock"] {
        for _ in 0..600 {
            match std::fs::File::open(data.join(lock)) {
                Ok(file) if file.try_lock().is_err() => {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
                _ => break,
            }
        }
    }
}
