//! Error bodies and their codes, and invalid names and methods.

use bytes::Bytes;

use crate::content::{Blob, OCI_MANIFEST};
use crate::context::with_query;
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

/// The codes of the specification, and the two codes that it tolerates for Docker's sake.
const CODES: [&str; 16] = [
    "BLOB_UNKNOWN",
    "BLOB_UPLOAD_INVALID",
    "BLOB_UPLOAD_UNKNOWN",
    "DENIED",
    "DIGEST_INVALID",
    "MANIFEST_BLOB_UNKNOWN",
    "MANIFEST_INVALID",
    "MANIFEST_UNKNOWN",
    "MANIFEST_UNVERIFIED",
    "NAME_INVALID",
    "NAME_UNKNOWN",
    "SIZE_INVALID",
    "TAG_INVALID",
    "TOOMANYREQUESTS",
    "UNAUTHORIZED",
    "UNSUPPORTED",
];

pub(super) async fn error_bodies_have_their_shape(ctx: &Context) -> Result<Outcome, Failure> {
    for answer in refusals(ctx).await? {
        // A body may have any format, but a JSON body must have this form.
        if answer.json().is_err() {
            continue;
        }
        for code in answer.codes()? {
            let allowed = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
            let well_formed = !code.is_empty() && code.bytes().all(allowed);
            ensure!(
                well_formed,
                "{}",
                answer.wrong(&format!(
                    "the code {code:?} does not consist of capitals and underscores"
                ))
            );
        }
        let message = answer.json()?["errors"][0]["message"].clone();
        ensure!(
            message.is_null() || message.is_string(),
            "{}",
            answer.wrong("`message` is not text")
        );
    }
    Ok(Outcome::Held)
}

pub(super) async fn error_codes_are_those_of_the_table(ctx: &Context) -> Result<Outcome, Failure> {
    for answer in refusals(ctx).await? {
        if answer.json().is_err() {
            continue;
        }
        for code in answer.codes()? {
            ensure!(
                CODES.contains(&code.as_str()),
                "{}",
                answer.wrong(&format!("the specification has no code {code}"))
            );
        }
    }
    Ok(Outcome::Held)
}

pub(super) async fn refusals_have_a_json_body(ctx: &Context) -> Result<Outcome, Failure> {
    for answer in refusals(ctx).await? {
        answer.codes()?;
        let kind = answer.needs("content-type")?;
        ensure!(
            kind.starts_with("application/json"),
            "{}",
            answer.wrong(&format!("the Content-Type is {kind}"))
        );
    }
    Ok(Outcome::Held)
}

pub(super) async fn unknown_blob_is_blob_unknown(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_blob(&Blob::random(10)).await?;
    let answer = ctx.get(ctx.blob(&Blob::unknown_digest())).send().await?;
    all_say([answer], &["BLOB_UNKNOWN"])
}

pub(super) async fn unknown_upload_is_blob_upload_unknown(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let blob = Blob::random(10);
    let location = ctx.start_upload().await?;
    ctx.close_upload(&location, &blob.digest, blob.bytes.clone()).await?.is(&[201])?;
    let status = ctx.get(&location).send().await?;
    let again = ctx.close_upload(&location, &blob.digest, blob.bytes).await?;
    all_say([status, again], &["BLOB_UPLOAD_UNKNOWN"])
}

pub(super) async fn wrong_digest_is_digest_invalid(ctx: &Context) -> Result<Outcome, Failure> {
    let mut answers = Vec::new();
    for digest in [Blob::unknown_digest(), "sha256:abc".to_owned()] {
        let location = ctx.start_upload().await?;
        answers
            .push(ctx.close_upload(&location, &digest, Bytes::from_static(b"some bytes")).await?);
    }
    all_say(answers, &["DIGEST_INVALID"])
}

pub(super) async fn wrong_digest_of_a_manifest_is_digest_invalid(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let answer = ctx.put_manifest(&Blob::unknown_digest(), OCI_MANIFEST, &manifest.bytes).await?;
    all_say([answer], &["DIGEST_INVALID"])
}

pub(super) async fn invalid_manifest_is_manifest_invalid(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.push_parts().await?;
    let answer =
        ctx.put_manifest("v1", OCI_MANIFEST, &Bytes::from_static(b"{\"schemaVersion\":")).await?;
    all_say([answer], &["MANIFEST_INVALID"])
}

