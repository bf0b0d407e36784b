//! Documents that are deep, wide or large: each has a limit, and no document ends the process.

use std::collections::BTreeMap;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::doors::{open, statuses};
use crate::support::{Client, content, start};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn index(manifests: &[Value]) -> Vec<u8> {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests }).to_string().into()
}

async fn put(client: &Client, tag: &str, manifest: Vec<u8>) -> (u16, String) {
    let request = client.request(Method::PUT, &format!("/v2/app/manifests/{tag}"));
    let answer = request.header("content-type", INDEX).body(manifest).send().await.unwrap();
    let answer = crate::support::Answer::of(answer).await;
    let status = answer.status.as_u16();
    (
        status,
        if answer.body.is_empty() {
            String::new()
        } else {
            String::from_utf8(answer.body).unwrap()
        },
    )
}

#[tokio::test]
async fn a_chain_of_five_hundred_indexes_is_pushed_pulled_collected_and_deleted() {
    let (_emulator, client) = start().await;
    let image = client.push_image("app", "v1", &[b"layer"]).await;
    let mut child = (content::IMAGE, image);
    let mut all = Vec::new();

    for level in 0..500 {
        let manifest = index(&[content::descriptor(child.0, &child.1)]);
        let (status, answer) = put(&client, &format!("level{level}"), manifest.clone()).await;
        assert_eq!(status, 201, "{level}: {answer}");
        all.push(manifest.clone());
        child = (INDEX, manifest);
    }
    let collected = client.send_json("/_sealyard/registries/local/gc", &json!({})).await;
    assert_eq!(collected.status, StatusCode::OK, "{collected:?}");
    let body = json!({ "untagged": true });
    let untagged = client.send_json("/_sealyard/registries/local/gc", &body).await;
    assert_eq!(untagged.status, StatusCode::OK, "{untagged:?}");

    for manifest in all.iter().rev() {
        let path = format!("/v2/app/manifests/{}", content::digest(manifest));
        assert_eq!(client.get(&path).await.body, *manifest);
        assert_eq!(client.send(Method::DELETE, &path, "").await.status, StatusCode::ACCEPTED);
    }
    assert_eq!(client.get("/v2/app/manifests/v1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn an_index_has_at_most_ten_thousand_entries() {
    let (_emulator, client) = start().await;
    let entries = |count: usize| -> Vec<Value> {
        let one = |number: usize| content::descriptor(content::IMAGE, &number.to_le_bytes());
        (0..count).map(one).collect()
    };

    let (status, missing) = put(&client, "wide", index(&entries(10_000))).await;
    assert_eq!(status, 404, "{}", &missing[..1000]);
    assert!(missing.contains("MANIFEST_BLOB_UNKNOWN"));
    let (status, refused) = put(&client, "wider", index(&entries(10_001))).await;
    assert_eq!(status, 400, "{refused}");
    assert!(refused.contains("MANIFEST_INVALID") && refused.contains("10000"), "{refused}");
}

#[tokio::test]
async fn a_manifest_of_more_than_four_mebibytes_is_413_and_the_message_names_the_limit() {
    let (_emulator, client) = start().await;
    let mut manifest = content::image(b"config", &[b"layer"]);
    manifest["annotations"] = json!({ "large": "a".repeat(4 << 20) });

    let answer = client.send(Method::PUT, "/v2/app/manifests/v1", manifest.to_string()).await;

    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.code(), "MANIFEST_INVALID");
    let message = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("4194304") || message.contains("4 MiB"), "{message}");
}

#[tokio::test]
async fn json_that_is_nested_a_hundred_thousand_times_is_refused_by_every_service() {
    let (emulator, doors) = open().await;
    let client = Client::of(&emulator);
    let vault = emulator.vault().unwrap();
    let owner = vault.owner().client_id;
    let bearer = |resource| {
        format!("authorization: Bearer {}\r\n", vault.token(owner, resource).unwrap().expose())
    };
    let group = "/subscriptions/00000000-0000-4000-8000-00000000a002/resourceGroups/g";
    let heads = BTreeMap::from([
        ("the registry", ("PUT", "/v2/app/manifests/v1".to_owned(), String::new())),
        ("the admin API", ("POST", "/_sealyard/registries".to_owned(), String::new())),
        (
            "a vault",
            (
                "POST",
                "/keys/k/create?api-version=7.4".to_owned(),
                bearer("https://vault.azure.net"),
            ),
        ),
        (
            "the control plane",
            (
                "PUT",
                format!("{group}?api-version=2022-12-01"),
                bearer("https://management.azure.com"),
            ),
        ),
        (
            "Graph",
            (
                "POST",
                "/v1.0/directoryObjects/getByIds".to_owned(),
                bearer("https://graph.microsoft.com"),
            ),
        ),
        ("the admin API of the vault", ("POST", "/_keyvault/faults".to_owned(), String::new())),
    ]);
    let objects = r#"{"a":"#.repeat(16_000);

    for (service, (method, path, token)) in heads {
        let door = doors.iter().find(|door| door.service == service).unwrap();
        // The vault accepts 256 KiB and its admin API 64 KiB.
        for body in [
            "[".repeat(60_000),
            objects[..60_000].to_owned(),
            r#"{"tags":"#.to_owned() + &"[".repeat(50_000),
        ] {
            let (host, len) = (&door.host, body.len());
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: {host}\r\n{token}content-type: application/json\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n{body}"
            );
            let answer = door.exchange(head).await;

            // The admin API distinguishes a wrong shape (422) from invalid JSON.
            let status = statuses(&answer);
            assert!(matches!(status[..], ["400" | "422"]), "{service}: {answer}");
        }
    }
    assert_eq!(client.get("/v2/").await.status, StatusCode::OK);
}
