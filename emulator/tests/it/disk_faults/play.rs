//! Plays a story in this process, with a fault or a record of its calls.

use std::path::{Path, PathBuf};

use azure_emulator_core::clock::Clock;
use azure_emulator_core::disk_calls::watch::{Event, Fault, Outcome, Watch};
use sealyard::repair::Repair;
use sealyard::{Config, Sealyard};
use serde_json::Value;

use super::facts::Facts;
use super::judge::{chain, compare};
use super::steps::{Reply, Step};
use super::stories::{Begins, Content, Story, Template, damage, released, start};
use crate::support::Client;

/// A folder for one story, whose calls are watched.
pub(super) struct Place {
    pub(super) home: tempfile::TempDir,
    pub(super) watch: Watch,
}

/// When the watch of the calls begins, for a story in a running emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    /// Before the start of the emulator.
    StartAndStory,
    /// When the rows are checked after the start.
    Story,
}

/// The outcome of a story.
#[derive(Debug, Default)]
pub(super) struct Played {
    pub(super) facts: Facts,
    /// The faults, in sentences.
    pub(super) faults: Vec<String>,
    /// The messages of the refusals.
    pub(super) refusals: Vec<String>,
    /// The facts after each mark of the record.
    pub(super) marks: Vec<Facts>,
}

impl Place {
    pub(super) async fn new(story: &Story) -> Self {
        let home = tempfile::tempdir().unwrap();
        let place = Self { watch: Watch::new(&home.path().join("data")), home };
        if story.begins != Begins::WithFirstStart {
            Template::get().copy(&place.data());
            // A copied folder is treated like a copy at its first start.
            start(&place.data()).await.unwrap().shutdown().await;
        }
        if story.begins == Begins::WithRepair {
            damage(&place.data());
        }
        place
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }
}

impl Played {
    fn mark(&mut self, watch: &Watch) {
        watch.mark(self.marks.len());
        self.marks.push(self.facts.clone());
    }

    /// Notes a refusal, which must have a message and must not be a panic.
    fn refused(&mut self, words: &str) {
        if words.trim().len() < 15 || words.contains("panic") {
            self.faults.push(format!("a refusal without a reason: {words:?}"));
        }
        self.refusals.push(words.to_owned());
    }
}

/// Plays the story up to the stop of the emulator. `begin` is called when the watch begins.
pub(super) async fn play(
    story: &Story,
    place: &Place,
    watched: Watched,
    fault: Option<&Fault>,
    begin: impl FnOnce(&Watch),
) -> Played {
    let (data, watch) = (place.data(), &place.watch);
    let mut played = Played::default();
    if story.begins != Begins::WithFirstStart {
        played.facts = Template::get().facts.clone();
    }
    let arm = || {
        watch.restart();
        begin(watch);
        if let Some(fault) = fault {
            watch.fail(fault.clone());
        }
    };
    let early = if watched == Watched::Story && story.begins == Begins::Running {
        let emulator = start(&data).await.unwrap();
        warm_up(&emulator).await;
        Some(emulator)
    } else {
        None
    };
    arm();
    played.mark(watch);
    if story.begins == Begins::WithRepair {
        if let Err(words) = repair(&data).await {
            played.refused(&words);
            released(&data).await;
            return played;
        }
        played.mark(watch);
    }
    let emulator = match early {
        Some(emulator) => emulator,
        None => match start(&data).await {
            Ok(emulator) => emulator,
            Err(error) => {
                played.refused(&chain(&error));
                released(&data).await;
                return played;
            }
        },
    };
    let client = Client::of(&emulator);
    let ends = fault.is_some_and(|fault| matches!(fault.outcome, Outcome::Ends | Outcome::Tears));
    for step in &story.steps {
        if ends && watch.reached() {
            break;
        }
        take(step, &client, &mut played, watch, ends).await;
    }
    if !ends {
        // After a fault, the running emulator still has everything.
        let faults = compare(&client, &played.facts, fault.is_none()).await;
        played.faults.extend(faults.into_iter().map(|fault| format!("in the same run: {fault}")));
    }
    emulator.shutdown().await;
    released(&data).await;
    played
}

async fn take(step: &Step, client: &Client, played: &mut Played, watch: &Watch, ends: bool) {
    step.begun(&mut played.facts);
    played.mark(watch);
    let reply = step.run(client).await;
    if ends && watch.reached() && !matches!(reply, Reply::Done) {
        return;
    }
    match reply {
        Reply::Done => {
            step.done(&mut played.facts, client).await;
            played.mark(watch);
        }
        Reply::Refused(status, body) => {
            let first = played.refusals.is_empty();
            played.refused(&body);
            let document: Value = serde_json::from_str(&body).unwrap_or_default();
            let errors = [&document["errors"][0]["message"], &document["error"]["message"]];
            let has_words = errors.iter().any(|message| message.is_string());
            if (first && !status.is_server_error()) || !has_words {
                played.faults.push(format!("{} is refused with {status}: {body}", step.name()));
            }
        }
        Reply::Broken(words) => {
            played.faults.push(format!("{} breaks the connection: {words}", step.name()));
        }
    }
}

/// A push waits until the rows are checked, so that this check is not a part of the story.
async fn warm_up(emulator: &Sealyard) {
    let reply = Step::Push(Content::new().kept_config()).run(&Client::of(emulator)).await;
    assert!(matches!(reply, Reply::Done), "{reply:?}");
}

/// Repairs a folder. Returns the message of a failure.
pub(super) async fn repair(data: &Path) -> Result<(), String> {
    released(data).await;
    let config = Config { data_dir: data.to_owned(), ..Config::default() };
    let examine = move || Repair::examine(config, Clock::system());
    let repair = tokio::task::spawn_blocking(examine).await.map_err(|error| error.to_string())?;
    let report = repair.map_err(|error| chain(&error))?.run(|_| ()).await;
    let report = report.map_err(|error| chain(&error))?;
    if report.lost_something() { Err(format!("something is lost: {report}")) } else { Ok(()) }
}

/// The record of a story without a fault, and the facts at its marks.
pub(super) async fn record(
    story: &Story,
    place: &Place,
    begin: impl FnOnce(&Watch),
) -> (Played, Vec<Event>) {
    let played = play(story, place, Watched::StartAndStory, None, |watch| {
        watch.record();
        begin(watch);
    })
    .await;
    (played, place.watch.events())
}
