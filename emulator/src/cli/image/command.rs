//! The commands of `sealyard image`.

use clap::Subcommand;

use super::delete::{self, DeleteArgs};
use super::list::{self, ListArgs};
use super::show::{self, ShowArgs};
use crate::cli::client::Emulator;
use crate::cli::context::Context;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  sealyard image list                     all images of the registry `local`
  sealyard image list team/app            the images of one repository
  sealyard image show team/app:1          digest, size, platform and layers
  sealyard image delete --untag team/app:1
  sealyard image delete team/app:1        the manifest of this tag, with all its tags
  sealyard image delete --all team/app    the repository with all its images

To free the disk space of deleted images at once, run `gc --now`; `gc` keeps content that was used
in the last hour.
If the registry has logins, these commands sign in as the owner.";

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum ImageCommand {
    /// List the images
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Show an image: its digest, size, platform, tags and layers
    Show(ShowArgs),
    /// Delete an image with all its tags, or a repository
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
}

pub(in crate::cli) async fn image(
    command: ImageCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    match command {
        ImageCommand::List(args) => list::list(&args, emulator, context).await?,
        ImageCommand::Show(args) => show::show(&args, emulator, context).await?,
        ImageCommand::Delete(args) => delete::delete(&args, emulator, context).await?,
    }
    Ok(Exit::Success)
}
