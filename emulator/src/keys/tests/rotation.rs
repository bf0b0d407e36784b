//! Tests of a whole rotation: its vault calls, the ring that it leaves wherever it ends, and its errors.

use super::support::{StoreFault, World, bytes_of, comes, current, identity, key, target};
use crate::keys::{Cause, IdentityId, KeyId, KeyOperation, RingError, RotationTarget, State};

/// The calls of a rotation of a ring with one data key: the lookup, three for the old data key, two for the new one.
const CALLS: usize = 1 + 3 + 2;

#[tokio::test]
async fn a_rotation_makes_three_calls_for_each_data_key_and_keeps_all_of_them() {
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
async fn a_version_that_unwraps_to_a_different_key_is_not_used() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let second = world.vault.add("RSA");
    world.vault.do_wrong(&second, KeyOperation::WrapKey);

    let refused = ring.rotate(RotationTarget::default()).await;

    assert!(matches!(&refused, Err(RingError::Mismatch(key)) if *key == second), "{refused:?}");
    drop(ring);
    let ring = world.open().await;
    assert_eq!(ring.describe().versioned, Some(first));
    assert_eq!(bytes_of(&ring, id).await, bytes);
}

#[tokio::test]
async fn a_rotation_fails_if_the_old_version_unwraps_to_a_different_key() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, _) = current(&ring).await;
    world.vault.add("RSA");
    world.vault.do_wrong(&first, KeyOperation::UnwrapKey);

    let refused = ring.rotate(RotationTarget::default()).await;

    assert!(matches!(refused, Err(RingError::DamagedDataKey(key)) if key == id), "{refused:?}");
    assert_eq!(ring.describe().versioned, Some(first));
}

/// The kinds of rotation that a kill is tried in.
const KINDS: [&str; 5] = ["version", "key", "vault", "identity", "vault and identity"];

