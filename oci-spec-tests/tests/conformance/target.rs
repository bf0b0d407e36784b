//! The registry that the tests use, and the rule when a test fails.
//!
//! The registry is started once for the process and shared: every case has its own repositories.
//! Sealyard must satisfy every clause, of every level; for another registry, failures beyond the level `OCI_LEVEL` (`must` or
//! `should`) do not fail the tests.

use std::sync::OnceLock;

use oci_spec_tests::{CASES, Level, Outcome, Registry, clause, run_case};

/// The clauses that Sealyard does not offer, with the reason.
const NOT_OFFERED: &[(&str, &str)] = &[(
    "minimum_chunk_size_is_a_number",
    "chunks of any size are accepted, so there is no minimum to announce",
)];

/// Fails the test unless the clause with this name holds, or need not hold.
pub(crate) async fn holds(name: &str) {
    let case = CASES
        .iter()
        .find(|case| case.clause == name)
        .expect("the tests are generated from the cases");
    let clause = clause(name).expect("every case names a clause");
    let target = target();
    let result = run_case(case, &target.registry).await;

    let strict =
        target.is_sealyard && !NOT_OFFERED.iter().any(|(offered_not, _)| *offered_not == name);
    match result {
        Err(failure) if clause.level <= target.least => {
            panic!("{} ({}, {}): {failure}", clause.statement, clause.level, clause.section.title())
        }
        Ok(Outcome::NotSupported(why)) if strict => {
            panic!("{} Sealyard does not offer it: {why}", clause.statement)
        }
        Ok(_) | Err(_) => {}
    }
}

struct Target {
    registry: Registry,
    is_sealyard: bool,
    /// Clauses up to this level must hold.
    least: Level,
}

fn target() -> &'static Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    TARGET.get_or_init(|| {
        let least =
            match std::env::var("OCI_LEVEL").unwrap_or_default().to_ascii_lowercase().as_str() {
                "must" => Level::Must,
                "should" => Level::Should,
                "may" => Level::May,
                "" | "extension" => Level::Extension,
                other => panic!("OCI_LEVEL is {other:?}, not one of must, should, may, extension"),
            };
        match Registry::from_environment().expect("OCI_REGISTRY must be host:port or a URL") {
            Some(registry) => Target { registry, is_sealyard: false, least },
            None => Target { registry: sealyard(), is_sealyard: true, least },
        }
    })
}

/// Starts Sealyard in a separate thread: every test has its own runtime, and the registry must outlive them all.
fn sealyard() -> Registry {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
        runtime.block_on(async {
            let sealyard =
                sealyard::Sealyard::builder().ephemeral().start().await.expect("Sealyard starts");
            sender.send(sealyard.registry_address()).expect("the test waits for it");
            std::future::pending::<()>().await;
        });
    });
    let address = receiver.recv().expect("Sealyard started");
    Registry::at(&address.to_string()).expect("an address is a registry")
}