pub(super) async fn unknown_manifest_is_manifest_unknown(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let by_tag = ctx.get_manifest("v2").send().await?;
    let by_digest = ctx.get_manifest(&Blob::unknown_digest()).send().await?;
    all_say([by_tag, by_digest], &["MANIFEST_UNKNOWN"])
}

pub(super) async fn unknown_repository_is_name_unknown(ctx: &Context) -> Result<Outcome, Failure> {
    let tags = ctx.get(format!("/v2/{}/tags/list", ctx.repository())).send().await?;
    // The manifest and the blob are unknown as well, so these two answers may have either code.
    let manifest = ctx.get_manifest("v1").send().await?;
    let blob = ctx.get(ctx.blob(&Blob::unknown_digest())).send().await?;
    all_say([manifest], &["NAME_UNKNOWN", "MANIFEST_UNKNOWN"])?;
    all_say([blob], &["NAME_UNKNOWN", "BLOB_UNKNOWN"])?;
    all_say([tags], &["NAME_UNKNOWN"])
}

pub(super) async fn invalid_name_is_name_invalid(ctx: &Context) -> Result<Outcome, Failure> {
    let mut answers = Vec::new();
    for name in invalid_names() {
        answers.push(ctx.get(format!("/v2/{name}/tags/list")).send().await?);
    }
    all_say(answers, &["NAME_INVALID"])
}

