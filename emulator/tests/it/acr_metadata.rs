//! ACR's metadata API: descriptions and lists of repositories, tags and manifests, and their deletion.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Client, content, start, start_with_clock};

/// Pushes an image with each of these tags, one second apart.
async fn push_tags(client: &Client, clock: &azure_emulator_core::clock::Clock, tags: &[&str]) {
    for tag in tags {
        client.push_image("app", tag, &[b"layer"]).await;
        clock.pass(Duration::from_secs(1));
    }
}

fn names(list: &Value) -> Vec<&str> {
    list["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect()
}

/// The address of the next page, from the header `Link`.
fn next(answer: &crate::support::Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<').unwrap().split('>').next().unwrap().to_owned())
}

#[tokio::test]
async fn a_repository_is_described_as_acr_describes_it() {
    let (emulator, client, clock) = start_with_clock().await;
    push_tags(&client, &clock, &["v1", "v2"]).await;

    let answer = client.get("/acr/v1/app").await;

    assert_eq!(
        answer.json(),
        json!({
            "registry": emulator.registry_address().to_string(),
            "imageName": "app",
            "createdTime": "2026-01-01T00:00:00.0000000Z",
            "lastUpdateTime": "2026-01-01T00:00:01.0000000Z",
            "manifestCount": 2,
            "tagCount": 2,
            "changeableAttributes": {
                "deleteEnabled": true, "writeEnabled": true, "readEnabled": true, "listEnabled": true,
            },
        })
    );
}

#[tokio::test]
async fn tags_and_manifests_are_described_with_platform_size_and_tags() {
    let (_emulator, client, _clock) = start_with_clock().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    client.put_manifest("app", "latest", &manifest).await;
    let digest = content::digest(&manifest).to_string();
    let config: Value = serde_json::from_slice(&manifest).unwrap();
    let size = config["config"]["size"].as_u64().unwrap() + 5;

    let tag = client.get("/acr/v1/app/_tags/v1").await.json();
    let described = client.get(&format!("/acr/v1/app/_manifests/{digest}")).await.json();
    let listed = client.get("/acr/v1/app/_manifests").await.json();

    assert_eq!((&tag["imageName"], &tag["tag"]["name"]), (&json!("app"), &json!("v1")));
    assert_eq!((&tag["tag"]["digest"], &tag["tag"]["signed"]), (&json!(digest), &json!(false)));
    let entry = &described["manifest"];
    assert_eq!((&entry["architecture"], &entry["os"]), (&json!("amd64"), &json!("linux")));
    assert_eq!((&entry["imageSize"], &entry["tags"]), (&json!(size), &json!(["latest", "v1"])));
    assert_eq!(entry["mediaType"], content::IMAGE);
    assert_eq!(entry["createdTime"], "2026-01-01T00:00:00.0000000Z");
    assert_eq!(listed["manifests"], json!([entry]));
}

#[tokio::test]
async fn an_index_is_described_with_its_manifests_and_their_platforms() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let mut child = content::descriptor(content::IMAGE, &manifest);
    child["platform"] = json!({ "architecture": "arm64", "os": "linux" });
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [child] });
    let index = index.to_string().into_bytes();
    client.put_manifest("app", "all", &index).await;

    let path = format!("/acr/v1/app/_manifests/{}", content::digest(&index));
    let described = client.get(&path).await.json();

    let references = &described["manifest"]["references"];
    let digest = content::digest(&manifest).to_string();
    assert_eq!(*references, json!([{ "digest": digest, "architecture": "arm64", "os": "linux" }]));
}

#[tokio::test]
async fn tags_are_listed_by_name_and_by_time_in_either_direction() {
    let (_emulator, client, clock) = start_with_clock().await;
    push_tags(&client, &clock, &["b", "c", "a"]).await;

    for (query, expected) in [
        ("", ["a", "b", "c"]),
        ("?orderby=none&api-version=2021-07-01", ["a", "b", "c"]),
        ("?orderby=timeasc", ["b", "c", "a"]),
        ("?orderby=timedesc", ["a", "c", "b"]),
    ] {
        let list = client.get(&format!("/acr/v1/app/_tags{query}")).await.json();
        assert_eq!(names(&list), expected, "{query}");
    }
}

