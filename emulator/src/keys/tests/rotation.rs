//! Rotation as a whole: what it asks, what it leaves behind wherever it ends, and what it says.

use super::support::{StoreFault, World, bytes_of, comes, current, identity, key, target};
use crate::keys::{Cause, IdentityId, KeyId, KeyOperation, RingError, RotationTarget, State};

/// The calls of a rotation of a ring with one data key: the key, the old one over, the new one.
const CALLS: usize = 1 + 3 + 2;

#[tokio::test]
async fn a_rotation_asks_three_times_for_each_data_key_and_keeps_all_of_them() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let second = world.vault.add("RSA");
    let before = world.vault.calls().len();

    let rotation = ring.rotate(RotationTarget::default()).await.unwrap();

    assert_eq!((rotation.from, rotation.to, rotation.data_keys), (first, second.clone(), 1));
    assert_eq!(world.vault.calls().len() - before, CALLS);
    assert_eq!(rotation.vault_calls, CALLS as u64);
    assert_eq!(ring.describe().versioned, Some(second));
    assert_eq!(ring.describe().data_keys, 2);
    assert_eq!(bytes_of(&ring, id).await, bytes);
    assert_ne!(current(&ring).await.0, id, "the next objects use a new data key");
}

#[tokio::test]
async fn a_rotation_that_is_killed_at_any_of_its_calls_leaves_a_ring_that_opens() {
    for call in 0..CALLS {
        let (world, first) = World::new();
        let ring = world.open().await;
        let (id, bytes) = current(&ring).await;
        world.vault.add("RSA");

        world.vault.hang_at(Some(call));
        let rotating = tokio::spawn({
            let ring = ring.clone();
            async move { ring.rotate(RotationTarget::default()).await }
        });
        comes(world.vault.hanging.notified()).await;
        rotating.abort();
        drop(ring);
        world.vault.hang_at(None);
        let ring = world.open_with(first.clone()).await;

        assert_eq!(ring.describe().versioned.as_ref(), Some(&first), "call {call}");
        assert_eq!(bytes_of(&ring, id).await, bytes, "call {call}");
        ring.rotate(RotationTarget::default()).await.unwrap();
        assert_eq!(bytes_of(&ring, id).await, bytes, "call {call}");
    }
}

#[tokio::test]
async fn a_ring_opens_whether_the_last_write_of_a_rotation_arrived_or_not() {
    for (fault, rotated) in [(StoreFault::Before, false), (StoreFault::After, true)] {
        let (world, first) = World::new();
        let ring = world.open().await;
        let (id, bytes) = current(&ring).await;
        let second = world.vault.add("RSA");
        *world.store.fault.lock().unwrap() = Some(fault);

        let failed = ring.rotate(RotationTarget::default()).await;

        assert!(matches!(failed, Err(RingError::Store(_))), "{failed:?}");
        let expected = if rotated { second } else { first };
        assert_eq!(ring.describe().versioned.as_ref(), Some(&expected), "{fault:?}");
        assert_eq!(bytes_of(&ring, id).await, bytes, "{fault:?}");
        drop(ring);
        let ring = world.open_with(expected.clone()).await;
        assert_eq!(bytes_of(&ring, id).await, bytes, "{fault:?} and a restart");
    }
}

#[tokio::test]
async fn a_rotation_takes_nothing_from_memory_when_the_old_version_is_refused() {
    let (world, first) = World::new();
    let ring = world.open().await;
    current(&ring).await;
    world.vault.add("RSA");

    world.vault.refuse(&first, Some(Cause::KeyDisabled));
    let failed = ring.rotate(RotationTarget::default()).await;

    assert!(matches!(failed, Err(RingError::Vault { .. })), "{failed:?}");
    assert_eq!(ring.status().state, State::Unavailable);
    assert_eq!(ring.status().cause, Some(Cause::KeyDisabled));
    assert_eq!(ring.describe().versioned, Some(first.clone()));
    world.vault.refuse(&first, None);
    assert_eq!(ring.check().await.cause, None, "nothing is left of it");
}

