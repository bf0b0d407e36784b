//! Blobs in chunks, in order and out of order, and streamed without a length.

use bytes::Bytes;

use crate::content::Blob;
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

pub(super) async fn chunks_in_order_make_the_blob(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 3).await?;
    upload.send(0).await?.is(&[202])?;
    upload.send(1).await?.is(&[202])?;
    upload.send(2).await?.is(&[202])?;
    upload.close(&Bytes::new()).await?.is(&[201])?;
    upload.is_stored().await
}

pub(super) async fn chunk_answer_has_location(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    let answer = upload.send(0).await?;
    answer.is(&[202])?;
    answer.needs("location")?;
    Ok(Outcome::Held)
}

pub(super) async fn chunk_answer_has_range(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    for part in 0..2 {
        let answer = upload.send(part).await?;
        answer.is(&[202])?;
        answer.has("range", &format!("0-{}", upload.end(part)))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn last_chunk_goes_with_the_put(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    upload.send(0).await?.is(&[202])?;
    let last = upload.part(1);
    let answer = upload.close_with_range(&upload.range(1), &last).await?;
    answer.is(&[201])?;
    ctx.is_pullable(answer.needs("location")?, &upload.blob).await?;
    upload.is_stored().await
}

pub(super) async fn first_chunk_not_at_zero_is_416(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    upload.send(1).await?.is(&[416])?;
    Ok(Outcome::Held)
}

pub(super) async fn chunk_after_a_gap_is_416(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 3).await?;
    upload.send(0).await?.is(&[202])?;
    upload.send(2).await?.is(&[416])?;
    Ok(Outcome::Held)
}

pub(super) async fn repeated_chunk_is_416(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    upload.send(0).await?.is(&[202])?;
    upload.send(0).await?.is(&[416])?;
    Ok(Outcome::Held)
}

pub(super) async fn last_chunk_out_of_order_is_416(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 3).await?;
    upload.send(0).await?.is(&[202])?;
    let last = upload.part(2);
    upload.close_with_range(&upload.range(2), &last).await?.is(&[416])?;
    ctx.head(ctx.blob(&upload.blob.digest)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn upload_goes_on_after_416(ctx: &Context) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 3).await?;
    upload.send(0).await?.is(&[202])?;
    let refused = upload.send(2).await?;
    if refused.status != 416 {
        not_supported!("the chunk out of order was answered {}", refused.status.as_u16());
    }
    let status = ctx.get(&upload.location).send().await?;
    status.is(&[204])?;
    status.has("range", &format!("0-{}", upload.end(0)))?;
    status.needs("location")?.clone_into(&mut upload.location);
    upload.send(1).await?.is(&[202])?;
    upload.send(2).await?.is(&[202])?;
    upload.close(&Bytes::new()).await?.is(&[201])?;
    upload.is_stored().await
}

pub(super) async fn malformed_content_range_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(10);
    for range in
        ["bogus", "0", "-9", "0-", "9-0", "0-x", "18446744073709551616-18446744073709551625"]
    {
        let location = ctx.start_upload().await?;
        let answer = ctx.send_chunk(&location, range, blob.bytes.clone()).await?;
        answer
            .is(&[400, 416])
            .map_err(|failure| Failure::new(format!("Content-Range {range:?}: {failure}")))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn content_range_of_another_length_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let location = ctx.start_upload().await?;
    let answer = ctx.send_chunk(&location, "0-99", Blob::random(10).bytes).await?;
    answer.is(&[400, 416])?;
    Ok(Outcome::Held)
}

pub(super) async fn wrong_digest_after_chunks_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    upload.send(0).await?.is(&[202])?;
    upload.send(1).await?.is(&[202])?;
    let wrong = Blob::unknown_digest();
    ctx.close_upload(&upload.location, &wrong, Bytes::new()).await?.is(&[400])?;
    ctx.head(ctx.blob(&wrong)).send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn digest_of_the_last_chunk_alone_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let mut upload = Upload::start(ctx, 2).await?;
    upload.send(0).await?.is(&[202])?;
    let last = Blob::of(upload.part(1));
    ctx.close_upload(&upload.location, &last.digest, last.bytes.clone()).await?.is(&[400])?;
    Ok(Outcome::Held)
}

pub(super) async fn minimum_chunk_size_is_a_number(ctx: &Context) -> Result<Outcome, Failure> {
    let answer = ctx.post(ctx.uploads()).send().await?;
    answer.is(&[202])?;
    let Some(least) = answer.header("oci-chunk-min-length") else {
        not_supported!("no OCI-Chunk-Min-Length header")
    };
    ensure!(
        least.parse::<u64>().is_ok(),
        "{}",
        answer.wrong(&format!("{least:?} is not a number of bytes"))
    );
    Ok(Outcome::Held)
}