#[tokio::test]
async fn every_list_can_be_read_page_by_page_in_every_order() {
    let (_emulator, client, clock) = start_with_clock().await;
    push_tags(&client, &clock, &["b", "c", "a", "e", "d"]).await;
    for repository in ["app/one", "app/two"] {
        client.push_image(repository, "v1", &[b"layer"]).await;
    }

    for (list, order) in [
        ("/acr/v1/app/_tags", ""),
        ("/acr/v1/app/_tags", "timeasc"),
        ("/acr/v1/app/_tags", "timedesc"),
        ("/acr/v1/app/_manifests", ""),
        ("/acr/v1/app/_manifests", "timedesc"),
        ("/acr/v1/_catalog", ""),
        ("/v2/_catalog", ""),
    ] {
        let entries = |page: Value| {
            let kinds = ["tags", "manifests", "repositories"];
            let kind = kinds.into_iter().find(|kind| page.get(kind).is_some()).unwrap();
            page[kind].as_array().unwrap().clone()
        };
        let whole = entries(client.get(&format!("{list}?orderby={order}")).await.json());
        let mut walked = Vec::new();
        let mut at = Some(format!("{list}?n=2&orderby={order}"));
        while let Some(path) = at {
            let answer = client.get(&path).await;
            at = next(&answer);
            let page = entries(answer.json());
            assert!(page.len() <= 2 && walked.len() <= whole.len(), "{path}");
            walked.extend(page);
        }
        assert!(whole.len() >= 3, "{list}");
        assert_eq!(walked, whole, "{list} {order}");
    }
}

#[tokio::test]
async fn links_to_the_next_page_repeat_every_parameter() {
    let (_emulator, client, clock) = start_with_clock().await;
    push_tags(&client, &clock, &["v1", "v2"]).await;
    let digest = client.get("/acr/v1/app/_tags/v1").await.json()["tag"]["digest"].clone();
    let digest = digest.as_str().unwrap();

    let page = client.get("/acr/v1/app/_tags?n=1").await;
    let filtered = client.get(&format!("/acr/v1/app/_tags?digest={digest}")).await;

    assert_eq!(page.header("link"), "</acr/v1/app/_tags?last=v1&n=1&orderby=>; rel=\"next\"");
    assert_eq!(names(&filtered.json()), ["v1"]);
    assert!(next(&filtered).is_none());
}

#[tokio::test]
async fn an_untagged_manifest_stays_and_the_tags_of_a_deleted_one_are_deleted() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    client.put_manifest("app", "v2", &manifest).await;
    let digest = content::digest(&manifest).to_string();

    let untagged = client.send(Method::DELETE, "/acr/v1/app/_tags/v1", "").await;
    let again = client.send(Method::DELETE, "/acr/v1/app/_tags/v1", "").await;
    let left = client.get("/acr/v1/app/_tags").await.json();
    let path = format!("/v2/app/manifests/{digest}");
    let deleted = client.send(Method::DELETE, &path, "").await;

    assert_eq!((untagged.status, untagged.body.len()), (StatusCode::ACCEPTED, 0));
    assert_eq!((again.status, again.code().as_str()), (StatusCode::NOT_FOUND, "TAG_UNKNOWN"));
    assert_eq!(names(&left), ["v2"]);
    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    assert_eq!(client.get("/acr/v1/app/_tags").await.json()["tags"], json!([]));
}

