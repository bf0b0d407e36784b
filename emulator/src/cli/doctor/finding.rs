//! Findings and the report of `doctor`: the problem, its reason, and the command that repairs it.

use std::fmt::Write as _;

use serde::Serialize;

use crate::cli::exit::Exit;
use crate::cli::output::count;

/// The subject of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Check {
    /// Whether an emulator runs and answers.
    Emulator,
    /// Whether the ports are free.
    Ports,
    /// Whether the vault answers.
    Vault,
    /// Whether tokens are issued.
    Token,
    /// Whether a registry serves its content.
    Registry,
    /// Whether its key can be rotated.
    Rotation,
    /// Whether injected faults are active.
    Faults,
    /// The clock.
    Clock,
    /// The space on the disk, and the state of the stored content.
    Disk,
    /// Whether local names resolve to this machine.
    Names,
    /// Whether the certificates are trusted.
    Trust,
    /// The Azure CLI.
    Az,
    /// Docker.
    Docker,
}

/// The severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Verdict {
    /// No problem.
    Ok,
    /// Something does not work, but there is an alternative.
    Note,
    /// Something fails now.
    Wrong,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub(super) check: Check,
    pub(super) verdict: Verdict,
    /// The registry, if the finding is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registry: Option<String>,
    /// The fact.
    pub(super) what: String,
    /// The reason, as a code for programs. For a registry it is the cause in `status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cause: Option<String>,
    /// The reason, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
    /// The command that repairs it, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repair: Option<String>,
}

/// All findings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Whether nothing is wrong.
    healthy: bool,
    #[serde(skip)]
    is_running: bool,
    pub(super) findings: Vec<Finding>,
}

impl Finding {
    /// No problem.
    pub(super) fn ok(check: Check, what: impl Into<String>) -> Self {
        Self::new(check, Verdict::Ok, what)
    }

    /// Something does not work, but there is an alternative.
    pub(super) fn note(check: Check, cause: &str, what: impl Into<String>) -> Self {
        Self { cause: Some(cause.to_owned()), ..Self::new(check, Verdict::Note, what) }
    }

    /// Something fails now.
    pub(super) fn wrong(check: Check, cause: &str, what: impl Into<String>) -> Self {
        Self { cause: Some(cause.to_owned()), ..Self::new(check, Verdict::Wrong, what) }
    }

    fn new(check: Check, verdict: Verdict, what: impl Into<String>) -> Self {
        Self {
            check,
            verdict,
            registry: None,
            what: what.into(),
            cause: None,
            why: None,
            repair: None,
        }
    }

    /// Sets the registry.
    pub(super) fn for_registry(mut self, registry: &str) -> Self {
        self.registry = Some(registry.to_owned());
        self
    }

    /// Sets the reason.
    pub(super) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Sets the command that repairs it.
    pub(super) fn repaired_by(mut self, repair: impl Into<Option<String>>) -> Self {
        self.repair = repair.into();
        self
    }
}

impl Report {
    pub(super) fn new(is_running: bool, findings: Vec<Finding>) -> Self {
        let healthy = findings.iter().all(|finding| finding.verdict != Verdict::Wrong);
        Self { healthy, is_running, findings }
    }

    pub(super) fn exit(&self) -> Exit {
        match (self.healthy, self.is_running) {
            (true, _) => Exit::Success,
            (false, true) => Exit::Failed,
            (false, false) => Exit::NotRunning,
        }
    }

    /// The report for people: a line for each finding, and below it the reason and the command to type.
    pub(super) fn render(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Note => "note",
                Verdict::Wrong => "WRONG",
            };
            let _ = writeln!(text, "{verdict:<6} {:<9} {}", finding.check.name(), finding.what);
            let mut below = |name: &str, value: &str| {
                let _ = writeln!(text, "{:<17}{name:<7} {value}", "");
            };
            match (&finding.why, &finding.cause) {
                (Some(why), Some(cause)) => below("why", &format!("{why} ({cause})")),
                (Some(why), None) => below("why", why),
                (None, _) => (),
            }
            if let Some(repair) = &finding.repair {
                below("repair", repair);
            }
        }
        let wrong =
            self.findings.iter().filter(|finding| finding.verdict == Verdict::Wrong).count();
        let _ = match wrong {
            0 => writeln!(text, "\nNothing is wrong."),
            1 => writeln!(text, "\n1 problem."),
            more => writeln!(text, "\n{}.", count(more as u64, "problem")),
        };
        text
    }
}

impl Check {
    fn name(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Ports => "ports",
            Self::Vault => "vault",
            Self::Token => "token",
            Self::Registry => "registry",
            Self::Rotation => "rotation",
            Self::Faults => "faults",
            Self::Clock => "clock",
            Self::Disk => "disk",
            Self::Names => "names",
            Self::Trust => "trust",
            Self::Az => "az",
            Self::Docker => "docker",
        }
    }
}
