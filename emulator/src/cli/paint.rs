//! Colour for people: the labels of errors and hints, states, and results. If the stream is not a terminal, or
//! `NO_COLOR` is set, [`anstream`] removes it (<https://no-color.org>).
//!
//! A text is laid out before it is coloured, so that colour never shifts a column.

use std::io::{self, Write as _};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default();
const NOTE: Style = AnsiColor::Yellow.on_default();
const HINT: Style = AnsiColor::Cyan.on_default();
const BOLD: Style = Style::new().bold();

/// Whether standard output shows colour.
pub(super) fn is_wanted() -> bool {
    AutoStream::choice(&io::stdout()) != ColorChoice::Never
}

/// Prints a text to standard output.
pub(super) fn out(text: &str) {
    let mut out = AutoStream::auto(io::stdout().lock());
    let _ = out.write_all(painted(text).as_bytes()).and_then(|()| out.flush());
}

/// Prints a text to standard error.
pub(super) fn err(text: &str) {
    let _ = AutoStream::auto(io::stderr().lock()).write_all(painted(text).as_bytes());
}

/// The text with colour.
fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(line: &str) -> String {
    for (start, style) in [
        ("error:", BAD.bold()),
        ("warning:", NOTE.bold()),
        ("hint:", HINT.bold()),
        ("WRONG ", BAD.bold()),
        ("note ", NOTE),
        ("ok ", GOOD),
    ] {
        if let Some(rest) = line.strip_prefix(start) {
            return format!("{style}{start}{style:#}{}", states(rest));
        }
    }
    if is_header(line) {
        return format!("{BOLD}{}{BOLD:#}\n", line.trim_end());
    }
    states(line)
}

/// Colours the state of a registry, with its cause.
fn states(text: &str) -> String {
    let Some((start, end, style)) = state(text) else { return text.to_owned() };
    format!("{}{style}{}{style:#}{}", &text[..start], &text[start..end], &text[end..])
}

/// The start, end and style of a state in a line.
fn state(text: &str) -> Option<(usize, usize, Style)> {
    if let Some(start) = text.find("unavailable (") {
        let end = text[start..].find(')').map_or(text.len(), |end| start + end + 1);
        return Some((start, end, BAD));
    }
    ["(active)", ": active", "  active"].iter().find_map(|found| {
        let start = text.find(found)?;
        let before = found.len() - found.trim_start_matches([' ', ':']).len();
        Some((start + before, start + found.len(), GOOD))
    })
}

/// Whether a line has the names of columns, in capital letters.
fn is_header(line: &str) -> bool {
    let mut names = line.split_whitespace().peekable();
    line.starts_with(' ')
        && names.peek().is_some()
        && line.split("  ").filter(|word| !word.trim().is_empty()).count() > 1
        && names.all(|name| name.bytes().all(|byte| byte.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_does_not_change_the_text() {
        let text = "error: no\nhint: yes\n NAME   STATE\n local  unavailable (keyDisabled)\nWRONG  registry  x\n";

        let painted = painted(text);

        assert!(painted.contains("\u{1b}["), "{painted:?}");
        assert!(painted.contains("unavailable (keyDisabled)\u{1b}[0m"), "{painted:?}");
        assert_eq!(anstream::adapter::strip_str(&painted).to_string(), text);
        assert_eq!(
            states("   state    active, since\n"),
            "   state    \u{1b}[32mactive\u{1b}[0m, since\n"
        );
    }

    #[test]
    fn a_text_without_a_state_has_no_colour() {
        for text in
            ["nothing\n", "docker push localhost:5000/app:1\n", " local  Premium\n", "\n", ""]
        {
            assert_eq!(painted(text), text);
        }
    }
}
