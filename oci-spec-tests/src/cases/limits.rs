//! Requests of a hostile or broken client. None may harm the registry: it blames the client and serves the next request.

use crate::content::Blob;
use crate::context::with_query;
use crate::outcome::ensure;
use crate::raw::Afterwards;
use crate::{Context, Failure, Outcome};

pub(super) async fn huge_header_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let line = format!("X-Huge: {}", "x".repeat(4 << 20));
    refused(ctx, &ctx.raw_head("GET", "/v2/", &[&line])).await
}

pub(super) async fn long_target_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let target = format!("/v2/{}tags/list", "a/".repeat(100_000));
    refused(ctx, &ctx.raw_head("GET", &target, &[])).await
}

pub(super) async fn long_name_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let name = format!("{}/{}", ctx.repository(), "a".repeat(300));
    ctx.post(format!("/v2/{name}/blobs/uploads/")).send().await?.is_refusal()?;
    Ok(Outcome::Held)
}

pub(super) async fn malformed_request_line_is_400(ctx: &Context) -> Result<Outcome, Failure> {
    for line in ["NONSENSE\r\n\r\n", "GET /v2/\r\n\r\n", "\u{1}\u{2}\u{3}\r\n\r\n"] {
        refused(ctx, line).await?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn request_without_a_host_is_400(ctx: &Context) -> Result<Outcome, Failure> {
    refused(ctx, "GET /v2/ HTTP/1.1\r\n\r\n").await
}

pub(super) async fn contradicting_lengths_are_400(ctx: &Context) -> Result<Outcome, Failure> {
    let headers = ["Content-Length: 5", "Content-Length: 6"];
    refused(ctx, &(ctx.raw_head("POST", &ctx.uploads(), &headers) + "abcdef")).await
}

pub(super) async fn malformed_lengths_are_400(ctx: &Context) -> Result<Outcome, Failure> {
    for length in ["-1", "abc", "99999999999999999999999999"] {
        refused(
            ctx,
            &ctx.raw_head("POST", &ctx.uploads(), &[&format!("Content-Length: {length}")]),
        )
        .await?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn malformed_transfer_chunks_are_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let location = ctx.start_upload().await?;
    let head =
        ctx.raw_head("PATCH", &Context::raw_target(&location), &["Transfer-Encoding: chunked"]);
    let answer = ctx.raw(head + "nonsense\r\nabc\r\n0\r\n\r\n", Afterwards::HalfClose).await?;
    ensure!(answer.is_refusal_or_hangup(), "malformed chunks are answered {:?}", answer.status);
    ctx.still_answers().await?;
    Ok(Outcome::Held)
}

pub(super) async fn body_that_is_cut_stores_nothing(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(10_000);
    let location = ctx.start_upload().await?;
    let target = with_query(&Context::raw_target(&location), &format!("digest={}", blob.digest));
    let head = ctx.raw_head(
        "PUT",
        &target,
        &["Content-Type: application/octet-stream", "Content-Length: 10000"],
    );
    let cut = [head.as_bytes(), &blob.bytes[..9_999]].concat();
    let answer = ctx.raw(cut, Afterwards::HalfClose).await?;
    ensure!(answer.status != Some(201), "a blob whose last byte is missing is answered 201");
    ctx.head(ctx.blob(&blob.digest)).send().await?.is(&[404])?;
    ctx.still_answers().await?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_that_is_cut_stores_nothing(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let length = format!("Content-Length: {}", manifest.len() + 1);
    let kind = format!("Content-Type: {}", crate::content::OCI_MANIFEST);
    let head = ctx.raw_head("PUT", &ctx.manifest("cut"), &[&kind, &length]);
    let cut = [head.as_bytes(), &manifest.bytes].concat();
    let answer = ctx.raw(cut, Afterwards::HalfClose).await?;
    ensure!(answer.status != Some(201), "a manifest whose last byte is missing is answered 201");
    ctx.get_manifest("cut").send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn expectation_is_met(ctx: &Context) -> Result<Outcome, Failure> {
    let blob = Blob::random(1000);
    let location = ctx.start_upload().await?;
    let target = with_query(&Context::raw_target(&location), &format!("digest={}", blob.digest));
    let head = ctx.raw_head("PUT", &target, &["Expect: 100-continue", "Content-Length: 1000"]);
    let request = [head.as_bytes(), &blob.bytes].concat();
    let answer = ctx.raw(request, Afterwards::Wait).await?;
    ensure!(
        answer.status == Some(201),
        "a PUT with Expect: 100-continue is answered {:?}",
        answer.status
    );
    ctx.is_pullable(&ctx.blob(&blob.digest), &blob).await?;
    Ok(Outcome::Held)
}

pub(super) async fn traversal_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let name = ctx.repository();
    for target in [
        format!("/v2/{name}/blobs/../../../../../etc/passwd"),
        format!("/v2/{name}/blobs/sha256:%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
        format!("/v2/..%2f..%2f{name}/tags/list"),
        format!("/v2/{name}/manifests/..%2F..%2Fv1"),
        format!("/v2/{name}/manifests/%00"),
        "/v2/%2e%2e/%2e%2e/etc/passwd".to_owned(),
    ] {
        let answer = ctx.raw(ctx.raw_head("GET", &target, &[]), Afterwards::Wait).await?;
        let status = answer.status.unwrap_or_default();
        // A redirect to the path without its dots is also a refusal: it serves nothing.
        ensure!((300..500).contains(&status), "GET {target} is answered {status}");
    }
    Ok(Outcome::Held)
}

pub(super) async fn malformed_percent_encoding_does_no_harm(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    for target in ["/v2/%", "/v2/%zz/tags/list", "/v2/a/tags/list?n=%zz", "/v2/a/manifests/%FF%FE"]
    {
        let answer = ctx.raw(ctx.raw_head("GET", target, &[]), Afterwards::Wait).await?;
        ensure!(answer.is_refusal_or_hangup(), "GET {target} is answered {:?}", answer.status);
    }
    ctx.still_answers().await?;
    Ok(Outcome::Held)
}

pub(super) async fn percent_encoded_digest_in_a_path_is_the_digest(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(100);
    ctx.push_blob(&blob).await?;
    ctx.is_pullable(&ctx.blob(&blob.digest.replace(':', "%3A")), &blob).await?;
    Ok(Outcome::Held)
}

async fn refused(ctx: &Context, request: &str) -> Result<Outcome, Failure> {
    let shown: String = request.chars().take(60).collect();
    let answer = ctx.raw(request.to_owned(), Afterwards::HalfClose).await?;
    ensure!(answer.is_refusal_or_hangup(), "{shown:?} is answered {:?}", answer.status);
    ctx.still_answers().await?;
    Ok(Outcome::Held)
}
