//! Damaged content is missing for clients, and a new push of the content heals it.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::world::{HARMS, Harm, PARTS, Part, World};
use crate::support::content;

#[tokio::test]
async fn a_new_push_of_the_content_heals_every_kind_of_damage() {
    let world = World::new().await;
    let other = world.push(1, "other").await;
    let mut seed = 1;
    for harm in HARMS {
        for part in PARTS {
            seed += 1;
            let image = world.push(seed, "app").await;
            World::harm(&image, part, harm, &other);

            let status = world.push_again(&image, part).await;

            assert_eq!(status, StatusCode::CREATED, "{harm:?} {part:?}");
            assert_eq!(world.head(&image, part).await, StatusCode::OK, "{harm:?} {part:?}");
            let pulled = world.get(&image, part).await.unwrap();
            assert!(pulled.body == image.bytes(part), "{harm:?} {part:?}");
            assert!(!image.file(part).exists(), "{harm:?} {part:?}: the old file still exists");
        }
    }
    let content = world.emulator.registry().content().await.unwrap();
    assert!(content.verify(false, |_| ()).await.unwrap().findings.is_empty());
}

#[tokio::test]
async fn a_blob_that_is_pushed_to_another_repository_is_healed_in_every_one() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    World::harm(&image, Part::Layer, Harm::Flipped(8), &image);

    let pushed = world.client.push_blob("other", &image.layer).await;

    assert_eq!(pushed.status, StatusCode::CREATED);
    assert!(world.get(&image, Part::Layer).await.unwrap().body == image.layer);
}

#[tokio::test]
async fn a_get_of_damaged_content_is_404_with_the_cause_or_is_cut_and_then_head_is_404_until_a_push()
 {
    let world = World::new().await;
    let other = world.push(1, "other").await;
    let mut seed = 1;
    for harm in HARMS {
        for part in PARTS {
            seed += 1;
            let image = world.push(seed, "app").await;
            World::harm(&image, part, harm, &other);
            let case = format!("{harm:?} {part:?}");

            if harm.is_within(part) {
                assert!(
                    world.get(&image, part).await.is_none(),
                    "{case}: the connection does not break"
                );
            }
            let answer = world.get(&image, part).await.unwrap();

            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{case}");
            let error = &answer.json()["errors"][0];
            assert_eq!(error["code"], part.code(), "{case}");
            let digest = content::digest(image.bytes(part));
            assert_eq!(
                error["detail"],
                json!({ "digest": digest.as_str(), "cause": harm.cause() }),
                "{case}"
            );
            assert_eq!(world.head(&image, part).await, StatusCode::NOT_FOUND, "{case}");
            assert_eq!(world.push_again(&image, part).await, StatusCode::CREATED, "{case}");
            assert_eq!(world.head(&image, part).await, StatusCode::OK, "{case}");
            assert!(world.get(&image, part).await.unwrap().body == image.bytes(part), "{case}");
        }
    }
}

#[tokio::test]
async fn a_head_of_content_whose_file_is_missing_or_of_another_length_is_404() {
    let world = World::new().await;
    let mut seed = 0;
    for harm in HARMS.into_iter().filter(|harm| harm.is_seen()) {
        for part in PARTS {
            seed += 1;
            let image = world.push(seed, "app").await;
            World::harm(&image, part, harm, &image);

            assert_eq!(world.head(&image, part).await, StatusCode::NOT_FOUND, "{harm:?} {part:?}");
        }
    }
}

#[tokio::test]
async fn a_mount_of_a_damaged_blob_asks_for_an_upload() {
    let world = World::new().await;
    let other = world.push(1, "other").await;
    let mut seed = 1;
    for harm in HARMS {
        for part in [Part::Layer, Part::Config] {
            seed += 1;
            let image = world.push(seed, "app").await;
            World::harm(&image, part, harm, &other);
            if harm.is_within(part) {
                // Only a read finds this damage.
                assert!(world.get(&image, part).await.is_none());
            }

            let mounted = world.mount(&image, part, "mounted").await;

            assert_eq!(mounted, StatusCode::ACCEPTED, "{harm:?} {part:?}");
            assert_eq!(world.push_again(&image, part).await, StatusCode::CREATED);
            assert_eq!(world.mount(&image, part, "mounted").await, StatusCode::CREATED);
        }
    }
}

