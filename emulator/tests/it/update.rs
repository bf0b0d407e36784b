//! An update describes the whole registry: the set of identities and the key change in one step.

use std::collections::BTreeMap;

use sealyard::Sealyard;
use sealyard::internals::keys::KeyId;
use sealyard::internals::registry::{
    Change, IdentityRef, IdentityResource, KeyChange, ManageError, Registry, ResourceGroup, Tags,
    Update,
};

use crate::support::{Client, content, start};

fn resource(name: &str) -> IdentityResource {
    IdentityResource::new(ResourceGroup::default(), name).unwrap()
}

fn key(name: &str) -> KeyId {
    format!("https://local.vault.azure.net/keys/{name}").parse().unwrap()
}

/// A registry with an image, whose identity and key have its name; and another identity without permission for a key.
async fn with_another() -> (Sealyard, Registry, Client, Vec<u8>, String) {
    let (emulator, _local) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let registry = emulator.registry_named("team1").unwrap();
    let client = Client::named(&emulator.registry_url(), "team1.azurecr.localhost");
    let layer = content::bytes(1, 50_000);
    client.push_image("app", "v1", &[&layer]).await;
    let other = emulator.create_identity("other").await.unwrap();
    (emulator, registry, client, layer, other.principal.client_id)
}

/// The description that a client sends after it has read the registry.
fn as_it_is(registry: &Registry) -> Update {
    let profile = registry.profile();
    let now = registry.key_ring().describe();
    let identity = now.identity.unwrap().to_string().parse().unwrap();
    Update {
        identities: Some(profile.identities.iter().map(|own| own.resource.clone()).collect()),
        key: KeyChange { key: now.configured, identity: Some(identity) },
        ..Update::default()
    }
}

async fn update(
    emulator: &Sealyard,
    registry: &Registry,
    update: Update,
) -> Result<Registry, ManageError> {
    let updated = emulator.app().registries.update(registry.registry_name(), update).await;
    updated.map(|(registry, _)| registry)
}

fn names(registry: &Registry) -> Vec<String> {
    let profile = registry.profile();
    profile.identities.iter().map(|own| own.resource.name().to_owned()).collect()
}

#[tokio::test]
async fn an_update_without_changes_succeeds_even_if_the_key_cannot_be_used() {
    let (emulator, registry, ..) = with_another().await;
    emulator.vault().unwrap().set_key_enabled("local", "team1", None, false).await.unwrap();
    registry.key_ring().check().await;
    let before = registry.key_ring().describe();
    let tags = BTreeMap::from([("team".to_owned(), "one".to_owned())]);
    let tags = Tags::try_from(tags).unwrap();

    let change = Change { tags: Some(tags.clone()), ..Change::default() };
    let described = Update { change, refresh: true, ..as_it_is(&registry) };
    let updated = update(&emulator, &registry, described).await.unwrap();

    assert_eq!(updated.profile().tags, tags);
    assert_eq!(updated.key_ring().describe(), before);
    assert_eq!(names(&updated), ["team1"]);
}

#[tokio::test]
async fn an_update_can_assign_an_identity_use_it_for_the_key_and_remove_the_former_one() {
    let (emulator, registry, client, layer, other) = with_another().await;
    let vault = emulator.vault().unwrap();
    let identities = emulator.app().registries.identities().await.unwrap();
    let found = identities.iter().find(|identity| identity.resource == resource("other")).unwrap();
    vault.manager().allow_encryption("local", &found.principal.principal_id).await.unwrap();

    let described = Update {
        identities: Some(vec![resource("other")]),
        key: KeyChange { key: None, identity: Some(IdentityRef::ClientId(other.clone())) },
        ..Update::default()
    };
    let updated = update(&emulator, &registry, described).await.unwrap();

    assert_eq!(names(&updated), ["other"]);
    assert_eq!(updated.key_ring().describe().identity.unwrap().as_str(), other);
    assert!(client.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn a_failed_rotation_leaves_the_registry_unchanged() {
    let (emulator, registry, client, layer, other) = with_another().await;
    let before = (registry.profile(), registry.key_ring().describe());
    let principals = emulator.vault().unwrap().principals().len();

    let change = Change { system_identity: Some(true), ..Change::default() };
    let described = Update {
        change,
        identities: Some(vec![resource("other")]),
        key: KeyChange { key: Some(key("none")), identity: Some(IdentityRef::ClientId(other)) },
        ..Update::default()
    };
    let refused = update(&emulator, &registry, described).await.unwrap_err();

    assert!(matches!(refused, ManageError::MissingPermission(_)), "{refused:?}");
    assert_eq!((registry.profile(), registry.key_ring().describe()), before);
    assert_eq!(emulator.vault().unwrap().principals().len(), principals);
    assert!(client.pull_blob("app", &layer).await.body == layer);
}

#[tokio::test]
async fn an_update_with_the_same_key_uses_its_newest_version_only_on_request() {
    let (emulator, registry, ..) = with_another().await;
    let first = registry.key_ring().describe().versioned;
    emulator.vault().unwrap().rotate_key("local", "team1").await.unwrap();

    let same = update(&emulator, &registry, as_it_is(&registry)).await.unwrap();
    let stayed = same.key_ring().describe().versioned;
    let refreshed = Update { refresh: true, ..as_it_is(&registry) };
    let refreshed = update(&emulator, &registry, refreshed).await.unwrap();

    assert_eq!(stayed, first);
    assert_ne!(refreshed.key_ring().describe().versioned, first);
}

#[tokio::test]
async fn an_unknown_identity_is_refused_and_a_deleted_one_may_stay_assigned() {
    let (emulator, registry, ..) = with_another().await;
    let unknown = Update { identities: Some(vec![resource("nosuch")]), ..Update::default() };
    let unknown = update(&emulator, &registry, unknown).await.unwrap_err();
    emulator.app().registries.delete_identity(&resource("team1"), true).await.unwrap();

    let stays = update(&emulator, &registry, as_it_is(&registry)).await.unwrap();

    assert!(matches!(unknown, ManageError::NoIdentity(_)), "{unknown:?}");
    assert_eq!(names(&stays), ["team1"]);
}
