//! One step of the story: what it says, what was asked, what came back, and the claims that were checked.

use serde::Serialize;

use super::client::Asked;

/// One step, told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Told {
    /// Its name, for programs.
    pub(super) step: &'static str,
    /// Its title, for people.
    #[serde(skip)]
    pub(super) title: &'static str,
    /// What it is about, for people.
    #[serde(skip)]
    pub(super) words: &'static str,
    /// The requests that were sent.
    pub(super) asked: Vec<Asked>,
    /// The status of the last of them.
    pub(super) status: Option<u16>,
    /// What it shows, in words.
    pub(super) shows: String,
    /// What else there is to see: names and values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) details: Vec<(&'static str, String)>,
    /// Commands for another terminal, which show the same.
    #[serde(rename = "try", skip_serializing_if = "Vec::is_empty")]
    pub(super) to_try: Vec<String>,
    /// What was claimed and did not hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<String>,
    /// Whether everything happened as told.
    pub(super) ok: bool,
}

/// Gathers the claims of a step.
#[derive(Debug, Default)]
pub(super) struct Claims {
    details: Vec<(&'static str, String)>,
    to_try: Vec<String>,
    failed: Vec<String>,
}

impl Claims {
    /// A command for another terminal.
    pub(super) fn invite(&mut self, command: impl Into<String>) {
        self.to_try.push(command.into());
    }

    /// Claims that something holds, and says what it is if it does not.
    pub(super) fn that(&mut self, holds: bool, otherwise: impl Into<String>) {
        if !holds {
            self.failed.push(otherwise.into());
        }
    }

    /// Something to see.
    pub(super) fn see(&mut self, name: &'static str, value: impl Into<String>) {
        self.details.push((name, value.into()));
    }

    /// The step, told.
    pub(super) fn told(self, of: &Heading, asked: Vec<Asked>, shows: String) -> Told {
        Told {
            step: of.step,
            title: of.title,
            words: of.words,
            status: asked.last().map(|asked| asked.status),
            asked,
            shows,
            details: self.details,
            to_try: self.to_try,
            ok: self.failed.is_empty(),
            failed: self.failed,
        }
    }
}

/// What a step is called, and what it is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heading {
    pub(super) step: &'static str,
    pub(super) title: &'static str,
    pub(super) words: &'static str,
}
