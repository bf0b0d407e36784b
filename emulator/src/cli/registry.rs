//! `sealyard registry`: create, show, change and delete registries, and rotate their keys.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde_json::json;

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::hints::{Hint, Hints};
use super::output::{bytes, count, table, to_the_second};
use super::phrases::describe_state;
use crate::admin::{
    ChangeRegistry, CreateRegistry, CreatedRegistry, FeatureStatus, RegistryDetails, RegistryList,
    RotateKey, RotatedKey,
};
use crate::keys::IdentityId;

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard registry create team1                 also create an identity and a key for it
  sealyard registry create team2 --no-cmk        without a customer-managed key
  sealyard registry create team3 --key mykey     with an existing key in the vault `local`
  sealyard registry rotate-key team1             to the newest version of its key
  sealyard registry rotate-key team1 --key https://team.vault.azure.net/keys/k --identity [system]
  sealyard registry assign-identity team1 [system]
  sealyard registry remove-identity team1 team1  team1 refuses content until it is assigned again
  sealyard registry delete team1                 with all its content";

#[derive(Debug, Subcommand)]
pub(super) enum RegistryCommand {
    /// List all registries
    #[command(visible_alias = "ls")]
    List,
    /// Create a registry, and an identity and a key with permission to use it unless options name them
    Create(Box<CreateArgs>),
    /// Show a registry with its key, identities and settings
    Show {
        /// The registry
        name: String,
    },
    /// Delete a registry with all its content, without asking
    #[command(visible_alias = "rm")]
    Delete {
        /// The registry
        name: String,
    },
    /// Rotate the key to its newest version, or to another key, vault or identity
    RotateKey(RotateArgs),
    /// Assign an identity to a registry; `[system]` is the system-assigned identity
    AssignIdentity(IdentityArgs),
    /// Remove an identity from a registry; if the registry uses its key with this identity, it then refuses content (in strict
    /// parity after 90 days)
    RemoveIdentity(IdentityArgs),
}

#[derive(Args, Debug)]
pub(super) struct CreateArgs {
    /// The name: 5 to 50 letters and digits
    name: String,
    /// Use only the service-managed key, and no customer-managed key
    #[arg(long, conflicts_with_all = ["key", "identity"])]
    no_cmk: bool,
    /// The key: an identifier, or the name of a key in the vault `local`; without a version it rotates automatically
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The identity that uses the key: a name, a client id or a resource id
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// Also give the registry a system-assigned identity
    #[arg(long)]
    system_identity: bool,
    /// The SKU: Basic, Standard or Premium [default: Premium]
    #[arg(long, value_name = "SKU")]
    sku: Option<String>,
    /// The location [default: eastus]
    #[arg(long, value_name = "NAME")]
    location: Option<String>,
    /// The resource group [default: sealyard]
    #[arg(long, value_name = "NAME")]
    resource_group: Option<String>,
    /// A tag; can be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = tag)]
    tag: Vec<(String, String)>,
    /// Behave exactly like Azure: turn off features that Azure lacks with a customer-managed key, and refuse vaults without
    /// purge protection
    #[arg(long)]
    strict_parity: bool,
}

