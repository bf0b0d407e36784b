//! Pulling manifests and blobs, and checking whether they exist.

use crate::content::{Blob, Image, OCI_MANIFEST};
use crate::context::ACCEPT_ALL;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

pub(super) async fn manifest_is_pulled_by_tag(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    let answer = ctx.get_manifest("v1").send().await?;
    answer.is(&[200])?;
    ensure!(
        answer.body == image.manifest().bytes,
        "{}",
        answer.wrong("this differs from the pushed manifest")
    );
    Ok(Outcome::Held)
}

pub(super) async fn manifest_is_pulled_by_digest(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    let answer = ctx.get_manifest(&manifest.digest).send().await?;
    answer.is(&[200])?;
    ensure!(
        answer.body == manifest.bytes,
        "{}",
        answer.wrong("this differs from the pushed manifest")
    );
    Ok(Outcome::Held)
}

pub(super) async fn manifest_is_pulled_without_an_accept_header(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    let answer = ctx.get(ctx.manifest(&manifest.digest)).send().await?;
    answer.is(&[200])?;
    ensure!(
        answer.body == manifest.bytes,
        "{}",
        answer.wrong("this differs from the pushed manifest")
    );
    Ok(Outcome::Held)
}

pub(super) async fn manifest_carries_its_digest(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    let answer = ctx.get_manifest("v1").send().await?;
    answer.is(&[200])?;
    answer.has("docker-content-digest", &manifest.digest)?;
    Ok(Outcome::Held)
}

pub(super) async fn unknown_tag_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    // The second is not a valid tag. The conformance suite of the specification probes with such a tag.
    for tag in ["v2", ".no-tag"] {
        ctx.get_manifest(tag).send().await?.is(&[404])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn unknown_manifest_digest_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    ctx.get_manifest(&Blob::unknown_digest()).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_of_another_repository_is_404(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    let other = ctx.another("other");
    ctx.push_blob_to(&other, &Blob::random(10)).await?;
    let target = format!("/v2/{other}/manifests/{}", manifest.digest);
    ctx.get(target).header("accept", ACCEPT_ALL).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn pull_from_an_unknown_repository_is_404(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.get_manifest("latest").send().await?.is(&[404])?;
    ctx.get(ctx.blob(&Blob::unknown_digest())).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn blob_is_pulled(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100_000);
    ctx.push_blob(&blob).await?;
    let answer = ctx.get(ctx.blob(&blob.digest)).send().await?;
    answer.is(&[200])?;
    ensure!(
        answer.body == blob.bytes,
        "{}",
        answer.wrong("these bytes differ from the pushed bytes")
    );
    Ok(Outcome::Held)
}

pub(super) async fn blob_carries_its_digest(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    let answer = ctx.get(ctx.blob(&blob.digest)).send().await?;
    answer.is(&[200])?;
    answer.needs("docker-content-digest")?;
    Ok(Outcome::Held)
}

pub(super) async fn blob_digest_header_is_of_the_body(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    let answer = ctx.get(ctx.blob(&blob.digest)).send().await?;
    answer.is(&[200])?;
    let Some(digest) = answer.header("docker-content-digest") else {
        not_supported!("no Docker-Content-Digest header")
    };
    let matches = digest == blob.digest || digest == blob.sha512().digest;
    ensure!(
        matches,
        "{}",
        answer.wrong(&format!("Docker-Content-Digest {digest} is not the digest of this body"))
    );
    Ok(Outcome::Held)
}

pub(super) async fn unknown_blob_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_blob(&Blob::random(10)).await?;
    ctx.get(ctx.blob(&Blob::unknown_digest())).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn blob_of_another_repository_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(10);
    ctx.push_blob(&blob).await?;
    let other = ctx.another("other");
    ctx.push_blob_to(&other, &Blob::random(10)).await?;
    ctx.get(format!("/v2/{other}/blobs/{}", blob.digest)).send().await?.is(&[404])?;
    ctx.head(format!("/v2/{other}/blobs/{}", blob.digest)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn head_of_a_blob_is_200(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    let answer = ctx.head(ctx.blob(&blob.digest)).send().await?;
    answer.is(&[200])?;
    ensure!(answer.body.is_empty(), "{}", answer.wrong("a HEAD has no body"));
    Ok(Outcome::Held)
}

pub(super) async fn head_of_a_blob_has_its_digest(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    ctx.head(ctx.blob(&blob.digest)).send().await?.has("docker-content-digest", &blob.digest)?;
    Ok(Outcome::Held)
}

pub(super) async fn head_of_a_blob_has_its_size(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(12_345);
    ctx.push_blob(&blob).await?;
    ctx.head(ctx.blob(&blob.digest)).send().await?.has("content-length", "12345")?;
    Ok(Outcome::Held)
}

pub(super) async fn head_of_a_manifest_is_200(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    for reference in ["v1", &manifest.digest] {
        let answer = ctx.head(ctx.manifest(reference)).header("accept", ACCEPT_ALL).send().await?;
        answer.is(&[200])?;
        ensure!(answer.body.is_empty(), "{}", answer.wrong("a HEAD has no body"));
    }
    Ok(Outcome::Held)
}

pub(super) async fn head_of_a_manifest_has_its_digest(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    for reference in ["v1", &manifest.digest] {
        let answer = ctx.head(ctx.manifest(reference)).header("accept", ACCEPT_ALL).send().await?;
        answer.has("docker-content-digest", &manifest.digest)?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn head_of_a_manifest_has_its_size(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    let answer = ctx.head(ctx.manifest("v1")).header("accept", ACCEPT_ALL).send().await?;
    answer.has("content-length", &manifest.len().to_string())?;
    Ok(Outcome::Held)
}

pub(super) async fn head_says_what_get_says(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    for target in [ctx.manifest("v1"), ctx.blob(&image.layer.digest)] {
        let head = ctx.head(&target).header("accept", ACCEPT_ALL).send().await?;
        let get = ctx.get(&target).header("accept", ACCEPT_ALL).send().await?;
        for name in ["content-type", "content-length", "docker-content-digest", "etag"] {
            let (of_head, of_get) = (head.header(name), get.header(name));
            ensure!(
                of_head == of_get,
                "{}",
                head.wrong(&format!("{name} is {of_head:?}, but {of_get:?} with GET"))
            );
        }
    }
    Ok(Outcome::Held)
}

pub(super) async fn head_of_an_unknown_blob_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_blob(&Blob::random(10)).await?;
    ctx.head(ctx.blob(&Blob::unknown_digest())).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn head_of_an_unknown_manifest_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    for reference in ["v2", ".no-tag", &Blob::unknown_digest()] {
        ctx.head(ctx.manifest(reference)).header("accept", ACCEPT_ALL).send().await?.is(&[404])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn content_is_pulled_in_any_order(ctx: &Context) -> Result<Outcome, Failure> {
    let image: Image = ctx.push_image("v1").await?;
    ctx.is_pullable(&ctx.blob(&image.layer.digest), &image.layer).await?;
    ctx.is_pullable(&ctx.blob(&image.config.digest), &image.config).await?;
    let answer = ctx.get(ctx.manifest("v1")).header("accept", OCI_MANIFEST).send().await?;
    answer.is(&[200])?;
    Ok(Outcome::Held)
}
