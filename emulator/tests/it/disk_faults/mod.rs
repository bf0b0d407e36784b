//! Faults of the disk: ten stories of a client, in which one call on the disk fails, or the process or the machine ends.
//!
//! `calls.rs` tries faults at single calls. `power.rs` records the calls of a story, and loses a part of the writes that were not synced.
//! Stories, facts and judge are the same for both. The calls of sled are not seen here: `power.rs` damages its files
//! instead, because a start rebuilds them. The tests try a sample; `scripts/torture-disk` tries everything:
//!
//! | variable | meaning |
//! |---|---|
//! | `SEALYARD_TEST_FAULTS` | how many faults of each story to try, or `all` |
//! | `SEALYARD_TEST_STATES` | how many states after a power cut to try for each story |
//! | `SEALYARD_TEST_SEED` | the first seed of these states |
//! | `SEALYARD_TEST_STORIES` | the names of the stories to try |
//! | `SEALYARD_TEST_ONLY` | `STORY:NUMBER`: try only this fault, or the state of this seed |
#![expect(
    clippy::print_stderr,
    reason = "a long run shows each fault at once, and its figures at the end"
)]

mod calls;
mod disk;
mod facts;
mod judge;
mod play;
mod power;
mod steps;
mod stories;

/// The value of a variable that chooses what to try.
fn chosen(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The number of tries for each story: all, or at most so many.
fn wanted(name: &str, usual: usize) -> usize {
    match chosen(name).as_deref() {
        None => usual,
        Some("all") => usize::MAX,
        Some(number) => number.parse().unwrap_or_else(|_| panic!("{name} is a number or `all`")),
    }
}

/// The tries of a story that the user has chosen.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// As many tries as the test does by itself.
    Usual,
    /// Only this try.
    Only(usize),
    /// Nothing, because other stories are chosen.
    Nothing,
}

/// The tries of this story that the user has chosen.
fn choice(story: &str) -> Choice {
    if let Some(stories) = chosen("SEALYARD_TEST_STORIES")
        && !stories.split(',').any(|name| name == story)
    {
        return Choice::Nothing;
    }
    let Some(chosen) = chosen("SEALYARD_TEST_ONLY") else { return Choice::Usual };
    let (name, number) = chosen.split_once(':').expect("SEALYARD_TEST_ONLY is STORY:NUMBER");
    if name != story {
        return Choice::Nothing;
    }
    Choice::Only(number.parse().expect("SEALYARD_TEST_ONLY ends with a number"))
}
