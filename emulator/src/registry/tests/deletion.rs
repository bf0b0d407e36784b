//! Deletions of registries that fail and are retried.

use std::sync::atomic::Ordering;

use super::platform::FakePlatform;
use super::*;

/// Whether the registry serves content.
async fn serves(registries: &Registries) -> bool {
    registries.get("team1").unwrap().content().await.is_ok()
}

#[tokio::test]
async fn a_registry_serves_again_after_a_failed_deletion_unless_an_earlier_deletion_is_unfinished()
{
    let folder = tempfile::tempdir().unwrap();
    let platform = FakePlatform::new();
    let registries = open(&folder, &platform).await;
    let name: RegistryName = "team1".parse().unwrap();
    registries.create(NewRegistry::named(name.clone())).await.unwrap();
    let created = registries.get("team1").unwrap().profile().created.unix_timestamp();
    platform.keeps_roles.store(true, Ordering::SeqCst);

    let first = registries.delete(&name).await;
    let after_first = serves(&registries).await;
    // A deletion that a kill interrupted is resumed, and fails too.
    let resource = registries.get("team1").unwrap().resource_id();
    let steps =
        serde_json::json!({ "registry": "team1", "resource": resource, "created": created });
    let intents = registries.intents();
    let earlier = intents.begin(Kind::DeleteRegistry, &steps).await.unwrap();
    let went_on = registries.resume(earlier).await;
    let second = registries.delete(&name).await;
    let after_second = serves(&registries).await;
    platform.keeps_roles.store(false, Ordering::SeqCst);
    intents.end_backoff();
    registries.resume(intents.take_due(|_, _| true).unwrap()).await.unwrap();

    assert!(first.is_err() && went_on.is_err() && second.is_err(), "{first:?} {second:?}");
    assert!(after_first, "nothing of it was deleted");
    assert!(!after_second, "the earlier deletion would remove content pushed now");
    assert!(registries.get("team1").is_none());
    assert!(intents.unfinished().is_empty());
}