pub(super) async fn streamed_patch_makes_the_blob(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(300_000);
    let location = ctx.start_upload().await?;
    let answer = stream(ctx, &location, &blob.bytes).await?;
    answer.is(&[202])?;
    let location = answer.needs("location")?.to_owned();
    ctx.close_upload(&location, &blob.digest, Bytes::new()).await?.is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn streamed_patch_says_what_it_took(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(5000);
    let location = ctx.start_upload().await?;
    let answer = stream(ctx, &location, &blob.bytes).await?;
    answer.is(&[202])?;
    answer.has("range", "0-4999")?;
    Ok(Outcome::Held)
}

pub(super) async fn streamed_put_makes_the_blob(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(300_000);
    let location = ctx.start_upload().await?;
    let target = crate::context::with_query(&location, &format!("digest={}", blob.digest));
    let request = ctx.put(target).header("content-type", "application/octet-stream");
    request.streamed(pieces(&blob.bytes)).send().await?.is(&[201])?;
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn chunks_of_a_sha512_blob_make_it(ctx: &Context) -> Result<Outcome, Failure> {
    let answer = ctx
        .post(crate::context::with_query(&ctx.uploads(), "digest-algorithm=sha512"))
        .send()
        .await?;
    answer.is(&[202])?;
    let location = answer.needs("location")?.to_owned();
    let blob = Blob::random(size_of_part(&answer) * 2).sha512();
    let mut upload = Upload { ctx, location, blob, size: size_of_part(&answer) };
    upload.send(0).await?.is(&[202])?;
    let closed = ctx.close_upload(&upload.location, &upload.blob.digest, upload.part(1)).await?;
    if closed.status == 400 {
        not_supported!("sha512 is refused");
    }
    closed.is(&[201])?;
    upload.is_stored().await
}

/// A running chunked upload. It uses the newest `Location`, and chunks no smaller than the registry asks for, as a client must.
struct Upload<'a> {
    ctx: &'a Context,
    location: String,
    blob: Blob,
    size: usize,
}

impl<'a> Upload<'a> {
    async fn start(ctx: &'a Context, parts: usize) -> Result<Self, Failure> {
        let answer = ctx.post(ctx.uploads()).send().await?;
        answer.is(&[202])?;
        let size = size_of_part(&answer);
        Ok(Self {
            ctx,
            location: answer.needs("location")?.to_owned(),
            blob: Blob::random(size * parts),
            size,
        })
    }

    fn part(&self, part: usize) -> Bytes {
        self.blob.bytes.slice(part * self.size..=self.end(part))
    }

    fn end(&self, part: usize) -> usize {
        (part + 1) * self.size - 1
    }

    fn range(&self, part: usize) -> String {
        format!("{}-{}", part * self.size, self.end(part))
    }

    async fn send(&mut self, part: usize) -> Result<Answer, Failure> {
        let answer =
            self.ctx.send_chunk(&self.location, &self.range(part), self.part(part)).await?;
        if let Some(location) = answer.header("location") {
            location.clone_into(&mut self.location);
        }
        Ok(answer)
    }

    async fn close(&self, rest: &Bytes) -> Result<Answer, Failure> {
        self.ctx.close_upload(&self.location, &self.blob.digest, rest.clone()).await
    }

    async fn close_with_range(&self, range: &str, rest: &Bytes) -> Result<Answer, Failure> {
        let target =
            crate::context::with_query(&self.location, &format!("digest={}", self.blob.digest));
        let request = self.ctx.put(target).header("content-type", "application/octet-stream");
        request.header("content-range", range).body(rest.clone()).send().await
    }

    async fn is_stored(&self) -> Result<Outcome, Failure> {
        self.ctx.is_pullable(&self.ctx.blob(&self.blob.digest), &self.blob).await?;
        Ok(Outcome::Held)
    }
}

fn size_of_part(started: &Answer) -> usize {
    let least =
        started.header("oci-chunk-min-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    least.max(1000)
}

fn pieces(bytes: &Bytes) -> Vec<Bytes> {
    (0..bytes.len()).step_by(7000).map(|at| bytes.slice(at..bytes.len().min(at + 7000))).collect()
}

async fn stream(ctx: &Context, location: &str, bytes: &Bytes) -> Result<Answer, Failure> {
    let request = ctx.patch(location).header("content-type", "application/octet-stream");
    request.streamed(pieces(bytes)).send().await
}
