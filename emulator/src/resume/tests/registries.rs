//! Tests of interrupted creations, changes and deletions of registries and identities.

use super::*;
use crate::registry::{
    AccessSettings, Change, Encryption, IdentityRef, IdentityResource, KeyChange, NewRegistry,
    RegistryName, ResourceGroup, Update,
};

fn name(text: &str) -> RegistryName {
    text.parse().unwrap()
}

fn resource(name: &str) -> IdentityResource {
    IdentityResource::new(ResourceGroup::default(), name).unwrap()
}

#[test]
fn a_deletion_of_a_registry_continues_with_its_identity_and_files_and_frees_the_name() {
    let stops = Case {
        prepare: async |emulator: &Sealyard| {
            make_registry(emulator, "team1", "sealyard").await;
            let registries = &emulator.app().registries;
            registries.delete_identity(&resource("team1"), true).await.unwrap();
            assert_eq!(push(emulator, b"local").await, StatusCode::CREATED);
            assert_eq!(principals(emulator), 3);
        },
        operate: async |emulator: &Sealyard| {
            emulator.app().registries.delete(&name("team1")).await.unwrap();
        },
        check: async |emulator: &Sealyard, _: bool| {
            let registries = &emulator.app().registries;
            assert!(emulator.registry_named("team1").is_none());
            assert_eq!(principals(emulator), 2);
            assert!(registries.is_free(&name("team1")).await.unwrap());
            emulator.create_registry("team1").await.unwrap();
            assert_eq!((pull(emulator, b"local").await, files(emulator)), (StatusCode::OK, 1));
        },
    }
    .run();
    assert!(stops >= 5, "{stops}");
}

#[test]
fn a_creation_of_a_registry_is_complete_or_undone() {
    // With an identity that is created for it, and with a system-assigned identity.
    for has_own in [false, true] {
        let stops = Case {
            prepare: async |emulator: &Sealyard| assert_eq!(principals(emulator), 2),
            operate: async |emulator: &Sealyard| {
                let access = AccessSettings { admin_enabled: true, anonymous_pull: false };
                let new =
                    NewRegistry { anonymous: false, access, ..NewRegistry::named(name("team1")) };
                let registries = &emulator.app().registries;
                if has_own {
                    let start = emulator.app().registries.start_identity().resource.clone();
                    let key = "https://local.vault.azure.net/keys/registry-key".parse().unwrap();
                    let encryption = Some(Encryption { key, identity: None });
                    let identities = vec![start];
                    let new = NewRegistry { system_identity: true, identities, encryption, ..new };
                    registries.create(new).await.unwrap();
                } else {
                    registries.create_with_dependencies(new, None, None).await.unwrap();
                }
            },
            check: async |emulator: &Sealyard, has_ended: bool| {
                let registries = &emulator.app().registries;
                let identities = registries.identities().await.unwrap().len();
                let Some(registry) = emulator.registry_named("team1") else {
                    assert!(!has_ended);
                    assert_eq!((principals(emulator), identities), (2, 1), "nothing is left");
                    emulator.create_registry("team1").await.unwrap();
                    return;
                };
                assert!(registry.access_settings().await.unwrap().admin_enabled);
                assert_eq!(registry.profile().system_identity.is_some(), has_own);
                assert_eq!(state(emulator, "team1").await, State::Active);
                assert_eq!((principals(emulator), identities), (3, 2 - usize::from(has_own)));
            },
        }
        .run();
        assert!(stops >= 3, "{stops}");
    }
}

#[test]
fn an_identity_is_created_and_deleted_with_its_principal() {
    let made = Case {
        prepare: async |_: &Sealyard| (),
        operate: async |emulator: &Sealyard| drop(emulator.create_identity("one").await.unwrap()),
        check: async |emulator: &Sealyard, has_ended: bool| {
            let rows = emulator.app().registries.identities().await.unwrap().len();
            assert_eq!(principals(emulator), rows + 1, "the owner is no identity");
            assert!(!has_ended || rows == 2);
        },
    }
    .run();
    let deleted = Case {
        prepare: async |emulator: &Sealyard| {
            emulator.create_registry("team1").await.unwrap();
        },
        operate: async |emulator: &Sealyard| {
            let registries = &emulator.app().registries;
            registries.delete_identity(&resource("team1"), true).await.unwrap();
        },
        check: async |emulator: &Sealyard, _: bool| {
            assert_eq!(emulator.app().registries.identities().await.unwrap().len(), 1);
            assert_eq!(principals(emulator), 2);
            assert_eq!(state(emulator, "team1").await, State::Unavailable);
        },
    }
    .run();
    assert!(made >= 2 && deleted >= 2, "{made} {deleted}");
}

#[test]
fn a_system_assigned_identity_is_in_the_vault_if_it_is_in_the_row() {
    for comes in [true, false] {
        let stops = Case {
            prepare: async |emulator: &Sealyard| {
                let change = Change { system_identity: Some(!comes), ..Change::default() };
                emulator.app().registries.change(&RegistryName::local(), change).await.unwrap();
            },
            operate: async |emulator: &Sealyard| {
                let change = Change { system_identity: Some(comes), ..Change::default() };
                emulator.app().registries.change(&RegistryName::local(), change).await.unwrap();
            },
            check: async |emulator: &Sealyard, has_ended: bool| {
                let has_it = emulator.registry().profile().system_identity.is_some();
                assert_eq!(principals(emulator), 2 + usize::from(has_it));
                assert!(!has_ended || has_it == comes);
            },
        }
        .run();
        assert!(stops >= 2, "{stops}");
    }
}

#[test]
fn an_update_to_another_key_and_identity_is_complete_or_undone() {
    let other_key = "https://local.vault.azure.net/keys/other";
    let stops = Case {
        prepare: async |emulator: &Sealyard| {
            emulator.create_registry("team1").await.unwrap();
            // Permit its identity to use the keys of the vault.
            emulator.create_registry("other").await.unwrap();
        },
        operate: async |emulator: &Sealyard| {
            let update = Update {
                identities: Some(vec![resource("other")]),
                key: KeyChange {
                    key: Some(other_key.parse().unwrap()),
                    identity: Some(IdentityRef::Resource(resource("other"))),
                },
                ..Update::default()
            };
            emulator.app().registries.update(&name("team1"), update).await.unwrap();
        },
        check: async |emulator: &Sealyard, has_ended: bool| {
            let registry = emulator.registry_named("team1").unwrap();
            let profile = registry.profile();
            let names: Vec<&str> =
                profile.identities.iter().map(|own| own.resource.name()).collect();
            let key = registry.key_ring().describe().configured.unwrap();
            let is_done = key.name().to_string() == "other";
            assert_eq!(names, [if is_done { "other" } else { "team1" }]);
            assert!(!has_ended || is_done);
            assert_eq!(state(emulator, "team1").await, State::Active);
        },
    }
    .run();
    assert!(stops >= 4, "{stops}");
}