#[derive(Args, Debug)]
pub(super) struct RotateArgs {
    /// The registry
    name: String,
    /// The key: an identifier, or the name of a key in the vault `local`; with a version it does not rotate automatically
    /// [default: the newest version of the current key]
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// The identity that uses the key from then on: a name, a client id, a resource id, or [system]
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct IdentityArgs {
    /// The registry
    name: String,
    /// The identity: a name, a resource id, or [system]
    #[arg(value_name = "IDENTITY", required = true)]
    identities: Vec<String>,
}

pub(super) async fn registry(
    command: RegistryCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let output = &context.output;
    match command {
        RegistryCommand::List => {
            let mut list: RegistryList = emulator.get("/registries", &[]).await?;
            emulator.set_address_of_local(
                list.registries.iter_mut().map(|details| &mut details.report),
            );
            output.result(&render_list(&list), &list);
        }
        RegistryCommand::Create(args) => {
            let made: CreatedRegistry = emulator.post("/registries", &args.request()).await?;
            let title = format!("created the registry {}", made.registry.report.name);
            output.result(&with_warnings(&title, &made.registry, &made.warnings), &made);
        }
        RegistryCommand::Show { name } => {
            let mut details: RegistryDetails = emulator.get(&path(&name), &[]).await?;
            emulator.set_address_of_local([&mut details.report]);
            output.result(&render(&details), &details);
        }
        RegistryCommand::Delete { name } => {
            emulator.delete(&path(&name), &[]).await?;
            output.result(&format!("deleted the registry {name}"), &json!({ "deleted": name }));
        }
        RegistryCommand::RotateKey(RotateArgs { name, key, identity }) => {
            let request = RotateKey { key_identifier: key, identity };
            let path = format!("{}/rotate-key", path(&name));
            let mut rotated: RotatedKey = emulator.post(&path, &request).await?;
            emulator.set_address_of_local([&mut rotated.registry.report]);
            let title = match rotated.rotation.data_keys {
                0 => format!("the registry {name} already uses {}", rotated.rotation.to),
                keys => format!(
                    "{} wrapped again under {}",
                    count(keys, "data key"),
                    rotated.rotation.to
                ),
            };
            output.result(&with_warnings(&title, &rotated.registry, &rotated.warnings), &rotated);
        }
        RegistryCommand::AssignIdentity(args) => args.change(true, emulator, context).await?,
        RegistryCommand::RemoveIdentity(args) => args.change(false, emulator, context).await?,
    }
    Ok(Exit::Success)
}

impl CreateArgs {
    fn request(self) -> CreateRegistry {
        CreateRegistry {
            name: self.name,
            sku: self.sku,
            location: self.location,
            resource_group: self.resource_group,
            tags: self.tag.into_iter().collect::<BTreeMap<_, _>>(),
            encryption: self.no_cmk.then_some(FeatureStatus::Disabled),
            key_identifier: self.key,
            identity: self.identity,
            system_assigned_identity: self.system_identity,
            strict_parity: self.strict_parity,
            ..CreateRegistry::default()
        }
    }
}

impl IdentityArgs {
    async fn change(
        self,
        assign: bool,
        emulator: &Emulator,
        context: &Context,
    ) -> Result<(), CliError> {
        let (system, named): (Vec<String>, Vec<String>) =
            self.identities.iter().cloned().partition(|text| IdentityId::is_name_of_system(text));
        let mut request = ChangeRegistry {
            system_assigned_identity: (!system.is_empty()).then_some(assign),
            ..ChangeRegistry::default()
        };
        if assign {
            request.assign_identities = named;
        } else {
            request.remove_identities = named;
        }
        let mut details: RegistryDetails = emulator.patch(&path(&self.name), &request).await?;
        emulator.set_address_of_local([&mut details.report]);
        let mut text = render(&details);
        if !assign {
            text.push_str(&self.undo_hints(&context.hints));
        }
        context.output.result(&text, &details);
        Ok(())
    }
}

impl IdentityArgs {
    /// A line for each identity with the command that assigns it again.
    fn undo_hints(&self, hints: &Hints) -> String {
        let line = |identity| hints.line(&Hint::AssignIdentity { registry: &self.name, identity });
        let lines = self
            .identities
            .iter()
            .map(|identity| format!("\n`{}` assigns it again", line(identity)));
        lines.collect()
    }
}

fn path(name: &str) -> String {
    format!("/registries/{}", segment(name))
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn with_warnings(title: &str, registry: &RegistryDetails, warnings: &[String]) -> String {
    let mut lines = vec![title.to_owned()];
    lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
    format!("{}\n\n{}", lines.join("\n"), render(registry))
}

fn render_list(list: &RegistryList) -> String {
    let rows = list.registries.iter().map(|registry| {
        let report = &registry.report;
        let key = report.key.as_ref().map(|key| key.key_identifier.clone());
        [
            report.name.clone(),
            registry.sku.clone(),
            describe_state(report.state, report.cause),
            report.login_server.clone(),
            key.unwrap_or_else(|| "service-managed".to_owned()),
        ]
    });
    table(Some(["NAME", "SKU", "STATE", "LOGIN SERVER", "KEY"]), rows)
}

fn render(registry: &RegistryDetails) -> String {
    let report = &registry.report;
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    row("registry", report.name.clone());
    row("state", describe_state(report.state, report.cause));
    row("url", report.url.clone());
    row("docker", format!("docker push {}/NAME:TAG", report.login_server));
    match &report.key {
        None => row("key", "service-managed".to_owned()),
        Some(key) => {
            row("key", key.key_identifier.clone());
            let version = key.versioned_key_identifier.clone();
            row("version in use", version.unwrap_or_else(|| "not known".to_owned()));
            let rotation = if key.key_rotation_enabled { "automatic" } else { "manual" };
            row("rotation", rotation.to_owned());
            if let Some(at) = key.last_key_rotation_timestamp {
                row("last rotation", to_the_second(at));
            }
        }
    }
    if let Some(id) = &registry.key_identity {
        let until = registry.key_identity_works_until.map(|at| {
            format!(
                "; it was removed, and the registry becomes unavailable at {}",
                to_the_second(at)
            )
        });
        row("used by", id.clone() + &until.unwrap_or_default());
    }
    for identity in &registry.user_assigned_identities {
        row("identity", format!("{} ({})", identity.name, identity.principal.client_id));
    }
    if let Some(own) = &registry.system_assigned_identity {
        row("identity", format!("[system] ({})", own.client_id));
    }
    row("stored", format!("{} blobs, {}", report.blobs, bytes(report.bytes)));
    row("sku", registry.sku.clone());
    row("location", registry.location.clone());
    row("group", registry.resource_group.clone());
    for (name, value) in &registry.tags {
        row("tag", format!("{name}={value}"));
    }
    if registry.strict_parity {
        row("parity", "strict".to_owned());
    }
    table(None, rows)
}
