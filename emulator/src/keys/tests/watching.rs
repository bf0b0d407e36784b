//! Tests that a key without a version is followed by the clock.

use std::time::Duration;

use super::support::{CHECK, START, World, becomes, bytes_of, current, key, run_ready_tasks};
use crate::keys::{Cause, KeyOperation, RotationTarget, State};

#[tokio::test]
async fn a_new_version_is_in_use_when_the_next_look_is_due_and_not_before() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let second = world.vault.add("RSA");

    let second_before = CHECK.checked_sub(Duration::from_secs(1)).unwrap();
    world.clock.advance(second_before);
    ring.pause_following().await.resume().await;
    assert_eq!(ring.describe().versioned, Some(first));
    world.clock.advance(Duration::from_secs(1));
    ring.pause_following().await.resume().await;

    let description = ring.describe();
    assert_eq!(description.versioned, Some(second));
    assert_eq!(description.configured, Some(key()));
    assert!(description.automatic);
    assert_eq!(description.last_rotation, Some(START + CHECK));
    assert_eq!(bytes_of(&ring, id).await, bytes);
}

#[tokio::test]
async fn the_watcher_wakes_by_itself_when_the_clock_is_moved() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let second = world.vault.add("RSA");
    run_ready_tasks().await;

    world.clock.advance(CHECK);

    // This comes true only if the watcher acts: no other task looks.
    becomes(|| ring.describe().versioned.as_ref() == Some(&second)).await;
}

#[tokio::test]
async fn a_look_that_is_paused_while_the_clock_moves_finds_a_version_made_meanwhile() {
    let (world, first) = World::new();
    let ring = world.open().await;
    run_ready_tasks().await;

    let paused = ring.pause_following().await;
    world.clock.advance(CHECK);
    run_ready_tasks().await;
    assert_eq!(ring.describe().versioned, Some(first), "the watcher waits");
    let second = world.vault.add("RSA");
    paused.resume().await;

    assert_eq!(ring.describe().versioned, Some(second));
}

#[tokio::test]
async fn a_ring_looks_for_a_newer_version_when_it_is_opened() {
    let (world, _) = World::new();
    drop(world.open().await);
    let second = world.vault.add("RSA");

    let ring = world.open().await;
    ring.pause_following().await.resume().await;

    assert_eq!(ring.describe().versioned, Some(second));
}

#[tokio::test]
async fn a_key_with_a_version_is_never_looked_at() {
    let (world, first) = World::new();
    let ring = world.open_with(first.clone()).await;
    world.vault.add("RSA");
    let looks =
        || world.vault.calls().into_iter().filter(|call| *call == KeyOperation::Get).count();
    let before = looks();

    world.clock.advance(Duration::from_hours(24));
    ring.pause_following().await.resume().await;

    assert_eq!(looks(), before);
    assert_eq!(ring.describe().versioned, Some(first));
}

#[tokio::test]
async fn an_unusable_new_version_leaves_the_old_one_in_use_and_the_state_has_the_reason() {
    let day = time::Duration::DAY;
    for (kty, refused, valid, why) in [
        ("EC", None, (None, None), "only RSA"),
        ("RSA", Some(Cause::KeyDisabled), (None, None), "is disabled"),
        ("RSA", Some(Cause::KeyExpired), (None, Some(START - day)), "valid until 2025-12-31"),
        ("RSA", Some(Cause::KeyExpired), (Some(START + day), None), "valid from 2026-01-02"),
        ("RSA", Some(Cause::PolicyRemoved), (None, None), "gives it 'Wrap Key, Unwrap Key'"),
        ("RSA", Some(Cause::RoleRemoved), (None, None), "No role gives it"),
    ] {
        let (world, first) = World::new();
        let ring = world.open().await;
        current(&ring).await;
        let second = world.vault.add(kty);
        world.vault.refuse(&second, refused);
        world.vault.set_validity(&second, valid);

        world.clock.advance(CHECK);
        ring.pause_following().await.resume().await;

        let status = ring.check().await;
        assert_eq!(status.state, State::Active, "{kty} {refused:?}");
        assert_eq!(status.cause, Some(Cause::RotationBlocked), "{kty} {refused:?}");
        assert!(status.message.as_ref().unwrap().contains(why), "{status:?}");
        assert_eq!(ring.describe().versioned, Some(first), "{kty} {refused:?}");

        let third = world.vault.add("RSA");
        world.clock.advance(CHECK);
        ring.pause_following().await.resume().await;

        assert_eq!(ring.describe().versioned, Some(third));
        assert_eq!(ring.check().await.cause, None, "the note is cleared");
    }
}

#[tokio::test]
async fn a_vault_that_does_not_answer_a_look_changes_nothing_and_the_next_look_succeeds() {
    let (world, first) = World::new();
    let ring = world.open().await;
    current(&ring).await;
    let second = world.vault.add("RSA");

    world.vault.fail(Some((Cause::VaultUnreachable, None)));
    world.clock.advance(CHECK);
    ring.pause_following().await.resume().await;
    assert_eq!(ring.describe().versioned, Some(first));
    world.vault.fail(None);
    assert_eq!(ring.check().await.cause, None);
    world.clock.advance(CHECK);
    ring.pause_following().await.resume().await;

    assert_eq!(ring.describe().versioned, Some(second));
}

#[tokio::test]
async fn a_refused_manual_rotation_leaves_the_state_as_it_was() {
    for automatic_first in [false, true] {
        let (world, _) = World::new();
        let ring = world.open().await;
        current(&ring).await;
        let curve = world.vault.add("EC");
        if automatic_first {
            world.clock.advance(CHECK);
            ring.pause_following().await.resume().await;
        }
        let before = ring.status();

        ring.rotate(RotationTarget::default()).await.unwrap_err();
        ring.rotate(RotationTarget::key(curve)).await.unwrap_err();

        assert_eq!(ring.status(), before);
        let noted = automatic_first.then_some(Cause::RotationBlocked);
        assert_eq!((before.state, before.cause), (State::Active, noted));
    }
}

#[tokio::test]
async fn the_note_of_a_blocked_rotation_is_cleared_by_the_next_successful_look_or_a_manual_rotation()
 {
    for by_hand in [false, true] {
        let (world, first) = World::new();
        let ring = world.open().await;
        current(&ring).await;
        let second = world.vault.add("RSA");
        world.vault.refuse(&second, Some(Cause::KeyDisabled));
        world.clock.advance(CHECK);
        ring.pause_following().await.resume().await;
        assert_eq!(ring.status().cause, Some(Cause::RotationBlocked));

        if by_hand {
            ring.rotate(RotationTarget::key(first.clone())).await.unwrap();
        } else {
            world.vault.refuse(&second, None);
            world.clock.advance(CHECK);
            ring.pause_following().await.resume().await;
        }

        assert_eq!(ring.status().cause, None, "manual: {by_hand}");
    }
}
