//! `sealyard verify` and `sealyard gc`: work on everything that is stored, done by the running emulator.

use std::time::Duration;

use clap::Args;

use super::Context;
use super::client::Emulator;
use super::error::{CliError, Exit};
use super::output::{bytes, count, table};
use crate::admin::{CollectRequest, CollectedReport, VerifyLine};
use crate::registry::{FindingKind, Verified};

pub(super) const VERIFY_HELP: &str = "\
Exit codes:
  0  everything authenticates; files that nothing names do no harm
  1  something is damaged or missing
  4  refused: the key of the registry cannot be used";

pub(super) const GC_HELP: &str = "\
Examples:
  sealyard gc
  sealyard gc --older-than 0s      take everything that nobody refers to

Taken are uploads that nobody went on with, blobs that no manifest refers to, and files that nothing names.
What a client used in the last minute stays.";

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
}

#[derive(Args, Debug)]
pub(super) struct GcArgs {
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
    /// How old something has to be, in emulator time [default: 1h for blobs, 1day for uploads]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
}

pub(super) async fn verify(
    args: &VerifyArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let path = format!("/registries/{}/verify", segment(&args.registry));
    let mut response = emulator.open(&path, &serde_json::json!({})).await?;
    let bar = context.output.progress("verifying");
    let mut pending = Vec::new();
    let mut outcome = None;
    while outcome.is_none() {
        let chunk =
            response.chunk().await.map_err(|error| CliError::Cut(Some(error.without_url())))?;
        let Some(chunk) = chunk else { break };
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(VerifyLine::Progress { blobs, manifests, bytes: sum }) => {
                    bar.set_message(format!("{}, {}", objects(blobs, manifests), bytes(sum)));
                }
                Ok(VerifyLine::Verified(verified)) => outcome = Some(Ok(verified)),
                Ok(VerifyLine::Error(report)) => outcome = Some(Err(report)),
                Err(_) => return Err(CliError::Cut(None)),
            }
        }
    }
    bar.finish_and_clear();
    match outcome {
        None => Err(CliError::Cut(None)),
        Some(Err(report)) => Err(CliError::Answer(report)),
        Some(Ok(verified)) => {
            context.output.result(&render_verified(&verified), &verified);
            Ok(if verified.is_sound() { Exit::Fine } else { Exit::Failed })
        }
    }
}

pub(super) async fn collect(
    args: &GcArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let bar = context.output.progress("collecting");
    let request = CollectRequest { older_than_seconds: args.older_than.map(|age| age.as_secs()) };
    let report =
        emulator.post(&format!("/registries/{}/gc", segment(&args.registry)), &request).await;
    bar.finish_and_clear();
    let report: CollectedReport = report?;
    context.output.result(&render_collected(&report), &report);
    Ok(Exit::Fine)
}

pub(super) fn render_verified(verified: &Verified) -> String {
    let read =
        format!("{}, {}", objects(verified.blobs, verified.manifests), bytes(verified.bytes));
    if verified.findings.is_empty() {
        return format!("verified {read}: all of it is sound");
    }
    let rows = verified.findings.iter().map(|finding| {
        let kind = match finding.kind {
            FindingKind::Damaged => "damaged",
            FindingKind::Missing => "missing",
            FindingKind::Unreferenced => "unreferenced",
        };
        [kind.to_owned(), finding.object.clone(), finding.words.clone()]
    });
    let findings = table(Some(["FINDING", "OBJECT", "WHY"]), rows);
    let verdict = if verified.is_sound() {
        "nothing is damaged or missing"
    } else {
        "some of it is damaged or missing: push it again, or delete what refers to it"
    };
    format!("{findings}\nverified {read}: {verdict}")
}

pub(super) fn render_collected(report: &CollectedReport) -> String {
    if *report == CollectedReport::default() {
        return "nothing was left behind".to_owned();
    }
    let parts = [
        (report.uploads, "upload"),
        (report.links, "link to a blob"),
        (report.blobs, "blob"),
        (report.orphans, "file that nothing named"),
    ];
    let taken = parts.iter().filter(|(number, _)| *number > 0).map(|(number, one)| match *one {
        "link to a blob" if *number != 1 => format!("{number} links to blobs"),
        "file that nothing named" if *number != 1 => format!("{number} files that nothing named"),
        one => count(*number, one),
    });
    format!(
        "took away {}; {} of content",
        taken.collect::<Vec<_>>().join(", "),
        bytes(report.bytes)
    )
}

fn objects(blobs: u64, manifests: u64) -> String {
    format!("{} and {}", count(blobs, "blob"), count(manifests, "manifest"))
}

/// A name as one segment of a path.
pub(super) fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}
