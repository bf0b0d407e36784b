//! Mounting a blob from another repository.

use crate::content::Blob;
use crate::context::with_query;
use crate::http1::Answer;
use crate::outcome::not_supported;
use crate::{Context, Failure, Outcome};

pub(super) async fn blob_is_mounted(ctx: &Context) -> Result<Outcome, Failure> {
    let (blob, answer) = mounted(ctx).await?;
    if answer.status == 202 {
        not_supported!("202, an upload was started instead");
    }
    answer.is(&[201])?;
    answer.needs("location")?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn mounted_blob_is_pullable_from_its_location(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let (blob, answer) = mounted(ctx).await?;
    if answer.status == 202 {
        not_supported!("202, an upload was started instead");
    }
    answer.is(&[201])?;
    ctx.is_pullable(answer.needs("location")?, &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn mount_leaves_the_source_as_it_was(ctx: &Context) -> Result<Outcome, Failure> {
    let (blob, answer) = mounted(ctx).await?;
    if answer.status == 202 {
        not_supported!("202, an upload was started instead");
    }
    answer.is(&[201])?;
    ctx.is_pullable(&format!("/v2/{}/blobs/{}", ctx.another("source"), blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn mount_of_an_unknown_blob_starts_an_upload(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let source = ctx.another("source");
    ctx.push_blob_to(&source, &Blob::random(10)).await?;
    falls_back(ctx, &format!("&from={source}")).await
}

pub(super) async fn mount_from_an_unknown_repository_starts_an_upload(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    falls_back(ctx, &format!("&from={}", ctx.another("nowhere"))).await
}

pub(super) async fn mount_from_nowhere_of_an_unknown_blob_starts_an_upload(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    falls_back(ctx, "").await
}

pub(super) async fn blob_is_mounted_without_a_source(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob_to(&ctx.another("source"), &blob).await?;
    let answer = mount(ctx, &blob.digest, "").await?;
    if answer.status == 202 {
        not_supported!("202, an upload was started instead");
    }
    answer.is(&[201])?;
    ctx.is_pullable(answer.needs("location")?, &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn mount_without_a_source_is_answered_as_specified(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob_to(&ctx.another("source"), &blob).await?;
    let answer = mount(ctx, &blob.digest, "").await?;
    answer.is(&[201, 202])?;
    answer.needs("location")?;
    Ok(Outcome::Held)
}

pub(super) async fn mount_of_a_malformed_digest_does_no_harm(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let source = ctx.another("source");
    ctx.push_blob_to(&source, &Blob::random(10)).await?;
    for digest in ["sha256:abc", "nonsense", ""] {
        let answer = mount(ctx, digest, &format!("&from={source}")).await?;
        answer.is(&[202, 400, 404])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn mount_from_a_malformed_name_does_no_harm(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    for name in ["UPPER", "..%2F..%2Fetc", ""] {
        let answer = mount(ctx, &Blob::unknown_digest(), &format!("&from={name}")).await?;
        answer.is(&[202, 400, 404])?;
    }
    Ok(Outcome::Held)
}

async fn mount(ctx: &Context, digest: &str, from: &str) -> Result<Answer, Failure> {
    ctx.post(with_query(&ctx.uploads(), &format!("mount={digest}{from}"))).send().await
}

async fn mounted(ctx: &Context) -> Result<(Blob, Answer), Failure> {
    let blob = Blob::random(1000);
    let source = ctx.another("source");
    ctx.push_blob_to(&source, &blob).await?;
    let answer = mount(ctx, &blob.digest, &format!("&from={source}")).await?;
    Ok((blob, answer))
}

/// Checks that a failed mount starts an upload that works.
async fn falls_back(ctx: &Context, from: &str) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let answer = mount(ctx, &blob.digest, from).await?;
    answer.is(&[202])?;
    ctx.close_upload(answer.needs("location")?, &blob.digest, blob.bytes.clone())
        .await?
        .is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}
