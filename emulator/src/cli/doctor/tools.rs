//! Checks the tools that people use with the emulator: the Azure CLI and docker. A missing tool is only a note.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fs_err as fs;
use tokio::process::Command;

use super::finding::{Check, Finding};
use super::trust::contains_certificates;
use crate::admin::StatusReport;
use crate::cli::hints::CommandLine;
use crate::cli::programs::in_path;

/// The timeout of a tool; the first start of `az` is slow.
const LIMIT: Duration = Duration::from_secs(30);
/// The folder where docker looks for the authorities of registries.
const CERTS_D: &str = "/etc/docker/certs.d";

/// Whether there is an `az`, and its version.
pub(super) async fn az() -> Option<Finding> {
    let Some(program) = in_path("az") else {
        return Some(
            Finding::note(Check::Az, "notFound", "there is no `az` in PATH, which the command `az` of this program needs")
                .repaired_by("python3 -m venv ~/azure-cli && ~/azure-cli/bin/pip install azure-cli && export PATH=~/azure-cli/bin:$PATH".to_owned()),
        );
    };
    // A fresh configuration folder, so that the user's folder is not touched.
    let folder = tempfile::tempdir().ok()?;
    let mut command = Command::new(&program);
    command.args(["version", "--output=json"]).env("AZURE_CONFIG_DIR", folder.path());
    let version = match output_of(command).await {
        Ok(text) => serde_json::from_str::<serde_json::Value>(&text)
            .ok()
            .and_then(|versions| versions["azure-cli"].as_str().map(str::to_owned)),
        Err(_) => None,
    };
    Some(match version {
        Some(version) => {
            Finding::ok(Check::Az, format!("version {version} at {}", program.display()))
        }
        None => Finding::note(
            Check::Az,
            "notUsable",
            format!("{} does not report its version", program.display()),
        ),
    })
}

/// Whether there is docker, whether its daemon answers, and whether it trusts this emulator's certificates.
pub(super) async fn docker(report: Option<&StatusReport>) -> Vec<Finding> {
    let Some(program) = in_path("docker") else {
        let what = "there is no docker in PATH; any other client of registries works as well";
        return vec![Finding::note(Check::Docker, "notFound", what)];
    };
    let mut command = Command::new(&program);
    command.args(["info", "--format", "{{.ServerVersion}}"]);
    let mut findings = vec![daemon_finding(output_of(command).await)];
    findings.extend(report.into_iter().flat_map(|report| stale(Path::new(CERTS_D), report)));
    findings
}

fn daemon_finding(answer: Result<String, String>) -> Finding {
    match answer {
        Ok(version) if !version.trim().is_empty() => {
            Finding::ok(Check::Docker, format!("its daemon answers, version {}", version.trim()))
        }
        Ok(_) => no_daemon("the daemon does not report its version"),
        Err(message) => no_daemon(&message),
    }
}

fn no_daemon(message: &str) -> Finding {
    let repair = if message.contains("permission denied") {
        "sudo usermod -aG docker \"$USER\" && newgrp docker"
    } else {
        "sudo systemctl start docker"
    };
    Finding::note(
        Check::Docker,
        "noDaemon",
        "its daemon does not answer: docker can neither pull nor push",
    )
    .because(message.lines().next().unwrap_or_default())
    .repaired_by(repair.to_owned())
}

/// Folders that make docker trust another emulator's authority for a name of this emulator.
fn stale(certs: &Path, report: &StatusReport) -> Vec<Finding> {
    let Some(ca) = report.ca.as_ref() else { return Vec::new() };
    let (Ok(own), Ok(folders)) = (fs::read_to_string(ca), fs::read_dir(certs)) else {
        return Vec::new();
    };
    let is_ours = |host: &str| {
        report.registries.iter().any(|registry| {
            let name = host.split(':').next().unwrap_or_default();
            host == registry.login_server || name == format!("{}.azurecr.localhost", registry.name)
        })
    };
    let finding = |folder: fs::DirEntry| {
        let host = folder.file_name().to_string_lossy().into_owned();
        let file = folder.path().join("ca.crt");
        let text = fs::read_to_string(&file).ok()?;
        (is_ours(&host) && !contains_certificates(&text, &own)).then(|| {
            let copy = CommandLine::default().arg("sudo").arg("cp").arg(ca).arg(&file);
            Finding::note(Check::Docker, "otherAuthority", format!("docker trusts another authority for {host}"))
                .because("the file is for another emulator; pushes to that name fail, but pushes to localhost:PORT work")
                .repaired_by(copy.to_string())
        })
    };
    folders.filter_map(Result::ok).filter_map(finding).collect()
}

/// The output of a program, or the reason why there is none.
async fn output_of(mut command: Command) -> Result<String, String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it timed out".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
    const OTHER: &str = "-----BEGIN CERTIFICATE-----\nWFla\n-----END CERTIFICATE-----\n";

    #[test]
    fn the_repair_starts_the_daemon_or_joins_its_group() {
        let repair = |message: &str| daemon_finding(Err(message.to_owned())).repair.unwrap();

        assert_eq!(repair("Cannot connect to the Docker daemon"), "sudo systemctl start docker");
        assert!(repair("permission denied while trying to connect").contains("usermod"));
        assert_eq!(daemon_finding(Ok("28.2.2\n".to_owned())).cause, None);
        assert_eq!(daemon_finding(Ok(String::new())).cause.as_deref(), Some("noDaemon"));
    }

    #[test]
    fn a_foreign_authority_is_found_only_for_a_name_of_this_emulator() {
        let folder = tempfile::tempdir().unwrap();
        let put = |host: &str, text: &str| {
            fs::create_dir(folder.path().join(host)).unwrap();
            fs::write(folder.path().join(host).join("ca.crt"), text).unwrap();
        };
        put("local.azurecr.localhost:8443", OTHER);
        put("localhost:5000", OWN);
        put("elsewhere.example:443", OTHER);
        let ca = folder.path().join("ca.pem");
        fs::write(&ca, OWN).unwrap();
        let report = StatusReport { ca: Some(ca.clone()), ..crate::cli::tests::report() };

        let findings = stale(folder.path(), &report);

        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].what.ends_with("local.azurecr.localhost:8443"), "{findings:?}");
        let repair = findings[0].repair.as_ref().unwrap();
        assert!(repair.starts_with(&format!("sudo cp {} ", ca.display())), "{repair}");
        assert!(stale(Path::new("/no/such/folder"), &report).is_empty());
    }
}
