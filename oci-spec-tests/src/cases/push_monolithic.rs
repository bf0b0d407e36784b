//! Blobs in one piece: POST then PUT, and a single POST.

use bytes::Bytes;

use crate::content::Blob;
use crate::context::with_query;
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

pub(super) async fn post_starts_an_upload(ctx: &Context) -> Result<Outcome, Failure> {
    let answer = ctx.post(ctx.uploads()).send().await?;
    answer.is(&[202])?;
    answer.needs("location")?;
    Ok(Outcome::Held)
}

pub(super) async fn upload_location_holds_a_unique_uuid(ctx: &Context) -> Result<Outcome, Failure> {
    let first = ctx.start_upload().await?;
    let second = ctx.start_upload().await?;
    let uuid = uuid_in(&first);
    ensure!(uuid.is_some(), "the Location has no UUID: {first}");
    ensure!(uuid != uuid_in(&second), "two uploads have the same id: {first} and {second}");
    Ok(Outcome::Held)
}

pub(super) async fn put_stores_the_blob(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(50_000);
    let location = ctx.start_upload().await?;
    let answer = ctx.close_upload(&location, &blob.digest, blob.bytes.clone()).await?;
    answer.is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn blob_is_pullable_from_its_location(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let location = ctx.start_upload().await?;
    let answer = ctx.close_upload(&location, &blob.digest, blob.bytes.clone()).await?;
    answer.is(&[201])?;
    ctx.is_pullable(answer.needs("location")?, &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn blob_is_pushed_again(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    ctx.push_blob(&blob).await?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn empty_blob_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::of(Bytes::new());
    ctx.push_blob(&blob).await?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    ctx.head(ctx.blob(&blob.digest)).send().await?.has("content-length", "0")?;
    Ok(Outcome::Held)
}

pub(super) async fn wrong_digest_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let wrong = Blob::unknown_digest();
    let location = ctx.start_upload().await?;
    ctx.close_upload(&location, &wrong, blob.bytes.clone()).await?.is(&[400])?;
    ctx.head(ctx.blob(&wrong)).send().await?.is(&[404])?;
    ctx.head(ctx.blob(&blob.digest)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn put_without_a_digest_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let location = ctx.start_upload().await?;
    ctx.put(location).body(blob.bytes.clone()).send().await?.is(&[400])?;
    ctx.head(ctx.blob(&blob.digest)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn malformed_digest_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let hex = "0123456789abcdef".repeat(4);
    let malformed = [
        hex.clone(),
        "sha256:".into(),
        "sha256:abc".into(),
        format!("sha256:{}", hex.to_uppercase()),
        format!(":{hex}"),
        format!("sha256:{hex}0"),
    ];
    for digest in malformed {
        let location = ctx.start_upload().await?;
        ctx.close_upload(&location, &digest, Bytes::from_static(b"some bytes"))
            .await?
            .is(&[400])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn unknown_digest_algorithm_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    for digest in [format!("md5:{}", "0".repeat(32)), format!("sha257:{}", "0".repeat(64))] {
        let location = ctx.start_upload().await?;
        ctx.close_upload(&location, &digest, Bytes::from_static(b"some bytes"))
            .await?
            .is(&[400])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn single_post_stores_the_blob(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let answer = single_post(ctx, &blob.digest, &blob.bytes).await?;
    if answer.status == 202 {
        not_supported!("202, to be followed by a PUT");
    }
    answer.is(&[201])?;
    ctx.is_pullable(answer.needs("location")?, &blob).await?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn single_post_stores_or_starts_an_upload(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let answer = single_post(ctx, &blob.digest, &blob.bytes).await?;
    answer.is(&[201, 202])?;
    let location = answer.needs("location")?;
    if answer.status == 202 {
        ctx.close_upload(location, &blob.digest, blob.bytes.clone()).await?.is(&[201])?;
    }
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn single_post_with_a_wrong_digest_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let wrong = Blob::unknown_digest();
    let answer = single_post(ctx, &wrong, &Blob::random(100).bytes).await?;
    if answer.status == 202 {
        not_supported!("202, to be followed by a PUT");
    }
    answer.is(&[400])?;
    ctx.head(ctx.blob(&wrong)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn digest_may_be_percent_encoded(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    let location = ctx.start_upload().await?;
    ctx.close_upload(&location, &blob.digest.replace(':', "%3A"), blob.bytes.clone())
        .await?
        .is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn sha512_blob_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100).sha512();
    let location = ctx.start_upload().await?;
    let answer = ctx.close_upload(&location, &blob.digest, blob.bytes.clone()).await?;
    if answer.status == 400 {
        not_supported!("sha512 is refused");
    }
    answer.is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn digest_algorithm_is_announced(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(100).sha512();
    let answer = ctx.post(with_query(&ctx.uploads(), "digest-algorithm=sha512")).send().await?;
    answer.is(&[202])?;
    let location = answer.needs("location")?;
    let closed = ctx.close_upload(location, &blob.digest, blob.bytes.clone()).await?;
    if closed.status == 400 {
        not_supported!("sha512 is refused");
    }
    closed.is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn unknown_announced_algorithm_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let answer = ctx.post(with_query(&ctx.uploads(), "digest-algorithm=md5")).send().await?;
    if answer.status == 202 {
        not_supported!("digest-algorithm is ignored");
    }
    answer.is(&[400])?;
    Ok(Outcome::Held)
}

pub(super) async fn uploads_run_side_by_side(ctx: &Context) -> Result<Outcome, Failure> {
    let same = Blob::random(50_000);
    let other = Blob::random(50_000);
    let pushes = tokio::join!(
        ctx.push_blob(&same),
        ctx.push_blob(&same),
        ctx.push_blob(&other),
        ctx.push_blob(&same)
    );
    pushes.0.and(pushes.1).and(pushes.2).and(pushes.3)?;
    ctx.is_pullable(&ctx.blob(&same.digest), &same).await?;
    ctx.is_pullable(&ctx.blob(&other.digest), &other).await?;
    Ok(Outcome::Held)
}

async fn single_post(ctx: &Context, digest: &str, bytes: &Bytes) -> Result<Answer, Failure> {
    let request = ctx.post(with_query(&ctx.uploads(), &format!("digest={digest}")));
    request.header("content-type", "application/octet-stream").body(bytes.clone()).send().await
}

/// The first UUID in a text, with or without dashes.
fn uuid_in(text: &str) -> Option<String> {
    let path = text.split('?').next().unwrap_or(text);
    let is_uuid = |part: &&str| {
        let digits = part.replace('-', "");
        digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    path.split('/')
        .find(is_uuid)
        .or_else(|| text.split(['/', '?', '&', '=']).find(is_uuid))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::uuid_in;

    #[test]
    fn a_uuid_is_found_in_the_path_or_the_query() {
        let uuid = "6b3c9a93-af5d-473f-a4ce-9710022185cd";

        assert_eq!(
            uuid_in(&format!("/v2/a/b/blobs/uploads/{uuid}?_state=abc")).as_deref(),
            Some(uuid)
        );
        assert_eq!(uuid_in(&format!("/upload?session={uuid}&x=1")).as_deref(), Some(uuid));
        assert_eq!(uuid_in("/v2/a/b/blobs/uploads/42"), None);
    }
}
