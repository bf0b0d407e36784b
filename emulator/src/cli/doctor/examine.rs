//! Performs all checks.

use super::args::DoctorArgs;
use super::finding::Report;
use super::{emulator, tools};
use crate::cli::context::Context;
use crate::cli::exit::Exit;

/// Performs all checks at once, and reports the findings.
pub(in crate::cli) async fn doctor(args: &DoctorArgs, context: &Context) -> Exit {
    let (examined, az) = tokio::join!(emulator::examine(args, context), tools::az());
    let docker = tools::docker(examined.report.as_ref()).await;
    let is_running = examined.is_running;
    let findings = examined.findings.into_iter().chain(az).chain(docker).collect();
    let report = Report::new(is_running, findings);
    context.output.result(&report.render(), &report);
    report.exit()
}