#[tokio::test]
async fn a_repository_is_deleted_with_its_content() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("team/app", "v1", &[b"layer"]).await;
    client.push_image("team/other", "v1", &[b"layer"]).await;

    let deleted = client.send(Method::DELETE, "/acr/v1/team%2Fapp", "").await;

    assert_eq!(deleted.status, StatusCode::ACCEPTED);
    let digest = content::digest(&manifest).to_string();
    assert_eq!(deleted.json(), json!({ "manifestsDeleted": [digest], "tagsDeleted": ["v1"] }));
    assert_eq!(client.get("/acr/v1/team/app").await.code(), "NAME_UNKNOWN");
    assert_eq!(client.get("/v2/team/app/manifests/v1").await.code(), "NAME_UNKNOWN");
    assert_eq!(
        client.get("/acr/v1/_catalog").await.json(),
        json!({ "repositories": ["team/other"] })
    );
    assert_eq!(client.send(Method::DELETE, "/acr/v1/team/app", "").await.code(), "NAME_UNKNOWN");
}

#[tokio::test]
async fn every_refused_request_has_a_status_and_a_code() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let unknown = content::digest(b"unknown");

    for (method, path, body, status, code) in [
        (Method::GET, "/acr/v1/UPPER", "", 400, "NAME_INVALID"),
        (Method::GET, "/acr/v1/nosuch", "", 404, "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/nosuch/_tags", "", 404, "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/nosuch/_manifests", "", 404, "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/app/_tags/v9", "", 404, "TAG_UNKNOWN"),
        (Method::GET, "/acr/v1/app/_tags/.x", "", 404, "TAG_UNKNOWN"),
        (Method::GET, &format!("/acr/v1/app/_manifests/{unknown}"), "", 404, "MANIFEST_UNKNOWN"),
        (Method::GET, "/acr/v1/app/_manifests/sha256:1", "", 400, "DIGEST_INVALID"),
        (Method::GET, "/acr/v1/app/_tags?orderby=size", "", 400, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/app/_tags?n=many", "", 400, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/app/_tags?digest=x", "", 400, "DIGEST_INVALID"),
        (Method::PATCH, "/acr/v1/app", "nonsense", 400, "UNSUPPORTED"),
        (Method::PATCH, "/acr/v1/app/_tags/v1", "[true]", 400, "UNSUPPORTED"),
        (Method::PATCH, "/acr/v1/nosuch", "{}", 404, "NAME_UNKNOWN"),
        (Method::PATCH, "/acr/v1/app/_tags/v9", "{}", 404, "TAG_UNKNOWN"),
        (Method::PUT, "/acr/v1/app", "", 405, "UNSUPPORTED"),
        (Method::DELETE, "/acr/v1/_catalog", "", 405, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/_other", "", 404, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/_deleted/_catalog", "", 405, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/_deleted/app/_tags", "", 405, "UNSUPPORTED"),
    ] {
        let answer = client.send(method.clone(), path, body).await;
        let found = (answer.status.as_u16(), answer.code());
        assert_eq!(found, (status, code.to_owned()), "{method} {path}");
    }
    let answer = client.get("/acr/v1/_deleted/_catalog").await;
    assert!(answer.json()["errors"][0]["message"].as_str().unwrap().contains("soft delete"));
}

#[tokio::test]
async fn every_request_is_content_and_is_refused_while_the_key_is_disabled() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let digest = content::digest(&manifest).to_string();
    client.key("disable").await;

    for (method, path) in [
        (Method::GET, "/acr/v1/_catalog"),
        (Method::GET, "/acr/v1/app"),
        (Method::PATCH, "/acr/v1/app"),
        (Method::DELETE, "/acr/v1/app"),
        (Method::GET, "/acr/v1/app/_tags"),
        (Method::GET, "/acr/v1/app/_tags/v1"),
        (Method::PATCH, "/acr/v1/app/_tags/v1"),
        (Method::DELETE, "/acr/v1/app/_tags/v1"),
        (Method::GET, "/acr/v1/app/_manifests"),
        (Method::GET, &format!("/acr/v1/app/_manifests/{digest}")),
        (Method::PATCH, &format!("/acr/v1/app/_manifests/{digest}")),
    ] {
        let answer = client.send(method.clone(), path, "{}").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method} {path}");
        assert_eq!(answer.code(), "DENIED", "{method} {path}");
    }

    client.key("enable").await;
    assert_eq!(client.get("/acr/v1/app").await.status, StatusCode::OK);
}
