//! `sealyard clock`: the emulator's time.

use std::time::Duration;

use azure_emulator_core::clock::ClockRequest;
use azure_emulator_core::duration::IsoDuration as Span;
use clap::Subcommand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::Context;
use super::client::Emulator;
use super::error::{CliError, Exit};
use super::output::{for_people, to_the_second};
use crate::admin::{ClockReport, IsoDuration};

pub(super) const EXAMPLES: &str = "\
Examples:
  sealyard clock show
  sealyard clock advance 1h
  sealyard clock advance 90d
  sealyard clock set 2027-01-01
  sealyard clock freeze
  sealyard clock resume";

#[derive(Debug, Subcommand)]
pub(super) enum ClockCommand {
    /// Show emulator time
    Show,
    /// Move emulator time forward; returns when all that became due was done
    Advance {
        /// By how much: 1h, 90d, 1h30m, or PT1H; P1M is a month of the calendar
        #[arg(value_name = "DURATION", value_parser = span)]
        by: Span,
    },
    /// Move emulator time forward to a moment; returns when all that became due was done
    Set {
        /// The moment: 2027-01-01T12:00:00Z, or 2027-01-01 for its first second
        #[arg(value_name = "TIME", value_parser = moment)]
        to: OffsetDateTime,
    },
    /// Stop emulator time, also over a restart
    Freeze,
    /// Let emulator time run on from where it stands
    Resume,
}

pub(super) async fn clock(
    command: ClockCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let ask = ClockRequest::default();
    let request = match command {
        ClockCommand::Show => None,
        ClockCommand::Advance { by } => Some(ClockRequest { advance: Some(by), ..ask }),
        ClockCommand::Set { to } => Some(ClockRequest { set: Some(to), ..ask }),
        ClockCommand::Freeze => Some(ClockRequest { freeze: true, ..ask }),
        ClockCommand::Resume => Some(ClockRequest { resume: true, ..ask }),
    };
    let report: ClockReport = match request {
        None => emulator.get("/clock", &[]).await?,
        Some(request) => emulator.post("/clock", &request).await?,
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

/// The same, or a span of the calendar.
pub(super) fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span.shortest_seconds() > 0 => Ok(span),
        _ => duration(text)?.to_string().parse().map_err(|_| "that is too long".to_owned()),
    }
}

/// A moment as RFC 3339 writes it, or the beginning of a day in UTC.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339))
        .map_err(|_| "expected a time, such as 2027-01-01T12:00:00Z or 2027-01-01".to_owned())
}

pub(super) fn render(report: &ClockReport) -> String {
    let now = to_the_second(report.now);
    let offset = offset(report).unwrap_or_else(|| "the same as real time".to_owned());
    let frozen = if report.frozen { ", and stands still" } else { "" };
    format!("emulator time is {now}, {offset}{frozen}")
}

/// How far emulator time is from real time. None: they are the same.
pub(super) fn offset(report: &ClockReport) -> Option<String> {
    let seconds = report.offset.seconds();
    let distance = for_people(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        0 => None,
        1.. => Some(format!("{distance} ahead of real time")),
        _ => Some(format!("{distance} behind real time")),
    }
}