pub(super) async fn nothing_is_stored_under_an_invalid_name(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    for name in invalid_names() {
        ctx.post(format!("/v2/{name}/blobs/uploads/")).send().await?.is_no_success()?;
        ctx.get(format!("/v2/{name}/tags/list")).send().await?.is_no_success()?;
        let request =
            ctx.put(format!("/v2/{name}/manifests/v1")).header("content-type", OCI_MANIFEST);
        request.body("{}").send().await?.is_no_success()?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn every_valid_name_is_taken(ctx: &Context) -> Result<Outcome, Failure> {
    let own = ctx.repository();
    let blob = Blob::random(10);
    for suffix in [
        "-a",
        "--b",
        "---c",
        ".d",
        "_e",
        "__f",
        "/0/1/2/3/4/5",
        "/a.b_c-d__e--f",
        "/blobs",
        "/manifests/uploads",
        "/tags/list",
    ] {
        let name = format!("{own}{suffix}");
        ctx.push_blob_to(&name, &blob).await?;
        ctx.is_pullable(&format!("/v2/{name}/blobs/{}", blob.digest), &blob).await?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn every_valid_tag_is_taken(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let longest = "t".repeat(128);
    for tag in ["0", "_", "_-.", "V1", "a..b", "sha256", "list", &longest] {
        let manifest = ctx.push_tagged(tag, &image.manifest_json()).await?;
        ctx.is_pullable(&ctx.manifest(tag), &manifest).await?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn nothing_is_stored_under_an_invalid_tag(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    for (tag, answer) in put_to_invalid_tags(ctx).await? {
        answer
            .is_no_success()
            .map_err(|failure| Failure::new(format!("the tag {tag:?}: {failure}")))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn invalid_names_and_tags_are_refused(ctx: &Context) -> Result<Outcome, Failure> {
    for name in invalid_names() {
        ctx.post(format!("/v2/{name}/blobs/uploads/")).send().await?.is_refusal()?;
    }
    for (tag, answer) in put_to_invalid_tags(ctx).await? {
        answer
            .is_refusal()
            .map_err(|failure| Failure::new(format!("the tag {tag:?}: {failure}")))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn methods_that_do_not_exist_are_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    for answer in wrong_methods(ctx).await? {
        answer.is(&[404, 405])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn answer_405_lists_the_methods(ctx: &Context) -> Result<Outcome, Failure> {
    let mut seen = false;
    for answer in wrong_methods(ctx).await? {
        if answer.status == 405 {
            seen = true;
            answer.needs("allow")?;
        }
    }
    if !seen {
        not_supported!("no answer was 405");
    }
    Ok(Outcome::Held)
}

pub(super) async fn unknown_routes_are_404(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_blob(&Blob::random(10)).await?;
    let name = ctx.repository();
    for target in [
        format!("/v2/{name}/nonsense"),
        format!("/v2/{name}/tags/nonsense"),
        "/v3/".into(),
        format!("/v2/{name}/blobs/"),
    ] {
        ctx.get(target).send().await?.is(&[404])?;
    }
    Ok(Outcome::Held)
}

/// Names that do not match the pattern of the specification, in the form that a path can contain.
fn invalid_names() -> Vec<String> {
    let names = ["UPPER", "-dash", "dash-", "a/.b", "a___b", "a/_b", "a..b", "a%20b", "%C3%A9"];
    names.map(|name| format!("oci-spec-tests/{name}")).into()
}

/// PUTs a valid manifest to tags that do not match the pattern.
async fn put_to_invalid_tags(ctx: &Context) -> Result<Vec<(String, Answer)>, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let too_long = "t".repeat(129);
    let mut answers = Vec::new();
    for tag in [".a", "-a", "a+b", "a:b", "a%20b", "%C3%A9", "a%00b", &too_long] {
        answers.push((tag.to_owned(), ctx.put_manifest(tag, OCI_MANIFEST, &manifest.bytes).await?));
    }
    Ok(answers)
}

/// Fails if a refusal in JSON has none of these codes. A body in another format is permitted, and has no codes.
fn all_say(answers: impl IntoIterator<Item = Answer>, codes: &[&str]) -> Result<Outcome, Failure> {
    let mut outcome = Outcome::Held;
    for answer in answers {
        answer.is_refusal()?;
        if answer.json().is_ok() {
            answer.has_code(codes)?;
        } else {
            outcome = Outcome::NotSupported(format!(
                "a body that is not JSON, with {}",
                answer.status.as_u16()
            ));
        }
    }
    Ok(outcome)
}

/// One answer for each kind of refusal.
async fn refusals(ctx: &Context) -> Result<Vec<Answer>, Failure> {
    let image = ctx.push_image("v1").await?;
    let unknown = Blob::unknown_digest();
    let closed = |digest: &str| with_query(&ctx.uploads(), &format!("digest={digest}"));
    let mut answers = vec![
        ctx.get(ctx.blob(&unknown)).send().await?,
        ctx.get(ctx.blob("sha256:abc")).send().await?,
        ctx.get_manifest("v2").send().await?,
        ctx.get_manifest(&unknown).send().await?,
        ctx.get(format!("/v2/{}/tags/list", ctx.another("unknown"))).send().await?,
        ctx.put_manifest("v2", OCI_MANIFEST, &Bytes::from_static(b"{")).await?,
        ctx.put_manifest(&unknown, OCI_MANIFEST, &image.manifest().bytes).await?,
        ctx.put_manifest("v2", OCI_MANIFEST, &crate::content::Image::random().manifest().bytes)
            .await?,
        ctx.post(closed("nonsense")).send().await?,
        ctx.get(format!("/v2/{}/tags/list?n=abc", ctx.repository())).send().await?,
        ctx.get(format!("{}00000000-0000-4000-8000-000000000000", ctx.uploads())).send().await?,
    ];
    let location = ctx.start_upload().await?;
    answers.push(ctx.send_chunk(&location, "5-9", Bytes::from_static(b"12345")).await?);
    let location = ctx.start_upload().await?;
    answers.push(ctx.close_upload(&location, &unknown, Bytes::from_static(b"12345")).await?);
    answers.retain(|answer| answer.status.is_client_error());
    Ok(answers)
}

async fn wrong_methods(ctx: &Context) -> Result<Vec<Answer>, Failure> {
    let image = ctx.push_image("v1").await?;
    let tags = format!("/v2/{}/tags/list", ctx.repository());
    Ok(vec![
        ctx.delete(&tags).send().await?,
        ctx.post(&tags).send().await?,
        ctx.post(ctx.manifest("v1")).send().await?,
        ctx.patch(ctx.manifest("v1")).send().await?,
        ctx.put(ctx.blob(&image.layer.digest)).send().await?,
        ctx.patch(ctx.blob(&image.layer.digest)).send().await?,
        ctx.patch(ctx.uploads()).send().await?,
    ])
}
