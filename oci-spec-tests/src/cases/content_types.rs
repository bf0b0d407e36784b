//! Media types: stored, checked against the document, and accepted even if the registry does not know them.

use serde_json::{Value, json};

use super::manifests::is_stored;
use crate::content::{
    Blob, DOCKER_LIST, DOCKER_MANIFEST, OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST,
    artifact_json, empty_json, index_json,
};
use crate::context::ACCEPT_ALL;
use crate::outcome::{ensure, not_supported};
use crate::{Context, Failure, Outcome};

pub(super) async fn content_type_is_the_one_that_was_pushed(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = ctx.push_image("image").await?.manifest();
    let index =
        ctx.push_manifest(OCI_INDEX, &index_json(&[image.descriptor(OCI_MANIFEST)])).await?;
    for (reference, expected) in
        [("image", OCI_MANIFEST), (&image.digest, OCI_MANIFEST), (&index.digest, OCI_INDEX)]
    {
        let answer = ctx.get_manifest(reference).send().await?;
        answer.is(&[200])?;
        let found = answer.needs("content-type")?;
        let kind = found.split(';').next().unwrap_or(found).trim();
        ensure!(
            kind == expected,
            "{}",
            answer.wrong(&format!("the Content-Type is {found}, not {expected}"))
        );
    }
    Ok(Outcome::Held)
}

pub(super) async fn content_type_has_no_parameters(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("image").await?;
    let answer = ctx.get_manifest("image").send().await?;
    answer.has("content-type", OCI_MANIFEST)?;
    Ok(Outcome::Held)
}

pub(super) async fn parameters_of_the_pushed_type_are_ignored(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let kind = format!("{OCI_MANIFEST}; charset=utf-8");
    ctx.put_manifest("v1", &kind, &manifest.bytes).await?.is(&[201])?;
    ctx.get_manifest("v1").send().await?.has("content-type", OCI_MANIFEST)?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_without_a_media_type_member_is_stored(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let mut manifest = ctx.push_parts().await?.manifest_json();
    without(&mut manifest, "mediaType");
    is_stored(ctx, OCI_MANIFEST, &manifest).await?;
    let answer = ctx.get_manifest("stored").send().await?;
    answer.has("content-type", OCI_MANIFEST)?;
    Ok(Outcome::Held)
}

pub(super) async fn content_type_that_contradicts_the_document_is_refused(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    ctx.put_manifest("v1", OCI_INDEX, &image.manifest().bytes).await?.is_refusal()?;
    ctx.put_manifest("v1", DOCKER_MANIFEST, &image.manifest().bytes).await?.is_refusal()?;
    ctx.get_manifest("v1").send().await?.is(&[404])?;
    Ok(Outcome::Held)
}

pub(super) async fn ambiguous_document_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_image("v1").await?;
    let mut both = image.manifest_json();
    both["manifests"] = json!([image.manifest().descriptor(OCI_MANIFEST)]);
    without(&mut both, "mediaType");
    for kind in [OCI_MANIFEST, OCI_INDEX] {
        let answer = ctx.put_manifest("both", kind, &Blob::json(&both).bytes).await?;
        answer.is_refusal().map_err(|failure| Failure::new(format!("as {kind}: {failure}")))?;
    }
    Ok(Outcome::Held)
}

pub(super) async fn manifest_without_a_content_type_does_no_harm(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    let answer = ctx.put(ctx.manifest("v1")).body(manifest.bytes.clone()).send().await?;
    if answer.status == 201 {
        ctx.get_manifest("v1").send().await?.has("content-type", OCI_MANIFEST)?;
        return Ok(Outcome::Held);
    }
    answer.is_refusal()?;
    Ok(Outcome::Held)
}

pub(super) async fn manifest_of_a_nonsense_type_does_no_harm(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let manifest = ctx.push_parts().await?.manifest();
    for kind in ["text/html", "application/octet-stream", ";;;", "application/"] {
        let answer = ctx.put_manifest("v1", kind, &manifest.bytes).await?;
        ensure!(
            answer.status.as_u16() < 500,
            "{}",
            answer.wrong(&format!("the Content-Type {kind:?}"))
        );
    }
    Ok(Outcome::Held)
}

pub(super) async fn accept_takes_several_types(ctx: &Context) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let listed = format!("{DOCKER_MANIFEST};q=0.5, {OCI_MANIFEST}, */*;q=0.1");
    ctx.get(ctx.manifest("v1")).header("accept", listed).send().await?.is(&[200])?;
    let repeated = ctx
        .get(ctx.manifest("v1"))
        .header("accept", DOCKER_MANIFEST)
        .header("accept", OCI_MANIFEST);
    repeated.send().await?.is(&[200])?;
    Ok(Outcome::Held)
}

pub(super) async fn accept_of_everything_gets_the_manifest(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.push_image("v1").await?;
    let answer = ctx.get(ctx.manifest("v1")).header("accept", "*/*").send().await?;
    answer.is(&[200])?;
    answer.has("content-type", OCI_MANIFEST)?;
    Ok(Outcome::Held)
}

