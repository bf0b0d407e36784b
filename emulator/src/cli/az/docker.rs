//! `az acr login`: signs docker in at an address where docker can push.
//!
//! `az` runs the program in `DOCKER_COMMAND` with the registry's login server. The docker daemon has neither the
//! proxy nor the certificates of the shell, so it cannot reach that name. So `az` gets a script that calls this
//! program, which replaces the name by the registry's own port on the loopback, and runs the real docker without the
//! variables for `az`.

use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use fs_err as fs;
use tokio::process::Command;

use super::beforehand::subcommand;
use crate::admin::{AccessReport, RegistryReport, StatusReport};
use crate::cli::client::{Emulator, segment};
use crate::cli::context::Context;
use crate::cli::discovery;
use crate::cli::env::{NO_PROXY, PROXY, Variables};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::hints::CommandLine;
use crate::cli::phrases::insecure_registries;
use crate::cli::programs::in_path;

/// The hidden command that the script calls.
pub(in crate::cli) const COMMAND: &str = "docker-for-az";
/// The file name of the script in the configuration folder.
const SCRIPT: &str = "docker";
/// The variable that tells `az` which docker to run.
const DOCKER_COMMAND: &str = "DOCKER_COMMAND";
/// The variable that tells the script which docker is the real one.
const REAL: &str = "SEALYARD_DOCKER_COMMAND";

#[derive(Args, Debug)]
pub(in crate::cli) struct DockerArgs {
    /// The arguments for docker
    #[arg(value_name = "ARGS", trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// The variables for `az` if it has to sign docker in. Refuses a registry that needs no login.
pub(super) async fn prepare(
    args: &[&str],
    folder: &Path,
    report: &StatusReport,
    emulator: &Emulator,
    context: &Context,
) -> Result<Variables, CliError> {
    if !signs_docker_in(args) {
        return Ok(Vec::new());
    }
    if let Some(registry) = named_registry(args).and_then(|name| find(report, name)) {
        let path = format!("/registries/{}/access", segment(&registry.name));
        let access: AccessReport = emulator.get(&path, &[]).await?;
        if access.open {
            return Err(CliError::AzCannot(format!(
                "the registry {} needs no login: use `docker push {}/NAME:TAG` without one",
                registry.name, registry.login_server
            )));
        }
    }
    // Without docker, `az` prints the error.
    let Some(docker) = real_docker() else { return Ok(Vec::new()) };
    let script = folder.join(SCRIPT);
    fs::write(&script, self::script(&std::env::current_exe()?, emulator, context))?;
    fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755))?;
    Ok(vec![
        (DOCKER_COMMAND, script.display().to_string()),
        (REAL, docker.to_string_lossy().into_owned()),
    ])
}

