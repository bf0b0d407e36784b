//! `sealyard health`: one line and an exit code, for health checks. It needs no shell, no token and no file: if there is
//! no endpoints file, it asks the address that `serve` listens on by default.

use std::net::SocketAddr;

use azure_emulator_core::listen::parse_address;
use clap::Args;
use serde_json::json;

use super::client::Emulator;
use super::context::Context;
use super::discovery;
use super::error::CliError;
use super::exit::Exit;
use super::global::endpoint;
use super::hints::{Hint, Hints};
use super::output::{count, to_the_second};
use super::phrases::describe_state;
use crate::admin::{HealthReport, RegistryHealth};
use crate::config;
use crate::endpoints::reachable;
use crate::keys::State;
use crate::registry::RegistryName;

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  the emulator is healthy, even if the key of a registry is revoked
  1  the emulator does not answer, or is not healthy
  3  several emulators run, and the command names none
With --registry:
  0  the registry serves its content
  1  there is no such registry, or it does not know the state of its key yet
  4  the registry refuses its content, because the key cannot be used

In a container:
  healthcheck: { test: [\"CMD\", \"/sealyard\", \"health\"] }";

#[derive(Args, Debug)]
pub(super) struct HealthArgs {
    /// The address to ask if no emulator is found
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_LISTEN", default_value_t = config::DEFAULT_LISTEN, value_parser = parse_address)]
    listen: SocketAddr,
    /// Check whether this registry serves its content
    #[arg(long, value_name = "NAME")]
    registry: Option<String>,
}

pub(super) async fn health(args: &HealthArgs, context: &Context) -> Exit {
    match request_health(args, context).await {
        Ok((report, hints)) => {
            if let Some(name) =
                args.registry.as_deref().filter(|name| find(&report, name).is_none())
            {
                let message = no_such_registry(&report, name);
                let document = json!({ "status": "registryNotFound", "message": message });
                context.output.result(&message, &document);
                return Exit::Failed;
            }
            context.output.result(&render(&report, &hints), &report);
            exit(&report, args.registry.as_deref())
        }
        Err(error) => {
            if let CliError::SeveralRunning(_) = error {
                context.output.error(&error, &context.hints);
                return error.exit();
            }
            let document = json!({ "status": "down", "message": error.to_string() });
            context.output.result(&format!("not healthy: {error}"), &document);
            Exit::Failed
        }
    }
}

/// The exit code. An emulator with an unavailable registry is healthy, because a restart would not help.
pub(super) fn exit(report: &HealthReport, registry: Option<&str>) -> Exit {
    if report.status != "ok" {
        return Exit::Failed;
    }
    let Some(name) = registry else { return Exit::Success };
    match find(report, name).map(|registry| registry.state) {
        Some(State::Active) => Exit::Success,
        Some(State::Unavailable) => Exit::Refused,
        Some(State::Checking) | None => Exit::Failed,
    }
}

/// Finds a registry by its name, ignoring case as the admin API does.
fn find<'a>(report: &'a HealthReport, name: &str) -> Option<&'a RegistryHealth> {
    report.registries.iter().find(|registry| registry.name.eq_ignore_ascii_case(name))
}

pub(super) fn no_such_registry(report: &HealthReport, name: &str) -> String {
    let names: Vec<&str> = report.registries.iter().map(|found| found.name.as_str()).collect();
    format!("there is no registry {name:?}; the registries are: {}", names.join(", "))
}

/// The answer of the emulator, and hints that select this emulator.
async fn request_health(
    args: &HealthArgs,
    context: &Context,
) -> Result<(HealthReport, Hints), CliError> {
    match discovery::find(&context.global).await {
        // In a container there may be no endpoints file.
        Err(CliError::NotRunning { .. } | CliError::Config(_)) => {
            let url = endpoint(&format!("http://{}", reachable(args.listen)))
                .map_err(|message| CliError::Io(std::io::Error::other(message)))?;
            let emulator = Emulator::at(url, None)?;
            Ok((emulator.health().await?, context.hints.only_at(emulator.url())))
        }
        found => {
            let emulator = found?;
            Ok((emulator.health().await?, emulator.hints(&context.hints)))
        }
    }
}

pub(super) fn render(report: &HealthReport, hints: &Hints) -> String {
    let states = report.registries.iter().map(|registry| {
        format!(
            "registry {} is {} since {}",
            registry.name,
            describe_state(registry.state, registry.cause),
            to_the_second(registry.since)
        )
    });
    let mut parts = vec![if report.status == "ok" { "healthy" } else { "not healthy" }.to_owned()];
    parts.extend(states);
    if report.damaged > 0 {
        parts.push(format!(
            "damaged content was found {}: `{}` lists it",
            count(report.damaged, "time"),
            hints.line(&Hint::Verify { registry: RegistryName::LOCAL })
        ));
    }
    parts.join("; ")
}
