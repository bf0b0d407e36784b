//! The state of an upload: its status, resuming after a lost client, and cancelling.

use bytes::Bytes;

use crate::content::Blob;
use crate::outcome::ensure;
use crate::raw::Afterwards;
use crate::{Context, Failure, Outcome};

pub(super) async fn status_of_an_upload_is_204(ctx: &Context) -> Result<Outcome, Failure> {
    let location = ctx.start_upload().await?;
    let answer = ctx.get(location).send().await?;
    answer.is(&[204])?;
    answer.needs("location")?;
    Ok(Outcome::Held)
}

pub(super) async fn status_has_the_range_so_far(ctx: &Context) -> Result<Outcome, Failure> {
    let location = started(ctx, 3000).await?;
    let answer = ctx.get(location).send().await?;
    answer.is(&[204])?;
    answer.has("range", "0-2999")?;
    Ok(Outcome::Held)
}

pub(super) async fn upload_goes_on_where_status_says(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(5000);
    let location = ctx.start_upload().await?;
    let first = ctx.send_chunk(&location, "0-1999", blob.bytes.slice(..2000)).await?;
    first.is(&[202])?;
    let status = ctx.get(first.needs("location")?).send().await?;
    status.is(&[204])?;
    let location = status.needs("location")?;
    ctx.close_upload(location, &blob.digest, blob.bytes.slice(2000..)).await?.is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn status_of_an_unknown_upload_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.get(unknown_upload(ctx).await?).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn chunk_to_an_unknown_upload_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    let location = unknown_upload(ctx).await?;
    ctx.send_chunk(&location, "0-9", Blob::random(10).bytes).await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn put_to_an_unknown_upload_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(10);
    let location = unknown_upload(ctx).await?;
    ctx.close_upload(&location, &blob.digest, blob.bytes).await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn finished_upload_is_unknown(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(10);
    let location = ctx.start_upload().await?;
    ctx.close_upload(&location, &blob.digest, blob.bytes.clone()).await?.is(&[201])?;
    ctx.get(location).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn upload_of_another_repository_is_404(ctx: &Context) -> Result<Outcome, Failure> {
    let other = ctx.another("other");
    ctx.push_blob_to(&other, &Blob::random(10)).await?;
    let location = ctx.start_upload().await?.replace(ctx.repository(), &other);
    let answer = ctx.get(location).send().await?;
    answer.is_refusal()?;
    Ok(Outcome::Held)
}

pub(super) async fn cancelled_upload_is_204(ctx: &Context) -> Result<Outcome, Failure> {
    let location = started(ctx, 100).await?;
    ctx.delete(location).send().await?.is(&[204])?;
    Ok(Outcome::Held)
}

pub(super) async fn cancelled_upload_is_gone(ctx: &Context) -> Result<Outcome, Failure> {
    let location = started(ctx, 100).await?;
    ctx.delete(&location).send().await?.is(&[204])?;
    ctx.get(&location).send().await?.is(&[404])?;
    ctx.delete(&location).send().await?.is(&[404])?;
    ctx.close_upload(&location, &Blob::unknown_digest(), Bytes::new()).await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn client_that_goes_away_leaves_a_resumable_upload(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(200_000);
    let location = ctx.start_upload().await?;
    let head = ctx.raw_head(
        "PATCH",
        &Context::raw_target(&location),
        &[
            "Content-Type: application/octet-stream",
            "Content-Range: 0-199999",
            "Content-Length: 200000",
        ],
    );
    let cut = [head.as_bytes(), &blob.bytes[..150_000]].concat();
    ctx.raw(cut, Afterwards::GoAway).await?;

    resume(ctx, &location, &blob).await
}

pub(super) async fn streaming_client_that_goes_away_leaves_a_resumable_upload(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(200_000);
    let location = ctx.start_upload().await?;
    let headers = ["Content-Type: application/octet-stream", "Transfer-Encoding: chunked"];
    let head = ctx.raw_head("PATCH", &Context::raw_target(&location), &headers);
    // One whole chunk of the transfer coding, 100,000 bytes, and half of another one.
    let cut = [
        head.as_bytes(),
        b"186a0\r\n",
        &blob.bytes[..100_000],
        b"\r\n186a0\r\n",
        &blob.bytes[100_000..150_000],
    ]
    .concat();
    ctx.raw(cut, Afterwards::GoAway).await?;

    resume(ctx, &location, &blob).await
}

/// Gets the status of an interrupted upload, and finishes the upload from there.
async fn resume(ctx: &Context, location: &str, blob: &Blob) -> Result<Outcome, Failure> {
    // The registry may not have noticed the end of the connection yet, so the case tries several times.
    let mut last = None;
    for _ in 0..TRIES {
        let status = ctx.get(location).send().await?;
        if status.status != 204 {
            last = Some(status.wrong("the upload has no status"));
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let location = status.needs("location")?.to_owned();
        let range = status.needs("range")?;
        let end = range.strip_prefix("0-").and_then(|end| end.parse::<usize>().ok());
        let end =
            end.ok_or_else(|| status.wrong(&format!("the range {range:?} cannot be read")))?;
        // The range 0-0 means no byte or one byte; a chunk at 0 works in both cases.
        let offset = if end == 0 { 0 } else { end + 1 };
        ensure!(
            offset <= 150_000,
            "{}",
            status.wrong("the registry has more bytes than were sent")
        );
        let range = format!("{offset}-{}", blob.len() - 1);
        let rest = ctx.send_chunk(&location, &range, blob.bytes.slice(offset..)).await?;
        if rest.status != 202 {
            last = Some(rest.wrong("the upload does not continue at the offset in its status"));
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        let closed = ctx.close_upload(rest.needs("location")?, &blob.digest, Bytes::new()).await?;
        closed.is(&[201])?;
        ctx.is_pullable(&ctx.blob(&blob.digest), blob).await?;
        return Ok(Outcome::Held);
    }
    Err(last.unwrap_or_else(|| Failure::new("the upload could not be resumed")))
}

const TRIES: usize = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Starts an upload with a first chunk of this length, and returns the newest `Location`.
async fn started(ctx: &Context, len: usize) -> Result<String, Failure> {
    let location = ctx.start_upload().await?;
    let answer =
        ctx.send_chunk(&location, &format!("0-{}", len - 1), Blob::random(len).bytes).await?;
    answer.is(&[202])?;
    Ok(answer.needs("location")?.to_owned())
}

/// The `Location` of an upload that was never started, in an existing repository.
async fn unknown_upload(ctx: &Context) -> Result<String, Failure> {
    ctx.push_blob(&Blob::random(10)).await?;
    Ok(format!("{}00000000-0000-4000-8000-000000000000", ctx.uploads()))
}