/// The command that `az` runs instead of docker: docker, with the registry's own port instead of the login server.
pub(in crate::cli) async fn run(args: DockerArgs, context: &Context) -> Result<Exit, CliError> {
    let mut args = args.args;
    let program = std::env::var_os(REAL).unwrap_or_else(|| "docker".into());
    let mut signed_in = None;
    if args.first().is_some_and(|first| first == "login")
        && let Some(last) = args.last_mut()
        && let Some(host) = last.to_str().map(str::to_owned)
    {
        let report = discovery::find(&context.global).await?.status().await?;
        if let Some(registry) = find_by_login_server(&report, &host) {
            *last = registry.login_server.clone().into();
            signed_in = Some((host, registry.clone()));
        }
    }
    let mut command = Command::new(&program);
    command.args(&args);
    for name in PROXY.into_iter().chain(NO_PROXY).chain([DOCKER_COMMAND, REAL]) {
        command.env_remove(name);
    }
    let status = command.status().await.map_err(|source| CliError::Command {
        command: program.to_string_lossy().into_owned(),
        source,
    })?;
    if status.success()
        && let Some((host, registry)) = signed_in
    {
        context.output.raw(signed_in_message(&host, &registry).as_bytes());
    }
    Ok(Exit::Code(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// The message after docker is signed in.
fn signed_in_message(host: &str, registry: &RegistryReport) -> String {
    let server = &registry.login_server;
    let insecure = insecure_registries(server).map_or_else(String::new, |setting| setting + "\n");
    format!(
        "docker is signed in at {server}, the port of {}. To push, use\n  docker push {server}/NAME:TAG\n\
         {host} does not work with docker, because its daemon has neither the proxy nor the certificates of the Azure CLI.\n{insecure}",
        registry.name
    )
}

/// The script. It has the options that select the emulator, because it runs with the environment of `az`.
fn script(program: &Path, emulator: &Emulator, context: &Context) -> String {
    // With both options, the token in the folder is sent to the URL.
    let folder = context.global.data_dir.as_deref();
    let mut line = CommandLine::default().arg(program);
    if let Some(folder) = folder.and_then(|folder| std::path::absolute(folder).ok()) {
        line = line.arg("--data-dir").arg(folder);
    }
    let line = line.arg("--endpoint").arg(emulator.url()).arg(COMMAND).arg("--");
    format!("#!/bin/sh\nexec {line} \"$@\"\n")
}

/// The docker that `az` would run.
fn real_docker() -> Option<OsString> {
    let own = std::env::var_os(DOCKER_COMMAND).filter(|own| !own.is_empty());
    own.or_else(|| {
        let found: Option<PathBuf> = in_path("docker").or_else(|| in_path("podman"));
        found.map(PathBuf::into_os_string)
    })
}

/// Whether the command is `az acr login` with docker.
fn signs_docker_in(args: &[&str]) -> bool {
    let is_other = |arg: &&str| matches!(*arg, "--expose-token" | "-t" | "--help" | "-h");
    subcommand(args) == ["acr", "login"] && !args.iter().any(is_other)
}

/// The registry that the arguments name.
fn named_registry<'a>(args: &[&'a str]) -> Option<&'a str> {
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if matches!(arg, "-n" | "--name") {
            return args.next();
        }
        if let Some(name) = arg.strip_prefix("--name=").or_else(|| arg.strip_prefix("-n")) {
            return Some(name.trim_start_matches('='));
        }
    }
    None
}

/// Finds a registry by its name, ignoring case as `az` does.
fn find<'a>(report: &'a StatusReport, name: &str) -> Option<&'a RegistryReport> {
    report.registries.iter().find(|registry| registry.name.eq_ignore_ascii_case(name))
}

/// The registry with this login server, by Azure's name or by the local name.
fn find_by_login_server<'a>(report: &'a StatusReport, host: &str) -> Option<&'a RegistryReport> {
    let host = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let name = host.strip_suffix(".azurecr.io").or_else(|| host.strip_suffix(".azurecr.localhost"));
    find(report, name?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(line: &str) -> Vec<&str> {
        line.split(' ').collect()
    }

    #[test]
    fn docker_is_signed_in_only_if_az_would_run_it() {
        for (line, is, name) in [
            ("acr login -n team1", true, Some("team1")),
            ("acr login --name team1 -g g", true, Some("team1")),
            ("acr login --name=team1", true, Some("team1")),
            ("acr login -g g", true, None),
            ("acr login -n team1 --expose-token", false, Some("team1")),
            ("acr login -n team1 -t", false, Some("team1")),
            ("acr show -n team1", false, Some("team1")),
        ] {
            assert_eq!(signs_docker_in(&split(line)), is, "{line}");
            assert_eq!(named_registry(&split(line)), name, "{line}");
        }
    }

    #[test]
    fn a_login_server_leads_to_the_port_of_its_registry() {
        let report = crate::cli::tests::report();
        let found = |host: &str| {
            find_by_login_server(&report, host).map(|found| found.login_server.as_str())
        };

        assert_eq!(found("local.azurecr.io"), Some("localhost:5000"));
        assert_eq!(found("Local.azurecr.localhost:8443"), Some("localhost:5000"));
        assert_eq!(found("other.azurecr.io"), None);
        assert_eq!(found("docker.io"), None);
        let message = signed_in_message("local.azurecr.io", &report.registries[0]);
        assert!(
            message.contains(
                "docker push localhost:5000/NAME:TAG\nlocal.azurecr.io does not work with docker"
            ),
            "{message}"
        );
    }
}
