//! Tests of work that has begun when its lease ends: how long it waits for the vault, and what ends the wait.

use std::time::Duration;

use tokio::task::JoinHandle;

use super::support::{LEASE, World, comes, run_ready_tasks};
use crate::keys::{Cause, KeyError, KeyLease, KeyRing, RENEWAL_WAIT, RenewalWait};

/// A lease that has ended while the vault does not answer.
async fn ended(world: &World) -> (KeyRing, KeyLease) {
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    let ended = lease.ended();
    world.vault.close_gate();
    world.clock.pass(LEASE);
    comes(ended).await;
    (ring, lease)
}

fn wait(lease: &KeyLease) -> JoinHandle<Result<(), KeyError>> {
    let lease = lease.clone();
    tokio::spawn(async move { lease.renewed(&mut RenewalWait::default()).await })
}

#[tokio::test]
async fn work_goes_on_when_a_late_answer_comes_within_the_wait() {
    let (world, _) = World::new();
    let (_ring, lease) = ended(&world).await;
    let waiting = wait(&lease);
    run_ready_tasks().await;

    world.clock.pass(RENEWAL_WAIT * 9 / 10);
    run_ready_tasks().await;
    assert!(!waiting.is_finished() && lease.with(|_| ()).is_err());
    world.vault.open_gate();

    comes(waiting).await.unwrap().unwrap();
    lease.with(|_| ()).unwrap();
}

#[tokio::test]
async fn the_wait_ends_by_real_time_and_not_by_emulator_time() {
    let (world, _) = World::new();
    let (_ring, lease) = ended(&world).await;
    let waiting = wait(&lease);
    run_ready_tasks().await;

    world.clock.advance(Duration::from_hours(1));
    run_ready_tasks().await;
    assert!(!waiting.is_finished());
    world.clock.pass(RENEWAL_WAIT);
    let refused = comes(waiting).await.unwrap();

    let Err(KeyError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert!(!refusal.is_lasting() && refusal.cause.is_none(), "{refusal:?}");
}

#[tokio::test]
async fn a_refusal_ends_the_wait_at_once() {
    let (world, key) = World::new();
    let (_ring, lease) = ended(&world).await;
    let waiting = wait(&lease);
    run_ready_tasks().await;

    world.vault.refuse(&key, Some(Cause::KeyDisabled));
    world.vault.open_gate();
    let refused = comes(waiting).await.unwrap();

    let Err(KeyError::Refused(refusal)) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.cause, Some(Cause::KeyDisabled));
}

#[tokio::test]
async fn work_survives_only_outages_that_are_shorter_than_the_wait() {
    for is_short in [true, false] {
        let (world, _) = World::new();
        let (_ring, lease) = ended(&world).await;
        let waiting = wait(&lease);
        run_ready_tasks().await;
        world.vault.fail(Some((Cause::VaultUnreachable, None)));
        world.vault.open_gate();
        run_ready_tasks().await;
        assert!(!waiting.is_finished(), "it asks again");

        if is_short {
            world.vault.fail(None);
        }
        for _ in 0..4 {
            world.clock.pass(RENEWAL_WAIT / 4);
            run_ready_tasks().await;
        }
        let answer = comes(waiting).await.unwrap();

        assert_eq!(answer.is_ok(), is_short, "{answer:?}");
        assert_eq!(lease.is_alive(), is_short);
    }
}

#[tokio::test]
async fn leases_that_end_one_after_another_share_one_wait() {
    let (world, _) = World::new();
    let (_ring, lease) = ended(&world).await;
    world.vault.open_gate();
    let mut wait = RenewalWait::default();
    lease.renewed(&mut wait).await.unwrap();

    let ended = lease.ended();
    world.vault.close_gate();
    world.clock.pass(LEASE);
    comes(ended).await;
    let refused = comes(lease.renewed(&mut wait)).await;

    assert!(matches!(refused, Err(KeyError::Refused(_))), "{refused:?}");
}
