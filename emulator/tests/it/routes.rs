//! Every refused request has the status and the error body of the specification.

use futures::StreamExt as _;
use reqwest::{Method, StatusCode};
use sealyard::internals::registry::{Algorithm, Digest};
use sealyard::internals::{acr, oci};

use crate::support::client::Answer;
use crate::support::paths::{PathKind, kind_of};
use crate::support::{content, start};

#[tokio::test]
async fn every_refused_request_has_the_status_and_code_of_the_specification() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;
    let unknown = content::digest(b"unknown");
    let layer = content::digest(b"layer");
    let upload = client.begin("app").await;
    let rows: Vec<(Method, String, u16, &str)> = vec![
        (Method::GET, "/v2/UPPER/tags/list".into(), 400, "NAME_INVALID"),
        (Method::GET, "/v2/nosuch/tags/list".into(), 404, "NAME_UNKNOWN"),
        (Method::GET, "/v2/nosuch/manifests/v1".into(), 404, "NAME_UNKNOWN"),
        (Method::GET, "/v2/app/manifests/v9".into(), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, format!("/v2/app/manifests/{unknown}"), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, "/v2/app/manifests/sha256:short".into(), 400, "DIGEST_INVALID"),
        (Method::PUT, "/v2/app/manifests/v2".into(), 400, "MANIFEST_INVALID"),
        (Method::GET, "/v2/app/manifests/.no-tag".into(), 404, "MANIFEST_UNKNOWN"),
        (Method::DELETE, "/v2/app/manifests/.no-tag".into(), 404, "MANIFEST_UNKNOWN"),
        (Method::PUT, "/v2/app/manifests/.no-tag".into(), 400, "MANIFEST_INVALID"),
        (Method::DELETE, "/v2/app/manifests/v9".into(), 404, "MANIFEST_UNKNOWN"),
        (Method::GET, format!("/v2/app/blobs/{unknown}"), 404, "BLOB_UNKNOWN"),
        (Method::GET, "/v2/app/blobs/md5:abc".into(), 400, "DIGEST_INVALID"),
        (Method::DELETE, format!("/v2/app/blobs/{unknown}"), 404, "BLOB_UNKNOWN"),
        (Method::DELETE, format!("/v2/app/blobs/{layer}"), 405, "UNSUPPORTED"),
        (Method::POST, "/v2/app/blobs/uploads/?digest=nonsense".into(), 400, "DIGEST_INVALID"),
        (Method::POST, "/v2/app/blobs/uploads/?digest-algorithm=md5".into(), 400, "DIGEST_INVALID"),
        (Method::PATCH, "/v2/app/blobs/uploads/not-one-of-ours".into(), 404, "BLOB_UPLOAD_UNKNOWN"),
        (
            Method::GET,
            "/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000".into(),
            404,
            "BLOB_UPLOAD_UNKNOWN",
        ),
        (Method::PUT, upload.clone(), 400, "DIGEST_INVALID"),
        (Method::GET, upload.replace("/app/", "/other/"), 404, "BLOB_UPLOAD_UNKNOWN"),
        (Method::GET, "/v2/app/tags/list?n=many".into(), 400, "UNSUPPORTED"),
        (Method::GET, "/v2/app/referrers/nonsense".into(), 400, "DIGEST_INVALID"),
        (Method::POST, "/v2/app/tags/list".into(), 405, "UNSUPPORTED"),
        (Method::DELETE, "/v2/".into(), 405, "UNSUPPORTED"),
        (Method::GET, "/v2/_catalog?n=many".into(), 400, "UNSUPPORTED"),
        (Method::PUT, format!("/v2/app/referrers/{layer}"), 405, "UNSUPPORTED"),
        (Method::GET, "/v2/app".into(), 404, "UNSUPPORTED"),
        (Method::GET, "/elsewhere".into(), 404, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/_catalog?n=many".into(), 400, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/nosuch".into(), 404, "NAME_UNKNOWN"),
        (Method::GET, "/acr/v1/nosuch/_tags".into(), 404, "NAME_UNKNOWN"),
        (Method::DELETE, "/acr/v1/app/_tags/v9".into(), 404, "TAG_UNKNOWN"),
        (Method::GET, "/acr/v1/app/_manifests?orderby=size".into(), 400, "UNSUPPORTED"),
        (Method::GET, format!("/acr/v1/app/_manifests/{unknown}"), 404, "MANIFEST_UNKNOWN"),
        (Method::POST, "/acr/v1/_deleted/app".into(), 405, "UNSUPPORTED"),
        (Method::GET, "/acr/v1/_other".into(), 404, "UNSUPPORTED"),
    ];

    let mut with_case = Vec::new();
    for (_, path, ..) in &rows {
        with_case.extend(kind_of(path).await);
    }
    let of_oci = oci::RouteKind::ALL.iter().copied().map(PathKind::Oci);
    let of_acr = acr::RouteKind::ALL.iter().copied().map(PathKind::Acr);
    for known in of_oci.chain(of_acr) {
        assert!(with_case.contains(&known), "there is no error case of the route {known:?}");
    }
    for (method, path, status, code) in rows {
        let answer = client.send(method.clone(), &path, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{method} {path}"
        );
        let error = &answer.json()["errors"][0];
        assert!(error["message"].is_string() && error.get("detail").is_some(), "{method} {path}");
        assert_eq!(answer.header("content-type"), "application/json; charset=utf-8");
    }
}

