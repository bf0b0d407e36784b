//! `sealyard key`: manages the key of a registry in the vault, and shows the effect on the registry.

use clap::{Args, Subcommand};

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::hints::{Hint, Hints, KeyTarget};
use super::output::{count, table, to_the_second};
use super::phrases::describe_state;
use crate::admin::{KeyList, KeyOperation, KeyReply, KeyRequest};

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard key list
  sealyard key disable         the registry refuses all content
  sealyard key enable          the registry serves content again
  sealyard key rotate          a new version, in use at once; no blob is changed

The command returns when the registry has seen the change; after `new-version`, the registry rotates
later. With --no-wait it returns at once.";

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the versions of the key
    #[command(visible_alias = "ls")]
    List {
        #[command(flatten)]
        which: Which,
    },
    /// Create a new version; the registry rotates to it by itself within the time of `serve --rotation-check`
    NewVersion(Change),
    /// Create a new version, and rotate the registry to it at once
    Rotate(Change),
    /// Disable a version; a registry that uses it refuses all content
    Disable(VersionChange),
    /// Enable a disabled version
    Enable(VersionChange),
    /// Delete the key with all its versions; `recover` restores it
    #[command(visible_alias = "rm")]
    Delete(Change),
    /// Recover a deleted key
    Recover(Change),
}

#[derive(Args, Debug)]
pub(super) struct Which {
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
    /// The vault [default: the vault of the registry's key]
    #[arg(long, value_name = "NAME")]
    vault: Option<String>,
    /// The name of the key [default: the registry's key]
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
}

#[derive(Args, Debug)]
pub(super) struct Change {
    #[command(flatten)]
    which: Which,
    /// Return at once, before the registry has seen the change
    #[arg(long)]
    no_wait: bool,
}

#[derive(Args, Debug)]
pub(super) struct VersionChange {
    #[command(flatten)]
    change: Change,
    /// The version [default: the version in use]
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
}

pub(super) async fn key(
    command: KeyCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let (operation, change) = match command {
        KeyCommand::List { which } => return list(&which, emulator, context).await,
        KeyCommand::NewVersion(change) => (KeyOperation::NewVersion, change.into()),
        KeyCommand::Rotate(change) => (KeyOperation::Rotate, change.into()),
        KeyCommand::Disable(change) => (KeyOperation::Disable, change),
        KeyCommand::Enable(change) => (KeyOperation::Enable, change),
        KeyCommand::Delete(change) => (KeyOperation::Delete, change.into()),
        KeyCommand::Recover(change) => (KeyOperation::Recover, change.into()),
    };
    let VersionChange { change: Change { which, no_wait }, version } = change;
    let path = format!("/registries/{}/key", segment(&which.registry));
    let request =
        KeyRequest { operation, vault: which.vault, key: which.key, version, wait: !no_wait };
    let reply: KeyReply = emulator.post(&path, &request).await?;
    let text = render(&reply, !no_wait) + &undo_hint(&request, &which.registry, &context.hints);
    context.output.result(&text, &reply);
    Ok(Exit::Success)
}

async fn list(which: &Which, emulator: &Emulator, context: &Context) -> Result<Exit, CliError> {
    let query: Vec<(&str, &str)> =
        [("vault", which.vault.as_deref()), ("key", which.key.as_deref())]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
    let list: KeyList =
        emulator.get(&format!("/registries/{}/key", segment(&which.registry)), &query).await?;
    context.output.result(&render_list(&list), &list);
    Ok(Exit::Success)
}

pub(super) fn render_list(list: &KeyList) -> String {
    let rows = list.versions.iter().map(|version| {
        [
            version.version.clone(),
            to_the_second(version.created),
            if version.enabled { "yes" } else { "no" }.to_owned(),
            if version.current { "yes" } else { "" }.to_owned(),
        ]
    });
    format!(
        "{}\n\n{}",
        list.key_identifier,
        table(Some(["VERSION", "CREATED", "ENABLED", "IN USE"]), rows)
    )
}

/// The change, and the state after it.
pub(super) fn render(reply: &KeyReply, waited: bool) -> String {
    let (name, version) = name_and_version(&reply.key_identifier);
    let key = match version {
        Some(version) => format!("{name} version {version}"),
        None => name.to_owned(),
    };
    let done = match (reply.operation, &reply.rotation) {
        (KeyOperation::NewVersion, _) => {
            format!("{name} has a new version {}", version.unwrap_or(""))
        }
        (KeyOperation::Rotate, Some(rotation)) => format!(
            "{key} is in use instead of {}; {} rewrapped with {}",
            name_and_version(&rotation.from).1.unwrap_or("none"),
            count(rotation.data_keys, "data key"),
            count(rotation.vault_calls, "vault call"),
        ),
        (KeyOperation::Rotate, None) => {
            format!("{key} was created, and the registry is rotating to it")
        }
        (KeyOperation::Disable, _) => format!("{key} is disabled"),
        (KeyOperation::Enable, _) => format!("{key} is enabled"),
        (KeyOperation::Delete, _) => format!("{key} is deleted"),
        (KeyOperation::Recover, _) => format!("{key} is recovered"),
    };
    let state = describe_state(reply.state, reply.cause);
    let when = if waited { "" } else { " before it has seen the change" };
    format!("{done}; registry {}: {state}{when}", reply.registry)
}

/// A line with the command that undoes an operation that makes the registry unavailable.
pub(super) fn undo_hint(request: &KeyRequest, registry: &str, hints: &Hints) -> String {
    let (vault, key) = (request.vault.as_deref(), request.key.as_deref());
    let key = KeyTarget { registry, vault, key };
    let hint = match request.operation {
        KeyOperation::Disable => Hint::KeyEnable { key, version: request.version.as_deref() },
        KeyOperation::Delete => Hint::KeyRecover { key },
        KeyOperation::NewVersion
        | KeyOperation::Rotate
        | KeyOperation::Enable
        | KeyOperation::Recover => return String::new(),
    };
    format!("\n`{}` undoes it", hints.line(&hint))
}

/// The last parts of `https://VAULT/keys/NAME[/VERSION]`.
fn name_and_version(identifier: &str) -> (&str, Option<&str>) {
    let path = identifier.split_once("/keys/").map_or(identifier, |(_, path)| path);
    match path.split_once('/') {
        Some((name, version)) => (name, Some(version)),
        None => (path, None),
    }
}

impl From<Change> for VersionChange {
    fn from(change: Change) -> Self {
        Self { change, version: None }
    }
}
