//! `sealyard image delete`: deletes a manifest with all its tags, only a tag, or a repository.

use clap::Args;
use serde_json::{Value, json};

use super::content::Content;
use super::name::{ImageName, Version};
use super::show::digest;
use crate::cli::client::Emulator;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::output::count;

#[derive(Args, Debug)]
pub(in crate::cli) struct DeleteArgs {
    /// The image: REPOSITORY:TAG or REPOSITORY@DIGEST; with --all, REPOSITORY
    #[arg(value_name = "IMAGE")]
    image: ImageName,
    /// Delete the repository with all its images
    #[arg(long, conflicts_with = "untag")]
    all: bool,
    /// Only remove the tag, and keep its manifest and other tags
    #[arg(long)]
    untag: bool,
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
}

pub(super) async fn delete(
    args: &DeleteArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<(), CliError> {
    let content = Content::open(emulator, &args.registry).await?;
    let repository = &args.image.repository;
    let (text, document) = match (&args.image.version, args.untag) {
        (Some(_), _) if args.all => {
            return Err(CliError::Flag(
                "--all takes only REPOSITORY, without a tag or digest".to_owned(),
            ));
        }
        (Some(Version::Tag(tag)), true) => {
            content.delete(&format!("/acr/v1/{repository}/_tags/{tag}")).await?;
            (format!("removed the tag {repository}:{tag}"), json!({ "untagged": tag.to_string() }))
        }
        (_, true) => {
            return Err(CliError::Flag("--untag takes REPOSITORY:TAG".to_owned()));
        }
        (Some(_), false) => {
            let digest = digest(&content, &args.image).await?;
            content.delete(&format!("/v2/{repository}/manifests/{digest}")).await?;
            (format!("deleted {repository}@{digest} with its tags"), json!({ "deleted": digest }))
        }
        (None, false) if !args.all => {
            return Err(CliError::Flag(format!(
                "{repository} is a repository: name an image of it, such as {repository}:latest, or use --all"
            )));
        }
        (None, false) => {
            let deleted = content.delete(&format!("/acr/v1/{repository}")).await?;
            (render(&repository.to_string(), &deleted), deleted)
        }
    };
    context.output.result(&text, &document);
    Ok(())
}

fn render(repository: &str, deleted: &Value) -> String {
    let of =
        |name: &str, one: &str| count(deleted[name].as_array().map_or(0, Vec::len) as u64, one);
    format!(
        "deleted the repository {repository}: {} and {}",
        of("manifestsDeleted", "manifest"),
        of("tagsDeleted", "tag")
    )
}