#[tokio::test]
async fn unsatisfiable_ranges_are_416_and_unsupported_ranges_are_ignored() {
    let (_emulator, client) = start().await;
    client.push_blob("app", b"0123456789").await;
    let path = format!("/v2/app/blobs/{}", content::digest(b"0123456789"));

    for (range, status) in [
        ("bytes=0-4", 206),
        ("bytes=-4", 206),
        ("bytes=10-", 416),
        ("bytes=5-4", 416),
        ("bytes=x", 416),
        ("items=0-4", 200),
        ("bytes=0-1,4-5", 200),
    ] {
        let request = client.request(Method::GET, &path).header("range", range);
        assert_eq!(
            Answer::of(request.send().await.unwrap()).await.status.as_u16(),
            status,
            "{range}"
        );
    }
}

#[tokio::test]
async fn a_manifest_that_is_too_large_is_413() {
    let (_emulator, client) = start().await;

    let answer = client.send(Method::PUT, "/v2/app/manifests/v1", vec![b' '; (4 << 20) + 1]).await;

    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, "MANIFEST_INVALID")
    );
}

#[tokio::test]
async fn conditional_requests_are_honoured() {
    let (_emulator, client) = start().await;
    client.push_blob("app", b"content").await;
    let path = format!("/v2/app/blobs/{}", content::digest(b"content"));
    let etag = client.get(&path).await.header("etag").to_owned();

    for (name, value, status) in [
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-match", "\"other\"", 412),
        ("if-match", etag.as_str(), 200),
        ("if-match", &format!("W/{etag}"), 412),
    ] {
        let request = client.request(Method::GET, &path).header(name, value);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}");
        if status == 412 {
            assert_eq!(answer.code(), "UNSUPPORTED");
        }
    }
}

#[tokio::test]
async fn an_index_with_a_wrong_size_of_its_manifest_is_refused() {
    let (_emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let mut child = content::descriptor(content::IMAGE, &manifest);
    let index = |child: &serde_json::Value| {
        let media_type = "application/vnd.oci.image.index.v1+json";
        serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [child] })
            .to_string()
            .into_bytes()
    };

    let right = client.put_manifest("app", "right", &index(&child)).await;
    child["size"] = 5.into();
    let wrong = client.put_manifest("app", "wrong", &index(&child)).await;

    assert_eq!(right.status, StatusCode::CREATED);
    assert_eq!((wrong.status, wrong.code().as_str()), (StatusCode::BAD_REQUEST, "SIZE_INVALID"));
}

#[tokio::test]
async fn a_page_size_that_is_too_large_for_an_integer_lists_all_entries() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;

    let answer = client.get("/v2/app/tags/list?n=99999999999999999999999").await;

    assert_eq!(answer.json()["tags"], serde_json::json!(["v1"]));
}

