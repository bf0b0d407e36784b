//! Tests of probes: the state is up to date though no content is used, and the vault is asked only for a reason.

use std::time::Duration;

use super::support::{LEASE, START, World, becomes, comes, current, run_ready_tasks};
use crate::keys::{Cause, KeyOperation, KeyRing, Purpose, RotationTarget, State, TokenTerms};

/// Longer than content waits between two requests after a refusal.
const GAP: Duration = Duration::from_secs(1);

/// How often a key was unwrapped for a purpose.
fn unwraps(world: &World, purpose: Purpose) -> usize {
    let uses = world.events.uses();
    uses.iter().filter(|one| **one == (KeyOperation::UnwrapKey, purpose)).count()
}

/// Makes a ring suspect a change, and waits until it has probed.
async fn probe(world: &World, ring: &KeyRing) {
    let before = unwraps(world, Purpose::State);
    world.clock.pass(GAP);
    ring.suspect();
    becomes(|| unwraps(world, Purpose::State) > before && is_answered(ring)).await;
    run_ready_tasks().await;
}

/// Whether no request is in flight: a use of the key is recorded before the ring has its answer.
fn is_answered(ring: &KeyRing) -> bool {
    ring.0.probing.inflight_probe().is_none()
}

#[tokio::test]
async fn a_probe_begins_no_lease_and_holds_no_key() {
    let (world, _) = World::new();
    let ring = world.open().await;

    probe(&world, &ring).await;

    assert_eq!(ring.status().state, State::Active);
    assert!(!ring.0.any_alive());
    current(&ring).await;
    assert_eq!(unwraps(&world, Purpose::Lease), 1, "content asks for itself");
}

#[tokio::test]
async fn a_probe_does_not_renew_a_lease() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    let ended = lease.ended();
    drop(lease);

    world.clock.pass(LEASE / 2);
    probe(&world, &ring).await;
    world.clock.pass(LEASE / 2);

    comes(ended).await;
    assert_eq!(unwraps(&world, Purpose::Lease), 1);
}

#[tokio::test]
async fn a_refused_probe_erases_every_key_and_the_next_grant_restores_the_state() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    let ended = lease.ended();

    world.vault.refuse(&first, Some(Cause::KeyDisabled));
    probe(&world, &ring).await;
    comes(ended).await;
    let dark = ring.status();
    world.vault.refuse(&first, None);
    probe(&world, &ring).await;

    assert_eq!((dark.state, dark.cause), (State::Unavailable, Some(Cause::KeyDisabled)));
    assert_eq!((ring.status().state, ring.status().cause), (State::Active, None));
    assert!(!ring.0.any_alive());
    assert_eq!(
        world.events.take(),
        ["active to unavailable: keyDisabled", "unavailable to active: none"]
    );
}

#[tokio::test]
async fn an_outage_changes_the_state_when_no_lease_is_left_and_is_probed_until_it_ends() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    let ended = lease.ended();
    drop(lease);
    world.vault.fail(Some((Cause::VaultUnreachable, None)));

    probe(&world, &ring).await;
    assert_eq!(ring.status().state, State::Active, "a pull is served until the lease ends");
    world.clock.pass(LEASE);
    comes(ended).await;
    becomes(|| ring.status().cause == Some(Cause::VaultUnreachable)).await;
    world.vault.fail(None);
    // The test does not tell the ring that the vault is back.
    let mut status = ring.watch();
    for _ in 0..4 {
        world.clock.pass(LEASE);
        run_ready_tasks().await;
    }

    comes(status.wait_for(|status| status.state == State::Active)).await.unwrap();
}

#[tokio::test]
async fn many_changes_at_once_cause_one_probe_and_one_more_for_changes_during_it() {
    let (world, first) = World::new();
    let ring = world.open().await;
    world.vault.close_gate();
    ring.suspect();
    run_ready_tasks().await;

    for _ in 0..100 {
        ring.suspect();
    }
    run_ready_tasks().await;
    world.vault.refuse(&first, Some(Cause::KeyDisabled));
    world.vault.open_gate();
    run_ready_tasks().await;
    world.clock.pass(GAP);
    becomes(|| unwraps(&world, Purpose::State) == 2 && is_answered(&ring)).await;
    for _ in 0..5 {
        world.clock.pass(GAP);
        run_ready_tasks().await;
    }

    assert_eq!(unwraps(&world, Purpose::State), 2);
    assert_eq!(ring.status().cause, Some(Cause::KeyDisabled));
}

#[tokio::test]
async fn the_state_is_asked_for_at_most_once_per_lease_and_by_one_question_for_all() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let probes = || unwraps(&world, Purpose::State);

    futures::future::join_all((0..50).map(|_| ring.refresh())).await;
    assert_eq!(probes(), 1);
    ring.refresh().await;
    assert_eq!(probes(), 1, "the answer is younger than a lease");
    world.clock.pass(LEASE);
    world.vault.refuse(&first, Some(Cause::PolicyRemoved));
    ring.refresh().await;
    assert_eq!((probes(), ring.status().cause), (2, Some(Cause::PolicyRemoved)));
    world.vault.refuse(&first, None);
    world.clock.pass(LEASE);
    current(&ring).await;
    ring.refresh().await;
    assert_eq!(probes(), 2, "content has asked in this lease");
}

