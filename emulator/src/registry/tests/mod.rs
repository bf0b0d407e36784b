//! Tests of behavior that is not visible from outside: rows and files that change between two reads, and a platform
//! that fails at any moment.

mod collection;
mod content;
mod creation;
mod deletion;
mod platform;
mod recover;
mod streams;
mod upload_limit;

use std::sync::Arc;
use std::time::Duration;

use azure_emulator_core::clock::Clock;

use self::platform::{FakePlatform, Shared};
use super::*;
use crate::store::{Durability, Store, StoreError};

/// Opens the registries of a folder, with a minimal platform.
async fn open(folder: &tempfile::TempDir, platform: &Arc<FakePlatform>) -> Registries {
    open_with(folder, platform, Settings::default()).await
}

/// The same, with other settings.
async fn open_with(
    folder: &tempfile::TempDir,
    platform: &Arc<FakePlatform>,
    settings: Settings,
) -> Registries {
    open_in(open_store(&folder.path().join("data")).await, platform, settings).await
}

async fn open_in(store: Store, platform: &Arc<FakePlatform>, settings: Settings) -> Registries {
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let local = NewRegistry::named(RegistryName::local());
    let platform = Arc::new(Shared(Arc::clone(platform)));
    let store = Arc::new(store);
    let intents = Intents::open(Arc::clone(&store), clock, settings.events.clone()).unwrap();
    Registries::open(store, platform, settings, intents, local).await.unwrap()
}

#[tokio::test]
async fn a_start_does_not_wait_for_the_check_of_the_rows_and_changes_are_refused_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    drop(open(&folder, &platform).await);
    let store = open_store(&folder.path().join("data")).await;
    store.pretend_proven(false);

    let opening = open_in(store, &platform, Settings::default());
    let limit = Duration::from_mins(1);
    let registries = tokio::time::timeout(limit, opening).await.expect("the start waits");
    registries.pretend_proven(false);
    let name: ResourceGroup = "other".parse().unwrap();
    let group = Group { name, location: Location::default(), tags: Tags::default() };
    let make = || registries.create_group(&group);
    let refused = make().await.unwrap_err();
    registries.pretend_proven(true);

    assert!(matches!(refused, ManageError::Registry(Error::RowsNotProven)), "{refused:?}");
    assert!(make().await.unwrap());
}

/// Opens the store of a folder, once the last background task of the earlier registries has released it.
async fn open_store(path: &std::path::Path) -> Store {
    let mut opened = Store::open(path, Durability::Relaxed);
    for _ in 0..400 {
        if !matches!(opened, Err(StoreError::InUse { .. })) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        opened = Store::open(path, Durability::Relaxed);
    }
    opened.unwrap()
}

/// A registry without a customer-managed key, in a folder that is deleted with it.
async fn registry(folder: &tempfile::TempDir) -> Registry {
    open(folder, &FakePlatform::new()).await.get("local").unwrap()
}
