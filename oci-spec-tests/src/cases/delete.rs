//! Deleting tags, manifests and blobs. A registry may refuse this with 400 or 405.

use crate::content::Blob;
use crate::context::{ACCEPT_ALL, with_query};
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

pub(super) async fn deleting_a_tag_is_202_or_disabled(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    ctx.delete(ctx.manifest("v1")).send().await?.is(&[202, 400, 405])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleted_tag_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    if let Some(outcome) = disabled(&ctx.delete(ctx.manifest("v1")).send().await?)? {
        return Ok(outcome);
    }
    ctx.get_manifest("v1").send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_a_tag_keeps_the_manifest(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    ctx.push_tagged("v2", &image.manifest_json()).await?;
    if let Some(outcome) = disabled(&ctx.delete(ctx.manifest("v1")).send().await?)? {
        return Ok(outcome);
    }
    ctx.get_manifest("v2").send().await?.is(&[200])?;
    ctx.get_manifest(&image.manifest().digest).send().await?.is(&[200])?;
    let answer = ctx.get(format!("/v2/{}/tags/list", ctx.repository())).send().await?;
    let tags = answer.json()?["tags"].clone();
    ensure!(tags == serde_json::json!(["v2"]), "{}", answer.wrong("expected only the other tag"));
    Ok(Outcome::Held)
}

pub(super) async fn deleting_an_unknown_tag_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let answer = ctx.delete(ctx.manifest("v2")).send().await?;
    if matches!(answer.status.as_u16(), 400 | 405) {
        not_supported!("deleting a tag answers {}", answer.status.as_u16());
    }
    answer.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_a_manifest_is_202_or_disabled(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    ctx.delete(ctx.manifest(&manifest.digest)).send().await?.is(&[202, 400, 405])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleted_manifest_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    if let Some(outcome) = disabled(&ctx.delete(ctx.manifest(&manifest.digest)).send().await?)? {
        return Ok(outcome);
    }
    ctx.get_manifest(&manifest.digest).send().await?.is(&[404])?;
    ctx.head(ctx.manifest(&manifest.digest))
        .header("accept", ACCEPT_ALL)
        .send()
        .await?
        .is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn tags_of_a_deleted_manifest_are_404(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    ctx.push_tagged("v2", &image.manifest_json()).await?;
    let other = ctx.push_image("other").await?.manifest();
    if let Some(outcome) =
        disabled(&ctx.delete(ctx.manifest(&image.manifest().digest)).send().await?)?
    {
        return Ok(outcome);
    }
    ctx.get_manifest("v1").send().await?.is(&[404])?;
    ctx.get_manifest("v2").send().await?.is(&[404])?;
    ctx.is_pullable(&ctx.manifest("other"), &other).await?;
    Ok(Outcome::Held)
}

pub(super) async fn tags_of_a_deleted_manifest_are_not_listed(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    ctx.push_image("other").await?;
    if let Some(outcome) = disabled(&ctx.delete(ctx.manifest(&manifest.digest)).send().await?)? {
        return Ok(outcome);
    }
    let answer = ctx.get(format!("/v2/{}/tags/list", ctx.repository())).send().await?;
    let tags = answer.json()?["tags"].clone();
    ensure!(
        tags == serde_json::json!(["other"]),
        "{}",
        answer.wrong("expected only the other tag")
    );
    Ok(Outcome::Held)
}

pub(super) async fn deleting_in_an_unknown_repository_is_404(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let answer = ctx.delete(ctx.manifest(&Blob::unknown_digest())).send().await?;
    if matches!(answer.status.as_u16(), 400 | 405) {
        not_supported!("deleting a manifest answers {}", answer.status.as_u16());
    }
    answer.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_an_unknown_manifest_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let answer = ctx.delete(ctx.manifest(&Blob::unknown_digest())).send().await?;
    if matches!(answer.status.as_u16(), 400 | 405) {
        not_supported!("deleting a manifest answers {}", answer.status.as_u16());
    }
    answer.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleted_manifest_can_be_pushed_again(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    let manifest = image.manifest();
    if let Some(outcome) = disabled(&ctx.delete(ctx.manifest(&manifest.digest)).send().await?)? {
        return Ok(outcome);
    }
    // The registry may have collected the blobs: a client that pushes asks for them, and sends them again.
    for blob in [&image.config, &image.layer] {
        if ctx.head(ctx.blob(&blob.digest)).send().await?.status != 200 {
            ctx.push_blob(blob).await?;
        }
    }
    ctx.push_tagged("v1", &image.manifest_json()).await?;
    ctx.is_pullable(&ctx.manifest("v1"), &manifest).await?;
    ctx.is_pullable(&ctx.blob(&image.layer.digest), &image.layer).await?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_a_blob_is_202_or_disabled(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    ctx.delete(ctx.blob(&blob.digest)).send().await?.is(&[202, 400, 405])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleted_blob_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    if let Some(outcome) = disabled(&ctx.delete(ctx.blob(&blob.digest)).send().await?)? {
        return Ok(outcome);
    }
    ctx.get(ctx.blob(&blob.digest)).send().await?.is(&[404])?;
    ctx.head(ctx.blob(&blob.digest)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_an_unknown_blob_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_blob(&Blob::random(100)).await?;
    let answer = ctx.delete(ctx.blob(&Blob::unknown_digest())).send().await?;
    if matches!(answer.status.as_u16(), 400 | 405) {
        not_supported!("deleting a blob answers {}", answer.status.as_u16());
    }
    answer.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn deleted_blob_can_be_pushed_again(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    if let Some(outcome) = disabled(&ctx.delete(ctx.blob(&blob.digest)).send().await?)? {
        return Ok(outcome);
    }
    ctx.push_blob(&blob).await?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_in_one_repository_leaves_the_others(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let other = ctx.another("other");
    ctx.push_blob(&blob).await?;
    let mount = format!("mount={}&from={}", blob.digest, ctx.repository());
    let mounted =
        ctx.post(with_query(&format!("/v2/{other}/blobs/uploads/"), &mount)).send().await?;
    if mounted.status != 201 {
        ctx.push_blob_to(&other, &blob).await?;
    }
    if let Some(outcome) = disabled(&ctx.delete(ctx.blob(&blob.digest)).send().await?)? {
        return Ok(outcome);
    }
    ctx.is_pullable(&format!("/v2/{other}/blobs/{}", blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn deleting_a_malformed_digest_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    for digest in ["sha256:abc", "nonsense", "sha256:"] {
        ctx.delete(ctx.blob(digest)).send().await?.is_refusal()?;
    }
    ctx.delete(ctx.manifest("sha256:abc")).send().await?.is_refusal()?;
    ctx.get_manifest("v1").send().await?.is(&[200])?;
    Ok(Outcome::Held)
}

/// The outcome if deletion is disabled; `None` after a success; any other answer is a failure.
fn disabled(answer: &Answer) -> Result<Option<Outcome>, Failure> {
    answer.is(&[202, 400, 405])?;
    let status = answer.status.as_u16();
    Ok((status != 202).then(|| Outcome::NotSupported(format!("deleting answers {status}"))))
}
