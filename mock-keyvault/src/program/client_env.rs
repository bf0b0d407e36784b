//! The environment variables with which clients find a vault, trust its certificate and get a token: printed at a start and by
//! `env`.
//!
//! Most clients read only one file of certificates, so the program writes a bundle of the system's roots and its own into the
//! data folder. It never exports a proxy: that would cut the shell off from all other hosts.

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use azure_emulator_core::disk_space::is_out_of_space;
use azure_emulator_core::files::Access;
use azure_emulator_core::identity::{APP_SERVICE_PATH, WELL_KNOWN_SECRET};
use azure_emulator_core::tls;
use clap::ValueEnum;
use fs_err as fs;

use super::endpoints::Endpoints;
use super::network::reachable;

/// The bundle of certificates in the data folder.
const BUNDLE_FILE: &str = "ca-bundle.pem";
/// The file with the value of the App Service header, next to the owner's secret.
const HEADER_FILE: &str = "identity-header.secret";

/// The identity of a client, which decides how it gets its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Identity {
    /// the owner, with a secret
    #[default]
    Owner,
    /// a managed identity, as on a virtual machine
    VirtualMachine,
    /// a managed identity, as in App Service; the Rust SDK needs this one
    AppService,
}

/// The shell that reads the variables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Shell {
    /// bash, zsh, dash
    #[default]
    Posix,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// Names and values, in the order in which they are printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Variables(Vec<(&'static str, String)>);

impl Variables {
    /// The variables of a vault. `resolves` says whether this machine resolves names under `localhost`.
    pub(super) fn new(
        endpoints: &Endpoints,
        bundle: &Path,
        identity: Identity,
        resolves: bool,
    ) -> io::Result<Self> {
        let (secret, header) = secrets(endpoints.secret_file.as_deref())?;
        let plain = format!("http://{}", reachable(endpoints.address));
        let at_localhost = format!("https://localhost:{}", endpoints.address.port());
        let (vault, login) = if resolves {
            (endpoints.vault.clone(), endpoints.login.clone())
        } else {
            (at_localhost.clone(), at_localhost)
        };
        let bundle = bundle.display().to_string();
        let mut variables = vec![
            ("KEY_VAULT_URL", vault),
            ("AZURE_AUTHORITY_HOST", login),
            ("AZURE_TENANT_ID", endpoints.tenant.clone()),
        ];
        // A client that finds a secret does not ask for a managed identity, so these variables never occur together.
        match identity {
            Identity::Owner => {
                variables.push(("AZURE_CLIENT_ID", endpoints.client_id.clone()));
                variables.push(("AZURE_CLIENT_SECRET", secret));
            }
            Identity::VirtualMachine => {
                variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", plain));
            }
            Identity::AppService => {
                variables.push(("IDENTITY_ENDPOINT", format!("{plain}{APP_SERVICE_PATH}")));
                variables.push(("IDENTITY_HEADER", header));
            }
        }
        // OpenSSL, Go, Rust, Ruby, .NET on Linux; then Python; then curl; then Node, which adds it to its own roots.
        variables.push(("SSL_CERT_FILE", bundle.clone()));
        variables.push(("REQUESTS_CA_BUNDLE", bundle.clone()));
        variables.push(("CURL_CA_BUNDLE", bundle));
        variables.push(("NODE_EXTRA_CA_CERTS", endpoints.ca.display().to_string()));
        Ok(Self(variables))
    }

    /// The lines for a shell.
    pub(super) fn render(&self, shell: Shell) -> String {
        let mut lines = String::new();
        for (name, value) in &self.0 {
            // Writing to a string does not fail.
            let _ = match shell {
                Shell::Posix => {
                    writeln!(lines, "export {name}='{}'", value.replace('\'', r"'\''"))
                }
                Shell::Fish => {
                    let value = value.replace('\\', r"\\").replace('\'', r"\'");
                    writeln!(lines, "set -gx {name} '{value}'")
                }
                Shell::Powershell => {
                    writeln!(lines, "$env:{name} = '{}'", value.replace('\'', "''"))
                }
            };
        }
        lines
    }
}

/// The owner's secret and the value of the App Service header.
fn secrets(file: Option<&Path>) -> io::Result<(String, String)> {
    let Some(file) = file else {
        return Ok((WELL_KNOWN_SECRET.to_owned(), WELL_KNOWN_SECRET.to_owned()));
    };
    let read = |path: &Path| Ok::<_, io::Error>(fs::read_to_string(path)?.trim().to_owned());
    Ok((read(file)?, read(&file.with_file_name(HEADER_FILE))?))
}

/// Writes the bundle of the system's roots and the local authority.
pub(super) fn write_bundle(data_dir: &Path, ca: &Path) -> io::Result<PathBuf> {
    let path = data_dir.join(BUNDLE_FILE);
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    match tls::write_bundle(&path, named, &fs::read(ca)?, Access::Public) {
        // On a full disk, the file of an earlier start is good enough.
        Err(error) if path.exists() && is_out_of_space(&error) => {
            tracing::warn!(%error, "the disk is full: clients get the file of authorities of an earlier start");
        }
        written => written?,
    }
    Ok(path)
}
