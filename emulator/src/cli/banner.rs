//! The text after a start: addresses, and the commands to type next.

use std::fmt::Write as _;
use std::path::Path;

use azure_emulator_core::identity::OWNER_CLIENT_ID;

use super::hints::{Hint, Hints};
use super::phrases::{describe_data, describe_state, insecure_registries};
use crate::admin::{PasswordLocation, StatusReport};
use crate::registry::RegistryName;

/// How an emulator is stopped.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending<'a> {
    /// It runs in this terminal.
    CtrlC,
    /// It runs in the background.
    Background {
        /// Its log.
        log: &'a Path,
    },
}

/// The text after a start: addresses, and the commands to type next.
pub(super) fn banner(report: &StatusReport, hints: &Hints, ending: Ending<'_>) -> String {
    let mut text = String::from("Sealyard is ready.\n\n");
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "  {name:<9} {value}");
    };
    let local = report.find("local");
    let state = local.map(|local| describe_state(local.state, local.cause)).unwrap_or_default();
    line("registry", &format!("{} ({state})", report.registry));
    line("vault", &report.vault);
    if let Some(key) = local.and_then(|local| local.key.as_ref()) {
        line("key", key.versioned_key_identifier.as_ref().unwrap_or(&key.key_identifier));
    }
    line("data", &describe_data(report, hints));
    if let Ending::Background { log } = ending {
        line("log", &log.display().to_string());
    }
    let server = local.map_or("localhost:5000", |local| local.login_server.as_str());
    let insecure = insecure_registries(server).map_or_else(String::new, |setting| setting + "\n");
    let _ = write!(
        text,
        "\nPush an image to it:\n\
         \x20 docker tag alpine {server}/alpine:1 && docker push {server}/alpine:1\n\
         \x20 podman push --tls-verify=false alpine {server}/alpine:1\n\
         \x20 helm push app-1.0.0.tgz oci://{server}/charts --plain-http\n\
         {insecure}\n\
         Then revoke the key, show the state, and restore the key:\n\
         \x20 {}\n\
         \x20 {}\n\
         \x20 {}\n\
         {}\n\
         {} stops the emulator.\n",
        hints.line(&Hint::RevokePolicy),
        hints.line(&Hint::Status),
        hints.line(&Hint::Restore { registry: RegistryName::LOCAL }),
        secrets(report, hints),
        match ending {
            Ending::CtrlC => "Ctrl-C".to_owned(),
            Ending::Background { .. } => format!("`{}`", hints.line(&Hint::Stop)),
        },
    );
    text
}

/// Says how to get the secrets that clients need. The text never contains the secrets, because it can end in a log.
fn secrets(report: &StatusReport, hints: &Hints) -> String {
    let mut text = String::new();
    match &report.password {
        None => (),
        Some(PasswordLocation::Given) => {
            text += "\nClients log in with any user name and the password that you gave.\n";
        }
        Some(PasswordLocation::File(_)) => {
            let command = hints.line(&Hint::Password { owner: false });
            let _ = write!(
                text,
                "\nClients log in with any user name and the password that this command prints:\n  {command}\n"
            );
        }
    }
    if report.owner_secret.is_some() {
        let command = hints.line(&Hint::Password { owner: true });
        let _ = write!(
            text,
            "\nAzure's clients sign in as {OWNER_CLIENT_ID} with the secret that this command prints:\n  {command}\n"
        );
    }
    text
}
