//! Deterministic tests of changes that another caller makes between two steps of a call.
//!
//! Each test runs the steps of a call one by one, and makes the other change in between.

use std::sync::Arc;
use std::time::Duration;

use time::macros::datetime;

use super::*;
use crate::model::key::KeyType;
use crate::model::material::KeyShape;
use crate::model::names::KeyName;
use crate::model::permission::KeyPermission;
use crate::model::rotation::{PolicyTerms, Trigger};
use crate::model::settings::{Sku, VaultPath};
use crate::store::{LoadedVault, Store};
use crate::vault::lifecycle::{Mode, VaultChanges};
use azure_emulator_core::authorization::{
    Action, NewRoleAssignment, PrincipalType, Scope, builtin,
};
use azure_emulator_core::changes::Changes;
use azure_emulator_core::clock::Clock;
use azure_emulator_core::disk_space::DiskSpace;
use azure_emulator_core::durable::Durability;
use azure_emulator_core::duration::IsoDuration;
use azure_emulator_core::events::EventLog;
use azure_emulator_core::identity::TENANT;
use azure_emulator_core::sealing::SealingKey;

const OWNER: &str = "00000000-0000-4000-8000-00000000a0a3";

/// A folder with a vault that contains the key `k`.
fn vaults() -> (tempfile::TempDir, Clock, Arc<Vaults>, VaultPath) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(datetime!(2026-01-01 0:00 UTC));
    let sealing = Arc::new(SealingKey::open(&folder.path().join("key")).unwrap());
    let disk_space = Arc::new(DiskSpace::without_reserve(folder.path()));
    let events = EventLog::open(&folder.path().join("events"), Arc::clone(&disk_space)).unwrap();
    let rows = folder.path().join("rows");
    let vaults = Vaults::open(
        Store::open(&rows, Durability::Relaxed, disk_space).unwrap(),
        sealing,
        &clock,
        events,
        OWNER,
        &Changes::default(),
    )
    .unwrap();
    let path = VaultPath::local(&"kv1".parse().unwrap());
    let changes = VaultChanges {
        location: Some("eastus".to_owned()),
        tenant_id: Some(TENANT.to_owned()),
        sku: Some(Sku::Standard),
        policies: Some(Vec::new()),
        ..VaultChanges::default()
    };
    vaults.put_vault(&path, &changes, Mode::Whole, OWNER).unwrap();
    let made = vaults.create(&path.name, &name(), NewKey::new(KeyShape::Ec(ec::Curve::P256)));
    assert_eq!(made.unwrap().version.kty, KeyType::Ec);
    (folder, clock, Arc::new(vaults), path)
}

fn name() -> KeyName {
    "k".parse().unwrap()
}

#[test]
fn a_scheduled_action_does_not_fail_if_its_vault_is_deleted_at_that_moment() {
    let (_folder, clock, vaults, path) = vaults();
    let month = Some(Trigger::AfterCreate(IsoDuration::days(30)));
    let terms = PolicyTerms::new(month, None, None).unwrap();
    vaults.set_rotation_policy(&path.name, &name(), terms).unwrap();
    clock.advance(Duration::from_hours(31 * 24));
    let (found, version, due) = vaults.next_of(&path.name, name().folded()).unwrap();

    vaults.delete_vault(&path).unwrap();

    vaults.perform(&path.name, &found, &version, due).unwrap();
    assert_eq!(vaults.run_due(|| false).unwrap(), 0);
}

#[test]
fn a_role_assigned_just_after_a_deletion_does_not_apply_to_the_recovered_vault() {
    let (_folder, _clock, vaults, path) = vaults();
    let scope: Scope = path.to_string().parse().unwrap();
    let delete_with_a_late_role = || {
        vaults.delete_vault(&path).unwrap();
        let late = NewRoleAssignment {
            name: uuid::Uuid::new_v4(),
            scope: scope.clone(),
            role: builtin::by_name("Key Vault Crypto Officer").unwrap().id,
            principal_id: OWNER.to_owned(),
            principal_type: PrincipalType::ServicePrincipal,
            description: None,
        };
        vaults.authorization().assign(late, OWNER).unwrap();
    };
    let reads = Action::Data(KeyPermission::Get.data_action());
    let decided = || vaults.authorization().decide(OWNER, reads, &scope);

    delete_with_a_late_role();
    assert!(decided().is_some());
    vaults.put_vault(&path, &VaultChanges::default(), Mode::Recover, OWNER).unwrap();
    assert!(decided().is_none());

    delete_with_a_late_role();
    vaults.purge_vault(path.subscription, "eastus", &path.name).unwrap();
    assert!(decided().is_none());
}

#[test]
fn a_waiter_is_notified_of_a_change_only_when_memory_shows_it() {
    let (_folder, _clock, vaults, path) = vaults();
    let at = KeyReference { name: name(), version: None };
    let is_notified = || is_ready(vaults.schedule_changed());
    while is_notified() {}
    let before = vaults.read();
    let changes = KeyChanges { expires: Some(1_800_000_000), ..KeyChanges::default() };

    let (other, vault, key) = (Arc::clone(&vaults), path.name.clone(), at.clone());
    let update = std::thread::spawn(move || other.update(&vault, &key, changes).map(drop));
    // The row is written first; after that, the change waits for readers of memory.
    while !vaults.store.load().is_ok_and(|loaded| expires(&loaded.vaults[path.name.as_str()])) {
        std::thread::yield_now();
    }
    let too_early = (0..1000).any(|_| {
        std::thread::yield_now();
        is_notified()
    });
    drop(before);
    update.join().unwrap().unwrap();

    assert!(!too_early);
    assert!(is_notified());
}

fn expires(vault: &LoadedVault) -> bool {
    vault
        .keys
        .values()
        .any(|key| key.versions.iter().any(|(_, row, _)| row.attributes.expires.is_some()))
}

/// Whether a future is ready at its first poll.
fn is_ready(future: impl Future<Output = ()>) -> bool {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    std::pin::pin!(future).poll(&mut context).is_ready()
}