pub(super) async fn accept_never_changes_the_document(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = ctx.push_image("v1").await?.manifest();
    for accept in [DOCKER_MANIFEST, OCI_INDEX, "application/json", "nonsense"] {
        let answer =
            ctx.get(ctx.manifest(&manifest.digest)).header("accept", accept).send().await?;
        ensure!(answer.status.as_u16() < 500, "{}", answer.wrong(&format!("Accept {accept:?}")));
        let whole = answer.status != 200 || answer.body == manifest.bytes;
        ensure!(whole, "{}", answer.wrong(&format!("Accept {accept:?} returned another document")));
    }
    Ok(Outcome::Held)
}

pub(super) async fn artifact_with_an_empty_config_is_stored(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    ctx.push_blob(&empty_json()).await?;
    is_stored(ctx, OCI_MANIFEST, &artifact_json("application/vnd.example.sbom.v1", None)).await
}

pub(super) async fn unknown_config_and_layer_types_are_stored(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let mut manifest = image.manifest_json();
    manifest["config"] = image.config.descriptor("application/vnd.cncf.helm.config.v1+json");
    manifest["layers"][0] = image.layer.descriptor("application/vnd.example.random+binary");
    is_stored(ctx, OCI_MANIFEST, &manifest).await
}

pub(super) async fn unknown_members_are_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let mut manifest = image.manifest_json();
    manifest["org.example.new"] = json!({"deep": [1, null, true]});
    manifest["layers"][0]["org.example.new"] = json!("too");
    is_stored(ctx, OCI_MANIFEST, &manifest).await
}

pub(super) async fn descriptor_with_data_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    ctx.push_blob(&empty_json()).await?;
    let mut manifest = image.manifest_json();
    manifest["config"] = empty_json().descriptor(OCI_EMPTY);
    manifest["config"]["data"] = json!("e30=");
    manifest["artifactType"] = json!("application/vnd.example.data.v1");
    is_stored(ctx, OCI_MANIFEST, &manifest).await
}

pub(super) async fn non_distributable_layer_need_not_be_pushed(
    ctx: &Context,
) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let foreign = Blob::random(100);
    let mut manifest = image.manifest_json();
    let mut layer =
        foreign.descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip");
    layer["urls"] = json!([format!("https://storage.example/{}", foreign.digest)]);
    manifest["layers"] = json!([layer, image.layer.descriptor(OCI_LAYER)]);
    is_stored(ctx, OCI_MANIFEST, &manifest).await
}

pub(super) async fn docker_schema_2_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = docker_image(ctx).await?;
    is_stored(ctx, DOCKER_MANIFEST, &manifest).await?;
    let answer = ctx.get(ctx.manifest("stored")).header("accept", ACCEPT_ALL).send().await?;
    answer.has("content-type", DOCKER_MANIFEST)?;
    Ok(Outcome::Held)
}

pub(super) async fn docker_manifest_list_is_stored(ctx: &Context) -> Result<Outcome, Failure> {
    let manifest = docker_image(ctx).await?;
    let child = ctx.push_manifest(DOCKER_MANIFEST, &manifest).await?;
    let mut descriptor = child.descriptor(DOCKER_MANIFEST);
    descriptor["platform"] = json!({"architecture": "amd64", "os": "linux"});
    let list = json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [descriptor]});
    is_stored(ctx, DOCKER_LIST, &list).await?;
    let answer = ctx.get(ctx.manifest("stored")).header("accept", ACCEPT_ALL).send().await?;
    answer.has("content-type", DOCKER_LIST)?;
    Ok(Outcome::Held)
}

pub(super) async fn docker_schema_1_is_refused(ctx: &Context) -> Result<Outcome, Failure> {
    let image = ctx.push_parts().await?;
    let schema_1 = json!({
        "schemaVersion": 1, "name": ctx.repository(), "tag": "old", "architecture": "amd64",
        "fsLayers": [{"blobSum": image.layer.digest}], "history": [{"v1Compatibility": "{}"}],
    });
    let body = Blob::json(&schema_1).bytes;
    for kind in [
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ] {
        let answer = ctx.put_manifest("old", kind, &body).await?;
        if answer.status == 201 {
            not_supported!("schema 1 is stored");
        }
        answer.is_refusal()?;
        answer.has_code(&["MANIFEST_INVALID", "UNSUPPORTED"])?;
    }
    Ok(Outcome::Held)
}

/// Pushes the blobs of a Docker image, and returns its manifest.
async fn docker_image(ctx: &Context) -> Result<Value, Failure> {
    let image = ctx.push_parts().await?;
    let mut manifest = image.manifest_json();
    manifest["mediaType"] = json!(DOCKER_MANIFEST);
    manifest["config"] = image.config.descriptor("application/vnd.docker.container.image.v1+json");
    manifest["layers"][0] =
        image.layer.descriptor("application/vnd.docker.image.rootfs.diff.tar.gzip");
    Ok(manifest)
}

fn without(manifest: &mut Value, member: &str) {
    if let Some(members) = manifest.as_object_mut() {
        members.remove(member);
    }
}
