//! The only module that writes to the terminal: results to standard output, as text or as one JSON document, and errors
//! and progress to standard error.
//!
//! A closed pipe is not an error: its reader has read enough.

use std::error::Error as _;
use std::io;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{Table, presets};
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::CliError;
use super::hints::Hints;
use super::paint;

/// The format of results, and where they go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
    quiet: bool,
    /// Writes nothing: for tests, whose harness does not capture this output.
    silent: bool,
}

impl Output {
    /// For people, or for programs.
    pub(super) fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet, silent: false }
    }

    /// An output that writes nothing.
    #[cfg(test)]
    pub(super) fn silent() -> Self {
        Self { json: true, quiet: true, silent: true }
    }

    /// Prints a result as text or as one JSON document. With `--quiet` the text is omitted.
    pub(super) fn result(self, human: &str, value: &impl Serialize) {
        if self.json || !self.quiet {
            self.data(human, value);
        }
    }

    /// Prints the data that a command is for, such as the lines that a shell reads, also with `--quiet`.
    pub(super) fn data(self, human: &str, value: &impl Serialize) {
        if self.json {
            let mut document = serde_json::to_string_pretty(value).unwrap_or_default();
            document.push('\n');
            self.raw(document.as_bytes());
        } else if !self.silent {
            paint::out(&format!("{}\n", human.trim_end()));
        }
    }

    /// Prints bytes as they are.
    pub(super) fn raw(self, bytes: &[u8]) {
        if self.silent {
            return;
        }
        let mut out = io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }

    /// Prints an error to standard error: the failure, its reason, and the hint.
    pub(super) fn error(self, error: &CliError, hints: &Hints) {
        let text = if self.json { error_document(error, hints) } else { error_text(error, hints) };
        paint::err(&text);
    }

    /// Prints a hint to standard error, about an error of another program.
    pub(super) fn hint(self, hint: &str) {
        if self.quiet {
            return;
        }
        paint::err(&format!("hint: {hint}\n"));
    }

    /// Prints a warning to standard error.
    pub(super) fn warning(self, message: &str) {
        if self.quiet {
            return;
        }
        paint::err(&format!("warning: {message}\n"));
    }

    /// A progress line, shown only on a terminal.
    pub(super) fn progress(self, what: &'static str) -> ProgressBar {
        if self.json || self.quiet || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.set_prefix(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

/// A table: aligned rows under a header, without borders.
pub(super) fn table<const N: usize>(
    header: Option<[&str; N]>,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    if let Some(header) = header {
        table.set_header(header);
    }
    for row in rows {
        table.add_row(row);
    }
    let text = table.to_string();
    let mut lines = String::new();
    for line in text.lines() {
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// A number of bytes for people.
pub(super) fn bytes(count: u64) -> String {
    HumanBytes(count).to_string()
}

/// A number of things for people.
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// A duration for people, as commands read it: `90d`, `1h30m`, `2s`, `250ms`. Fractions of a millisecond are omitted.
pub(super) fn for_people(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, length) in
        [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)]
    {
        if left >= length {
            text.push_str(&(left / length).to_string());
            text.push_str(unit);
            left %= length;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// A time for people, to the second. With `--json`, programs get the full precision.
pub(super) fn to_the_second(time: OffsetDateTime) -> String {
    let time = time.replace_nanosecond(0).unwrap_or(time);
    time.format(&Rfc3339).unwrap_or_else(|_| time.to_string())
}

fn error_text(error: &CliError, hints: &Hints) -> String {
    let mut text = format!("error: {error}\n");
    for cause in causes(error) {
        text.push_str("Caused by: ");
        text.push_str(&cause);
        text.push('\n');
    }
    if let Some(hint) = error.hint(hints) {
        text.push_str("hint: ");
        text.push_str(&hint);
        text.push('\n');
    }
    text
}

fn error_document(error: &CliError, hints: &Hints) -> String {
    let mut report =
        json!({ "code": error.code(), "message": error.to_string(), "hint": error.hint(hints) });
    let causes = causes(error);
    if !causes.is_empty() {
        report["causes"] = causes.into();
    }
    if let CliError::Answer(answer) = error
        && (answer.state.is_some() || answer.cause.is_some())
    {
        report["state"] = json!(answer.state);
        report["cause"] = json!(answer.cause);
    }
    if let CliError::SeveralRunning(running) = error {
        report["emulators"] = json!(running);
    }
    format!("{:#}\n", json!({ "error": report }))
}

/// The causes of an error that its own message does not repeat.
fn causes(error: &CliError) -> Vec<String> {
    let mut printed = error.to_string();
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        let message = cause.to_string();
        if !printed.contains(&message) {
            causes.push(message.clone());
            printed = message;
        }
        source = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_trailing_spaces() {
        let rows = [["a".to_owned(), "b".to_owned()], ["long name".to_owned(), String::new()]];

        let text = table(Some(["ONE", "TWO"]), rows);

        insta::assert_snapshot!(text, @r"
        ONE        TWO
        a          b
        long name
        ");
    }

    #[test]
    fn a_duration_is_written_as_commands_read_it() {
        for (milliseconds, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1500, "1s500ms"),
            (90_000, "1m30s"),
            (5_400_000, "1h30m"),
            (90 * 86_400_000, "90d"),
            (90 * 86_400_000 + 3_600_000, "90d1h"),
        ] {
            let duration = Duration::from_millis(milliseconds);

            assert_eq!(for_people(duration), text);
            assert_eq!(humantime::parse_duration(text), Ok(duration));
        }
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        let time = time::macros::datetime!(2026-01-01 12:30:05.123456789 UTC);

        assert_eq!(to_the_second(time), "2026-01-01T12:30:05Z");
    }

    #[test]
    fn a_count_of_one_is_singular() {
        assert_eq!(count(1, "blob"), "1 blob");
        assert_eq!(count(0, "blob"), "0 blobs");
    }
}