/// Prepares a rotation of this kind: the target, and the version that it ends with.
fn prepare(world: &World, kind: &str, first: &KeyId) -> (RotationTarget, KeyId) {
    let user = identity(7);
    match kind {
        "version" => (RotationTarget::default(), world.vault.add("RSA")),
        "key" => {
            let other: KeyId = "https://local.vault.localhost/keys/other".parse().unwrap();
            let made = world.vault.add_to(&other, "RSA");
            (RotationTarget::key(made.clone()), made)
        }
        "vault" => {
            let made = world.vault.add_to(&other_vault(), "RSA");
            (RotationTarget::key(other_vault()), made)
        }
        "identity" => (target(None, Some(&user)), first.clone()),
        "vault and identity" => {
            let made = world.vault.add_to(&other_vault(), "RSA");
            (target(Some(other_vault()), Some(&user)), made)
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_rotation_killed_at_any_of_its_calls_leaves_a_ring_that_opens_under_the_old_key() {
    for kind in KINDS {
        for call in 0..CALLS {
            let (world, first) = World::new();
            let ring = world.open().await;
            let (id, bytes) = current(&ring).await;
            let (target, last) = prepare(&world, kind, &first);

            world.vault.hang_at(Some(call));
            let rotating = tokio::spawn({
                let (ring, target) = (ring.clone(), target.clone());
                async move { ring.rotate(target).await }
            });
            comes(world.vault.hanging.notified()).await;
            rotating.abort();
            drop(ring);
            world.vault.hang_at(None);
            let ring = world.open_with(first.clone()).await;

            let description = ring.describe();
            assert_eq!(
                (description.versioned, description.identity),
                (Some(first), None),
                "{kind} {call}"
            );
            assert_eq!(bytes_of(&ring, id).await, bytes, "{kind}, call {call}");
            let done = ring.rotate(target.clone()).await.unwrap();
            assert_eq!((done.to, ring.describe().identity), (last, target.identity), "{kind}");
            assert_eq!(bytes_of(&ring, id).await, bytes, "{kind}, call {call}");
        }
    }
}

#[tokio::test]
async fn a_ring_opens_with_or_without_the_last_write_of_a_rotation() {
    for kind in KINDS {
        for (fault, rotated) in [(StoreFault::Before, false), (StoreFault::After, true)] {
            let (world, first) = World::new();
            let ring = world.open().await;
            let (id, bytes) = current(&ring).await;
            let (target, last) = prepare(&world, kind, &first);
            *world.store.fault.lock().unwrap() = Some(fault);

            let failed = ring.rotate(target.clone()).await;

            assert!(matches!(failed, Err(RingError::Store(_))), "{failed:?}");
            let expected =
                if rotated { (Some(last), target.identity) } else { (Some(first), None) };
            let description = ring.describe();
            assert_eq!((description.versioned, description.identity), expected, "{kind} {fault:?}");
            assert_eq!(bytes_of(&ring, id).await, bytes, "{kind} {fault:?}");
            drop(ring);
            let ring = world.open().await;
            let description = ring.describe();
            assert_eq!(
                (description.versioned, description.identity),
                expected,
                "{kind} {fault:?} and a restart"
            );
            assert_eq!(bytes_of(&ring, id).await, bytes, "{kind} {fault:?} and a restart");
        }
    }
}

#[tokio::test]
async fn a_rotation_uses_no_key_from_memory_when_the_old_version_is_refused() {
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
    assert_eq!(ring.check().await.cause, None, "the state has no cause");
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
    assert_eq!(ring.status().cause, None, "a manual rotation sets no note");
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
async fn a_rotation_changes_key_vault_and_identity_in_one_step() {
    let (world, first) = World::new();
    let ring = world.open().await;
    let (id, bytes) = current(&ring).await;
    let elsewhere = other_vault();
    let second = world.vault.add_to(&elsewhere, "RSA-HSM");
    let (user, to) = (identity(7), Some(elsewhere.clone()));

    let rotation = ring.rotate(target(to, Some(&user))).await.unwrap();

    assert_eq!((rotation.from, rotation.to, rotation.data_keys), (first, second.clone(), 1));
    let description = ring.describe();
    assert_eq!(
        (description.configured, description.versioned),
        (Some(elsewhere.clone()), Some(second))
    );
    assert_eq!((description.identity.as_ref(), description.automatic), (Some(&user), true));
    assert_eq!(bytes_of(&ring, id).await, bytes);
    drop(ring);
    let ring = world.open().await;
    assert_eq!(ring.describe().identity, Some(user), "it survives a restart");
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
async fn a_removed_identity_must_be_assigned_again_before_a_rotation_to_another() {
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
async fn a_rotation_to_an_identity_without_all_three_permissions_changes_nothing() {
    for denied in [KeyOperation::Get, KeyOperation::WrapKey, KeyOperation::UnwrapKey] {
        let (world, first) = World::new();
        let ring = world.open().await;
        let (id, bytes) = current(&ring).await;
        let user = identity(7);
        world.vault.deny(Some(&user), denied);

        let failed = ring.rotate(target(None, Some(&user))).await;

        let Err(RingError::MissingPermission(missing)) = &failed else { panic!("{failed:?}") };
        assert_eq!(missing.missing, [denied]);
        let message = missing.to_string();
        assert!(message.contains(&format!("Verify that identity '{user}' has")), "{message}");
        assert!(message.ends_with(&format!("gives it '{}'.", denied.permission())), "{message}");
        let description = ring.describe();
        assert_eq!(
            (description.versioned, description.identity),
            (Some(first), None),
            "{denied:?}"
        );
        assert_eq!(
            ring.status().state,
            State::Active,
            "{denied:?}: the old identity works as before"
        );
        assert_eq!(bytes_of(&ring, id).await, bytes, "{denied:?}");
    }
}

#[tokio::test]
async fn all_missing_permissions_of_an_identity_are_named_in_azures_message() {
    let (world, _) = World::new();
    let ring = world.open().await;
    let user = identity(7);
    for denied in [KeyOperation::Get, KeyOperation::WrapKey, KeyOperation::UnwrapKey] {
        world.vault.deny(Some(&user), denied);
    }

    let failed = ring.rotate(target(None, Some(&user))).await.unwrap_err().to_string();

    let key = "k in vault local";
    assert_eq!(
        failed,
        format!(
            "Failed to access KeyId '{key}'. Verify that identity '{user}' has 'Get, Wrap Key, Unwrap Key' permission \
             on key '{key}'. For more information on bring your own key, please visit 'https://aka.ms/acr/cmk'. No policy \
             gives it 'Get, Wrap Key, Unwrap Key'."
        )
    );
}

fn other_vault() -> KeyId {
    "https://other.vault.localhost/keys/theirs".parse().unwrap()
}
