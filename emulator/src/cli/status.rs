//! `sealyard status`: what runs where, and in which state.

use super::Context;
use super::client::Emulator;
use super::env::is_on_loopback;
use super::error::{CliError, Exit};
use super::hints::Hints;
use super::output::{bytes, table, to_the_second};
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
            if let Some(time) = key.last_key_rotation_timestamp {
                row("  last rotation", to_the_second(time));
            }
        }
        row("  data keys", registry.data_keys.to_string());
        row("  stored", format!("{} blobs, {}", registry.blobs, bytes(registry.bytes)));
        if let Some(taken) = registry.taken_port {
            let words = "is taken by another program: it has another one until the next start";
            row("  port", format!("{taken} {words}"));
        }
        row("  docker", format!("docker push {}/NAME:TAG", registry.login_server));
        if let Some(words) = insecure_registries(&registry.login_server) {
            row("", words);
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

/// What docker has to be told of a registry that it does not reach by the loopback. It takes plain HTTP from the loopback
/// alone, and its daemon knows nothing of the certificates of a shell.
pub(super) fn insecure_registries(login_server: &str) -> Option<String> {
    let is_needed = !is_on_loopback(&format!("http://{login_server}"));
    is_needed.then(|| {
        format!(
            "docker takes it with \"insecure-registries\": [\"{login_server}\"] in /etc/docker/daemon.json alone"
        )
    })
}

fn state(registry: &RegistryReport) -> String {
    let words = state_in_words(&registry.state, registry.cause.as_deref());
    format!("{words}, since {}", to_the_second(registry.since))
}

fn clock(report: &StatusReport) -> String {
    let mut text = to_the_second(report.clock.now);
    if report.clock.offset.seconds() != 0 {
        text = format!("{text}, {} ahead of real time", report.clock.offset);
    }
    if report.clock.frozen {
        text.push_str(", stands still");
    }
    text
}
