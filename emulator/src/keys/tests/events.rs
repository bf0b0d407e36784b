//! Every transition, rotation and blocked rotation is an event, once and in order.

use super::support::{CHECK, LEASE, World, comes, current, run_ready_tasks};
use crate::keys::{Cause, RotationTarget};

#[tokio::test]
async fn events_of_a_key_are_reported_once_and_in_order() {
    let (world, first) = World::new();
    let ring = world.open().await;
    current(&ring).await;
    assert!(world.events.take().is_empty(), "a new ring that is active makes no event");

    world.vault.refuse(&first, Some(Cause::KeyDisabled));
    for _ in 0..2 {
        ring.check().await;
    }
    world.vault.refuse(&first, None);
    ring.check().await;
    assert_eq!(
        world.events.take(),
        ["active to unavailable: keyDisabled", "unavailable to active: none"]
    );

    world.vault.add("RSA");
    ring.rotate(RotationTarget::default()).await.unwrap();
    ring.rotate(RotationTarget::default()).await.unwrap();
    assert_eq!(world.events.take(), ["rotated"], "the second rotation has nothing to do");
}

#[tokio::test]
async fn an_outage_is_an_event_when_the_last_lease_has_ended_and_not_before() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let lease = ring.current().await.unwrap();
    let ended = lease.ended();
    world.vault.fail(Some((Cause::VaultUnreachable, None)));

    world.clock.pass(LEASE / 2);
    run_ready_tasks().await;
    assert!(world.events.take().is_empty());
    world.clock.pass(LEASE / 2);
    comes(ended).await;
    ring.check().await;

    assert_eq!(world.events.take(), ["active to unavailable: vaultUnreachable"]);
}

#[tokio::test]
async fn an_unusable_newest_version_is_reported_once() {
    let (world, _) = World::new();
    let ring = world.open().await;
    current(&ring).await;
    world.vault.add("EC");

    for _ in 0..3 {
        world.clock.advance(CHECK);
        ring.pause_following().await.resume().await;
    }

    let sent = world.events.take();
    let blocked = sent.iter().filter(|event| *event == "rotationBlocked").count();
    assert_eq!(blocked, 1, "{sent:?}");
    assert!(sent.contains(&"active to active: rotationBlocked".to_owned()), "{sent:?}");
}

#[tokio::test]
async fn every_failed_manual_rotation_is_reported() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let curve = world.vault.add("EC");

    for _ in 0..2 {
        ring.rotate(RotationTarget::key(curve.clone())).await.unwrap_err();
    }

    assert_eq!(world.events.take(), ["rotationBlocked", "rotationBlocked"]);
}
