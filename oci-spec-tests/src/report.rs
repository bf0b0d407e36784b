//! The report of a run: a table for people, JSON and `JUnit` for programs.
//!
//! The program fills a [`Report`] and prints it. The report does not depend on how the cases work.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::{Clause, Failure, Level, Outcome};

/// The results of one run, in the order of the clauses.
#[derive(Debug, Default)]
pub struct Report {
    results: Vec<(Clause, Result<Outcome, Failure>)>,
}

impl Report {
    /// Adds the result of one clause.
    pub fn add(&mut self, clause: Clause, result: Result<Outcome, Failure>) {
        self.results.push((clause, result));
    }

    /// Whether no MUST failed.
    pub fn conforms(&self) -> bool {
        !self.results.iter().any(|(clause, result)| clause.level == Level::Must && result.is_err())
    }

    /// The results as JSON, with a summary by level.
    pub fn to_json(&self) -> Value {
        let results: Vec<_> = self
            .results
            .iter()
            .map(|(clause, result)| {
                let (outcome, message) = in_words(result);
                json!({
                    "clause": clause.id, "level": clause.level.to_string(), "section": clause.section.title(),
                    "url": clause.section.url(), "statement": clause.statement, "outcome": outcome, "message": message,
                })
            })
            .collect();
        let summary: BTreeMap<_, _> = LEVELS
            .into_iter()
            .map(|level| {
                let [held, failed, not_supported] = self.count(|clause| clause.level == level);
                (
                    level.to_string(),
                    json!({"held": held, "failed": failed, "notSupported": not_supported}),
                )
            })
            .collect();
        json!({"conforms": self.conforms(), "summary": summary, "results": results})
    }

    /// The results as `JUnit` XML, one suite for each section. "Not supported" counts as skipped; every failure is a failure.
    pub fn to_junit(&self) -> String {
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
        for section in self.sections() {
            let [held, failed, skipped] = self.count(|clause| clause.section == section);
            let title = escaped(section.title());
            let count = held + failed + skipped;
            let _ = writeln!(
                xml,
                "  <testsuite name=\"{title}\" tests=\"{count}\" failures=\"{failed}\" skipped=\"{skipped}\">"
            );
            for (clause, result) in
                self.results.iter().filter(|(clause, _)| clause.section == section)
            {
                let _ = write!(
                    xml,
                    "    <testcase classname=\"{}\" name=\"{}\"",
                    clause.level, clause.id
                );
                let _ = match result {
                    Ok(Outcome::Held) => writeln!(xml, "/>"),
                    Ok(Outcome::NotSupported(why)) => {
                        writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(why))
                    }
                    Err(failure) => writeln!(
                        xml,
                        "><failure message=\"{}\"/></testcase>",
                        escaped(&failure.to_string())
                    ),
                };
            }
            xml.push_str("  </testsuite>\n");
        }
        xml.push_str("</testsuites>\n");
        xml
    }

    fn sections(&self) -> Vec<crate::Section> {
        let mut sections: Vec<_> = self.results.iter().map(|(clause, _)| clause.section).collect();
        sections.dedup();
        sections
    }

    /// How many clauses held, failed, and were not supported.
    fn count(&self, which: impl Fn(&Clause) -> bool) -> [usize; 3] {
        let mut counts = [0; 3];
        for (_, result) in self.results.iter().filter(|(clause, _)| which(clause)) {
            counts[match result {
                Ok(Outcome::Held) => 0,
                Err(_) => 1,
                Ok(Outcome::NotSupported(_)) => 2,
            }] += 1;
        }
        counts
    }
}

/// The table: counts by section, then each failure with its message, then the unsupported clauses, then counts by level.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:44} {:>6} {:>6} {:>13}", "section", "held", "failed", "not supported")?;
        for section in self.sections() {
            let [held, failed, not_supported] = self.count(|clause| clause.section == section);
            writeln!(f, "{:44} {held:>6} {failed:>6} {not_supported:>13}", section.title())?;
        }
        for (clause, result) in &self.results {
            if let Err(failure) = result {
                writeln!(
                    f,
                    "\nFAILED {} {}\n  {}\n  {failure}",
                    clause.level, clause.id, clause.statement
                )?;
            }
        }
        writeln!(f)?;
        for (clause, result) in &self.results {
            if let Ok(Outcome::NotSupported(why)) = result {
                writeln!(f, "not supported: {} ({}): {why}", clause.id, clause.level)?;
            }
        }
        writeln!(f, "\n{:44} {:>6} {:>6} {:>13}", "level", "held", "failed", "not supported")?;
        for level in LEVELS {
            let [held, failed, not_supported] = self.count(|clause| clause.level == level);
            writeln!(f, "{level:44} {held:>6} {failed:>6} {not_supported:>13}")?;
        }
        Ok(())
    }
}

const LEVELS: [Level; 4] = [Level::Must, Level::Should, Level::May, Level::Extension];

fn in_words(result: &Result<Outcome, Failure>) -> (&'static str, Option<String>) {
    match result {
        Ok(Outcome::Held) => ("held", None),
        Ok(Outcome::NotSupported(why)) => ("notSupported", Some(why.clone())),
        Err(failure) => ("failed", Some(failure.to_string())),
    }
}

/// Text for an XML attribute; characters that XML cannot hold become `U+FFFD`.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            control if control.is_control() || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clause;

    fn report_of(id: &str, result: Result<Outcome, Failure>) -> Report {
        let mut report = Report::default();
        report.add(*clause(id).unwrap(), result);
        report
    }

    #[test]
    fn only_a_failed_must_spoils_conformance() {
        let failure = || Err(Failure::new("broken"));

        assert!(!report_of("blob_is_pulled", failure()).conforms());
        assert!(report_of("blob_carries_its_digest", failure()).conforms());
        assert!(report_of("cancelled_upload_is_gone", failure()).conforms());
        assert!(report_of("blob_is_mounted", Ok(Outcome::NotSupported("202".into()))).conforms());
    }

    #[test]
    fn junit_escapes_what_a_registry_answered() {
        let xml = report_of("blob_is_pulled", Err(Failure::new("<a> & \"b\"\u{1}\n"))).to_junit();

        assert!(xml.contains("message=\"&lt;a&gt; &amp; &quot;b&quot;\u{fffd}&#10;\""), "{xml}");
        assert!(xml.contains("tests=\"1\" failures=\"1\" skipped=\"0\""), "{xml}");
    }

    #[test]
    fn json_has_each_result_and_the_summary() {
        let json = report_of("blob_is_mounted", Ok(Outcome::NotSupported("202".into()))).to_json();

        assert_eq!(json["summary"]["MUST"]["notSupported"], 1);
        assert_eq!(json["results"][0]["outcome"], "notSupported");
        assert_eq!(json["conforms"], true);
    }
}
