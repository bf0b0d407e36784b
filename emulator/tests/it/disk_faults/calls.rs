//! A fault at each call: it fails, or the process ends before it or in the middle of it.
//!
//! Whatever happens, everything that was acknowledged can be pulled to the byte, a refusal has a reason, later starts work, and
//! `verify` finds nothing that is damaged or missing.

use std::collections::{BTreeMap, BTreeSet};

use azure_emulator_core::disk_calls::watch::{Fault, Kind, Outcome, Point};
use rustix::io::Errno;

use super::judge::judge;
use super::play::{Place, Played, Watched, play, repair};
use super::stories::{Begins, Story, story};
use super::{Choice, choice, wanted};

/// How many faults of each story the test command tries.
const SAMPLE: usize = 8;

/// The faults of a story, from the number of calls in a run without a fault. The same calls have the same numbers.
fn faults(counts: &BTreeMap<Point, u32>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (point, count) in counts {
        let fails = |errno: Errno| Outcome::Fails(errno.raw_os_error());
        let outcomes = match point.0 {
            Kind::Open | Kind::SetLen | Kind::Rename | Kind::Link | Kind::MakeDir => {
                vec![fails(Errno::IO), fails(Errno::NOSPC), Outcome::Ends]
            }
            Kind::Write => {
                vec![fails(Errno::IO), fails(Errno::NOSPC), Outcome::Ends, Outcome::Tears]
            }
            Kind::Sync | Kind::Unlink => vec![fails(Errno::IO), Outcome::Ends],
        };
        for number in 1..=*count {
            let point = || point.clone();
            faults.extend(outcomes.iter().map(|&outcome| Fault {
                point: point(),
                number,
                outcome,
            }));
        }
    }
    faults
}

/// Plays a story with a fault, and judges the folder.
async fn try_fault(story: &Story, fault: &Fault) -> (Played, bool) {
    let place = Place::new(story).await;
    let mut played = play(story, &place, Watched::Story, Some(fault), |_| ()).await;
    let reached = place.watch.reached();
    place.watch.restart();
    if story.begins == Begins::WithRepair
        && let Err(words) = repair(&place.data()).await
    {
        played.faults.push(format!("the next repair: {words}"));
    }
    let found = judge(&place.data(), &played.facts).await;
    played.faults.extend(found);
    (played, reached)
}

/// Tries the faults of a story.
async fn survives(name: &'static str) {
    let only = match choice(name) {
        Choice::Usual => None,
        Choice::Only(number) => Some(number),
        Choice::Nothing => return,
    };
    let story = story(name);
    let place = Place::new(&story).await;
    let control = play(&story, &place, Watched::Story, None, |_| ()).await;
    let faults = faults(&place.watch.counts());
    let rest = judge(&place.data(), &control.facts).await;
    assert!(control.refusals.is_empty(), "{name} without a fault: {:?}", control.refusals);
    assert!(control.faults.is_empty() && rest.is_empty(), "{name}: {:?} {rest:?}", control.faults);
    let sample = wanted("SEALYARD_TEST_FAULTS", SAMPLE).clamp(1, faults.len().max(1));
    let mut numbers: Vec<usize> =
        (0..sample).map(|at| (2 * at + 1) * faults.len() / (2 * sample)).collect();
    if let Some(number) = only {
        numbers = vec![number];
    }
    let (mut wrong, mut missed, mut words) = (Vec::new(), 0, BTreeSet::new());
    for number in &numbers {
        let fault = &faults[*number];
        let tried = Box::pin(try_fault(&story, fault));
        let limit = std::time::Duration::from_mins(2);
        let found = if let Ok((played, reached)) = tokio::time::timeout(limit, tried).await {
            missed += usize::from(!reached);
            words.extend(played.refusals);
            played.faults
        } else {
            vec!["hangs".to_owned()]
        };
        for words in found {
            wrong.push(format!("{name}:{number} {fault:?}: {words}"));
            eprintln!("WRONG {}", wrong[wrong.len() - 1]);
        }
    }
    for words in words {
        eprintln!("{name}: refusal: {words}");
    }
    let (all, tried) = (faults.len(), numbers.len());
    eprintln!("{name}: {tried} of {all} faults, {missed} not reached, {} wrong", wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

macro_rules! stories {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[tokio::test]
            async fn $test() {
                survives($name).await;
            }
        )*
    };
}

stories! {
    a_first_start_survives_a_fault_at_any_call: "first-start",
    a_start_survives_a_fault_at_any_call: "start",
    a_push_survives_a_fault_at_any_call: "push",
    a_chunked_push_survives_a_fault_at_any_call: "chunked-push",
    a_tag_survives_a_fault_at_any_call: "tag",
    a_deletion_survives_a_fault_at_any_call: "delete",
    a_rotation_survives_a_fault_at_any_call: "rotate",
    the_creation_of_a_registry_survives_a_fault_at_any_call: "create-registry",
    a_reset_survives_a_fault_at_any_call: "reset",
    a_collection_survives_a_fault_at_any_call: "collect",
    a_repair_survives_a_fault_at_any_call: "repair",
}

#[tokio::test]
async fn the_judge_notices_a_write_to_the_journal_that_did_not_happen() {
    let story = story("tag");
    let point = (Kind::Write, "journal/N.segment".to_owned());
    let fault = Fault { point, number: 1, outcome: Outcome::Lies };

    let (played, reached) = try_fault(&story, &fault).await;

    assert!(reached, "the story writes to the journal");
    assert!(!played.faults.is_empty(), "a lost record was not noticed");
}
