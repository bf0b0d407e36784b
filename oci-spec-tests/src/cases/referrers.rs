//! Subjects and their referrers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::tags::next_page;
use crate::content::{
    Blob, Image, OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, artifact_json, empty_json, index_json,
};
use crate::http1::Answer;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

const SBOM: &str = "application/vnd.example.sbom.v1";
const SIGNATURE: &str = "application/vnd.example.signature.v1";
const MOST_PAGES: usize = 200;

pub(super) async fn referrers_are_offered(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    ctx.get(of(ctx, &Blob::unknown_digest())).send().await?.is(&[200])?;
    Ok(Outcome::Held)
}

pub(super) async fn nothing_refers_is_an_empty_index(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = ctx.push_image("v1").await?.manifest();
    for digest in [subject.digest, Blob::unknown_digest()] {
        let answer = ctx.get(of(ctx, &digest)).send().await?;
        if let Some(outcome) = absent(&answer) {
            return Ok(outcome);
        }
        answer.is(&[200])?;
        ensure!(descriptors(&answer)?.is_empty(), "{}", answer.wrong("expected an empty list"));
    }
    Ok(Outcome::Held)
}

pub(super) async fn referrers_of_an_unknown_repository_are_not_404(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let answer = ctx.get(of(ctx, &Blob::unknown_digest())).send().await?;
    ctx.push_image("v1").await?;
    let offered = ctx.get(of(ctx, &Blob::unknown_digest())).send().await?;
    if let Some(outcome) = absent(&offered) {
        return Ok(outcome);
    }
    ensure!(
        answer.status != 404,
        "{}",
        answer.wrong("a registry with this API must not answer 404")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrers_of_a_malformed_digest_are_400(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let offered = ctx.get(of(ctx, &Blob::unknown_digest())).send().await?;
    if let Some(outcome) = absent(&offered) {
        return Ok(outcome);
    }
    for digest in ["nonsense", "sha256:abc", "sha256:", "v1"] {
        ctx.get(of(ctx, digest)).send().await?.is(&[400])?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn referrers_have_the_type_of_an_index(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let answer = ctx.get(of(ctx, &Blob::unknown_digest())).send().await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    answer.has("content-type", OCI_INDEX)?;
    Ok(Outcome::Held)
}

pub(super) async fn referrers_are_an_image_index(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    subject.by(SBOM).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    let body = answer.json()?;
    ensure!(body["schemaVersion"] == 2, "{}", answer.wrong("`schemaVersion` is not 2"));
    ensure!(
        body["mediaType"] == OCI_INDEX,
        "{}",
        answer.wrong("`mediaType` is not that of an index")
    );
    Ok(Outcome::Held)
}

pub(super) async fn put_with_a_subject_says_oci_subject(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let answer = subject.put(&artifact_json(SBOM, Some(&subject.descriptor()))).await?.1;
    if let Some(outcome) = absent(&subject.get("").await?) {
        return Ok(outcome);
    }
    answer.has("oci-subject", &subject.manifest.digest)?;
    Ok(Outcome::Held)
}

pub(super) async fn put_without_a_subject_says_no_oci_subject(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let answer = ctx.put_manifest("v1", OCI_MANIFEST, &manifest.bytes).await?;
    answer.is(&[201])?;
    ensure!(
        answer.header("oci-subject").is_none(),
        "{}",
        answer.wrong("the answer has an OCI-Subject although there is no subject")
    );
    Ok(Outcome::Held)
}

pub(super) async fn subject_need_not_exist(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_blob(&empty_json()).await?;
    let missing = Image::random().manifest().descriptor(OCI_MANIFEST);
    let manifest = Blob::json(&artifact_json(SBOM, Some(&missing)));
    ctx.put_manifest(&manifest.digest, OCI_MANIFEST, &manifest.bytes).await?.is(&[201])?;
    ctx.is_pullable(&ctx.manifest(&manifest.digest), &manifest).await?;
    Ok(Outcome::Held)
}

pub(super) async fn referrer_is_listed(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let referrer = subject.by(SBOM).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    let entry = only(&answer)?;
    ensure!(entry["digest"] == referrer.digest, "{}", answer.wrong("this is another digest"));
    ensure!(entry["size"] == referrer.len(), "{}", answer.wrong("this is another size"));
    ensure!(entry["mediaType"] == OCI_MANIFEST, "{}", answer.wrong("this is another media type"));
    Ok(Outcome::Held)
}

pub(super) async fn referrer_has_its_artifact_type(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    subject.by(SBOM).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        only(&answer)?["artifactType"] == SBOM,
        "{}",
        answer.wrong("`artifactType` is not that of the manifest")
    );
    Ok(Outcome::Held)
}

pub(super) async fn config_type_stands_for_a_missing_artifact_type(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    for artifact_type in [None, Some("")] {
        let image = ctx.push_parts().await?;
        let mut manifest = image.manifest_json();
        manifest["subject"] = subject.descriptor();
        if let Some(artifact_type) = artifact_type {
            manifest["artifactType"] = json!(artifact_type);
        }
        subject.put(&manifest).await?;
    }
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    let entries = descriptors(&answer)?;
    ensure!(entries.len() == 2, "{}", answer.wrong("expected two referrers"));
    let all = entries.iter().all(|entry| entry["artifactType"] == OCI_CONFIG);
    ensure!(all, "{}", answer.wrong("`artifactType` is not the media type of the config"));
    Ok(Outcome::Held)
}

pub(super) async fn index_without_an_artifact_type_has_none(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let mut index = index_json(&[subject.descriptor()]);
    index["subject"] = subject.descriptor();
    let index = ctx.push_manifest(OCI_INDEX, &index).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    let entry = only(&answer)?;
    ensure!(entry["digest"] == index.digest, "{}", answer.wrong("the index is not listed"));
    ensure!(entry["mediaType"] == OCI_INDEX, "{}", answer.wrong("this is another media type"));
    ensure!(
        entry.get("artifactType").is_none(),
        "{}",
        answer.wrong("`artifactType` must be absent")
    );
    Ok(Outcome::Held)
}

pub(super) async fn index_with_an_artifact_type_has_it(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let mut index = index_json(&[]);
    index["subject"] = subject.descriptor();
    index["artifactType"] = json!(SIGNATURE);
    ctx.push_manifest(OCI_INDEX, &index).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        only(&answer)?["artifactType"] == SIGNATURE,
        "{}",
        answer.wrong("`artifactType` is not that of the index")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrer_has_its_annotations(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let mut manifest = artifact_json(SBOM, Some(&subject.descriptor()));
    let annotations = json!({"org.example.format": "json", "org.example.note": "Zürich \"é\""});
    manifest["annotations"] = annotations.clone();
    subject.put(&manifest).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        only(&answer)?["annotations"] == annotations,
        "{}",
        answer.wrong("the annotations are not those of the manifest")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrer_is_listed_before_its_subject_arrives(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    ctx.push_blob(&empty_json()).await?;
    let subject = image.manifest();
    let referrer = ctx
        .push_manifest(OCI_MANIFEST, &artifact_json(SBOM, Some(&subject.descriptor(OCI_MANIFEST))))
        .await?;
    let before = ctx.get(of(ctx, &subject.digest)).send().await?;
    if let Some(outcome) = absent(&before) {
        return Ok(outcome);
    }
    ctx.push_tagged("late", &image.manifest_json()).await?;
    let after = ctx.get(of(ctx, &subject.digest)).send().await?;
    for answer in [before, after] {
        ensure!(
            only(&answer)?["digest"] == referrer.digest,
            "{}",
            answer.wrong("the referrer is not listed")
        );
    }
    Ok(Outcome::Held)
}

pub(super) async fn referrers_stay_in_their_repository(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    subject.by(SBOM).await?;
    let other = ctx.another("other");
    ctx.push_blob_to(&other, &Blob::random(10)).await?;
    let answer =
        ctx.get(format!("/v2/{other}/referrers/{}", subject.manifest.digest)).send().await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        descriptors(&answer)?.is_empty(),
        "{}",
        answer.wrong("referrers of another repository are listed")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrers_are_filtered_by_type(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let wanted = subject.by(SIGNATURE).await?;
    subject.by(SBOM).await?;
    let answer = subject.get(&format!("?artifactType={}", SIGNATURE.replace('/', "%2F"))).await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        only(&answer)?["digest"] == wanted.digest,
        "{}",
        answer.wrong("expected only the signature")
    );
    let none = subject.get("?artifactType=application/vnd.example.none").await?;
    ensure!(descriptors(&none)?.is_empty(), "{}", none.wrong("expected an empty list"));
    Ok(Outcome::Held)
}

pub(super) async fn applied_filter_is_named(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    subject.by(SIGNATURE).await?;
    subject.by(SBOM).await?;
    let answer = subject.get(&format!("?artifactType={SIGNATURE}")).await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    if descriptors(&answer)?.len() != 1 {
        not_supported!("the filter is ignored");
    }
    answer.has("oci-filters-applied", "artifactType")?;
    let unfiltered = subject.get("").await?;
    let named = unfiltered.header("oci-filters-applied").is_some();
    ensure!(!named, "{}", unfiltered.wrong("OCI-Filters-Applied is present without a filter"));
    Ok(Outcome::Held)
}

pub(super) async fn deleted_referrer_is_not_listed(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let deleted = subject.by(SBOM).await?;
    let kept = subject.by(SIGNATURE).await?;
    if let Some(outcome) = absent(&subject.get("").await?) {
        return Ok(outcome);
    }
    let answer = ctx.delete(ctx.manifest(&deleted.digest)).send().await?;
    if answer.status != 202 {
        not_supported!("deleting a manifest answers {}", answer.status.as_u16());
    }
    let answer = subject.get("").await?;
    ensure!(
        only(&answer)?["digest"] == kept.digest,
        "{}",
        answer.wrong("expected the referrer that was not deleted")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrers_outlive_their_subject(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let referrer = subject.by(SBOM).await?;
    if let Some(outcome) = absent(&subject.get("").await?) {
        return Ok(outcome);
    }
    let answer = ctx.delete(ctx.manifest(&subject.manifest.digest)).send().await?;
    if answer.status != 202 {
        not_supported!("deleting a manifest answers {}", answer.status.as_u16());
    }
    let answer = subject.get("").await?;
    ensure!(
        only(&answer)?["digest"] == referrer.digest,
        "{}",
        answer.wrong("the referrer is no longer listed")
    );
    ctx.get_manifest(&referrer.digest).send().await?.is(&[200])?;
    Ok(Outcome::Held)
}

pub(super) async fn referrers_of_an_index_are_listed(ctx: &Context) -> Result<Outcome, Failure> {
    let mut subject = Subject::new(ctx).await?;
    let child = subject.descriptor();
    subject.manifest = ctx.push_manifest(OCI_INDEX, &index_json(&[child])).await?;
    subject.media_type = OCI_INDEX;
    let referrer = subject.by(SBOM).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        only(&answer)?["digest"] == referrer.digest,
        "{}",
        answer.wrong("the referrer is not listed")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrer_of_a_referrer_is_listed(ctx: &Context) -> Result<Outcome, Failure> {
    let mut subject = Subject::new(ctx).await?;
    subject.manifest = subject.by(SBOM).await?;
    let referrer = subject.by(SIGNATURE).await?;
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    ensure!(
        only(&answer)?["digest"] == referrer.digest,
        "{}",
        answer.wrong("the signature of the SBOM is not listed")
    );
    Ok(Outcome::Held)
}

pub(super) async fn referrers_of_a_sha512_subject_are_listed(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let mut subject = Subject::new(ctx).await?;
    subject.manifest = subject.manifest.sha512();
    let manifest = Blob::json(&artifact_json(SBOM, Some(&subject.descriptor())));
    let put = ctx.put_manifest(&manifest.digest, OCI_MANIFEST, &manifest.bytes).await?;
    if put.status == 400 {
        not_supported!("sha512 is refused");
    }
    let answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    if answer.status == 400 {
        not_supported!("sha512 is refused");
    }
    ensure!(
        only(&answer)?["digest"] == manifest.digest,
        "{}",
        answer.wrong("the referrer is not listed")
    );
    Ok(Outcome::Held)
}

pub(super) async fn many_referrers_are_all_listed(ctx: &Context) -> Result<Outcome, Failure> {
    let subject = Subject::new(ctx).await?;
    let mut pushed = BTreeSet::new();
    for _ in 0..40 {
        pushed.insert(subject.by(SBOM).await?.digest);
    }
    let mut listed = Vec::new();
    let mut answer = subject.get("").await?;
    if let Some(outcome) = absent(&answer) {
        return Ok(outcome);
    }
    for _ in 0..MOST_PAGES {
        for entry in descriptors(&answer)? {
            listed.push(entry["digest"].as_str().unwrap_or_default().to_owned());
        }
        let Some(next) = next_page(&answer)? else { break };
        answer = ctx.get(next).send().await?;
        answer.is(&[200])?;
    }
    let each_once =
        listed.len() == pushed.len() && listed.into_iter().collect::<BTreeSet<_>>() == pushed;
    ensure!(
        each_once,
        "{}",
        answer.wrong("the pages together do not list each of the 40 referrers once")
    );
    Ok(Outcome::Held)
}

/// An existing subject, in the case's repository.
struct Subject<'a> {
    ctx: &'a Context,
    manifest: Blob,
    media_type: &'static str,
}

impl<'a> Subject<'a> {
    async fn new(ctx: &'a Context) -> Result<Self, Failure> {
        let manifest = ctx.push_image("subject").await?.manifest();
        ctx.push_blob(&empty_json()).await?;
        Ok(Self { ctx, manifest, media_type: OCI_MANIFEST })
    }

    fn descriptor(&self) -> Value {
        self.manifest.descriptor(self.media_type)
    }

    /// Pushes an artifact of this type that refers to the subject.
    async fn by(&self, artifact_type: &str) -> Result<Blob, Failure> {
        Ok(self.put(&artifact_json(artifact_type, Some(&self.descriptor()))).await?.0)
    }

    async fn put(&self, manifest: &Value) -> Result<(Blob, Answer), Failure> {
        let manifest = Blob::json(manifest);
        let answer = self.ctx.put_manifest(&manifest.digest, OCI_MANIFEST, &manifest.bytes).await?;
        answer.is(&[201])?;
        Ok((manifest, answer))
    }

    async fn get(&self, query: &str) -> Result<Answer, Failure> {
        self.ctx.get(format!("{}{query}", of(self.ctx, &self.manifest.digest))).send().await
    }
}

fn of(ctx: &Context, digest: &str) -> String {
    format!("/v2/{}/referrers/{digest}", ctx.repository())
}

/// The outcome if the registry has no referrers API: it answers 404, which tells clients to use the tag schema.
fn absent(answer: &Answer) -> Option<Outcome> {
    (answer.status == 404).then(|| Outcome::NotSupported("the referrers API answers 404".into()))
}

fn descriptors(answer: &Answer) -> Result<Vec<Value>, Failure> {
    answer.is(&[200])?;
    let body = answer.json()?;
    body["manifests"].as_array().cloned().ok_or_else(|| answer.wrong("`manifests` is not a list"))
}

fn only(answer: &Answer) -> Result<Value, Failure> {
    let mut entries = descriptors(answer)?;
    ensure!(entries.len() == 1, "{}", answer.wrong("expected one referrer"));
    Ok(entries.remove(0))
}