#[tokio::test]
async fn a_key_that_cannot_wrap_is_refused_by_its_type_before_anything_is_unwrapped() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let before = world.vault.unwraps();
    let curve = world.vault.add("EC");

    let failed = ring.rotate(RotationTarget::key(curve)).await;

    assert!(matches!(failed, Err(RingError::KeyType { .. })), "{failed:?}");
    assert_eq!(world.vault.unwraps(), before);
    assert_eq!(ring.status().cause, None, "nobody asked to follow it");
}

#[tokio::test]
async fn an_id_with_a_version_turns_following_off_and_one_without_turns_it_on() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let second = world.vault.add("RSA");

    ring.rotate(RotationTarget::key(second.clone())).await.unwrap();
    assert!(!ring.describe().automatic);
    assert_eq!(ring.describe().configured, Some(second.clone()));
    ring.rotate(RotationTarget::key(key())).await.unwrap();

    assert!(ring.describe().automatic);
    assert_eq!(ring.describe().versioned, Some(second));
}

#[tokio::test]
async fn another_key_in_another_vault_through_another_identity_is_taken_in_one_step() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let elsewhere = other_vault();
    let second = world.vault.add_to(&elsewhere, "RSA-HSM");
    let (user, to) = (identity(7), Some(elsewhere.clone()));

    let rotation = ring.rotate(target(to, Some(&user))).await.unwrap();

    assert_eq!((rotation.from, rotation.to, rotation.data_keys), (first, second.clone(), 1));
    let told = ring.describe();
    assert_eq!((told.configured, told.versioned), (Some(elsewhere.clone()), Some(second)));
    assert_eq!((told.identity.as_ref(), told.automatic), (Some(&user), true));
    assert_eq!(bytes_of(&ring, id).await, bytes);
    drop(ring);
    let ring = world.open().await;
    assert_eq!(ring.describe().identity, Some(user), "it outlives the program");
    assert_eq!(bytes_of(&ring, id).await, bytes);
}

#[tokio::test]
async fn only_the_identity_that_is_in_use_is_asked_after_a_rotation_to_it() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let system = IdentityId::system();

    let rotation = ring.rotate(target(None, Some(&system))).await.unwrap();
    world.vault.assign(None, false);

    assert_eq!(rotation.to, first, "the key is the same");
    assert_eq!(bytes_of(&ring, id).await, bytes);
    assert_eq!(ring.check().await.state, State::Active);
    world.vault.assign(Some(&system), false);
    let dark = ring.check().await;
    assert_eq!((dark.state, dark.cause), (State::Unavailable, Some(Cause::IdentityRemoved)));
    world.vault.assign(Some(&system), true);
    assert_eq!(ring.check().await.state, State::Active);
    assert_eq!(bytes_of(&ring, id).await, bytes);
}

#[tokio::test]
async fn an_identity_that_was_taken_away_is_given_back_before_another_can_follow_it() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let user = identity(7);
    world.vault.assign(None, false);

    let failed = ring.rotate(target(None, Some(&user))).await;

    assert!(matches!(failed, Err(RingError::Vault { .. })), "{failed:?}");
    assert_eq!(ring.status().cause, Some(Cause::IdentityRemoved));
    assert_eq!(ring.describe().identity, None);
    world.vault.assign(None, true);
    ring.rotate(target(None, Some(&user))).await.unwrap();
    assert_eq!(bytes_of(&ring, id).await, bytes);
}

#[tokio::test]
async fn a_new_identity_that_may_not_do_all_three_changes_nothing() {
    for denied in [KeyOperation::Get, KeyOperation::WrapKey, KeyOperation::UnwrapKey] {
        let (world, first) = World::new();
        let ring = world.open().await;
        let (id, bytes) = current(&ring).await;
        let user = identity(7);
        world.vault.deny(Some(&user), denied);

        let failed = ring.rotate(target(None, Some(&user))).await;

        assert!(failed.is_err(), "{denied:?}");
        let told = ring.describe();
        assert_eq!((told.versioned, told.identity), (Some(first), None), "{denied:?}");
        assert_eq!(ring.status().state, State::Active, "{denied:?}: the old is as good as before");
        assert_eq!(bytes_of(&ring, id).await, bytes, "{denied:?}");
    }
}

fn other_vault() -> KeyId {
    "https://other.vault.localhost/keys/theirs".parse().unwrap()
}
