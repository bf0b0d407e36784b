//! What cannot be seen from outside: rows and files that change between two looks at them, and a world around the
//! registries that fails at any moment.

mod collection;
mod content;
mod creation;
mod deletion;
mod platform;
mod recover;
pub(crate) mod stop;
mod streams;
mod upload_limit;

use std::sync::Arc;

use mock_keyvault::clock::Clock;

use self::platform::{FakePlatform, Shared};
use super::*;
use crate::store::{Durability, StoreError};

/// The registries of a folder, in a world without a vault to speak of.
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
async fn a_start_does_not_wait_for_the_proof_of_the_rows_and_what_changes_them_is_refused_meanwhile()
 {
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

/// The store of a folder, once the last background task of the registries before has let go of it.
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

/// A registry without a customer-managed key, in a folder that goes with it.
async fn registry(folder: &tempfile::TempDir) -> Registry {
    open(folder, &FakePlatform::new()).await.get("local").unwrap()
}
