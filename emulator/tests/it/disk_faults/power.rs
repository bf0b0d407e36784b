//! A power cut at any moment of a story: what was not synced is lost, torn or reordered, and everything that was acknowledged is
//! there after the next start.

use std::collections::BTreeMap;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use azure_emulator_core::disk_calls::watch::{Event, Watch};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::disk::{Disk, Left};
use super::facts::Facts;
use super::judge::judge;
use super::play::{Place, record, repair};
use super::stories::{Begins, NAMES, Story, copy_folder, story};
use super::{Choice, choice, chosen, wanted};
use crate::support::content::paths;

/// How many states of each story the test command tries.
const SAMPLE: usize = 4;

/// A story whose calls were recorded.
pub(super) struct Recorded {
    pub(super) name: &'static str,
    pub(super) place: Place,
    /// The folder before the story, if there was one.
    pub(super) base: Option<PathBuf>,
    pub(super) events: Vec<Event>,
    /// The facts at each mark.
    pub(super) marks: Vec<Facts>,
    /// Second names of the heads of the journals, which a start knows by their inodes.
    heads: BTreeMap<usize, PathBuf>,
}

/// The folders of sled, whose calls are not recorded. A start needs none of them.
const INDEXES: [&str; 2] = ["index", "vault/index"];

impl Recorded {
    /// Plays a story and records it. `begin` is called when the story begins.
    async fn of(name: &'static str, begin: impl FnOnce(&Watch)) -> Self {
        let story = story(name);
        let place = Place::new(&story).await;
        let base = keep_base(&place, &story);
        let (played, events) = record(&story, &place, begin).await;
        let (refusals, faults) = (&played.refusals, &played.faults);
        assert!(refusals.is_empty() && faults.is_empty(), "{name}: {refusals:?} {faults:?}");
        Self::new(name, place, base, events, played.marks)
    }

    pub(super) fn new(
        name: &'static str,
        place: Place,
        base: Option<PathBuf>,
        events: Vec<Event>,
        marks: Vec<Facts>,
    ) -> Self {
        let mut recorded = Self { name, place, base, events, marks, heads: BTreeMap::new() };
        let disk = recorded.disk(recorded.events.len());
        for head in ["journal/head", "vault/journal/head"] {
            let path = recorded.place.data().join(head);
            if let (Some(id), true) = (disk.find(&path), path.exists()) {
                let kept = recorded.place.home.path().join(format!("head-{id}"));
                std::fs::hard_link(&path, &kept).unwrap();
                recorded.heads.insert(id, kept);
            }
        }
        for index in INDEXES {
            let from = recorded.place.data().join(index);
            if from.exists() {
                copy_folder(&from, &recorded.last_index(index));
            }
        }
        recorded
    }

    /// A copy of an index as it was after the story.
    fn last_index(&self, index: &str) -> PathBuf {
        self.place.home.path().join("last").join(index)
    }

    /// The disk after so many events.
    fn disk(&self, events: usize) -> Disk {
        let mut disk = Disk::new(&self.place.data(), self.base.as_deref());
        for (number, event) in self.events[..events].iter().enumerate() {
            disk.apply(number, event);
        }
        disk
    }

    /// Brings the folder into the state after a power cut. Returns the moment and the facts.
    pub(super) fn cut(&self, seed: u64) -> (usize, Facts) {
        let mut chance = StdRng::seed_from_u64(seed);
        let marks = self.events.iter().enumerate().filter_map(|(at, event)| match event {
            Event::Mark(number) => Some((at, *number)),
            _ => None,
        });
        let marks: Vec<(usize, usize)> = marks.collect();
        // A moment right after an answer is the most interesting one.
        let moment = if chance.random_bool(0.3) && !marks.is_empty() {
            marks[chance.random_range(0..marks.len())].0 + 1
        } else {
            chance.random_range(0..=self.events.len())
        };
        let known = marks.iter().rfind(|(at, _)| *at < moment);
        let facts = self.marks[known.map_or(0, |(_, number)| *number)].clone();
        let left = self.disk(moment).cut(seed);
        self.write(&left);
        self.change_indexes(moment, &mut chance);
        let mut boot = [7; 16];
        boot[..8].copy_from_slice(&seed.to_le_bytes());
        self.place.watch.set_boot_id(boot);
        (moment, facts)
    }

