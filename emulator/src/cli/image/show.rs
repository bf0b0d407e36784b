//! `sealyard image show`: prints the details of an image.

use clap::Args;
use serde_json::{Value, json};

use super::content::Content;
use super::list::to_the_second;
use super::name::{ImageName, Version};
use crate::cli::client::Emulator;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::{bytes, table};

/// Every kind of manifest that a registry may have stored.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

#[derive(Args, Debug)]
pub(in crate::cli) struct ShowArgs {
    /// The image: REPOSITORY:TAG or REPOSITORY@DIGEST [default tag: latest]
    #[arg(value_name = "IMAGE")]
    image: ImageName,
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
}

pub(super) async fn show(
    args: &ShowArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<(), CliError> {
    let content = Content::open(emulator, &args.registry).await?;
    let digest = digest(&content, &args.image).await?;
    let repository = &args.image.repository;
    let path = format!("/acr/v1/{repository}/_manifests/{digest}");
    let mut described: Value = content.get(&path, "application/json").await?;
    let described = described["manifest"].take();
    let manifest: Value =
        content.get(&format!("/v2/{repository}/manifests/{digest}"), MANIFESTS).await?;
    let text = render(&repository.to_string(), &described, &manifest);
    let document = json!({ "repository": repository.to_string(), "described": described, "manifest": manifest });
    context.output.result(&text, &document);
    Ok(())
}

/// The digest of an image.
pub(super) async fn digest(content: &Content<'_>, image: &ImageName) -> Result<String, CliError> {
    let tag = match &image.version {
        Some(Version::Digest(digest)) => return Ok(digest.to_string()),
        Some(Version::Tag(tag)) => tag.to_string(),
        None => "latest".to_owned(),
    };
    let path = format!("/acr/v1/{}/_tags/{tag}", image.repository);
    let found: Value = content.get(&path, "application/json").await?;
    Ok(found["tag"]["digest"].as_str().unwrap_or_default().to_owned())
}

/// The image for people.
fn render(repository: &str, described: &Value, manifest: &Value) -> String {
    let text = |name: &str| described[name].as_str().map(str::to_owned);
    let tags = described["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let tags = tags.collect::<Vec<_>>().join(", ");
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: Option<String>| {
        rows.extend(value.filter(|value| !value.is_empty()).map(|value| [name.to_owned(), value]));
    };
    row("repository", Some(repository.to_owned()));
    row("tags", Some(tags));
    row("digest", text("digest"));
    row("media type", text("mediaType"));
    row("size", described["imageSize"].as_u64().map(bytes));
    row("platform", platform(described));
    row("created", text("createdTime").map(|time| to_the_second(&time)));
    row("locked", Some(locked(&described["changeableAttributes"])));
    for (field, name) in [("manifests", "manifest"), ("layers", "layer"), ("blobs", "blob")] {
        for one in manifest[field].as_array().into_iter().flatten() {
            let size = one["size"].as_u64().map(bytes).unwrap_or_default();
            let digest = one["digest"].as_str().unwrap_or_default();
            let platform =
                platform(&one["platform"]).map_or_else(String::new, |of| format!("  {of}"));
            row(name, Some(format!("{digest}  {size}{platform}")));
        }
    }
    table(None, rows)
}

fn platform(of: &Value) -> Option<String> {
    let (os, architecture) = (of["os"].as_str()?, of["architecture"].as_str()?);
    Some(format!("{os}/{architecture}"))
}

/// The operations that locks refuse.
fn locked(attributes: &Value) -> String {
    let refused = [
        ("deleteEnabled", "delete"),
        ("writeEnabled", "write"),
        ("readEnabled", "read"),
        ("listEnabled", "list"),
    ];
    let refused = refused.iter().filter(|(name, _)| attributes[*name] == false);
    refused.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_for_people() {
        let described = json!({
            "digest": "sha256:12", "imageSize": 2048, "tags": ["v1", "v2"], "os": "linux", "architecture": "amd64",
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "createdTime": "2026-01-01T12:00:00.1234567Z",
            "changeableAttributes": { "deleteEnabled": false, "writeEnabled": true, "readEnabled": true, "listEnabled": true },
        });
        let manifest = json!({ "layers": [{ "digest": "sha256:34", "size": 1024 }] });

        insta::assert_snapshot!(render("team/app", &described, &manifest), @r"
        repository  team/app
        tags        v1, v2
        digest      sha256:12
        media type  application/vnd.oci.image.manifest.v1+json
        size        2.00 KiB
        platform    linux/amd64
        created     2026-01-01T12:00:00Z
        locked      delete
        layer       sha256:34  1.00 KiB
        ");
    }
}
