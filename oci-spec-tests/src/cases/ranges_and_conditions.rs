//! Parts of blobs (RFC 9110, section 14, which the specification recommends) and conditional requests (section 13).

use crate::content::Blob;
use crate::context::ACCEPT_ALL;
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

const LEN: usize = 1000;

pub(super) async fn range_from_the_start(ctx: &Context) -> Result<Outcome, Failure> {
    // A registry that ignores ranges fails here, once, and is reported as "not supported" in the next cases.
    let (blob, answer) = ranged(ctx, "bytes=0-9").await?;
    is_part(&answer, &blob, 0, 9)?;
    Ok(Outcome::Held)
}

pub(super) async fn range_in_the_middle(ctx: &Context) -> Result<Outcome, Failure> {
    expect_part(ctx, "bytes=300-699", 300, 699).await
}

pub(super) async fn range_of_one_byte(ctx: &Context) -> Result<Outcome, Failure> {
    expect_part(ctx, "bytes=999-999", 999, 999).await
}

pub(super) async fn range_without_an_end(ctx: &Context) -> Result<Outcome, Failure> {
    expect_part(ctx, "bytes=990-", 990, 999).await
}

pub(super) async fn range_of_a_suffix(ctx: &Context) -> Result<Outcome, Failure> {
    expect_part(ctx, "bytes=-10", 990, 999).await
}

pub(super) async fn suffix_longer_than_the_blob_is_all_of_it(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let (blob, answer) = ranged(ctx, "bytes=-5000").await?;
    if answer.status == 200 {
        ensure!(
            answer.body == blob.bytes,
            "{}",
            answer.wrong("these bytes differ from the pushed bytes")
        );
        return Ok(Outcome::Held);
    }
    is_part(&answer, &blob, 0, 999)?;
    Ok(Outcome::Held)
}

pub(super) async fn range_that_ends_too_late_is_cut(ctx: &Context) -> Result<Outcome, Failure> {
    expect_part(ctx, "bytes=900-5000", 900, 999).await
}

pub(super) async fn range_past_the_end_is_416(ctx: &Context) -> Result<Outcome, Failure> {
    let (_, answer) = ranged(ctx, "bytes=1000-").await?;
    if answer.status == 200 {
        not_supported!("ranges are ignored");
    }
    answer.is(&[416])?;
    Ok(Outcome::Held)
}

pub(super) async fn answer_416_has_the_size(ctx: &Context) -> Result<Outcome, Failure> {
    let (_, answer) = ranged(ctx, "bytes=1000-2000").await?;
    if answer.status != 416 {
        not_supported!("the status is {}", answer.status.as_u16());
    }
    answer.has("content-range", "bytes */1000")?;
    Ok(Outcome::Held)
}

pub(super) async fn answer_416_is_whole(ctx: &Context) -> Result<Outcome, Failure> {
    let (_, answer) = ranged(ctx, "bytes=1000-").await?;
    if answer.status != 416 {
        not_supported!("the status is {}", answer.status.as_u16());
    }
    ensure!(answer.is_whole, "{}", answer.wrong("the body is shorter than its Content-Length"));
    Ok(Outcome::Held)
}

pub(super) async fn range_of_an_unknown_unit_is_ignored(ctx: &Context) -> Result<Outcome, Failure> {
    let (blob, answer) = ranged(ctx, "lines=0-9").await?;
    answer.is(&[200])?;
    ensure!(answer.body == blob.bytes, "{}", answer.wrong("this is not the whole blob"));
    Ok(Outcome::Held)
}

pub(super) async fn malformed_ranges_do_no_harm(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = pushed(ctx).await?;
    for range in [
        "bytes=9-3",
        "bytes=a-b",
        "bytes=",
        "bytes=-",
        "bytes=-0",
        "bytes",
        "bytes=0-9999999999999999999999999",
        "bytes=-1-5",
    ] {
        let answer = ctx.get(ctx.blob(&blob.digest)).header("range", range).send().await?;
        ensure!(answer.status.as_u16() < 500, "{}", answer.wrong(&format!("the range {range:?}")));
        if answer.status == 200 {
            ensure!(
                answer.body == blob.bytes,
                "{}",
                answer.wrong(&format!("the range {range:?} returned other bytes"))
            );
        }
    }
    Ok(Outcome::Held)
}

