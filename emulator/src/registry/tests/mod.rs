//! What cannot be seen from outside: rows and files that change between two looks at them, and a world around the
//! registries that fails at any moment.

mod content;
mod creation;
mod platform;

use std::sync::Arc;

use mock_keyvault::clock::Clock;

use self::platform::{FakePlatform, Shared};
use super::*;
use crate::store::{Durability, StoreError};

/// The registries of a folder, in a world without a vault to speak of.
async fn open(folder: &tempfile::TempDir, platform: &Arc<FakePlatform>) -> Registries {
    let path = folder.path().join("data");
    let mut opened = Store::open(&path, Durability::Relaxed);
    // The last background task of the registries before may still have to let go of the folder.
    for _ in 0..400 {
        if !matches!(opened, Err(StoreError::InUse { .. })) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        opened = Store::open(&path, Durability::Relaxed);
    }
    let store = opened.unwrap();
    let clock = Clock::manual(time::macros::datetime!(2026-01-01 00:00 UTC));
    let local = NewRegistry::named(RegistryName::local());
    let platform = Arc::new(Shared(Arc::clone(platform)));
    Registries::open(Arc::new(store), platform, clock, Settings::default(), local).await.unwrap()
}

/// A registry without a customer-managed key, in a folder that goes with it.
async fn registry(folder: &tempfile::TempDir) -> Registry {
    open(folder, &FakePlatform::new()).await.get("local").unwrap()
}
