//! `sealyard health`: one line and an exit code, for health checks. It needs no shell, no token and no file: where no
//! file of endpoints is found, it asks the address that `serve` would listen on.

use std::net::SocketAddr;

use clap::Args;
use mock_keyvault::listen::parse_address;
use serde_json::json;

use super::Context;
use super::client::{Emulator, running};
use super::error::{CliError, Exit};
use super::output::to_the_second;
use super::status::state_in_words;
use crate::admin::{HealthReport, reachable};
use crate::config;

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  the emulator answers; a registry whose key was revoked is healthy
  1  it does not
With --registry:
  0  the registry serves its content
  1  there is no such registry, or it is still looking at its key
  4  its content is refused: the key cannot be used

In a container:
  healthcheck: { test: [\"CMD\", \"/sealyard\", \"health\"] }";

#[derive(Args, Debug)]
pub(super) struct HealthArgs {
    /// The address to ask where no file of endpoints is found
    #[arg(long, value_name = "ADDRESS", env = "SEALYARD_LISTEN", default_value_t = config::DEFAULT_LISTEN, value_parser = parse_address)]
    listen: SocketAddr,
    /// Go by the state of this registry: whether its content is served
    #[arg(long, value_name = "NAME")]
    registry: Option<String>,
}

pub(super) async fn health(args: &HealthArgs, context: &Context) -> Exit {
    match ask(args, context).await {
        Ok(report) => {
            context.output.result(&render(&report), &report);
            exit(&report, args.registry.as_deref())
        }
        Err(error) => {
            let document = json!({ "status": "down", "message": error.to_string() });
            context.output.result(&format!("not healthy: {error}"), &document);
            Exit::Failed
        }
    }
}

/// A registry that is dark is healthy, for a restart would not help; who asks for its state is told.
pub(super) fn exit(report: &HealthReport, registry: Option<&str>) -> Exit {
    if report.status != "ok" {
        return Exit::Failed;
    }
    let Some(name) = registry else { return Exit::Fine };
    let found = report.registries.iter().find(|registry| registry.name == name);
    match found.map(|registry| registry.state.as_str()) {
        Some("active") => Exit::Fine,
        Some("unavailable") => Exit::Refused,
        _ => Exit::Failed,
    }
}

async fn ask(args: &HealthArgs, context: &Context) -> Result<HealthReport, CliError> {
    let found = || {
        let report = running(&context.global.data_dir().ok()?)?;
        report.registry.parse().ok()
    };
    let url = match context.global.endpoint.clone().or_else(found) {
        Some(url) => url,
        None => super::endpoint(&format!("http://{}", reachable(args.listen)))
            .map_err(|words| CliError::Io(std::io::Error::other(words)))?,
    };
    Emulator::at(url, None)?.health().await
}

pub(super) fn render(report: &HealthReport) -> String {
    let states = report.registries.iter().map(|registry| {
        format!(
            "registry {} is {} since {}",
            registry.name,
            state_in_words(&registry.state, registry.cause.as_deref()),
            to_the_second(registry.since)
        )
    });
    let mut parts = vec![if report.status == "ok" { "healthy" } else { "not healthy" }.to_owned()];
    parts.extend(states);
    if report.damaged > 0 {
        parts.push(format!("damaged content was met {} times: run `verify`", report.damaged));
    }
    parts.join("; ")
}
