//! `sealyard image list`: prints a line for each tag, and for each manifest without a tag.

use clap::Args;
use serde_json::{Value, json};

use super::content::Content;
use crate::cli::client::Emulator;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::{bytes, table};
use crate::registry::RepositoryName;

#[derive(Args, Debug)]
pub(in crate::cli) struct ListArgs {
    /// List only this repository
    #[arg(value_name = "REPOSITORY")]
    repository: Option<RepositoryName>,
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
}

pub(super) async fn list(
    args: &ListArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<(), CliError> {
    let content = Content::open(emulator, &args.registry).await?;
    let repositories = if let Some(repository) = &args.repository {
        vec![repository.to_string()]
    } else {
        let names = content.all("/acr/v1/_catalog", "repositories", Value::as_str).await?;
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut images = Vec::new();
    for repository in repositories {
        let path = format!("/acr/v1/{repository}/_manifests");
        let manifests = content.all(&path, "manifests", |one| one["digest"].as_str()).await?;
        images.extend(manifests.into_iter().map(|mut manifest| {
            manifest["repository"] = json!(repository);
            manifest
        }));
    }
    let document = json!({ "registry": args.registry, "images": images });
    context.output.result(&render(&images), &document);
    Ok(())
}

/// The images for people.
fn render(images: &[Value]) -> String {
    if images.is_empty() {
        return "there are no images".to_owned();
    }
    let rows = images.iter().flat_map(|image| {
        let tags: Vec<String> = image["tags"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tag| tag.as_str().map(str::to_owned))
            .collect();
        let tags = if tags.is_empty() { vec!["<none>".to_owned()] } else { tags };
        tags.into_iter().map(|tag| {
            let text = |name: &str| image[name].as_str().unwrap_or_default().to_owned();
            let size = bytes(image["imageSize"].as_u64().unwrap_or_default());
            [text("repository"), tag, text("digest"), size, to_the_second(&text("createdTime"))]
        })
    });
    table(Some(["REPOSITORY", "TAG", "DIGEST", "SIZE", "CREATED"]), rows)
}

/// A time in the form of ACR, without the fraction of its second.
pub(super) fn to_the_second(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_and_each_untagged_manifest_has_a_line() {
        let image = |repository: &str, digest: &str, tags: &[&str]| {
            json!({
                "repository": repository, "digest": digest, "imageSize": 2048, "tags": tags,
                "createdTime": "2026-01-01T12:00:00.1234567Z",
            })
        };

        let text = render(&[
            image("app", "sha256:12", &["v1", "v2"]),
            image("team/app", "sha256:34", &[]),
        ]);

        insta::assert_snapshot!(text, @r"
        REPOSITORY  TAG     DIGEST     SIZE      CREATED
        app         v1      sha256:12  2.00 KiB  2026-01-01T12:00:00Z
        app         v2      sha256:12  2.00 KiB  2026-01-01T12:00:00Z
        team/app    <none>  sha256:34  2.00 KiB  2026-01-01T12:00:00Z
        ");
        assert_eq!(render(&[]), "there are no images");
    }
}
