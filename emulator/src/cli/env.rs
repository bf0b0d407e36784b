//! `sealyard env`: the variables with which clients reach the emulator and trust its certificates.
//!
//! [`trust`](super::trust) writes the certificate files that the variables name. `HTTPS_PROXY` is never exported, because
//! it would cut the shell off from all other hosts. `run` and `az` set it for one command.

use std::path::Path;

use azure_emulator_core::identity::{OWNER_CLIENT_ID, TENANT, WELL_KNOWN_SECRET};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::client::Emulator;
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::trust;
use crate::admin::StatusReport;

pub(super) const EXAMPLES: &str = "\
Examples:
  eval \"$(sealyard env)\"                         bash, zsh
  sealyard env --shell fish | source
  sealyard env --shell powershell | Out-String | Invoke-Expression
  sealyard env --hosts | sudo tee -a /etc/hosts   for programs that cannot use a proxy

The docker daemon does not read these variables: push to localhost:PORT, which needs no
certificate.
Java needs its own trust store: use keytool to import the file that NODE_EXTRA_CA_CERTS names.
With --endpoint, this command fetches the emulator's certificates into your cache folder.";

/// The variables for an HTTPS proxy, in the upper and lower case that programs read.
pub(super) const PROXY: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
/// The variables for the hosts that programs reach without the proxy.
pub(super) const NO_PROXY: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Only addresses: some clients read `localhost` as a suffix, and the emulator's names end in `.localhost`.
const PAST_THE_PROXY: &str = "127.0.0.1,::1";

