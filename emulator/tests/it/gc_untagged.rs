//! `gc` with `untagged` removes each manifest that no tag reaches, with its blobs; every other manifest can still be pulled.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::gc::{collect, nothing, start};
use crate::support::{Client, content};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A pushed image with its manifest and blobs.
struct Image {
    repository: &'static str,
    manifest: Vec<u8>,
    blobs: Vec<Vec<u8>>,
}

impl Image {
    /// Pushes an image with a config and a layer, by its tag or, without a tag, by its digest.
    async fn push(client: &Client, name: &str, tag: Option<&str>, subject: Option<&Self>) -> Self {
        let layer = content::bytes(name.len() as u64, 1000);
        Self::push_with(client, "app", name, tag, subject, layer).await
    }

    async fn push_with(
        client: &Client,
        repository: &'static str,
        name: &str,
        tag: Option<&str>,
        subject: Option<&Self>,
        layer: Vec<u8>,
    ) -> Self {
        let blobs = vec![json!({ "comment": name }).to_string().into_bytes(), layer];
        for blob in &blobs {
            let pushed = client.push_blob(repository, blob).await;
            assert_eq!(pushed.status, StatusCode::CREATED, "{pushed:?}");
        }
        let mut manifest = content::image(&blobs[0], &[&blobs[1]]);
        if let Some(subject) = subject {
            manifest["subject"] = content::descriptor(content::IMAGE, &subject.manifest);
        }
        Self::put(client, repository, &manifest, tag, blobs).await
    }

    /// Pushes an index of these images.
    async fn push_index(client: &Client, tag: Option<&str>, children: &[&Self]) -> Self {
        let children: Vec<Value> = children
            .iter()
            .map(|child| content::descriptor(content::IMAGE, &child.manifest))
            .collect();
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": children });
        Self::put(client, "app", &index, tag, Vec::new()).await
    }

    async fn put(
        client: &Client,
        repository: &'static str,
        manifest: &Value,
        tag: Option<&str>,
        blobs: Vec<Vec<u8>>,
    ) -> Self {
        let image = Self { repository, manifest: manifest.to_string().into_bytes(), blobs };
        let reference = tag.map_or_else(|| image.digest(), str::to_owned);
        let put = client.put_manifest(repository, &reference, &image.manifest).await;
        assert_eq!(put.status, StatusCode::CREATED, "{put:?}");
        image
    }

    fn digest(&self) -> String {
        content::digest(&self.manifest).to_string()
    }

    fn path(&self) -> String {
        format!("/v2/{}/manifests/{}", self.repository, self.digest())
    }

    async fn lock(&self, client: &Client) {
        let path = format!("/acr/v1/{}/_manifests/{}", self.repository, self.digest());
        let change = json!({ "deleteEnabled": false }).to_string();
        assert_eq!(client.send(Method::PATCH, &path, change).await.status, StatusCode::OK);
    }

    /// Checks that a pull by digest gets every byte.
    async fn assert_whole(&self, client: &Client, what: &str) {
        let pulled = client.get(&self.path()).await;
        assert_eq!((pulled.status, &pulled.body), (StatusCode::OK, &self.manifest), "{what}");
        for blob in &self.blobs {
            let pulled = client.pull_blob(self.repository, blob).await;
            assert_eq!((pulled.status, &pulled.body), (StatusCode::OK, blob), "{what}");
        }
    }

    /// Checks that neither the manifest nor a blob of it can be pulled.
    async fn assert_gone(&self, client: &Client, what: &str) {
        let pulled = client.get(&self.path()).await;
        assert_eq!(pulled.status, StatusCode::NOT_FOUND, "{what}: {pulled:?}");
        for blob in &self.blobs {
            let pulled = client.pull_blob(self.repository, blob).await;
            assert_eq!(pulled.status, StatusCode::NOT_FOUND, "{what}: {pulled:?}");
        }
    }
}

