//! `sealyard status`: shows the addresses and states of registries and vaults.

use serde::Serialize;

use super::client::{Emulator, Found};
use super::clock;
use super::context::Context;
use super::discovery;
use super::error::CliError;
use super::exit::Exit;
use super::hints::{Hint, Hints};
use super::output::{bytes, count, table, to_the_second};
use super::phrases::{describe_data, describe_state, insecure_registries, unfinished};
use crate::admin::{RegistryReport, StatusReport};
use crate::running::Entry;

pub(super) async fn status(emulator: &Emulator, context: &Context) -> Result<Exit, CliError> {
    let report = emulator.status().await?;
    let others = match emulator.found() {
        Found::ByEndpoint => None,
        // The status of this emulator is still worth printing.
        _ => discovery::registered().await.ok().map(|mut running| {
            running.retain(|entry| entry.instance != report.instance);
            running
        }),
    };
    let text = render(&report, &context.hints) + &render_others(others.as_deref().unwrap_or(&[]));
    context.output.result(&text, &Document { report: &report, others });
    Ok(Exit::Success)
}

impl StatusReport {
    /// The registry of this name.
    pub(super) fn find(&self, name: &str) -> Option<&RegistryReport> {
        self.registries.iter().find(|registry| registry.name == name)
    }
}

/// The report for programs, with the other running emulators.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a StatusReport,
    /// The other running emulators of this user. It is omitted if `--endpoint` names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    others: Option<Vec<Entry>>,
}

/// The other emulators, a line for each.
pub(super) fn render_others(others: &[Entry]) -> String {
    if others.is_empty() {
        return String::new();
    }
    let row = |entry: &Entry| {
        let data = format!("process {}, data in {}", entry.pid, entry.data_dir.display());
        [format!("  --endpoint {}", entry.registry), data]
    };
    format!("\nother running emulators\n{}", table(None, others.iter().map(row)))
}

/// The report for people.
pub(super) fn render(report: &StatusReport, hints: &Hints) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    for registry in &report.registries {
        row("registry", format!("{} at {}", registry.name, registry.url));
        row("  state", state(registry));
        let cause = registry.cause;
        let hint = |cause| hints.repair_hint(cause, &registry.name, &registry.revoked);
        if let Some(hint) = cause.and_then(hint) {
            row("", hint);
        }
        if let Some(key) = &registry.key {
            row("  key", key.key_identifier.clone());
            row(
                "  version in use",
                key.versioned_key_identifier.clone().unwrap_or_else(|| "not known".to_owned()),
            );
            row(
                "  rotation",
                if key.key_rotation_enabled { "automatic" } else { "manual" }.to_owned(),
            );
            if let Some(time) = key.last_key_rotation_timestamp {
                row("  last rotation", to_the_second(time));
            }
        }
        for warning in &registry.warnings {
            row("  warning", warning.clone());
        }
        row("  data keys", registry.data_keys.to_string());
        row("  stored", format!("{} blobs, {}", registry.blobs, bytes(registry.bytes)));
        if registry.uploads > 0 {
            let (number, held) = (count(registry.uploads, "upload"), bytes(registry.upload_bytes));
            let remove = hints.line(&Hint::GcNow { registry: &registry.name });
            row("  uploads", format!("{number} in progress, {held}; `{remove}` removes them"));
        }
        if let Some(taken) = registry.taken_port {
            let message =
                "is in use by another program: the registry has another port until the next start";
            row("  port", format!("{taken} {message}"));
        }
        row("  docker", format!("docker push {}/NAME:TAG", registry.login_server));
        if let Some(setting) = insecure_registries(&registry.login_server) {
            row("", setting);
        }
        row(
            "  podman",
            format!("podman push --tls-verify=false {}/NAME:TAG", registry.login_server),
        );
        row(
            "  helm",
            format!("helm push CHART.tgz oci://{}/charts --plain-http", registry.login_server),
        );
    }
    row("vault", report.vault.clone());
    if let Some(login) = &report.login {
        row("login", login.clone());
    }
    if let Some(ca) = &report.ca {
        row("ca", ca.display().to_string());
    }
    row("clock", describe_clock(report));
    row("data", describe_data(report, hints));
    row("process", report.pid.to_string());
    for one in &report.unfinished {
        row("unfinished", unfinished(one));
    }
    for notice in &report.notices {
        row("notice", notice.clone());
    }
    table(None, rows)
}

fn state(registry: &RegistryReport) -> String {
    let state = describe_state(registry.state, registry.cause);
    format!("{state}, since {}", to_the_second(registry.since))
}

fn describe_clock(report: &StatusReport) -> String {
    let mut text = to_the_second(report.clock.now);
    if let Some(offset) = clock::offset(&report.clock) {
        text = format!("{text}, {offset}");
    }
    if report.clock.frozen {
        text.push_str(", frozen");
    }
    text
}
