//! The output of the demo: for people in eighty columns, with colour only on a terminal; for programs a line for each
//! step.

use std::fmt::Write as _;

use super::client::SentRequest;
use super::report::{Heading, StepReport};
use crate::cli::paint;

/// The maximum width of lines.
const WIDTH: usize = 78;
/// The indentation of text.
const INDENT: usize = 3;
/// The width of the names of details.
const NAMES: usize = 11;

/// Renders lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Narration {
    colour: bool,
}

/// The style of a piece of text.
#[derive(Clone, Copy, Debug)]
enum Style {
    Title,
    Faint,
    Good,
    Bad,
}

impl Narration {
    /// For standard output, with colour if it is a terminal.
    pub(super) fn for_terminal() -> Self {
        Self { colour: paint::is_wanted() }
    }

    /// Without colour.
    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { colour: false }
    }

    /// The text before a step.
    pub(super) fn heading(self, number: usize, of: usize, heading: &Heading) -> String {
        let start = format!("── {number}/{of}  {} ", heading.title);
        let rule = "─".repeat(WIDTH.saturating_sub(start.chars().count()));
        let mut text = format!("\n{}\n\n", self.painted(Style::Title, &format!("{start}{rule}")));
        for line in wrapped(heading.text, WIDTH - INDENT) {
            let _ = writeln!(text, "{:INDENT$}{line}", "");
        }
        text.push('\n');
        text
    }

    /// The text after a step.
    pub(super) fn report(self, report: &StepReport) -> String {
        let mut text = String::new();
        for (request, status) in shortened(&report.sent) {
            let room = WIDTH - INDENT - 5;
            let request = cut(&request, room);
            let style = if status < 400 { Style::Good } else { Style::Bad };
            let status = self.painted(style, &status.to_string());
            let _ = writeln!(text, "{:INDENT$}{request:room$}  {status}", "");
        }
        if !report.sent.is_empty() && !report.details.is_empty() {
            text.push('\n');
        }
        for (name, value) in &report.details {
            let mut name = *name;
            for line in wrapped(value, WIDTH - INDENT - NAMES) {
                let faint = self.painted(Style::Faint, &format!("{name:NAMES$}"));
                let _ = writeln!(text, "{:INDENT$}{faint}{line}", "");
                name = "";
            }
        }
        if !report.to_try.is_empty() {
            let title = self.painted(Style::Faint, "Try it in another terminal:");
            let _ = writeln!(text, "\n{:INDENT$}{title}", "");
            for command in &report.to_try {
                // It is never wrapped, because a wrapped command cannot be copied.
                let _ = writeln!(text, "{:INDENT$}  {command}", "");
            }
        }
        text.push('\n');
        if report.ok {
            let _ = writeln!(
                text,
                "{:INDENT$}{} {}",
                "",
                self.painted(Style::Good, "✓"),
                report.result
            );
        }
        for failed in &report.failed {
            for (number, line) in wrapped(failed, WIDTH - INDENT - 2).iter().enumerate() {
                let mark =
                    if number == 0 { self.painted(Style::Bad, "✗") } else { " ".to_owned() };
                let _ = writeln!(text, "{:INDENT$}{mark} {line}", "");
            }
        }
        text
    }

    /// The end of the demo, successful or not.
    pub(super) fn end(self, went_well: bool) -> String {
        if went_well {
            let message =
                "Every check succeeded. The emulator is stopped and its folder is removed.";
            format!("\n{}\n", self.painted(Style::Title, message))
        } else {
            format!("\n{}\n", self.painted(Style::Bad, "A check failed."))
        }
    }

    /// The prompt.
    pub(super) fn prompt(self) -> String {
        self.painted(Style::Faint, "\n   Press Enter to continue, Ctrl-C to stop ")
    }

    fn painted(self, style: Style, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match style {
            Style::Title => "1",
            Style::Faint => "2",
            Style::Good => "32",
            Style::Bad => "31",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Requests with shortened digests and ids. Equal neighbours are shown once.
fn shortened(sent: &[SentRequest]) -> Vec<(String, u16)> {
    let mut lines: Vec<(String, u16)> = Vec::new();
    for sent in sent {
        let parts = sent
            .request
            .split(['?', '&'])
            .map(|part| part.split('/').map(short).collect::<Vec<_>>().join("/"));
        let line = (parts.collect::<Vec<_>>().join("?"), sent.status);
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines
}

/// Shortens a digest or the id of an upload.
fn short(part: &str) -> String {
    let is_long =
        |text: &str| text.len() >= 32 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    match part.rsplit_once(':') {
        Some((algorithm, hex)) if is_long(hex) => format!("{algorithm}:{}…", &hex[..8]),
        None if is_long(part) => format!("{}…", &part[..8]),
        _ => part.to_owned(),
    }
}

fn cut(text: &str, room: usize) -> String {
    if text.chars().count() <= room {
        return text.to_owned();
    }
    text.chars().take(room - 1).chain(['…']).collect()
}

/// Wraps text at a number of characters. A longer token, such as a digest, gets its own line and is not
/// split, so that it can be copied.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::report::Claims;
    use super::super::step::Step;
    use super::*;

    #[test]
    fn a_step_as_people_see_it() {
        let request = |request: &str, status| SentRequest { request: request.to_owned(), status };
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let upload = "/v2/demo/hello/blobs/uploads/01234567-89ab-4def-8123-456789abcdef";
        let mut claims = Claims::default();
        claims.detail("message", "Access to Key Encryption Key is forbidden. View troubleshooting steps at https://aka.ms/acr/cmk. Key registry-key in vault local: the key is disabled");
        claims.check(false, "a pull is answered 200 OK");
        let sent = vec![
            request(&format!("PUT {upload}?digest={digest}"), 201),
            request("GET /v2/demo/hello/manifests/1", 403),
        ];
        let bad = claims.report(&Step::Refused.heading(), sent.clone(), String::new());
        let good = Claims::default().report(&Step::Push.heading(), sent, "it is stored".to_owned());

        let narration = Narration::plain();
        let text = format!(
            "{}{}{}{}",
            narration.heading(6, 8, &Step::Refused.heading()),
            narration.report(&bad),
            narration.report(&good),
            narration.end(false)
        );

        insta::assert_snapshot!(text);
        assert!(text.lines().all(|line| line.chars().count() < 80));
    }

    #[test]
    fn a_digest_and_a_command_are_not_split() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        let command = format!("docker pull localhost:5000/demo/hello@{digest}");
        let mut claims = Claims::default();
        claims.detail("manifest", digest.as_str());
        claims.suggest(command.as_str());

        let text = Narration::plain().report(&claims.report(
            &Step::Push.heading(),
            Vec::new(),
            String::new(),
        ));

        assert!(text.contains(&format!(" {digest}\n")), "{text}");
        assert!(text.contains(&format!("Try it in another terminal:\n     {command}\n")), "{text}");
    }

    #[test]
    fn only_a_terminal_gets_colour() {
        let step = Claims::default().report(&Step::Push.heading(), Vec::new(), "stored".to_owned());

        assert!(Narration { colour: true }.report(&step).contains('\u{1b}'));
        assert!(!Narration::plain().report(&step).contains('\u{1b}'));
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_no_text_is_lost(text in r"\PC{0,300}", width in 1_usize..90) {
            let lines = wrapped(&text, width);

            let is_one_word = |line: &str| line.split_whitespace().count() < 2;
            let fits = |line: &String| line.chars().count() <= width || is_one_word(line);
            prop_assert!(lines.iter().all(fits));
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
        }
    }
}
