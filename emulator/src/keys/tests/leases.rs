//! Leases as a whole: when a data key is in memory, when the vault is asked for it, and when it is erased.

use std::time::Duration;

use super::support::{LEASE, Log, World, becomes, comes, current, run_ready_tasks};
use crate::keys::{Cause, KeyError, KeyLease, RotationTarget, State};

#[tokio::test]
async fn a_key_is_erased_when_its_lease_ends_by_either_time_even_if_nothing_uses_it() {
    for pass in [true, false] {
        let (world, _) = World::new();
        let ring = world.open().await;
        current(&ring).await;
        let lease = ring.current().await.unwrap();
        let ended = lease.ended();
        world.vault.fail(Some((Cause::VaultUnreachable, None)));

        if pass {
            world.clock.pass(LEASE);
        } else {
            world.clock.advance(LEASE);
        }
        comes(ended).await;

        assert!(!lease.is_alive());
        assert!(lease.with(|_| ()).is_err());
    }
}

#[tokio::test]
async fn concurrent_callers_share_one_question_to_the_vault() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let before = world.vault.unwraps();
    world.vault.close_gate();

    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let ring = ring.clone();
            tokio::spawn(async move { ring.current().await.map(|lease| lease.is_alive()) })
        })
        .collect();
    run_ready_tasks().await;
    world.vault.open_gate();

    for waiting in waiting {
        assert!(waiting.await.unwrap().unwrap());
    }
    assert_eq!(world.vault.unwraps() - before, 1);
}

#[tokio::test]
async fn a_key_in_use_is_renewed_from_half_of_its_lease_on_and_an_idle_one_is_not() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    let before = world.vault.unwraps();

    world.clock.pass(LEASE / 2);
    becomes(|| world.vault.unwraps() > before).await;
    run_ready_tasks().await;
    world.clock.pass(LEASE / 2);
    run_ready_tasks().await;
    assert!(lease.is_alive(), "the renewal has moved the end");

    let ended = lease.ended();
    drop(lease);
    run_ready_tasks().await;
    let before = world.vault.unwraps();
    for _ in 0..4 {
        world.clock.pass(LEASE / 2);
        run_ready_tasks().await;
    }
    comes(ended).await;
    assert!(world.vault.unwraps() <= before + 1, "an unused key is not renewed");
}

#[tokio::test]
async fn a_refusal_erases_every_key_at_once_and_a_grant_restores_them() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let older = ring.current().await.unwrap().id();
    let second = world.vault.add("RSA");
    ring.rotate(RotationTarget::default()).await.unwrap();
    let leases = [ring.lease(older).await.unwrap(), ring.current().await.unwrap()];
    assert!(leases.iter().all(KeyLease::is_alive) && leases[0].id() != leases[1].id());
    let ended = leases.each_ref().map(KeyLease::ended);

    world.vault.refuse(&second, Some(Cause::PolicyRemoved));
    let dark = ring.check().await;
    for ended in ended {
        comes(ended).await;
    }
    let refused = ring.admit().await;

    assert_eq!((dark.state, dark.cause), (State::Unavailable, Some(Cause::PolicyRemoved)));
    assert!(matches!(&refused, Err(KeyError::Refused(refusal)) if refusal.is_lasting()));
    world.vault.refuse(&second, None);
    assert_eq!(ring.check().await.state, State::Active);
    ring.admit().await.unwrap();
}

#[tokio::test]
async fn an_outage_shorter_than_the_lease_has_no_effect() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    world.vault.fail(Some((Cause::VaultUnreachable, None)));
    let before = world.vault.unwraps();

    world.clock.pass(LEASE / 2);
    becomes(|| world.vault.unwraps() > before).await;
    run_ready_tasks().await;
    ring.admit().await.unwrap();
    assert_eq!(ring.status().state, State::Active);
    world.vault.fail(None);
    world.clock.pass(LEASE / 4);
    run_ready_tasks().await;
    world.clock.pass(LEASE / 4);
    run_ready_tasks().await;

    assert!(lease.is_alive(), "it was renewed in time");
}

#[tokio::test]
async fn a_throttling_vault_is_not_asked_before_its_retry_after() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    world.vault.fail(Some((Cause::VaultThrottled, Some(Duration::from_secs(7)))));
    let before = world.vault.unwraps();
    world.clock.pass(LEASE / 2);
    becomes(|| world.vault.unwraps() == before + 1).await;
    run_ready_tasks().await;

    for second in 1..7 {
        world.clock.pass(Duration::from_secs(1));
        run_ready_tasks().await;
        let _ = ring.admit().await;
        assert_eq!(world.vault.unwraps(), before + 1, "after {second} s");
    }
    world.vault.fail(None);
    world.clock.pass(Duration::from_secs(1));
    run_ready_tasks().await;
    ring.admit().await.unwrap();

    assert_eq!(world.vault.unwraps(), before + 2);
    assert!(lease.is_alive());
}

#[tokio::test]
async fn an_outage_longer_than_the_lease_is_not_reported_as_a_refusal() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    world.vault.fail(Some((Cause::VaultThrottled, Some(Duration::from_secs(7)))));

    let ended = lease.ended();
    world.clock.pass(LEASE);
    comes(ended).await;
    let refused = ring.admit().await;

    let Err(KeyError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.cause, Some(Cause::VaultThrottled));
    assert_eq!(refusal.retry_after, Some(Duration::from_secs(7)));
    assert!(!refusal.is_lasting());
    assert_eq!(ring.status().state, State::Unavailable);
}

#[tokio::test]
async fn a_question_without_callers_leaves_no_old_answer_for_the_next_one() {
    let (world, _) = World::new();
    let ring = world.open().await;
    world.vault.fail(Some((Cause::VaultUnreachable, None)));
    world.vault.close_gate();
    let given_up = tokio::time::timeout(Duration::ZERO, ring.current()).await;
    assert!(given_up.is_err());
    run_ready_tasks().await;
    world.vault.open_gate();
    run_ready_tasks().await;

    world.vault.fail(None);
    world.clock.pass(LEASE);

    ring.current().await.unwrap();
}

#[tokio::test]
async fn no_key_is_used_while_the_audit_log_cannot_be_written() {
    let (world, _) = World::new();
    let ring = world.open().await;
    for log in [Log::IsFull, Log::BecomesFull] {
        world.clock.pass(2 * LEASE);
        run_ready_tasks().await;
        world.events.set(log);
        let before = world.vault.unwraps();

        let refused = ring.current().await;
        let dark = ring.status();
        let answered = world.vault.unwraps() - before;
        world.events.set(Log::Works);
        let checked = ring.check().await;

        let Err(KeyError::Refused(refusal)) = refused else { panic!("a key was used") };
        assert_eq!(refusal.cause, Some(Cause::AuditUnavailable));
        assert!(!refusal.is_lasting());
        assert!(refusal.message().contains("the disk is full"), "{}", refusal.message());
        assert_eq!((dark.state, dark.cause), (State::Unavailable, refusal.cause));
        assert_eq!(answered > 0, log == Log::BecomesFull);
        assert_eq!(checked.state, State::Active);
    }
}