#[tokio::test]
async fn a_manifest_whose_body_does_not_end_times_out() {
    let settings = sealyard::internals::registry::Settings {
        body_idle: std::time::Duration::from_millis(100),
        ..sealyard::internals::registry::Settings::default()
    };
    let emulator =
        sealyard::Sealyard::builder().ephemeral().settings(settings).start().await.unwrap();
    let client = crate::support::Client::of(&emulator);
    let endless = futures::stream::once(async { Ok::<_, std::io::Error>("{") })
        .chain(futures::stream::pending());

    let body = reqwest::Body::wrap_stream(endless);
    let request = client.request(Method::PUT, "/v2/app/manifests/v1").body(body);
    let answer = Answer::of(request.send().await.unwrap()).await;

    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::BAD_REQUEST, "MANIFEST_INVALID")
    );
}

/// The cache that `BuildKit` exports as an index: its entries are layers and a config, and no manifests (moby/buildkit#2479).
fn build_cache(layers: &[&[u8]], config: &[u8], media_type: &str) -> serde_json::Value {
    const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    let mut entries: Vec<_> =
        layers.iter().map(|layer| content::descriptor(LAYER, layer)).collect();
    entries.push(content::descriptor("application/vnd.buildkit.cacheconfig.v0", config));
    serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries })
}