#[tokio::test]
async fn a_dropped_caller_does_not_end_the_question() {
    let (world, first) = World::new();
    let ring = world.open().await;
    world.vault.refuse(&first, Some(Cause::KeyDisabled));
    world.vault.close_gate();

    let given_up = tokio::time::timeout(Duration::ZERO, ring.refresh()).await;
    run_ready_tasks().await;
    world.vault.open_gate();

    assert!(given_up.is_err());
    becomes(|| ring.status().cause == Some(Cause::KeyDisabled)).await;
    run_ready_tasks().await;
    world.vault.refuse(&first, None);
    world.clock.pass(LEASE);
    ring.refresh().await;
    assert_eq!(ring.status().state, State::Active, "the next caller gets a new answer");
}

#[tokio::test]
async fn an_idle_ring_does_not_ask_the_vault() {
    let (world, _) = World::new();
    let ring = world.open().await;
    probe(&world, &ring).await;
    let calls = world.vault.calls().len();

    for _ in 0..20 {
        world.clock.pass(LEASE);
        run_ready_tasks().await;
    }

    assert_eq!(world.vault.calls().len(), calls);
}

#[tokio::test]
async fn a_probe_after_a_change_shows_whether_the_version_is_valid() {
    let (world, first) = World::new();
    let ring = world.open().await;
    world.vault.set_validity(&first, (None, Some(START + LEASE)));

    probe(&world, &ring).await;
    let before = ring.status().cause;
    world.clock.pass(LEASE);
    probe(&world, &ring).await;

    assert_eq!((before, ring.status().cause), (None, Some(Cause::KeyExpired)));
    assert_eq!(ring.status().state, State::Active);
}

#[tokio::test]
async fn a_failed_probe_does_not_delay_content() {
    for cause in [Cause::KeyDisabled, Cause::VaultUnreachable] {
        let (world, first) = World::new();
        let ring = world.open().await;
        if cause.is_refusal() {
            world.vault.refuse(&first, Some(cause));
        } else {
            world.vault.fail(Some((cause, Some(LEASE))));
        }
        probe(&world, &ring).await;
        assert_eq!(ring.status().cause, Some(cause));

        world.vault.refuse(&first, None);
        world.vault.fail(None);

        ring.admit().await.unwrap();
        assert_eq!(ring.status().state, State::Active, "{cause}: content has asked for itself");
    }
}

#[tokio::test]
async fn a_change_during_a_rotation_is_asked_about_again_when_the_new_version_is_in_use() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let second = world.vault.add("RSA");
    let gate = world.vault.close_gate();
    let rotating = tokio::spawn({
        let ring = ring.clone();
        async move { ring.rotate(RotationTarget::default()).await }
    });
    becomes(|| ring.is_changing()).await;
    run_ready_tasks().await;

    // The rotation waits at its gate, all other calls get through.
    world.vault.close_gate();
    world.vault.open_gate();
    probe(&world, &ring).await;
    gate.notify_waiters();
    rotating.await.unwrap().unwrap();
    world.vault.refuse(&second, Some(Cause::KeyDisabled));
    assert_eq!((ring.is_changing(), ring.status().state), (false, State::Active));
    world.clock.pass(GAP);

    becomes(|| ring.status().cause == Some(Cause::KeyDisabled)).await;
}

#[tokio::test]
async fn a_change_that_a_token_hides_is_asked_about_when_the_token_ends_and_only_then() {
    let (world, first) = World::new();
    let ring = world.open().await;
    // A rotation in progress when a change is suspected asks once more.
    let _paused = ring.pause_following().await;
    let hour = Duration::from_hours(1);
    let token =
        || TokenTerms { requested: world.clock.elapsed(), until: world.clock.deadline(hour) };
    let probes = || unwraps(&world, Purpose::State);
    world.vault.set_token(token());

    probe(&world, &ring).await;
    world.clock.pass(hour / 2);
    run_ready_tasks().await;
    assert_eq!(probes(), 1);
    // The issuer gives no other token.
    world.vault.refuse(&first, Some(Cause::IdentityRemoved));
    world.clock.pass(hour / 2);
    becomes(|| ring.status().cause == Some(Cause::IdentityRemoved) && is_answered(&ring)).await;
    run_ready_tasks().await;
    world.vault.refuse(&first, None);
    world.vault.set_token(token());
    // This change is younger than the token, and the next token is younger than the change.
    probe(&world, &ring).await;
    world.vault.set_token(TokenTerms { requested: world.clock.elapsed() + GAP, ..token() });
    world.clock.pass(hour);
    becomes(|| probes() == 4 && is_answered(&ring)).await;
    run_ready_tasks().await;
    world.clock.pass(hour);
    run_ready_tasks().await;

    assert_eq!((probes(), ring.status().state), (4, State::Active));
}
