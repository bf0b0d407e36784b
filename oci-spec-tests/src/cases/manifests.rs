//! Pushing manifests, and the reasons to refuse them.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::content::{Blob, Image, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, index_json};
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

const MIB: usize = 1 << 20;

pub(super) async fn put_by_tag_is_201(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let answer = ctx.put_manifest("v1", OCI_MANIFEST, &manifest.bytes).await?;
    answer.is(&[201])?;
    answer.needs("location")?;
    Ok(Outcome::Held)
}

pub(super) async fn put_by_digest_is_201(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let answer = ctx.put_manifest(&manifest.digest, OCI_MANIFEST, &manifest.bytes).await?;
    answer.is(&[201])?;
    answer.needs("location")?;
    ctx.get_manifest(&manifest.digest).send().await?.is(&[200])?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_is_pullable_from_its_location(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    for reference in ["v1", &manifest.digest] {
        let answer = ctx.put_manifest(reference, OCI_MANIFEST, &manifest.bytes).await?;
        answer.is(&[201])?;
        ctx.is_pullable(answer.needs("location")?, &manifest).await?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn put_answers_with_the_digest(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    for reference in [&manifest.digest, "v1"] {
        let answer = ctx.put_manifest(reference, OCI_MANIFEST, &manifest.bytes).await?;
        answer.is(&[201])?;
        if answer.header("docker-content-digest").is_none() {
            not_supported!("no Docker-Content-Digest header");
        }
        answer.has("docker-content-digest", &manifest.digest)?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn manifest_is_kept_byte_for_byte(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let config = image.config.descriptor(OCI_CONFIG);
    let layer = image.layer.descriptor(OCI_LAYER);
    // Order, white space, an escape, the form of a number, an unknown member and the line ending must all be returned unchanged.
    let text = format!(
        "{{ \"layers\" : [\t{layer} ],\r\n \"org.example.unknown\": 1.50e1, \"annotations\": {{\"z\": \"\\u00e9\\/\", \"a\": \"é\"}},\n\
         \"mediaType\":\"{OCI_MANIFEST}\",\n   \"config\":{config}, \"schemaVersion\": 2}}\n\n"
    );
    let manifest = Blob::of(text);
    for reference in [&manifest.digest, "v1"] {
        ctx.put_manifest(reference, OCI_MANIFEST, &manifest.bytes).await?.is(&[201])?;
        let answer = ctx.get_manifest(reference).send().await?;
        answer.is(&[200])?;
        ensure!(answer.body == manifest.bytes, "{}", answer.wrong("the returned manifest differs"));
    }
    Ok(Outcome::Held)
}

pub(super) async fn put_by_another_digest_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let wrong = Blob::unknown_digest();
    ctx.put_manifest(&wrong, OCI_MANIFEST, &manifest.bytes).await?.is(&[400])?;
    ctx.get_manifest(&wrong).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_is_pushed_again(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    ctx.push_tagged("v1", &image.manifest_json()).await?;
    ctx.push_tagged("v2", &image.manifest_json()).await?;
    ctx.push_manifest(OCI_MANIFEST, &image.manifest_json()).await?;
    Ok(Outcome::Held)
}

pub(super) async fn tag_moves_to_the_manifest_pushed_last(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let old = ctx.push_image("latest").await?.manifest();
    let new = ctx.push_image("latest").await?.manifest();
    let answer = ctx.get_manifest("latest").send().await?;
    answer.is(&[200])?;
    ensure!(answer.body == new.bytes, "{}", answer.wrong("the tag did not move"));
    let answer = ctx.get_manifest(&old.digest).send().await?;
    answer.is(&[200])?;
    ensure!(answer.body == old.bytes, "{}", answer.wrong("the older manifest changed"));
    Ok(Outcome::Held)
}

pub(super) async fn sha512_manifest_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest().sha512();
    let answer = ctx.put_manifest(&manifest.digest, OCI_MANIFEST, &manifest.bytes).await?;
    if answer.status == 400 {
        not_supported!("sha512 is refused");
    }
    answer.is(&[201])?;
    let pulled = ctx.get_manifest(&manifest.digest).send().await?;
    pulled.is(&[200])?;
    ensure!(
        pulled.body == manifest.bytes,
        "{}",
        pulled.wrong("this differs from the pushed manifest")
    );
    Ok(Outcome::Held)
}

pub(super) async fn manifest_without_layers_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let mut manifest = image.manifest_json();
    manifest["layers"] = json!([]);
    is_stored(ctx, OCI_MANIFEST, &manifest).await
}

pub(super) async fn missing_layer_is_refused_with_its_code(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = Image::random();
    ctx.push_blob(&image.config).await?;
    let answer = ctx.put_manifest("v1", OCI_MANIFEST, &image.manifest().bytes).await?;
    says_what_is_missing(&answer)
}

pub(super) async fn missing_config_is_refused_with_its_code(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = Image::random();
    ctx.push_blob(&image.layer).await?;
    let answer = ctx.put_manifest("v1", OCI_MANIFEST, &image.manifest().bytes).await?;
    says_what_is_missing(&answer)
}

pub(super) async fn layer_of_another_repository_is_missing(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = Image::random();
    ctx.push_blob(&image.config).await?;
    ctx.push_blob_to(&ctx.another("other"), &image.layer).await?;
    let answer = ctx.put_manifest("v1", OCI_MANIFEST, &image.manifest().bytes).await?;
    says_what_is_missing(&answer)
}

pub(super) async fn missing_child_is_refused_with_its_code(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let present = ctx.push_image("v1").await?.manifest();
    let children =
        [present.descriptor(OCI_MANIFEST), Image::random().manifest().descriptor(OCI_MANIFEST)];
    let index = Blob::json(&index_json(&children));
    let answer = ctx.put_manifest("all", OCI_INDEX, &index.bytes).await?;
    says_what_is_missing(&answer)
}

pub(super) async fn sparse_index_is_kept_or_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let index = Blob::json(&index_json(&[Image::random().manifest().descriptor(OCI_MANIFEST)]));
    let answer = ctx.put_manifest("sparse", OCI_INDEX, &index.bytes).await?;
    if answer.status.is_client_error() {
        answer.has_code(&["MANIFEST_BLOB_UNKNOWN"])?;
        ctx.get_manifest("sparse").send().await?.is(&[404])?;
        return Ok(Outcome::Held);
    }
    answer.is(&[201])?;
    ctx.is_pullable(&ctx.manifest("sparse"), &index).await?;
    Ok(Outcome::Held)
}

pub(super) async fn refused_manifest_leaves_the_tag_alone(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let kept = ctx.push_image("v1").await?.manifest();
    ctx.put_manifest("v1", OCI_MANIFEST, &Bytes::from_static(b"{\"schemaVersion\":2"))
        .await?
        .is_refusal()?;
    ctx.is_pullable(&ctx.manifest("v1"), &kept).await?;
    Ok(Outcome::Held)
}

pub(super) async fn invalid_json_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_parts().await?;
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"manifest\"",
        "not JSON at all",
        "{\"schemaVersion\":2}}",
        "\u{0}",
    ] {
        let answer =
            ctx.put_manifest("v1", OCI_MANIFEST, &Bytes::from_static(body.as_bytes())).await?;
        answer
            .is(&[400])
            .map_err(|failure| Failure::new(format!("the body {body:?}: {failure}")))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn malformed_descriptors_are_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let mut variants = Vec::new();
    for (member, value) in [
        ("digest", json!("sha256:abc")),
        ("digest", json!("../../etc/passwd")),
        ("digest", json!(7)),
        ("size", json!("1000")),
        ("size", json!(-1)),
    ] {
        let mut manifest = image.manifest_json();
        manifest["layers"][0][member] = value;
        variants.push(manifest);
    }
    let mut manifest = image.manifest_json();
    manifest["layers"] = json!("none");
    variants.push(manifest);
    let mut manifest = image.manifest_json();
    manifest["config"] = Value::Null;
    variants.push(manifest);
    for manifest in variants {
        let answer = ctx.put_manifest("v1", OCI_MANIFEST, &Blob::json(&manifest).bytes).await?;
        answer.is_refusal().map_err(|failure| Failure::new(format!("{manifest}: {failure}")))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn deep_json_does_no_harm(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_parts().await?;
    let deep = Bytes::from("[".repeat(100_000));
    ctx.put_manifest("v1", OCI_MANIFEST, &deep).await?.is_refusal()?;
    let nested = format!("{{\"annotations\":{}1{}}}", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    ctx.put_manifest("v1", OCI_MANIFEST, &Bytes::from(nested)).await?.is_refusal()?;
    ctx.still_answers().await?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_of_four_megabytes_is_stored(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = padded(&ctx.push_parts().await?, 4_000_000);
    let answer = ctx.put_manifest("large", OCI_MANIFEST, &manifest.bytes).await?;
    answer.is(&[201])?;
    ctx.is_pullable(&ctx.manifest("large"), &manifest).await?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_that_is_too_large_is_413(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = padded(&ctx.push_parts().await?, 64 * MIB);
    let head = ctx.raw_head(
        "PUT",
        &ctx.manifest("huge"),
        &[&format!("Content-Type: {OCI_MANIFEST}"), &format!("Content-Length: {}", manifest.len())],
    );
    let request = [head.as_bytes(), &manifest.bytes].concat();
    let answer = ctx.raw(request, crate::raw::Afterwards::Wait).await?;
    ensure!(answer.status != Some(201), "a manifest of 64 MiB is stored: there is no limit");
    ensure!(
        answer.status == Some(413),
        "a manifest of 64 MiB is answered {:?}, not 413",
        answer.status
    );
    Ok(Outcome::Held)
}

pub(super) async fn index_with_children_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let amd64 = ctx.push_image("amd64").await?.manifest();
    let arm64 = ctx.push_image("arm64").await?.manifest();
    let mut children = [amd64.descriptor(OCI_MANIFEST), arm64.descriptor(OCI_MANIFEST)];
    children[0]["platform"] = json!({"architecture": "amd64", "os": "linux"});
    children[1]["platform"] = json!({"architecture": "arm64", "os": "linux", "variant": "v8"});
    is_stored(ctx, OCI_INDEX, &index_json(&children)).await?;
    ctx.is_pullable(&ctx.manifest(&arm64.digest), &arm64).await?;
    Ok(Outcome::Held)
}

pub(super) async fn index_of_indexes_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?.manifest();
    let inner =
        ctx.push_manifest(OCI_INDEX, &index_json(&[image.descriptor(OCI_MANIFEST)])).await?;
    is_stored(ctx, OCI_INDEX, &index_json(&[inner.descriptor(OCI_INDEX)])).await
}

pub(super) async fn empty_index_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_parts().await?;
    is_stored(ctx, OCI_INDEX, &index_json(&[])).await
}

/// Pushes a manifest under a tag and pulls it by tag and by digest.
pub(super) async fn is_stored(
    ctx: &Context,
    media_type: &str,
    manifest: &Value,
) -> Result<Outcome, Failure> {
    let manifest = Blob::json(manifest);
    ctx.put_manifest("stored", media_type, &manifest.bytes).await?.is(&[201])?;
    for reference in ["stored", &manifest.digest] {
        let answer = ctx.get(ctx.manifest(reference)).header("accept", media_type).send().await?;
        answer.is(&[200])?;
        ensure!(
            answer.body == manifest.bytes,
            "{}",
            answer.wrong("this differs from the pushed manifest")
        );
    }
    Ok(Outcome::Held)
}

fn says_what_is_missing(answer: &Answer) -> Result<Outcome, Failure> {
    if answer.status == 201 {
        not_supported!("a manifest is stored although a part that it names is missing");
    }
    answer.is_refusal()?;
    answer.has_code(&["MANIFEST_BLOB_UNKNOWN"])?;
    Ok(Outcome::Held)
}

/// A manifest of exactly this many bytes, most of them in annotations.
fn padded(image: &Image, len: usize) -> Blob {
    let mut manifest = image.manifest_json();
    let mut annotations = serde_json::Map::new();
    manifest["annotations"] = json!({"pad": ""});
    let mut rest = len - manifest.to_string().len();
    let mut count = 0;
    // An annotation of 10,000 bytes is `"k0000001":"…",`.
    while rest > 20_000 {
        annotations.insert(format!("k{count:07}"), Value::String("x".repeat(10_000 - 14)));
        rest -= 10_000;
        count += 1;
    }
    annotations.insert("pad".into(), Value::String("x".repeat(rest)));
    manifest["annotations"] = Value::Object(annotations);
    Blob::json(&manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_manifest_has_the_size_asked_for() {
        for len in [4_000_000, 100_000, 10_000] {
            assert_eq!(padded(&Image::random(), len).len(), len);
        }
    }
}
