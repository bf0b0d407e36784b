use time::macros::datetime;

use super::*;

const START: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

#[test]
fn advancing_moves_emulator_time_and_not_real_time() {
    let clock = Clock::manual(START);

    clock.advance(Duration::from_hours(1));

    assert_eq!(clock.now(), datetime!(2026-01-01 01:00 UTC));
    assert_eq!(clock.elapsed(), Duration::ZERO);
}

#[test]
fn a_frozen_clock_stands_still_while_real_time_passes_and_resumes_where_it_was() {
    let clock = Clock::manual(START);

    clock.freeze();
    clock.pass(Duration::from_mins(1));
    assert_eq!(clock.now(), START);
    clock.resume();
    clock.pass(Duration::from_secs(1));

    assert_eq!(clock.now(), datetime!(2026-01-01 00:00:01 UTC));
}

#[test]
fn a_clock_moves_to_a_moment_and_never_back_frozen_or_not() {
    for frozen in [false, true] {
        let clock = Clock::manual(START);
        if frozen {
            clock.freeze();
        }

        clock.advance_to(datetime!(2026-01-02 00:00 UTC));
        clock.advance_to(START);

        assert_eq!(clock.now(), datetime!(2026-01-02 00:00 UTC));
        assert_eq!(clock.elapsed(), Duration::ZERO);
    }
}

#[test]
fn a_restored_clock_keeps_its_offset_or_stays_frozen() {
    let clock = Clock::manual(START);
    clock.advance(Duration::from_hours(1));
    let later = Clock::manual(datetime!(2026-02-01 00:00 UTC));
    later.restore(clock.saved());
    assert_eq!(later.now(), datetime!(2026-02-01 01:00 UTC));

    clock.freeze();
    later.restore(clock.saved());

    assert!(later.is_frozen());
    assert_eq!(later.now(), datetime!(2026-01-01 01:00 UTC));
    later.resume();
    later.pass(Duration::from_secs(1));
    assert_eq!(later.now(), datetime!(2026-01-01 01:00:01 UTC));
}

#[test]
fn a_deadline_passes_with_either_time() {
    let clock = Clock::manual(START);
    let by_emulator = clock.deadline(Duration::from_secs(5));
    clock.advance(Duration::from_secs(5));
    assert!(clock.has_passed(by_emulator));

    clock.freeze();
    let by_real = clock.deadline(Duration::from_secs(5));
    clock.pass(Duration::from_secs(5));
    assert!(clock.has_passed(by_real));
}

#[tokio::test]
async fn a_wait_for_emulator_time_does_not_end_with_real_time() {
    let clock = Clock::manual(START);
    clock.freeze();
    let moment = START + Duration::from_hours(1);
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.reached(moment).await }
    });

    clock.pass(Duration::from_hours(2));
    tokio::task::yield_now().await;
    assert!(!sleeper.is_finished());
    clock.advance(Duration::from_hours(1));

    sleeper.await.unwrap();
}

#[tokio::test]
async fn a_wait_ends_when_the_clock_is_moved() {
    let clock = Clock::manual(START);
    let deadline = clock.deadline(Duration::from_hours(1));
    let sleeper = tokio::spawn({
        let clock = clock.clone();
        async move { clock.until(deadline).await }
    });

    clock.advance(Duration::from_hours(1));

    sleeper.await.unwrap();
}
