//! `sealyard clock`: the emulator's time.

use std::time::Duration;

use clap::Subcommand;
use time::format_description::well_known::Rfc3339;

use super::Context;
use super::client::Emulator;
use super::error::{CliError, Exit};
use crate::admin::{AdvanceRequest, ClockReport, IsoDuration};

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard clock show
  sealyard clock advance 1h
  sealyard clock advance 90d";

#[derive(Debug, Subcommand)]
pub(super) enum ClockCommand {
    /// Show emulator time
    Show,
    /// Move emulator time forward; returns when the registries have looked at their keys
    Advance {
        /// By how much: 1h, 90d, 1h30m, or PT1H
        #[arg(value_name = "DURATION", value_parser = duration)]
        by: IsoDuration,
    },
}

pub(super) async fn clock(
    command: ClockCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let report: ClockReport = match command {
        ClockCommand::Show => emulator.get("/clock", &[]).await?,
        ClockCommand::Advance { by } => {
            emulator.post("/clock", &AdvanceRequest { advance: by }).await?
        }
    };
    context.output.result(&render(&report), &report);
    Ok(Exit::Fine)
}

/// A duration as people or as Azure write it, forward.
pub(super) fn duration(text: &str) -> Result<IsoDuration, String> {
    let words = "expected a duration, such as 1h, 90d, 1h30m or PT1H";
    let parsed = match text.parse::<IsoDuration>() {
        Ok(duration) => duration,
        Err(_) => IsoDuration::try_from(humantime::parse_duration(text).map_err(|_| words)?)
            .map_err(|_| words)?,
    };
    match parsed.to_std() {
        Some(Duration::ZERO) | None => {
            Err("expected a duration of at least one second, forward".to_owned())
        }
        Some(_) => Ok(parsed),
    }
}

pub(super) fn render(report: &ClockReport) -> String {
    let now = report.now.format(&Rfc3339).unwrap_or_default();
    let offset = report.offset.to_std().filter(|offset| !offset.is_zero());
    let ahead = match offset {
        Some(offset) => format!("{} ahead of real time", humantime::format_duration(offset)),
        None if report.offset.seconds() < 0 => format!("{} from real time", report.offset),
        None => "the same as real time".to_owned(),
    };
    let frozen = if report.frozen { ", and stands still" } else { "" };
    format!("emulator time is {now}, {ahead}{frozen}")
}