#[tokio::test]
async fn an_index_of_blobs_is_accepted_only_if_the_blobs_exist_and_then_keeps_them() {
    const LISTS: [&str; 2] = [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ];
    let (_emulator, client) = start().await;
    for (tag, media_type) in ["oci", "docker"].into_iter().zip(LISTS) {
        let layer = format!("layer of {tag}").into_bytes();
        let config = format!("config of {tag}").into_bytes();
        let index = build_cache(&[&layer], &config, media_type).to_string();

        let early = client.put_manifest("app", tag, index.as_bytes()).await;
        for blob in [&layer, &config] {
            client.push_blob("app", blob).await;
        }
        let put = client.put_manifest("app", tag, index.as_bytes()).await;

        assert_eq!((early.status.as_u16(), early.code().as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
        assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
        let path = format!("/v2/app/blobs/{}", content::digest(&layer));
        let deleted = client.send(Method::DELETE, &path, "").await;
        assert_eq!(deleted.status, StatusCode::METHOD_NOT_ALLOWED, "the index refers to the blob");
    }
}

#[tokio::test]
async fn a_manifest_in_an_index_must_exist_as_a_manifest_and_not_only_as_a_blob() {
    let (_emulator, client) = start().await;
    client.push_blob("app", b"{}").await;
    let child = content::descriptor(content::IMAGE, b"{}");
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index =
        serde_json::json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": [child] });

    let put = client.put_manifest("app", "v1", index.to_string().as_bytes()).await;

    assert_eq!((put.status.as_u16(), put.code().as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
}

#[tokio::test]
async fn a_manifest_that_is_pushed_by_tag_is_stored_under_the_digest_that_is_sent_with_it() {
    let (_emulator, client) = start().await;
    let image = client.push_image("app", "v1", &[b"layer"]).await;
    let sha512 = Digest::of(Algorithm::Sha512, &image).to_string();
    let put = async |tag: &str, digest: &str| {
        client.put_manifest("app", &format!("{tag}?digest={digest}"), &image).await
    };

    let right = put("v2", content::digest(&image).as_str()).await;
    let other = put("v3", &sha512).await;
    let wrong = put("v4", content::digest(b"other").as_str()).await;
    let malformed = put("v4", "sha256:none").await;
    let digest = content::digest(&image);
    let twice = put("v5", &format!("{digest}&digest={digest}&digest={sha512}")).await;
    let many =
        put("v4", &format!("{digest}&digest={sha512}&digest={}", content::digest(b"x"))).await;

    assert_eq!((right.status, twice.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(other.status, StatusCode::CREATED);
    assert_eq!(other.header("docker-content-digest"), sha512);
    assert_eq!(client.get("/v2/app/manifests/v3").await.header("docker-content-digest"), sha512);
    assert_eq!(client.get(&format!("/v2/app/manifests/{sha512}")).await.body, image);
    for refused in [wrong, malformed, many] {
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (400, "DIGEST_INVALID"));
    }
    assert_eq!(client.get("/v2/app/manifests/v4").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_manifest_that_is_pushed_by_digest_gets_the_tags_that_are_sent_with_it_or_none() {
    let (_emulator, client) = start().await;
    let image = client.push_image("app", "v1", &[b"layer"]).await;
    let digest = content::digest(&image);
    let put =
        async |tags: &str| client.put_manifest("app", &format!("{digest}?{tags}"), &image).await;
    let many: Vec<_> = (0..101).map(|number| format!("tag=t{number}")).collect();

    let other = client.push_image("strong", "v1", &[b"layer"]).await;
    let sha512 = Digest::of(Algorithm::Sha512, &other).to_string();
    let ten: Vec<_> = (0..10).map(|number| format!("tag=t{number}")).collect();
    let path = format!("{sha512}?{}", ten.join("&"));
    let strong = client.put_manifest("strong", &path, &other).await;

    let set = put("tag=1.2.3&tag=1.2&tag=1&tag=1").await;
    let malformed = put("tag=good&tag=-bad").await;
    let too_many = put(&many.join("&")).await;

    assert_eq!(set.status, StatusCode::CREATED);
    let named: Vec<_> = set.headers.get_all("oci-tag").iter().collect();
    assert_eq!(named, ["1", "1.2", "1.2.3"]);
    assert_eq!((malformed.status.as_u16(), malformed.code().as_str()), (400, "MANIFEST_INVALID"));
    assert_eq!((too_many.status.as_u16(), too_many.code().as_str()), (414, "UNSUPPORTED"));
    let tags = client.get("/v2/app/tags/list").await.json();
    assert_eq!(tags["tags"], serde_json::json!(["1", "1.2", "1.2.3", "v1"]));
    // The development version of the conformance suite has this test, for a digest of either algorithm
    // (opencontainers/distribution-spec at 967efdc, conformance/run.go, `TestPushManifestDigest`).
    assert_eq!(strong.status, StatusCode::CREATED);
    assert_eq!(strong.headers.get_all("oci-tag").iter().count(), 10);
    let tagged = client.get("/v2/strong/manifests/t9").await;
    assert_eq!(tagged.header("docker-content-digest"), sha512);
}

#[tokio::test]
async fn a_plus_sign_in_the_type_of_an_artifact_is_a_plus_sign_encoded_or_not() {
    let (_emulator, client) = start().await;
    let image = client.push_image("app", "v1", &[b"layer"]).await;
    let mut artifact: serde_json::Value = serde_json::from_slice(&image).unwrap();
    artifact["subject"] = content::descriptor(content::IMAGE, &image);
    artifact["artifactType"] = "application/spdx+json".into();
    client.put_manifest("app", "sbom", artifact.to_string().as_bytes()).await;
    let path = format!("/v2/app/referrers/{}?artifactType=", content::digest(&image));

    for text in ["application/spdx+json", "application%2Fspdx%2Bjson"] {
        let listed = client.get(&format!("{path}{text}")).await.json();
        assert_eq!(listed["manifests"].as_array().unwrap().len(), 1, "{text}");
    }
}

#[tokio::test]
async fn every_416_of_a_download_has_the_length_of_the_blob() {
    let (_emulator, client) = start().await;
    client.push_blob("app", b"layer").await;
    let path = format!("/v2/app/blobs/{}", content::digest(b"layer"));

    for range in ["bytes=9-", "bytes=5-5", "bytes=-0", "bytes=2-1", "bytes=x-y", "bytes", "bytes="]
    {
        let request = client.request(Method::GET, &path).header("range", range);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (416, "RANGE_INVALID"));
        assert_eq!(answer.header("content-range"), "bytes */5", "{range}");
    }
}