#[tokio::test]
async fn a_manifest_whose_blob_cannot_be_served_is_refused_until_the_blob_is_pushed() {
    let world = World::new().await;
    for (seed, harm) in (1..).zip([Harm::Missing, Harm::Cut, Harm::Unreadable]) {
        let image = world.push(seed, "app").await;
        World::harm(&image, Part::Layer, harm, &image);

        let refused = world.client.put_manifest("app", "v2", &image.manifest).await;

        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{harm:?}");
        assert_eq!(refused.code(), "MANIFEST_BLOB_UNKNOWN");
        let digest = content::digest(&image.layer);
        assert_eq!(refused.json()["errors"][0]["detail"]["digest"], digest.as_str());
        assert_eq!(world.push_again(&image, Part::Layer).await, StatusCode::CREATED);
        let put = world.client.put_manifest("app", "v2", &image.manifest).await;
        assert_eq!(put.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_manifest_whose_blob_was_found_damaged_by_a_read_is_refused_as_well() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    World::harm(&image, Part::Layer, Harm::Flipped(8), &image);
    assert!(world.get(&image, Part::Layer).await.is_none());

    let refused = world.client.put_manifest("app", "v2", &image.manifest).await;

    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN")
    );
}

#[tokio::test]
async fn damaged_content_is_still_listed_and_can_be_deleted() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    for part in PARTS {
        World::harm(&image, part, Harm::Unreadable, &image);
        assert_eq!(world.get(&image, part).await.unwrap().status, StatusCode::NOT_FOUND);
    }

    let tags = world.client.get("/v2/app/tags/list").await;
    let described = world.client.get("/acr/v1/app/_manifests").await;
    let deleted = world.client.send(Method::DELETE, &image.path(Part::Manifest), "").await;

    assert_eq!(tags.json(), json!({ "name": "app", "tags": ["v1"] }));
    assert_eq!(described.status, StatusCode::OK, "{described:?}");
    assert_eq!(described.json()["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    for part in [Part::Layer, Part::Config] {
        let deleted = world.client.send(Method::DELETE, &image.path(part), "").await;
        assert_eq!(deleted.status, StatusCode::ACCEPTED, "{deleted:?}");
    }
    assert!(world.files().is_empty());
}

#[tokio::test]
async fn a_damaged_referrer_does_not_hide_the_others() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let subject = content::descriptor(content::IMAGE, &image.manifest);
    let mut files = Vec::new();
    for kind in ["one", "two"] {
        let mut referrer = content::image(&image.config, &[]);
        referrer["subject"] = subject.clone();
        referrer["artifactType"] = json!(format!("application/{kind}"));
        let before = world.files();
        let bytes = referrer.to_string().into_bytes();
        let put = world.client.put_manifest("app", content::digest(&bytes).as_str(), &bytes).await;
        assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
        files.extend(world.files().difference(&before).cloned());
    }
    fs_err::write(&files[0], b"damaged").unwrap();

    let digest = content::digest(&image.manifest);
    let listed = world.client.get(&format!("/v2/app/referrers/{digest}")).await.json();

    let manifests = listed["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 1, "{listed}");
    assert_eq!(manifests[0]["artifactType"], "application/two");
}

#[tokio::test]
async fn a_reader_of_the_old_file_continues_while_a_push_replaces_it() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    let mut reading =
        world.client.request(Method::GET, &image.path(Part::Layer)).send().await.unwrap();
    let first = reading.chunk().await.unwrap().unwrap();

    assert_eq!(world.push_again(&image, Part::Layer).await, StatusCode::CREATED);

    let mut read = first.to_vec();
    while let Some(chunk) = reading.chunk().await.unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert!(read == image.layer);
}

#[tokio::test]
async fn an_event_and_a_counter_report_damage_once() {
    let world = World::new().await;
    let image = world.push(1, "app").await;
    World::harm(&image, Part::Config, Harm::Cut, &image);

    for _ in 0..3 {
        assert_eq!(world.head(&image, Part::Config).await, StatusCode::NOT_FOUND);
    }

    let request = world.client.request(Method::GET, "/_sealyard/events");
    let answer = request.header("accept", "application/json").send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    let events = answer["events"].as_array().unwrap().iter();
    let damages: Vec<_> = events.filter(|event| event["event"] == "contentDamaged").collect();
    assert_eq!(damages.len(), 1, "{answer}");
    let object = format!("blob {}", content::digest(&image.config));
    assert_eq!((&damages[0]["object"], &damages[0]["cause"]), (&json!(object), &json!("damaged")));
    let metrics = world.client.get("/_sealyard/metrics").await;
    let text = String::from_utf8(metrics.body).unwrap();
    let line = r#"sealyard_damages_found_total{registry="local",damage="damaged"} 1"#;
    assert!(text.contains(line), "{text}");
}