    /// Replaces the folder. A file that a start knows by its inode keeps it.
    fn write(&self, left: &Left) {
        let data = self.place.data();
        if data.exists() {
            std::fs::remove_dir_all(&data).unwrap();
        }
        for folder in &left.folders {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        for (path, id, content) in &left.files {
            if let Some(head) = self.heads.get(id) {
                std::fs::hard_link(head, path).unwrap();
            }
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            std::io::Write::write_all(&mut options.open(path).unwrap(), content).unwrap();
        }
    }

    /// The number of the last sync of the journal that belongs to an index.
    fn last_commit(&self, index: &str) -> Option<usize> {
        let journal = self.place.data().join(index).with_file_name("journal");
        self.events.iter().rposition(|event| match event {
            Event::Sync(path, _) => {
                path.parent() == Some(&journal)
                    && path.extension().is_some_and(|end| end == "segment")
            }
            _ => false,
        })
    }

    /// Puts each index into a state that sled may have left: as before or after the story, without some parts, or missing.
    fn change_indexes(&self, moment: usize, chance: &mut StdRng) {
        for name in INDEXES {
            let index = self.place.data().join(name);
            // The journal is made first.
            if !index.with_file_name("journal").exists() {
                continue;
            }
            // sled is flushed only after the journal was synced.
            let is_later = self.last_commit(name).is_some_and(|last| last < moment);
            let is_last = chance.random_bool(0.4) && is_later && self.last_index(name).exists();
            if (is_last || chance.random_bool(0.1)) && index.exists() {
                std::fs::remove_dir_all(&index).unwrap();
            }
            if is_last {
                copy_folder(&self.last_index(name), &index);
            }
            if index.exists() && chance.random_bool(0.4) {
                for path in paths(&index) {
                    let mut bytes = std::fs::read(&path).unwrap();
                    for _ in 0..3 {
                        let from = chance.random_range(0..=bytes.len());
                        let to = bytes.len().min(from + chance.random_range(0..8192));
                        bytes[from..to].fill(0);
                    }
                    if chance.random_bool(0.3) {
                        bytes.truncate(chance.random_range(0..=bytes.len()));
                    }
                    std::fs::write(path, bytes).unwrap();
                }
            }
        }
    }

    /// The faults of the folder after a power cut.
    pub(super) async fn judge(&self, facts: &Facts) -> Vec<String> {
        let data = self.place.data();
        if self.name == "repair" {
            // The first repair may not have begun.
            if let Err(words) = repair(&data).await {
                return vec![format!("the next repair: {words}")];
            }
        }
        judge(&data, facts).await
    }

    async fn try_seed(&self, seed: u64) -> Vec<String> {
        let (moment, facts) = self.cut(seed);
        let judged = tokio::time::timeout(Duration::from_mins(2), self.judge(&facts)).await;
        let faults = judged.unwrap_or_else(|_| vec!["hangs".to_owned()]);
        let of = self.events.len();
        let faults: Vec<String> = faults
            .into_iter()
            .map(|fault| format!("{}:{seed} after {moment} of {of} calls: {fault}", self.name))
            .collect();
        for fault in &faults {
            eprintln!("WRONG {fault}");
        }
        faults
    }
}

/// Copies the folder before a story.
pub(super) fn keep_base(place: &Place, story: &Story) -> Option<PathBuf> {
    let base = place.home.path().join("base");
    (story.begins != Begins::WithFirstStart).then(|| {
        copy_folder(&place.data(), &base);
        base
    })
}

async fn survives(name: &'static str) {
    let only = match choice(name) {
        Choice::Usual => None,
        Choice::Only(number) => Some(number),
        Choice::Nothing => return,
    };
    let recorded = Recorded::of(name, |_| ()).await;
    let first: u64 = chosen("SEALYARD_TEST_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = wanted("SEALYARD_TEST_STATES", SAMPLE).min(100_000) as u64;
    let seeds = only.map_or(first..first + count, |seed| seed as u64..seed as u64 + 1);
    let tried = seeds.end - seeds.start;
    let mut wrong = Vec::new();
    for seed in seeds {
        wrong.extend(recorded.try_seed(seed).await);
    }
    eprintln!("{name}: {tried} states after a power cut, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn acknowledged_changes_survive_a_power_cut_at_any_moment_of_a_start_or_a_repair() {
    for name in ["first-start", "start", "repair"] {
        Box::pin(survives(name)).await;
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_a_power_cut_at_any_moment_of_a_push() {
    for name in ["push", "chunked-push", "tag"] {
        Box::pin(survives(name)).await;
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_a_power_cut_at_any_moment_of_a_deletion_or_collection() {
    for name in ["delete", "collect"] {
        Box::pin(survives(name)).await;
    }
}

#[tokio::test]
async fn acknowledged_changes_survive_a_power_cut_at_any_moment_of_a_change_of_keys_or_a_reset() {
    for name in ["rotate", "create-registry", "reset"] {
        Box::pin(survives(name)).await;
    }
}

#[test]
fn every_story_is_tried() {
    let tried = 3 + 3 + 2 + 3;
    assert_eq!(NAMES.len(), tried);
}

/// Whether a power cut loses something if these syncs are left out.
async fn is_noticed(name: &'static str, is_left_out: fn(&str) -> bool) -> bool {
    let recorded = Recorded::of(name, |watch| watch.leave_out_syncs(is_left_out)).await;
    for seed in 0..60 {
        if !recorded.try_seed(seed).await.is_empty() {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn the_model_notices_a_journal_that_is_not_synced() {
    assert!(Box::pin(is_noticed("tag", |class| class == "journal/N.segment")).await);
}

#[tokio::test]
async fn the_model_notices_a_large_file_that_is_not_synced() {
    assert!(Box::pin(is_noticed("push", |class| class.starts_with("uploads/"))).await);
}
