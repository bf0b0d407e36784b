//! `oci-spec-tests`: runs the suite against a registry and prints the results.
//!
//! The exit code is 0 if no MUST failed, 1 if one failed, 2 if the suite could not run.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use oci_spec_tests::report::Report;
use oci_spec_tests::{CASES, CLAUSES, Case, Clause, Failure, Outcome, Registry, run_case};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Tests any OCI registry, clause by clause, against the OCI distribution specification 1.1.
///
/// It pushes small random content to repositories with random names, and leaves it there.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    /// Registry to test: host:port for plain HTTP, or a URL that begins with http:// or https://.
    #[arg(long, env = "OCI_REGISTRY")]
    url: String,
    /// User name, if the registry requires Basic credentials.
    #[arg(long, env = "OCI_USERNAME")]
    username: Option<String>,
    /// Password of the user.
    #[arg(long, env = "OCI_PASSWORD", hide_env_values = true, default_value = "")]
    password: String,
    /// Prefix for the names of the repositories.
    #[arg(long, env = "OCI_NAMESPACE")]
    namespace: Option<String>,
    /// Run only the clauses whose name contains this text.
    #[arg(long)]
    only: Option<String>,
    /// How many cases run in parallel.
    #[arg(long, default_value_t = 4)]
    jobs: usize,
    /// Print JSON instead of the table.
    #[arg(long)]
    json: bool,
    /// Also write `JUnit` XML to this file.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Runs the suite; returns whether the registry conforms.
async fn run(arguments: Arguments) -> Result<bool, Failure> {
    let mut registry = Registry::at(&arguments.url)?;
    if let Some(username) = &arguments.username {
        registry = registry.with_credentials(username, &arguments.password);
    }
    if let Some(namespace) = &arguments.namespace {
        registry = registry.with_namespace(namespace);
    }
    // One request first: an unreachable registry is reported in one line, not for every clause.
    let version_check = CASES.iter().filter(|case| case.clause == "version_check_answers_200");
    for case in version_check {
        run_case(case, &registry).await?;
    }

    let permits = Arc::new(Semaphore::new(arguments.jobs.max(1)));
    let running: Vec<_> = CLAUSES
        .iter()
        .filter(|clause| {
            arguments.only.as_ref().is_none_or(|part| clause.id.contains(part.as_str()))
        })
        .filter_map(|clause| Some((clause, CASES.iter().find(|case| case.clause == clause.id)?)))
        .map(|(clause, case)| (clause, start(case, &registry, &permits)))
        .collect();
    let report = collect(running).await;

    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{:#}", report.to_json())?;
    } else {
        write!(out, "{report}")?;
    }
    if let Some(file) = &arguments.junit {
        std::fs::write(file, report.to_junit())
            .map_err(|error| Failure::new(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(report.conforms())
}

fn start(
    case: &'static Case,
    registry: &Registry,
    permits: &Arc<Semaphore>,
) -> JoinHandle<Result<Outcome, Failure>> {
    let registry = registry.clone();
    let permits = Arc::clone(permits);
    tokio::spawn(async move {
        let _permit = permits.acquire_owned().await;
        run_case(case, &registry).await
    })
}

async fn collect(running: Vec<(&'static Clause, JoinHandle<Result<Outcome, Failure>>)>) -> Report {
    let mut report = Report::default();
    for (clause, handle) in running {
        let result = handle
            .await
            .unwrap_or_else(|error| Err(Failure::new(format!("the case panicked: {error}"))));
        report.add(*clause, result);
    }
    report
}
