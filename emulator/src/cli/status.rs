//! `sealyard status`: what runs where, and in which state.

use time::format_description::well_known::Rfc3339;

use super::Context;
use super::client::Emulator;
use super::error::{CliError, Exit};
use super::hints::Hints;
use super::output::{bytes, table};
use crate::admin::{RegistryReport, StatusReport};

pub(super) async fn status(emulator: &Emulator, context: &Context) -> Result<Exit, CliError> {
    let report: StatusReport = emulator.get("/status", &[]).await?;
    context.output.result(&render(&report, &context.hints), &report);
    Ok(Exit::Fine)
}

/// The report for people.
pub(super) fn render(report: &StatusReport, hints: &Hints) -> String {
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| rows.push([name.to_owned(), value]);
    for registry in &report.registries {
        row("registry", format!("{} at {}", registry.name, registry.url));
        row("  state", state(registry));
        let cause = registry.cause.as_deref();
        if let Some(hint) = cause.and_then(|cause| hints.way_back(cause, &registry.name)) {
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
                if key.key_rotation_enabled { "automatic" } else { "by hand" }.to_owned(),
            );
            if let Some(time) =
                key.last_key_rotation_timestamp.and_then(|time| time.format(&Rfc3339).ok())
            {
                row("  last rotation", time);
            }
        }
        row("  data keys", registry.data_keys.to_string());
        row("  stored", format!("{} blobs, {}", registry.blobs, bytes(registry.bytes)));
        if let Some(taken) = registry.taken_port {
            let words = "is taken by another program: it has another one until the next start";
            row("  port", format!("{taken} {words}"));
        }
        row("  docker", format!("docker push {}/NAME:TAG", registry.login_server));
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
    row("clock", clock(report));
    row("process", report.pid.to_string());
    table(None, rows)
}

/// A state and its cause, as every command tells them.
pub(super) fn state_in_words(state: &str, cause: Option<&str>) -> String {
    match cause {
        Some(cause) => format!("{state} ({cause})"),
        None => state.to_owned(),
    }
}

fn state(registry: &RegistryReport) -> String {
    let words = state_in_words(&registry.state, registry.cause.as_deref());
    match registry.since.format(&Rfc3339) {
        Ok(since) => format!("{words}, since {since}"),
        Err(_) => words,
    }
}

fn clock(report: &StatusReport) -> String {
    let now = report.clock.now.format(&Rfc3339).unwrap_or_default();
    let mut text = now;
    if report.clock.offset.seconds() != 0 {
        text = format!("{text}, {} ahead of real time", report.clock.offset);
    }
    if report.clock.frozen {
        text.push_str(", stands still");
    }
    text
}