pub(super) async fn several_ranges_are_answered_sanely(ctx: &Context) -> Result<Outcome, Failure> {
    let (blob, answer) = ranged(ctx, "bytes=0-9,100-109").await?;
    answer.is(&[200, 206])?;
    if answer.status == 200 {
        ensure!(answer.body == blob.bytes, "{}", answer.wrong("this is not the whole blob"));
        return Ok(Outcome::Held);
    }
    let kind = answer.needs("content-type")?;
    let parts = kind.starts_with("multipart/byteranges");
    ensure!(
        parts || answer.header("content-range").is_some(),
        "{}",
        answer.wrong("neither parts nor one range")
    );
    Ok(Outcome::Held)
}

pub(super) async fn head_ignores_ranges(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = pushed(ctx).await?;
    let answer = ctx.head(ctx.blob(&blob.digest)).header("range", "bytes=0-9").send().await?;
    answer.is(&[200])?;
    answer.has("content-length", "1000")?;
    Ok(Outcome::Held)
}

pub(super) async fn pull_resumes_where_it_stopped(ctx: &Context) -> Result<Outcome, Failure> {
    let (blob, first) = ranged(ctx, "bytes=0-399").await?;
    if first.status == 200 {
        not_supported!("ranges are ignored");
    }
    let rest = ctx.get(ctx.blob(&blob.digest)).header("range", "bytes=400-").send().await?;
    rest.is(&[206])?;
    let whole = [first.body, rest.body].concat();
    ensure!(whole == blob.bytes, "the two parts together are not the blob");
    Ok(Outcome::Held)
}

pub(super) async fn blob_has_an_etag_that_gives_304(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = pushed(ctx).await?;
    gives_304(ctx, &ctx.blob(&blob.digest)).await
}

pub(super) async fn manifest_has_an_etag_that_gives_304(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    gives_304(ctx, &ctx.manifest("v1")).await
}

pub(super) async fn another_etag_gives_200(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    for target in [ctx.manifest("v1"), ctx.blob(&image.layer.digest)] {
        let request = ctx.get(target).header("accept", ACCEPT_ALL);
        request.header("if-none-match", "\"something-else\"").send().await?.is(&[200])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn if_range_decides_between_part_and_whole(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = pushed(ctx).await?;
    let target = ctx.blob(&blob.digest);
    let whole = ctx.get(&target).send().await?;
    let Some(etag) = whole.header("etag") else { not_supported!("no ETag") };
    let part =
        ctx.get(&target).header("range", "bytes=0-9").header("if-range", etag).send().await?;
    if part.status == 200 {
        not_supported!("If-Range is not used");
    }
    is_part(&part, &blob, 0, 9)?;
    let stale = ctx
        .get(&target)
        .header("range", "bytes=0-9")
        .header("if-range", "\"something-else\"")
        .send()
        .await?;
    stale.is(&[200])?;
    Ok(Outcome::Held)
}

async fn pushed(ctx: &Context) -> Result<Blob, Failure> {
    let blob = Blob::random(LEN);
    ctx.push_blob(&blob).await?;
    Ok(blob)
}

async fn ranged(ctx: &Context, range: &str) -> Result<(Blob, Answer), Failure> {
    let blob = pushed(ctx).await?;
    let answer = ctx.get(ctx.blob(&blob.digest)).header("range", range).send().await?;
    Ok((blob, answer))
}

async fn expect_part(
    ctx: &Context,
    range: &str,
    first: usize,
    last: usize,
) -> Result<Outcome, Failure> {
    let (blob, answer) = ranged(ctx, range).await?;
    if answer.status == 200 {
        not_supported!("ranges are ignored");
    }
    is_part(&answer, &blob, first, last)?;
    Ok(Outcome::Held)
}

fn is_part(answer: &Answer, blob: &Blob, first: usize, last: usize) -> Result<(), Failure> {
    answer.is(&[206])?;
    answer.has("content-range", &format!("bytes {first}-{last}/{LEN}"))?;
    ensure!(
        answer.body == blob.bytes.slice(first..=last),
        "{}",
        answer.wrong("these are not the bytes of the range")
    );
    Ok(())
}

async fn gives_304(ctx: &Context, target: &str) -> Result<Outcome, Failure> {
    let first = ctx.get(target).header("accept", ACCEPT_ALL).send().await?;
    first.is(&[200])?;
    let Some(etag) = first.header("etag") else { not_supported!("no ETag") };
    let request = ctx.get(target).header("accept", ACCEPT_ALL);
    let again = request.header("if-none-match", etag).send().await?;
    again.is(&[304])?;
    ensure!(again.body.is_empty(), "{}", again.wrong("a 304 has no body"));
    Ok(Outcome::Held)
}
