//! The certificates of an emulator as local files, for the programs that `env`, `run` and `az` set up.
//!
//! If an emulator was found by its data folder, its files are local, and `status` names them. If it was found by
//! `--endpoint`, it may run in a container or on another machine: its certificates are fetched and stored in the user's cache
//! folder ([`cache`](super::cache)).

use std::path::PathBuf;

use azure_emulator_core::files::{Access, write_whole};
use azure_emulator_core::tls;
use fs_err as fs;

use super::client::Emulator;
use super::error::CliError;
use crate::admin::StatusReport;

/// The bundle of the system's roots and the emulator's certificates.
const BUNDLE_FILE: &str = "ca-bundle.pem";
/// The fetched certificates of the emulator.
const CA_FILE: &str = "ca.pem";

/// The status, with addresses and files that programs on this machine can use.
pub(super) async fn report_for_this_machine(emulator: &Emulator) -> Result<StatusReport, CliError> {
    let mut report = emulator.status().await?;
    report.ca = authority(emulator, &report).await?;
    Ok(report)
}

/// The local file of the emulator's certificates, or `None` if the emulator has no certificates to trust.
pub(super) async fn authority(
    emulator: &Emulator,
    report: &StatusReport,
) -> Result<Option<PathBuf>, CliError> {
    let Some(named) = &report.ca else { return Ok(None) };
    // A data folder can belong to a container, and then the path in the status as well.
    if emulator.is_local() && fs::File::open(named).is_ok() {
        return Ok(Some(named.clone()));
    }
    let certificates = emulator.certificates().await?;
    let path = emulator.cache_folder()?.join(CA_FILE);
    write_whole(&path, &certificates, Access::Private)?;
    Ok(Some(path))
}

/// Writes the bundle for clients that read only one file. `report` is
/// [the report for this side](report_for_this_machine()).
pub(super) fn write_bundle(
    emulator: &Emulator,
    report: &StatusReport,
) -> Result<Option<PathBuf>, CliError> {
    let Some(ca) = &report.ca else { return Ok(None) };
    let access = if emulator.is_local() { Access::Public } else { Access::Private };
    let folder = emulator.folder()?;
    fs::create_dir_all(&folder)?;
    let path = folder.join(BUNDLE_FILE);
    let named = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    tls::write_bundle(&path, named, &fs::read(ca)?, access)?;
    Ok(Some(path))
}
