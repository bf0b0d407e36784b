//! `sealyard gc`: has the running emulator collect content that nothing refers to.

use std::time::Duration;

use clap::Args;

use super::client::{Emulator, segment};
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::{bytes, to_the_second};
use crate::admin::{CollectRequest, CollectedReport, RetainedReport};

pub(super) const GC_HELP: &str = "\
Examples:
  sealyard gc
  sealyard gc --older-than 0s      remove garbage of any age, except recently used content
  sealyard gc --now                remove all garbage
  sealyard gc --untagged           also remove manifests that no tag reaches, and their blobs

gc removes uploads that no client continued, blobs to which no manifest refers, and files that no
row names. It keeps content that a client used within the last minute of real time, and says when
that becomes due.
A tag reaches its manifest, the manifests that an index lists, and their referrers. Locked manifests
are kept.";

#[derive(Args, Debug)]
pub(super) struct GcArgs {
    /// The registry
    #[arg(long, value_name = "NAME", default_value = "local")]
    registry: String,
    /// The minimum age in emulator time [default: 1h for blobs and manifests, 1d for uploads]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// Also remove manifests that no tag reaches
    #[arg(long)]
    untagged: bool,
    /// Also remove content that a client used within the last minute; the minimum age is then 0s by default
    #[arg(long)]
    now: bool,
}

pub(super) async fn collect(
    args: &GcArgs,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let bar = context.output.progress("collecting");
    let request = CollectRequest {
        older_than_seconds: args.older_than.map(|age| age.as_secs()),
        now: args.now,
        untagged: args.untagged,
    };
    let report =
        emulator.post(&format!("/registries/{}/gc", segment(&args.registry)), &request).await;
    bar.finish_and_clear();
    let report: CollectedReport = report?;
    context.output.result(&render_collected(&report), &report);
    Ok(Exit::Success)
}

pub(super) fn render_collected(report: &CollectedReport) -> String {
    let removed = list(&[
        (report.uploads, "upload", "uploads"),
        (report.manifests, "untagged manifest", "untagged manifests"),
        (report.links, "link to a blob", "links to blobs"),
        (report.blobs, "blob", "blobs"),
        (report.orphans, "file without a row", "files without a row"),
    ]);
    let removed = if removed.is_empty() {
        "removed nothing".to_owned()
    } else {
        let of_uploads = match report.upload_bytes {
            0 => String::new(),
            held => format!(", {} of uploads", bytes(held)),
        };
        format!("removed {removed}; {} of content{of_uploads}", bytes(report.bytes))
    };
    let RetainedReport { uploads, upload_bytes, manifests, blobs, first_due, last_due } =
        report.retained;
    let retained = list(&[
        (uploads, "upload", "uploads"),
        (manifests, "untagged manifest", "untagged manifests"),
        (blobs, "blob", "blobs"),
    ]);
    if retained.is_empty() {
        return removed;
    }
    let held = match upload_bytes {
        0 => String::new(),
        held => format!(", which frees {} of uploads", bytes(held)),
    };
    let due = match (first_due, last_due) {
        (Some(first), Some(last)) if first == last => format!("due at {}", to_the_second(first)),
        (Some(first), Some(last)) => {
            format!("due from {} to {}", to_the_second(first), to_the_second(last))
        }
        _ => "due later".to_owned(),
    };
    format!(
        "{removed}\nkept {retained} without references, because they are new or a client used them within the last minute: {due}; remove them now with --now{held}"
    )
}

/// The kinds that occur, each with its number.
fn list(parts: &[(u64, &str, &str)]) -> String {
    let there = parts.iter().filter(|(number, ..)| 0 < *number);
    let texts = there.map(|(number, one, many)| match number {
        1 => format!("1 {one}"),
        number => format!("{number} {many}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}
