//! Verification in the background: it finds damage while clients use the registry, and an idle registry stays idle.

use std::time::Duration;

use reqwest::StatusCode;
use sealyard::internals::keys::{KeyUse, Purpose};

use super::world::{Harm, Part, World};
use crate::support::start_with_clock;

async fn metric(world: &World, line: &str) -> bool {
    let metrics = world.client.get("/_sealyard/metrics").await;
    String::from_utf8(metrics.body).unwrap().contains(line)
}

#[tokio::test]
async fn damage_is_found_in_the_background_while_clients_use_other_content() {
    let (emulator, client, clock) = start_with_clock().await;
    let world = World { emulator, client };
    let image = world.push(1, "app").await;
    World::harm(&image, Part::Layer, Harm::Flipped(8), &image);
    assert_eq!(
        world.head(&image, Part::Layer).await,
        StatusCode::OK,
        "no request has read the layer yet"
    );

    while !metric(&world, r#"background_pass_completed_timestamp_seconds{registry="local"}"#).await
    {
        assert_eq!(world.head(&image, Part::Manifest).await, StatusCode::OK);
        clock.pass(Duration::from_secs(1));
    }

    assert_eq!(world.head(&image, Part::Layer).await, StatusCode::NOT_FOUND);
    assert!(metric(&world, r#"background_objects_verified_total{registry="local"} 2"#).await);
    assert!(metric(&world, r#"damages_found_total{registry="local",damage="damaged"} 1"#).await);
}

#[tokio::test]
async fn an_idle_registry_sends_no_request_to_its_vault() {
    let (emulator, client, clock) = start_with_clock().await;
    let world = World { emulator, client };
    world.push(1, "app").await;
    let uses = async || world.emulator.registry().key_uses(1000).await.unwrap();
    // The lease is renewed once because of the push.
    let is_lease = |key_use: &&KeyUse| key_use.purpose == Purpose::Lease;
    while uses().await.iter().filter(is_lease).count() < 2 {
        clock.pass(Duration::from_secs(1));
        world.client.get("/v2/").await;
    }
    let before = uses().await.len();

    for _ in 0..60 {
        clock.pass(Duration::from_secs(1));
        world.client.get("/v2/").await;
    }

    let after = uses().await;
    assert_eq!(after.len(), before, "{after:#?}");
}