#[derive(Args, Debug)]
pub(super) struct EnvArgs {
    /// The shell whose syntax to use
    #[arg(long, value_name = "SHELL", default_value = "posix")]
    shell: EnvShell,
    /// Print lines for a hosts file instead, for programs that cannot use a proxy
    #[arg(long)]
    hosts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EnvShell {
    /// bash, zsh, dash
    Posix,
    /// fish
    Fish,
    /// PowerShell
    Powershell,
}

/// Names and values, in the order of output.
pub(super) type Variables = Vec<(&'static str, String)>;

pub(super) async fn env(
    args: &EnvArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let report = trust::report_for_this_machine(emulator).await?;
    if args.hosts {
        let names = names(&report);
        context.output.data(&render_hosts(&report, &names), &names);
        return Ok(Exit::Success);
    }
    let variables = variables(&report, trust::write_bundle(emulator, &report)?.as_deref());
    let document: Map<String, Value> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect();
    context.output.data(&render(&variables, args.shell), &document);
    Ok(Exit::Success)
}

/// The variables of an emulator. Without a bundle there is no CA to trust.
pub(super) fn variables(report: &StatusReport, bundle: Option<&Path>) -> Variables {
    let mut variables: Variables = Vec::new();
    let mut set = |name, value: &str| variables.push((name, value.to_owned()));
    set("SEALYARD_ENDPOINT", &report.registry);
    // The older name.
    set("SEALYARD_URL", &report.registry);
    if let Some(local) = report.find("local") {
        set("SEALYARD_REGISTRY", &local.login_server);
    }
    set("KEY_VAULT_URL", &report.vault);
    if let Some(login) = &report.login {
        set("AZURE_AUTHORITY_HOST", login);
    }
    if report.azure.is_some() && report.owner_secret.is_none() {
        // A well-known secret, like the well-known account of Azurite.
        set("AZURE_TENANT_ID", TENANT);
        set("AZURE_CLIENT_ID", OWNER_CLIENT_ID);
        set("AZURE_CLIENT_SECRET", WELL_KNOWN_SECRET);
    }
    if let Some(bundle) = bundle.map(|bundle| bundle.display().to_string()) {
        // OpenSSL, Go, Rust, Ruby, .NET on Linux; then Python and az; then curl.
        set("SSL_CERT_FILE", &bundle);
        set("REQUESTS_CA_BUNDLE", &bundle);
        set("CURL_CA_BUNDLE", &bundle);
    }
    if let Some(ca) = &report.ca {
        // Node adds this file to its own roots.
        set("NODE_EXTRA_CA_CERTS", &ca.display().to_string());
    }
    variables
}

/// The variables of one command: those of a shell, and the emulator as the proxy, so that Azure's host names lead to it.
/// With an external vault there is no proxy.
pub(super) fn for_one_command(report: &StatusReport, bundle: Option<&Path>) -> Variables {
    let mut variables = variables(report, bundle);
    let Some(proxy) = report.azure.as_deref().and_then(|azure| azure.strip_prefix("https://"))
    else {
        return variables;
    };
    for (name, value) in &mut variables {
        match *name {
            "KEY_VAULT_URL" => "https://local.vault.azure.net".clone_into(value),
            "AZURE_AUTHORITY_HOST" => "https://login.microsoftonline.com".clone_into(value),
            _ => (),
        }
    }
    variables.extend(PROXY.map(|name| (name, format!("http://{proxy}"))));
    variables.extend(NO_PROXY.map(|name| (name, PAST_THE_PROXY.to_owned())));
    variables
}

/// The local names of the registries, of the vaults with their keys, of the token issuer and of the control plane.
pub(super) fn names(report: &StatusReport) -> Vec<String> {
    let mut names: Vec<String> = report
        .registries
        .iter()
        .map(|registry| format!("{}.azurecr.localhost", registry.name))
        .collect();
    let keys = report.registries.iter().filter_map(|registry| registry.key.as_ref());
    let keys = keys.map(|key| key.key_identifier.as_str());
    for url in std::iter::once(report.vault.as_str()).chain(keys) {
        let host = url.parse::<url::Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
        names.extend(host.filter(|host| host.ends_with(".localhost") && !names.contains(host)));
    }
    if report.azure.is_some() {
        names.extend(["login", "management", "graph"].map(|name| format!("{name}.localhost")));
    }
    names
}

fn render_hosts(report: &StatusReport, names: &[String]) -> String {
    let azure = report.azure.as_deref().unwrap_or(&report.registry);
    let address = azure.parse::<url::Url>().ok().and_then(|url| url.host_str().map(str::to_owned));
    let address = address.unwrap_or_else(|| "127.0.0.1".to_owned());
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let lines: Vec<String> = names.iter().map(|name| format!("{address} {name}")).collect();
    lines.join("\n") + "\n"
}

pub(super) fn render(variables: &Variables, shell: EnvShell) -> String {
    let line = |(name, value): &(&str, String)| match shell {
        EnvShell::Posix => format!("export {name}='{}'\n", value.replace('\'', r"'\''")),
        EnvShell::Fish => {
            format!("set -gx {name} '{}'\n", value.replace('\\', r"\\").replace('\'', r"\'"))
        }
        EnvShell::Powershell => format!("$env:{name} = '{}'\n", value.replace('\'', "''")),
    };
    variables.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_value_survives_the_shell_that_reads_it() {
        let variables = vec![("NAME", r"it's \ here".to_owned())];

        assert_eq!(render(&variables, EnvShell::Posix), "export NAME='it'\\''s \\ here'\n");
        assert_eq!(render(&variables, EnvShell::Fish), "set -gx NAME 'it\\'s \\\\ here'\n");
        assert_eq!(render(&variables, EnvShell::Powershell), "$env:NAME = 'it''s \\ here'\n");
    }

    #[test]
    fn the_well_known_secret_is_exported_only_if_it_is_in_use() {
        let well_known = crate::cli::tests::report();
        let file = Some(PathBuf::from("/v/identity/owner.secret"));
        let random = StatusReport { owner_secret: file, ..well_known.clone() };
        let has_secret =
            |report| variables(report, None).iter().any(|(name, _)| *name == "AZURE_CLIENT_SECRET");

        assert!(has_secret(&well_known));
        assert!(!has_secret(&random));
    }

    #[test]
    fn a_shell_never_gets_a_proxy_and_one_command_does() {
        let report = crate::cli::tests::report();
        let of = |variables: &Variables, name: &str| {
            let found = variables.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| value.clone())
        };
        let (shell, command) = (variables(&report, None), for_one_command(&report, None));
        let elsewhere = StatusReport { azure: None, ..report };

        for name in PROXY {
            assert_eq!(of(&shell, name), None);
            assert_eq!(of(&command, name).unwrap(), "http://127.0.0.1:8443");
            assert_eq!(of(&for_one_command(&elsewhere, None), name), None, "there is no proxy");
        }
        assert_eq!(of(&command, "no_proxy").unwrap(), "127.0.0.1,::1");
        assert_eq!(of(&command, "KEY_VAULT_URL").unwrap(), "https://local.vault.azure.net");
        assert_eq!(of(&shell, "KEY_VAULT_URL").unwrap(), "https://local.vault.localhost:8443");
    }

    #[test]
    fn the_lines_for_a_hosts_file_have_every_name_once() {
        let report = crate::cli::tests::report();

        let lines = render_hosts(&report, &names(&report));

        assert_eq!(
            lines,
            "127.0.0.1 local.azurecr.localhost\n127.0.0.1 local.vault.localhost\n127.0.0.1 login.localhost\n\
             127.0.0.1 management.localhost\n127.0.0.1 graph.localhost\n"
        );
    }
}
