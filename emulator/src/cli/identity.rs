//! `sealyard identity`: the user-assigned managed identities.

use clap::{Args, Subcommand};

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::table;
use crate::admin::{CreateIdentity, IdentityList, IdentityReport};

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard identity list
  sealyard identity create puller
  sealyard identity delete puller

An identity has no permissions until a vault has an access policy or a role for it.";

#[derive(Debug, Subcommand)]
pub(super) enum IdentityCommand {
    /// List all identities
    #[command(visible_alias = "ls")]
    List,
    /// Create an identity
    Create {
        #[command(flatten)]
        which: Which,
        /// The location [default: eastus]
        #[arg(long, value_name = "NAME")]
        location: Option<String>,
    },
    /// Delete an identity; a later identity with the same name does not get its permissions
    #[command(visible_alias = "rm")]
    Delete {
        #[command(flatten)]
        which: Which,
        /// Delete it even if registries have it; registries that use their key with it then refuse content
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args, Debug)]
pub(super) struct Which {
    /// The name: 3 to 128 letters, digits, dashes and underscores
    name: String,
    /// The resource group [default: sealyard]
    #[arg(long, value_name = "NAME")]
    resource_group: Option<String>,
}

pub(super) async fn identity(
    command: IdentityCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    match command {
        IdentityCommand::List => {
            let list: IdentityList = emulator.get("/identities", &[]).await?;
            context.output.result(&render(&list), &list);
        }
        IdentityCommand::Create { which: Which { name, resource_group }, location } => {
            let request = CreateIdentity { name, resource_group, location };
            let made: IdentityReport = emulator.post("/identities", &request).await?;
            let text = format!("created the identity {}\n\n{}", made.name, details(&made));
            context.output.result(&text, &made);
        }
        IdentityCommand::Delete { which, force } => {
            let force = force.then_some(("force", "true"));
            let group = which.resource_group.as_deref().map(|group| ("resourceGroup", group));
            let query: Vec<_> = force.into_iter().chain(group).collect();
            let path = format!("/identities/{}", segment(&which.name));
            emulator.delete(&path, &query).await?;
            let text = format!("deleted the identity {}", which.name);
            context.output.result(&text, &serde_json::json!({ "deleted": which.name }));
        }
    }
    Ok(Exit::Success)
}

fn render(list: &IdentityList) -> String {
    let rows = list.identities.iter().map(|identity| {
        [
            identity.name.clone(),
            identity.resource_group.clone(),
            identity.principal.client_id.clone(),
            identity.principal.principal_id.clone(),
        ]
    });
    table(Some(["NAME", "GROUP", "CLIENT ID", "PRINCIPAL ID"]), rows)
}

fn details(identity: &IdentityReport) -> String {
    table(
        None,
        [
            ["client id".to_owned(), identity.principal.client_id.clone()],
            ["principal id".to_owned(), identity.principal.principal_id.clone()],
            ["resource id".to_owned(), identity.id.clone()],
        ],
    )
}
