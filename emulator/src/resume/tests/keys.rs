//! Tests of interrupted resets, rotations, revocations, restorations and moves of the clock.

use serde_json::json;

use super::*;
use crate::registry::Kind;
use crate::revocation::RevocationMethod;

async fn rotate(emulator: &Sealyard) {
    let body = json!({ "operation": "rotate" });
    let path = "/_sealyard/registries/local/key";
    let (status, answer) = ask(emulator, Method::POST, path, Some(body)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
}

async fn versions(emulator: &Sealyard) -> Vec<Value> {
    let (_, listed) = ask(emulator, Method::GET, "/_sealyard/registries/local/key", None).await;
    listed["versions"].as_array().unwrap().clone()
}

#[test]
fn a_reset_after_a_rotation_completes_and_local_works() {
    let stops = Case {
        prepare: async |emulator: &Sealyard| {
            assert_eq!(push(emulator, b"before").await, StatusCode::CREATED);
            rotate(emulator).await;
            emulator.create_registry("team1").await.unwrap();
            emulator.advance(Duration::from_hours(1)).await.unwrap();
        },
        operate: async |emulator: &Sealyard| drop(emulator.reset().await.unwrap()),
        check: async |emulator: &Sealyard, _: bool| {
            assert_eq!(state(emulator, "local").await, State::Active);
            assert_eq!(versions(emulator).await.len(), 1);
            assert_eq!(pull(emulator, b"before").await, StatusCode::NOT_FOUND);
            assert_eq!(files(emulator), 0);
            assert_eq!(emulator.app().registries.all().len(), 1);
            assert_eq!(principals(emulator), 2);
            assert!(emulator.clock().offset().is_zero());
            assert_eq!(push(emulator, b"after").await, StatusCode::CREATED);
            assert_eq!(pull(emulator, b"after").await, StatusCode::OK);
        },
    }
    .run();
    assert!(stops >= 10, "{stops}");
}

#[test]
fn the_registry_uses_a_version_as_soon_as_the_rotation_has_created_it() {
    let stops = Case {
        prepare: async |emulator: &Sealyard| {
            assert_eq!(push(emulator, b"layer").await, StatusCode::CREATED);
        },
        operate: async |emulator: &Sealyard| rotate(emulator).await,
        check: async |emulator: &Sealyard, _: bool| {
            let versions = versions(emulator).await;
            let in_use = versions.iter().filter(|version| version["current"] == true).count();
            assert_eq!((versions.len(), in_use), (2, 1));
            let newest = versions.iter().max_by_key(|version| version["created"].to_string());
            let latest = newest.unwrap()["created"].clone();
            assert!(versions.iter().any(|one| one["current"] == true && one["created"] == latest));
            assert_eq!(pull(emulator, b"layer").await, StatusCode::OK);
        },
    }
    .run();
    assert!(stops >= 2, "{stops}");
}

#[test]
fn a_reported_revocation_is_complete_and_a_restoration_undoes_all_of_it() {
    for method in [
        RevocationMethod::Policy,
        RevocationMethod::Disable,
        RevocationMethod::Delete,
        RevocationMethod::Firewall,
        RevocationMethod::Vault,
        RevocationMethod::Identity,
    ] {
        let revoke = async |emulator: &Sealyard| {
            let app = emulator.app();
            let local = emulator.registry();
            app.revocations.revoke(local, app.revocation_context(), method, true).await.unwrap();
        };
        let restore = async |emulator: &Sealyard| {
            let app = emulator.app();
            let local = emulator.registry();
            app.revocations.restore(local, app.revocation_context(), None, true).await.unwrap();
        };
        // The reported revocations match the result of a pull, and can be undone.
        let check = async |emulator: &Sealyard| {
            let methods = emulator.app().revocations.methods_of("local");
            let state = state(emulator, "local").await;
            assert_eq!(
                state == State::Unavailable,
                !methods.is_empty(),
                "{method}: {methods:?} {state}"
            );
            restore(emulator).await;
            assert_eq!(pull(emulator, b"layer").await, StatusCode::OK, "{method}");
            !methods.is_empty()
        };
        let pushed = async |emulator: &Sealyard| {
            assert_eq!(push(emulator, b"layer").await, StatusCode::CREATED);
        };
        let revoked = Case {
            prepare: pushed,
            operate: revoke,
            check: async |emulator: &Sealyard, has_ended: bool| {
                assert!(check(emulator).await || !has_ended, "{method}");
            },
        }
        .run();
        let restored = Case {
            prepare: async |emulator: &Sealyard| {
                pushed(emulator).await;
                revoke(emulator).await;
            },
            operate: restore,
            check: async |emulator: &Sealyard, _: bool| {
                assert!(
                    !check(emulator).await,
                    "{method}: a restoration that has begun is completed"
                );
            },
        }
        .run();
        assert!(revoked >= 3 && restored >= 3, "{method}: {revoked} {restored}");
    }
}

#[test]
fn a_move_of_the_clock_continues_to_the_requested_time() {
    for freeze in [false, true] {
        let stops = Case {
            prepare: async |emulator: &Sealyard| {
                assert_eq!(push(emulator, b"layer").await, StatusCode::CREATED);
                // An upload that becomes due during the move.
                ask(emulator, Method::POST, "/v2/app/blobs/uploads/", None).await;
            },
            operate: async |emulator: &Sealyard| {
                let body = json!({ "advance": "P90D", "freeze": freeze });
                ask(emulator, Method::POST, "/_sealyard/clock", Some(body)).await;
            },
            check: async |emulator: &Sealyard, _: bool| {
                let days = emulator.clock().offset().whole_days();
                assert!((89..=90).contains(&days), "{days}");
                assert_eq!(emulator.clock().is_frozen(), freeze);
                assert_eq!(pull(emulator, b"layer").await, StatusCode::OK);
            },
        }
        .run();
        assert!(stops >= 3, "{stops}");
    }
}

#[test]
fn a_reset_ends_an_interrupted_move_of_the_clock() {
    runtime().block_on(async {
        let folder = tempfile::tempdir().unwrap();
        let emulator = start(folder.path()).await;
        let intents = emulator.app().registries.intents().clone();
        let steps = json!({ "offset": 7200, "to": "2030-01-01T00:00:00Z", "freeze": false, "resume": false });
        // The runner may take it first: then the reset sets the clock back.
        drop(intents.begin(Kind::MoveClock, &steps).await.unwrap());

        emulator.reset().await.unwrap();
        operations_end(&emulator).await;

        assert!(emulator.clock().offset().is_zero());
        emulator.shutdown().await;
    });
}
