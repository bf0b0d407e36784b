//! The admin API: which clients may use it, and the clock.

use std::time::Duration;

use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{World, admin, send};

/// Every path of the admin API except health, which answers every client.
const GUARDED: [&str; 5] = ["audit", "clock", "events", "faults", "principals"];

#[tokio::test]
async fn no_path_but_health_answers_a_page_of_another_site() {
    let world = World::new().await;

    for path in GUARDED {
        for (name, value) in [
            ("Origin", "https://page.example"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Host", "rebound.example"),
        ] {
            for method in [Method::GET, Method::POST] {
                let url = format!("{}/_keyvault/{path}", world.vault.uri());
                let answer =
                    send(world.http.request(method, url).header(name, value).body("{}")).await;
                assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path} {name}");
            }
        }
        let answer = admin(&world, Method::GET, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn an_unknown_path_is_answered_with_the_known_paths() {
    let world = World::new().await;

    let nothing = admin(&world, Method::GET, "nothing", None).await;
    let method = admin(&world, Method::DELETE, "clock", None).await;
    let misspelt = admin(&world, Method::POST, "clock", Some(json!({"advence": "PT1H"}))).await;

    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(nothing.text.contains("clock, events"), "{}", nothing.text);
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(misspelt.status, StatusCode::BAD_REQUEST);
    assert!(misspelt.text.contains("advence"), "{}", misspelt.text);
}

#[tokio::test]
async fn a_move_of_the_clock_is_answered_when_all_due_actions_are_done() {
    let world = World::with_key().await;
    let policy = json!({
        "lifetimeActions": [{"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "Rotate"}}],
    });
    world.owner(Method::PUT, "/keys/k/rotationpolicy", Some(policy)).await;

    let moved = admin(&world, Method::POST, "clock", Some(json!({"advance": "P2M"}))).await;
    let listed = world.owner(Method::GET, "/keys/k/versions", None).await.json();

    assert_eq!(moved.json()["now"], "2026-03-01T00:00:00Z");
    assert_eq!(listed["value"].as_array().unwrap().len(), 2, "59 days hold one rotation");
    let set = json!({"set": "2026-03-02T00:00:00Z"});
    assert_eq!(admin(&world, Method::POST, "clock", Some(set)).await.status, StatusCode::OK);
    let listed = world.owner(Method::GET, "/keys/k/versions", None).await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn time_can_be_set_frozen_and_resumed_but_never_goes_back() {
    let world = World::new().await;
    let post = async |body: Value| admin(&world, Method::POST, "clock", Some(body)).await;

    let frozen = post(json!({"freeze": true})).await.json();
    world.clock.pass(Duration::from_secs(10));
    let still = admin(&world, Method::GET, "clock", None).await.json();
    let back = post(json!({"set": "2025-01-01T00:00:00Z"})).await;
    let resumed = post(json!({"resume": true})).await.json();
    world.clock.pass(Duration::from_secs(10));
    let runs = admin(&world, Method::GET, "clock", None).await.json();

    assert_eq!(frozen["frozen"], true);
    assert_eq!(still["now"], frozen["now"]);
    assert_eq!(back.status, StatusCode::BAD_REQUEST, "{}", back.text);
    assert_eq!(resumed["frozen"], false);
    assert_eq!(runs["now"], "2026-01-01T00:00:10Z");
}

#[tokio::test]
async fn a_move_of_the_vaults_own_clock_holds_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("vault");
    let day = |answer: Value| answer["offset"].as_str().unwrap().to_owned();
    let start = || async {
        let vault = MockKeyVault::builder().data_dir(&data).start().await.unwrap();
        let (clock, http) = (vault.clock().clone(), crate::support::client(vault.ca_pem()));
        World { vault, clock, http }
    };

    let world = start().await;
    admin(&world, Method::POST, "clock", Some(json!({"advance": "P10D"}))).await;
    world.vault.shutdown().await;
    let world = start().await;

    let read = admin(&world, Method::GET, "clock", None).await.json();
    assert_eq!(day(read), "PT864000S");
}
