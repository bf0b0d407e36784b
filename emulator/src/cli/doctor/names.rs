//! Checks whether the system resolves local names to this machine.
//!
//! Many resolvers do so for every name under `localhost` (RFC 6761), some for none. Clients that use the ports on the
//! loopback, or the emulator as a proxy, do not need it.

use std::time::Duration;

use super::finding::{Check, Finding};
use crate::admin::StatusReport;
use crate::cli::env::names;
use crate::cli::hints::{Hint, Hints};

/// The timeout for a name.
const LIMIT: Duration = Duration::from_secs(5);

pub(super) async fn resolution(report: &StatusReport, hints: &Hints) -> Finding {
    let names = names(report);
    let looks = names.iter().map(|name| resolves_here(name));
    let answers = futures::future::join_all(looks).await;
    let lost: Vec<&str> = names
        .iter()
        .zip(answers)
        .filter(|(_, resolves_here)| !resolves_here)
        .map(|(name, _)| name.as_str())
        .collect();
    verdict(&lost, names.len(), report, hints)
}

async fn resolves_here(name: &str) -> bool {
    match tokio::time::timeout(LIMIT, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(addresses)) => {
            let mut addresses = addresses.peekable();
            addresses.peek().is_some() && addresses.all(|address| address.ip().is_loopback())
        }
        Ok(Err(_)) | Err(_) => false,
    }
}

fn verdict(lost: &[&str], all: usize, report: &StatusReport, hints: &Hints) -> Finding {
    if lost.is_empty() {
        return Finding::ok(Check::Names, format!("all {all} local names resolve to this machine"));
    }
    let server = report.registries.first().map_or("localhost:5000", |first| &first.login_server);
    Finding::note(Check::Names, "notResolved", format!("{} do not resolve", lost.join(", ")))
        .because(format!(
            "the system's resolver does not know them; {server} and `{}` do not need these names",
            hints.line(&Hint::RunCommand)
        ))
        .repaired_by(hints.line(&Hint::AddHosts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_does_not_resolve_is_a_note_with_alternatives() {
        let hints = Hints::new(Some(&"sealyard".into()), None);
        let report = crate::cli::tests::report();

        let lost = verdict(&["login.localhost"], 5, &report, &hints);

        assert_eq!(lost.repair.unwrap(), "sealyard env --hosts | sudo tee -a /etc/hosts");
        let why = lost.why.unwrap();
        assert!(why.contains("localhost:5000") && why.contains("sealyard run -- CMD"), "{why}");
        assert!(resolves_here("localhost").await);
        assert!(!resolves_here("no.such.name.invalid").await);
    }
}
