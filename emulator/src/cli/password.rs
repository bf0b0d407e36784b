//! `sealyard password`: prints a secret of the emulator from its file.
//!
//! This is for images without a shell and `cat`: `docker exec CONTAINER /sealyard password`. The emulator never sends a
//! secret: it names the file, and this command, which runs on the same machine, reads the file.

use std::path::Path;

use azure_emulator_core::identity::WELL_KNOWN_SECRET;
use clap::Args;
use fs_err as fs;
use serde_json::json;
use zeroize::Zeroizing;

use super::client::Emulator;
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use crate::admin::{PasswordLocation, StatusReport};

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard password | docker login -u me --password-stdin localhost:5000
  docker exec CONTAINER /sealyard password
  export AZURE_CLIENT_SECRET=\"$(sealyard password --owner)\"

To choose the password, start the emulator with SEALYARD_PASSWORD or with --password-file.";

#[derive(Args, Debug)]
pub(super) struct PasswordArgs {
    /// Print the owner's secret instead, for Azure's clients that sign in to the vault and the control plane
    #[arg(long)]
    owner: bool,
}

pub(super) async fn password(
    args: &PasswordArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let report: StatusReport = emulator.get("/status", &[]).await?;
    let password = if args.owner {
        owner_secret(emulator, &report)?
    } else {
        client_password(emulator, &report)?
    };
    if context.global.json {
        context.output.data("", &json!({ "password": *password }));
    } else {
        context.output.raw(format!("{}\n", *password).as_bytes());
    }
    Ok(Exit::Success)
}

/// The password for clients of registries.
pub(super) fn client_password(
    emulator: &Emulator,
    report: &StatusReport,
) -> Result<Zeroizing<String>, CliError> {
    match &report.password {
        Some(PasswordLocation::File(file)) => read(emulator, file),
        Some(PasswordLocation::Given) => Err(CliError::NoPassword(
            "cannot print the password: the emulator does not store it; it is the value of SEALYARD_PASSWORD at the start",
        )),
        None => Err(CliError::NoPassword(
            "there is no password: clients need none, because all listeners are on the loopback or the network is trusted",
        )),
    }
}

/// The owner's secret for the vault.
pub(super) fn owner_secret(
    emulator: &Emulator,
    report: &StatusReport,
) -> Result<Zeroizing<String>, CliError> {
    match (&report.owner_secret, &report.azure) {
        (Some(file), _) => read(emulator, file),
        (None, Some(_)) => Ok(Zeroizing::new(WELL_KNOWN_SECRET.to_owned())),
        (None, None) => Err(CliError::NoPassword(
            "cannot print the owner's secret: the vault is another program; run `mock-keyvault env` there",
        )),
    }
}

fn read(emulator: &Emulator, file: &Path) -> Result<Zeroizing<String>, CliError> {
    let Some(file) = emulator.secret_file(file) else {
        return Err(CliError::NoPassword(
            "cannot read the secret: it is in a file on the machine where it runs; run this command there, in a container with `docker exec`",
        ));
    };
    let text = Zeroizing::new(fs::read_to_string(file)?);
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::report;

    #[test]
    fn the_password_and_the_secret_of_the_owner_are_read_from_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let (password, secret) = (folder.path().join("password"), folder.path().join("secret"));
        fs::write(&password, "of clients\n").unwrap();
        fs::write(&secret, "of the owner").unwrap();
        let mut report = report();
        let there = Emulator::at("http://127.0.0.1:1".parse().unwrap(), None).unwrap();
        let here = Emulator::at("http://127.0.0.1:1".parse().unwrap(), None).unwrap();
        let here = here.on_this_machine(true);
        report.password = Some(PasswordLocation::File(password));
        report.owner_secret = Some(secret);

        assert_eq!(*client_password(&here, &report).unwrap(), "of clients");
        assert_eq!(*owner_secret(&here, &report).unwrap(), "of the owner");
        // A server elsewhere could name any file on this machine.
        assert!(
            client_password(&there, &report).unwrap_err().to_string().contains("where it runs")
        );
        assert!(owner_secret(&there, &report).unwrap_err().to_string().contains("where it runs"));
    }

    #[test]
    fn the_error_explains_why_there_is_no_password() {
        let mut report = report();
        let here = Emulator::at("http://127.0.0.1:1".parse().unwrap(), None).unwrap();
        let message =
            |report: &StatusReport| client_password(&here, report).unwrap_err().to_string();

        assert!(message(&report).starts_with("there is no password"));
        assert_eq!(*owner_secret(&here, &report).unwrap(), WELL_KNOWN_SECRET);
        report.password = Some(PasswordLocation::Given);
        assert!(message(&report).contains("SEALYARD_PASSWORD"));
        report.azure = None;
        assert!(
            owner_secret(&here, &report).unwrap_err().to_string().contains("mock-keyvault env")
        );
    }
}
