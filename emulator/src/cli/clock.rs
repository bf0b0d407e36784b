//! `sealyard clock`: the emulator's time.

use std::time::Duration;

use azure_emulator_core::clock::ClockRequest;
use azure_emulator_core::duration::IsoDuration as Span;
use clap::Subcommand;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::client::Emulator;
use super::context::Context;
use super::error::CliError;
use super::exit::Exit;
use super::output::{for_people, to_the_second};
use crate::admin::ClockReport;
use crate::duration::IsoDuration;

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
    /// Show the emulator's time
    Show,
    /// Advance the emulator's clock by a duration; returns when everything that became due is done
    Advance {
        /// The duration: 1h, 90d, 1h30m, or PT1H; P1M is a calendar month
        #[arg(value_name = "DURATION", value_parser = span)]
        by: Span,
    },
    /// Advance the emulator's clock to a time; returns when everything that became due is done
    Set {
        /// The time: 2027-01-01T12:00:00Z, or 2027-01-01 for its first second
        #[arg(value_name = "TIME", value_parser = moment)]
        to: OffsetDateTime,
    },
    /// Stop the emulator's clock, also over a restart
    Freeze,
    /// Let a stopped clock continue from its time
    Resume,
}

pub(super) async fn clock(
    command: ClockCommand,
    emulator: &Emulator,
    context: &Context,
) -> Result<Exit, CliError> {
    let unchanged = ClockRequest::default();
    let request = match command {
        ClockCommand::Show => None,
        ClockCommand::Advance { by } => Some(ClockRequest { advance: Some(by), ..unchanged }),
        ClockCommand::Set { to } => Some(ClockRequest { set: Some(to), ..unchanged }),
        ClockCommand::Freeze => Some(ClockRequest { freeze: true, ..unchanged }),
        ClockCommand::Resume => Some(ClockRequest { resume: true, ..unchanged }),
    };
    let report: ClockReport = match request {
        None => emulator.get("/clock", &[]).await?,
        Some(request) => emulator.post("/clock", &request).await?,
    };
    context.output.result(&render(&report), &report);
    Ok(Exit::Success)
}

/// Parses a positive duration, in the form of people or of Azure.
pub(super) fn duration(text: &str) -> Result<IsoDuration, String> {
    let message = "expected a duration, such as 1h, 90d, 1h30m or PT1H";
    let parsed = match text.parse::<IsoDuration>() {
        Ok(duration) => duration,
        Err(_) => IsoDuration::try_from(humantime::parse_duration(text).map_err(|_| message)?)
            .map_err(|_| message)?,
    };
    match parsed.to_std() {
        Some(Duration::ZERO) | None => {
            Err("expected a positive duration of at least one second".to_owned())
        }
        Some(_) => Ok(parsed),
    }
}

/// Parses a positive duration or a span of the calendar.
pub(super) fn span(text: &str) -> Result<Span, String> {
    match text.parse::<Span>() {
        Ok(span) if span.shortest_seconds() > 0 => Ok(span),
        _ => duration(text)?.to_string().parse().map_err(|_| "the duration is too long".to_owned()),
    }
}

/// Parses a time of RFC 3339, or a day, which means its beginning in UTC.
pub(super) fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339))
        .map_err(|_| "expected a time, such as 2027-01-01T12:00:00Z or 2027-01-01".to_owned())
}

pub(super) fn render(report: &ClockReport) -> String {
    let now = to_the_second(report.now);
    let offset = offset(report).unwrap_or_else(|| "equal to real time".to_owned());
    let frozen = if report.frozen { ", frozen" } else { "" };
    format!("the emulator's time is {now}, {offset}{frozen}")
}

/// The difference between emulator time and real time, or `None` if they are equal.
pub(super) fn offset(report: &ClockReport) -> Option<String> {
    let seconds = report.offset.seconds();
    let distance = for_people(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        0 => None,
        1.. => Some(format!("{distance} ahead of real time")),
        _ => Some(format!("{distance} behind real time")),
    }
}