#[tokio::test]
async fn untagged_removes_a_manifest_that_no_tag_reaches_with_its_blobs_and_referrers() {
    let (_emulator, client, _clock) = start().await;
    let shared = content::bytes(77, 1000);
    let push = |name, tag, layer| Image::push_with(&client, "app", name, tag, None, layer);
    let tagged = push("tagged", Some("v1"), shared.clone()).await;
    let loose = Image::push(&client, "loose", None, None).await;
    let about = Image::push(&client, "a referrer of loose", None, Some(&loose)).await;
    let child = Image::push(&client, "in an index without a tag", None, None).await;
    let index = Image::push_index(&client, None, &[&child]).await;
    let sharing = push("sharing a layer", None, shared.clone()).await;
    let moved = push("its tag moves away", Some("moving"), content::bytes(78, 1000)).await;
    let newer = push("its tag is new", Some("moving"), content::bytes(79, 1000)).await;

    let removed = collect(&client, json!({ "now": true, "untagged": true })).await;
    let again = collect(&client, json!({ "now": true, "untagged": true })).await;

    assert_eq!(removed["manifests"], 6, "{removed}");
    assert_eq!(removed["blobs"], 9, "two of each image, but not the shared layer: {removed}");
    assert_eq!(removed["kept"], nothing()["kept"]);
    assert_eq!(again, nothing());
    for (image, what) in [(&loose, "loose"), (&about, "its referrer"), (&moved, "tag moved")] {
        image.assert_gone(&client, what).await;
    }
    for (image, what) in [(&child, "a child"), (&index, "an index")] {
        image.assert_gone(&client, what).await;
    }
    assert_eq!(client.get(&sharing.path()).await.status, StatusCode::NOT_FOUND);
    tagged.assert_whole(&client, "the tagged image").await;
    newer.assert_whole(&client, "the image to which the tag moved").await;
}

#[tokio::test]
async fn untagged_keeps_locked_manifests_and_those_that_a_tag_reaches_through_an_index_or_as_a_referrer()
 {
    let (_emulator, client, _clock) = start().await;
    let tagged = Image::push(&client, "tagged", Some("v1"), None).await;
    let child = Image::push(&client, "a child of a tagged index", None, None).await;
    let inner = Image::push(&client, "a child of an inner index", None, None).await;
    let inner_index = Image::push_index(&client, None, &[&inner]).await;
    let index = Image::push_index(&client, Some("multi"), &[&child, &inner_index]).await;
    let about = Image::push(&client, "about the tagged image", None, Some(&tagged)).await;
    let about_that = Image::push(&client, "about the referrer", None, Some(&about)).await;
    let about_child = Image::push(&client, "about a child of an index", None, Some(&child)).await;
    let locked = Image::push(&client, "locked, and without a tag", None, None).await;
    locked.lock(&client).await;
    let of_locked = Image::push(&client, "in a locked index that has no tag", None, None).await;
    let locked_index = Image::push_index(&client, None, &[&of_locked]).await;
    locked_index.lock(&client).await;
    let loose = Image::push(&client, "reached by nothing whatever", None, None).await;

    let removed = collect(&client, json!({ "now": true, "untagged": true })).await;

    assert_eq!((&removed["manifests"], &removed["blobs"]), (&json!(1), &json!(2)), "{removed}");
    loose.assert_gone(&client, "loose").await;
    for (image, what) in [
        (&tagged, "a tagged image"),
        (&index, "a tagged index"),
        (&child, "a child of a tagged index"),
        (&inner_index, "an index in a tagged index"),
        (&inner, "a child of an index in a tagged index"),
        (&about, "a referrer of a tagged image"),
        (&about_that, "a referrer of a referrer"),
        (&about_child, "a referrer of a child"),
        (&locked, "a locked image"),
        (&locked_index, "a locked index"),
        (&of_locked, "a child of a locked index"),
    ] {
        image.assert_whole(&client, what).await;
    }
    let listed = client.get(&format!("/v2/app/referrers/{}", tagged.digest())).await.json();
    assert_eq!(listed["manifests"][0]["digest"], about.digest());
}

#[tokio::test]
async fn untagged_keeps_manifests_used_in_the_last_minute_and_ignores_tags_of_other_repositories() {
    let (_emulator, client, clock) = start().await;
    let layer = content::bytes(5, 1000);
    let push = |repository, tag| {
        Image::push_with(&client, repository, "the same", tag, None, layer.clone())
    };
    let tagged = push("app", Some("v1")).await;
    let untagged = push("other", None).await;

    let kept = collect(&client, json!({ "olderThanSeconds": 0, "untagged": true })).await;
    clock.pass(Duration::from_mins(1));
    let removed = collect(&client, json!({ "olderThanSeconds": 0, "untagged": true })).await;

    assert_eq!((&kept["manifests"], &kept["kept"]["manifests"]), (&json!(0), &json!(1)), "{kept}");
    assert_eq!(kept["kept"]["lastDue"], "2026-01-01T01:01:00Z");
    assert_eq!((&removed["manifests"], &removed["links"]), (&json!(1), &json!(2)), "{removed}");
    assert_eq!(removed["blobs"], 0, "the blobs are still in the other repository");
    untagged.assert_gone(&client, "without a tag").await;
    tagged.assert_whole(&client, "with a tag").await;
}
