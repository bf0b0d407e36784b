//! Prepares everything for `az`: its folder, its variables, the sign-in, and the work after it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use fs_err as fs;

use super::beforehand::{after_failure, cannot_work};
use super::docker;
use super::sign_in::Az;
use super::watch::Watch;
use crate::cli::client::Emulator;
use crate::cli::context::Context;
use crate::cli::env::{Variables, for_one_command};
use crate::cli::error::CliError;
use crate::cli::programs::in_path;
use crate::cli::replacement::{After, Replacement};
use crate::cli::trust;

pub(in crate::cli) const EXAMPLES: &str = "\
Examples:
  sealyard az -- account show
  sealyard az -- keyvault create -n kv1 -g sealyard
  sealyard az --local-names -- keyvault list
  sealyard az -- acr login -n team1      sign docker in at the registry's port on the loopback

This needs the Azure CLI in PATH, but no account: it is signed in as the owner of the emulated
subscription. It refuses commands that cannot work: a sign-in with a browser, builds and imports,
and commands that need a download.

Exit codes: those of az; otherwise 1 or 2 if the command cannot run against this emulator, 3 if no
emulator runs, and 127 if az is not found.";

#[derive(Args, Debug)]
pub(in crate::cli) struct AzArgs {
    /// Use names under `localhost` in a separate cloud of `az`, instead of Azure's host names
    #[arg(long)]
    local_names: bool,
    /// The arguments for `az`
    #[arg(
        value_name = "ARGS",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    args: Vec<OsString>,
}

/// Signs in if needed, and prepares everything for `az`.
pub(in crate::cli) async fn prepare(
    args: AzArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Replacement, CliError> {
    let texts: Vec<&str> = args.args.iter().filter_map(|arg| arg.to_str()).collect();
    let bicep = in_path("bicep").is_some();
    let folder = emulator.folder()?;
    if let Some(reason) = cannot_work(&texts, bicep || has_bicep(&folder)) {
        return Err(CliError::AzCannot(reason.to_owned()));
    }
    let program = in_path("az").ok_or(CliError::NoAz)?;
    let report = trust::report_for_this_machine(emulator).await?;
    let Some(azure) = report.azure.clone() else { return Err(CliError::AzWithoutVault) };
    let port = azure.parse::<url::Url>().ok().and_then(|url| url.port()).unwrap_or(443);
    let cloud = args.local_names.then_some(port);
    let folder = config_dir(&folder, cloud);
    fs::create_dir_all(&folder)?;
    let bundle = trust::write_bundle(emulator, &report)?;
    let mut variables = for_one_command(&report, bundle.as_deref());
    variables.extend(settings(&folder));
    if bicep {
        // Otherwise `az` would look for a newer version on GitHub.
        variables.push(("AZURE_BICEP_USE_BINARY_FROM_PATH", "true".to_owned()));
        variables.push(("AZURE_BICEP_CHECK_VERSION", "false".to_owned()));
    }
    variables.extend(docker::prepare(&texts, &folder, &report, emulator, context).await?);
    let hint = after_failure(&texts);
    let after = Watch::new(&texts, &report).map(|watch| -> After {
        Box::new(move |has_succeeded, context| watch.print(has_succeeded, context))
    });
    let az = Az { program, variables, folder };
    az.sign_in(emulator, &report, cloud)?;
    let command = std::iter::once(az.program.into_os_string()).chain(args.args).collect();
    Ok(Replacement::new(command, az.variables).with_hint(hint).with_after(after))
}

/// The configuration folder of `az`. A folder for local names is for one port, because those names contain the port.
fn config_dir(data_dir: &Path, local: Option<u16>) -> PathBuf {
    let name = local.map_or_else(|| "public".to_owned(), |port| format!("local-{port}"));
    data_dir.join("az").join(name)
}

/// Whether one of the folders of `az` contains a downloaded Bicep compiler.
fn has_bicep(data_dir: &Path) -> bool {
    let Ok(folders) = fs::read_dir(data_dir.join("az")) else { return false };
    folders.filter_map(Result::ok).any(|folder| folder.path().join("bin/bicep").is_file())
}

/// The settings of `az`, as variables of the form `AZURE_SECTION_NAME`.
fn settings(folder: &Path) -> Variables {
    vec![
        ("AZURE_CONFIG_DIR", folder.display().to_string()),
        // Microsoft's list of authorities does not contain local names.
        ("AZURE_CORE_INSTANCE_DISCOVERY", "false".to_owned()),
        ("AZURE_CORE_COLLECT_TELEMETRY", "no".to_owned()),
        ("AZURE_CORE_SURVEY_MESSAGE", "no".to_owned()),
        ("AZURE_CORE_LOGIN_EXPERIENCE_V2", "off".to_owned()),
        // `az` would try to download an extension, and print a refusal that is hard to understand.
        ("AZURE_EXTENSION_USE_DYNAMIC_INSTALL", "no".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_port_has_its_own_folder_for_local_names() {
        assert_eq!(config_dir(Path::new("/d"), None), Path::new("/d/az/public"));
        assert_eq!(config_dir(Path::new("/d"), Some(8443)), Path::new("/d/az/local-8443"));
    }
}
