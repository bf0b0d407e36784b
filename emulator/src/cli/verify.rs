//! `sealyard verify`: has the running emulator authenticate all stored content.

use clap::Args;

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::hints::{Hint, Hints};
use super::output::{bytes, count, table};
use crate::admin::{VerifyLine, VerifyRequest};
use crate::registry::{Finding, FindingKind, Verified};

pub(super) const VERIFY_HELP: &str = "\
Examples:
  sealyard verify
  sealyard verify --repair         repair what can be repaired, and list the rest

verify continues after each fault. It names the repositories and tags that a damaged object affects.
It marks the damaged object, so clients see it as missing and push it again.
It removes the mark from an object that it can read.
It also checks the stored rows of the emulator and of the embedded vault. It repairs damaged rows at
once if the index has all of them, also without --repair.
--repair restores manifests that another repository holds intact, and removes files that no row
names.

Exit codes (the first that applies):
  4  refused, because the registry's key cannot be used; nothing was read
  5  content is damaged, or its data key is lost
  6  content is missing
  7  content cannot be read, because of a fault of the disk or the file system
  8  a row cannot be read, or the stored rows are damaged
  9  the vault refused the key before everything was read
  0  everything is intact or was repaired; files that no row names are harmless";

#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
    /// Repair what can be repaired, and list the rest
    #[arg(long)]
    repair: bool,
}

pub(super) async fn verify(
    args: &VerifyArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let path = format!("/registries/{}/verify", segment(&args.registry));
    let mut response = emulator.open(&path, &VerifyRequest { repair: args.repair }).await?;
    let bar = context.output.progress("verifying");
    let mut pending = Vec::new();
    let mut outcome = None;
    while outcome.is_none() {
        let chunk = response
            .chunk()
            .await
            .map_err(|error| CliError::ConnectionLost(Some(error.without_url())))?;
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
                Err(_) => return Err(CliError::ConnectionLost(None)),
            }
        }
    }
    bar.finish_and_clear();
    match outcome {
        None => Err(CliError::ConnectionLost(None)),
        Some(Err(report)) => Err(CliError::Answer(report)),
        Some(Ok(verified)) => {
            context
                .output
                .result(&render_verified(&verified, &args.registry, &context.hints), &verified);
            Ok(exit_of(&verified))
        }
    }
}

fn exit_of(verified: &Verified) -> Exit {
    match verified.worst() {
        Some(FindingKind::Damaged) => Exit::Damaged,
        Some(FindingKind::Missing) => Exit::Missing,
        Some(FindingKind::Unreadable) => Exit::Unreadable,
        Some(FindingKind::Row) => Exit::RowsDamaged,
        // Files without a row need no repair.
        None | Some(FindingKind::Unreferenced | FindingKind::Quarantined) => {
            if verified.refused.is_some() { Exit::Incomplete } else { Exit::Success }
        }
    }
}

pub(super) fn render_verified(verified: &Verified, registry: &str, hints: &Hints) -> String {
    let mut lines = Vec::new();
    if !verified.findings.is_empty() {
        lines.push(table_of(&verified.findings));
    }
    let read =
        format!("{}, {}", objects(verified.blobs, verified.manifests), bytes(verified.bytes));
    lines.push(format!("verified {read}: {}", verdict(verified)));
    if let Some(why) = &verified.refused {
        let unchecked = count(verified.unchecked, "object");
        lines.push(format!("the vault refused the key before {unchecked} could be read: {why}"));
    }
    if 0 < verified.uploads {
        let (uploads, held) = (count(verified.uploads, "upload"), bytes(verified.upload_bytes));
        let remove = hints.line(&Hint::GcNow { registry });
        lines.push(format!(
            "{uploads} in progress use {held} and were not read; `{remove}` removes them"
        ));
    }
    let is_left = |finding: &Finding| finding.kind == FindingKind::Unreferenced && !finding.healed;
    if verified.findings.iter().any(is_left) {
        let collect = hints.line(&Hint::Gc { registry });
        lines.push(format!("`{collect}` removes files that no row names"));
    }
    lines.join("\n")
}

fn verdict(verified: &Verified) -> &'static str {
    let left = |kinds: &[FindingKind]| {
        let mut findings = verified.findings.iter();
        findings.any(|finding| finding.needs_work() && kinds.contains(&finding.kind))
    };
    if left(&[FindingKind::Damaged, FindingKind::Missing]) {
        "some content is damaged or missing: push it again, or delete the manifests that refer to it"
    } else if left(&[FindingKind::Row]) {
        "some of the stored rows are damaged"
    } else if left(&[FindingKind::Unreadable]) {
        "some content cannot be read: repair the disk, then push the affected images again"
    } else if verified.refused.is_some() {
        "everything that was read is intact"
    } else if verified.findings.is_empty() {
        "everything is intact"
    } else if verified
        .findings
        .iter()
        .any(|finding| finding.healed && finding.kind != FindingKind::Unreferenced)
    {
        "everything that was damaged is repaired"
    } else {
        "nothing is damaged or missing"
    }
}

fn table_of(findings: &[Finding]) -> String {
    let affects = |finding: &Finding| {
        let named = if finding.tags.is_empty() { &finding.repositories } else { &finding.tags };
        named.join(", ")
    };
    let kind = |finding: &Finding| {
        let kind = match finding.kind {
            FindingKind::Damaged => "damaged",
            FindingKind::Missing => "missing",
            FindingKind::Unreadable => "unreadable",
            FindingKind::Row => "bad row",
            FindingKind::Unreferenced => "unreferenced",
            FindingKind::Quarantined => "quarantined",
        };
        kind.to_owned()
    };
    let message = |finding: &Finding| match &finding.done {
        Some(done) => format!("{}; repair: {done}", finding.message),
        None => finding.message.clone(),
    };
    if findings.iter().all(|finding| affects(finding).is_empty()) {
        let rows = findings
            .iter()
            .map(|finding| [kind(finding), finding.object.clone(), message(finding)]);
        return table(Some(["FINDING", "OBJECT", "WHY"]), rows);
    }
    let rows = findings
        .iter()
        .map(|finding| [kind(finding), finding.object.clone(), affects(finding), message(finding)]);
    table(Some(["FINDING", "OBJECT", "AFFECTS", "WHY"]), rows)
}

fn objects(blobs: u64, manifests: u64) -> String {
    format!("{} and {}", count(blobs, "blob"), count(manifests, "manifest"))
}
