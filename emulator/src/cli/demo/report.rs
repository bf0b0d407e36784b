//! The report of one step of the demo: its text, its requests, its result, and its claims.

use serde::Serialize;

use super::client::SentRequest;

/// The report of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct StepReport {
    /// Its name, for programs.
    pub(super) step: &'static str,
    /// Its title, for people.
    #[serde(skip)]
    pub(super) title: &'static str,
    /// Its introduction, for people.
    #[serde(skip)]
    pub(super) text: &'static str,
    /// The requests that were sent.
    #[serde(rename = "asked")]
    pub(super) sent: Vec<SentRequest>,
    /// The status of the last request.
    pub(super) status: Option<u16>,
    /// The result, as a sentence.
    #[serde(rename = "shows")]
    pub(super) result: String,
    /// Further details: names and values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) details: Vec<(&'static str, String)>,
    /// Commands for another terminal that show the same.
    #[serde(rename = "try", skip_serializing_if = "Vec::is_empty")]
    pub(super) to_try: Vec<String>,
    /// The claims that were false.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) failed: Vec<String>,
    /// Whether every claim was true.
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
    pub(super) fn suggest(&mut self, command: impl Into<String>) {
        self.to_try.push(command.into());
    }

    /// Checks a claim; `otherwise` describes the failure.
    pub(super) fn check(&mut self, is_true: bool, otherwise: impl Into<String>) {
        if !is_true {
            self.failed.push(otherwise.into());
        }
    }

    /// Adds a detail.
    pub(super) fn detail(&mut self, name: &'static str, value: impl Into<String>) {
        self.details.push((name, value.into()));
    }

    /// The report of the step.
    pub(super) fn report(
        self,
        heading: &Heading,
        sent: Vec<SentRequest>,
        result: String,
    ) -> StepReport {
        StepReport {
            step: heading.step,
            title: heading.title,
            text: heading.text,
            status: sent.last().map(|request| request.status),
            sent,
            result,
            details: self.details,
            to_try: self.to_try,
            ok: self.failed.is_empty(),
            failed: self.failed,
        }
    }
}

/// The name, the title and the text of a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heading {
    pub(super) step: &'static str,
    pub(super) title: &'static str,
    pub(super) text: &'static str,
}
