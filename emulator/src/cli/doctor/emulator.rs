//! Checks whether an emulator runs and answers, and its reports about ports, faults, the clock, the disk and damage.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::args::DoctorArgs;
use super::finding::{Check, Finding};
use super::{names, registries, trust};
use crate::admin::{DiagnosisReport, FaultList, HealthReport, StatusReport, UnfinishedReport};
use crate::cli::client::Emulator;
use crate::cli::context::Context;
use crate::cli::discovery;
use crate::cli::error::CliError;
use crate::cli::hints::{FREE_PORT, Hint, Hints};
use crate::cli::output::{bytes, count};
use crate::cli::phrases;
use crate::cli::port_owner::PortOwner;
use crate::cli::trust as certificates;
use crate::registry::RegistryName;

/// The timeout of the status.
const STATUS: Duration = Duration::from_secs(10);
/// The timeout of the diagnosis, which asks all vaults.
const DIAGNOSIS: Duration = Duration::from_mins(1);

/// The findings about the emulator.
pub(super) struct Examination {
    pub(super) is_running: bool,
    pub(super) report: Option<StatusReport>,
    pub(super) findings: Vec<Finding>,
}

pub(super) async fn examine(args: &DoctorArgs, context: &Context) -> Examination {
    let mut hints = context.hints.clone();
    let found = async {
        let emulator = discovery::find(&context.global).await?;
        let mut report = within(STATUS, &emulator, emulator.status()).await?;
        // A file that cannot be read is a separate finding.
        if let Ok(ca) = certificates::authority(&emulator, &report).await {
            report.ca = ca;
        }
        Ok((emulator, report))
    };
    match found.await {
        Ok((emulator, report)) => {
            hints = emulator.hints(&hints);
            let findings = examine_running(&emulator, &report, &hints).await;
            Examination { is_running: true, report: Some(report), findings }
        }
        Err(error @ CliError::NotRunning { .. }) => Examination {
            is_running: false,
            report: None,
            findings: not_running(&error, [args.listen, args.azure_listen], &hints),
        },
        Err(error) => Examination {
            is_running: !matches!(error, CliError::NoAnswer { .. } | CliError::SeveralRunning(_)),
            report: None,
            findings: vec![no_answer(&error, &hints)],
        },
    }
}

async fn examine_running(
    emulator: &Emulator,
    report: &StatusReport,
    hints: &Hints,
) -> Vec<Finding> {
    let faults = emulator.get::<FaultList>("/faults", &[]).await;
    let faults = faults.as_ref().map_or_else(|_| None, |list| fault_finding(list, hints));
    let diagnosis = within(DIAGNOSIS, emulator, emulator.get::<DiagnosisReport>("/diagnosis", &[]));
    let (diagnosis, health, azure, names) = tokio::join!(
        diagnosis,
        emulator.health::<HealthReport>(),
        trust::azure_side(emulator, report, hints),
        names::resolution(report, hints),
    );
    let mut findings = vec![Finding::ok(
        Check::Emulator,
        format!("process {} answers at {}", report.pid, emulator.url()),
    )];
    findings.extend(ports(report));
    findings.extend(azure);
    match &diagnosis {
        Ok(diagnosis) => {
            findings.extend(registries::examine(
                diagnosis,
                report.azure.is_some(),
                faults.is_some(),
                hints,
            ));
            findings.push(disk(diagnosis, hints));
        }
        Err(error) => findings.push(no_answer(error, hints)),
    }
    findings.extend(report.unfinished.iter().map(unfinished));
    findings.extend(faults);
    findings.extend(clock(report, hints));
    findings.extend(health.ok().and_then(|health| damage(health.damaged, hints)));
    findings.push(names);
    findings.extend(trust::shell(report, hints));
    findings
}

/// Waits for an answer with a timeout: an emulator that hangs is a finding as well.
async fn within<T>(
    limit: Duration,
    emulator: &Emulator,
    answer: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let late = || CliError::NoAnswer { url: emulator.url().to_owned(), failure: None, last: None };
    tokio::time::timeout(limit, answer).await.unwrap_or_else(|_| Err(late()))
}

/// The findings without an emulator: the command that starts one, and ports that are in use.
fn not_running(error: &CliError, addresses: [SocketAddr; 2], hints: &Hints) -> Vec<Finding> {
    let last = match error {
        CliError::NotRunning { last: Some(last), .. } => last.addresses(),
        _ => [None, None],
    };
    let [listen, azure_listen] = [0, 1].map(|side: usize| last[side].unwrap_or(addresses[side]));
    let taken: Vec<(&str, SocketAddr)> = [("--listen", listen), ("--azure-listen", azure_listen)]
        .into_iter()
        .filter(|(_, address)| is_taken(*address))
        .collect();
    let free = |flag: &str| taken.iter().any(|(taken, _)| *taken == flag).then_some(FREE_PORT);
    let again = error.repair_command(hints).filter(|_| taken.is_empty());
    let start = again.unwrap_or_else(|| {
        let (listen, azure_listen) = (free("--listen"), free("--azure-listen"));
        hints.line(&Hint::Serve { listen, azure_listen })
    });
    let mut findings = vec![
        Finding::wrong(Check::Emulator, "notRunning", error.to_string()).repaired_by(start.clone()),
    ];
    findings.extend(taken.into_iter().map(|(flag, address)| {
        let owner = PortOwner::find(address);
        let who = owner.map_or_else(|| "another program".to_owned(), |owner| owner.to_string());
        Finding::wrong(
            Check::Ports,
            "portTaken",
            format!("port {} is in use by {who}", address.port()),
        )
        .because(format!("the emulator needs this port; {flag} chooses another port"))
        .repaired_by(start.clone())
    }));
    findings
}

/// Whether a program listens at this address. An address of another machine does not count.
fn is_taken(address: SocketAddr) -> bool {
    address.port() != 0
        && TcpListener::bind(address)
            .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// The finding for an emulator that does not answer a request.
fn no_answer(error: &CliError, hints: &Hints) -> Finding {
    // Causes begin with a lower-case letter, like those of a state.
    let mut cause = error.code().to_owned();
    if let Some(first) = cause.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    let finding = Finding::wrong(Check::Emulator, &cause, error.to_string());
    let finding = finding.repaired_by(error.repair_command(hints));
    match error.hint(hints).filter(|_| finding.repair.is_none()) {
        Some(hint) => finding.because(hint),
        None => finding,
    }
}

/// Registries that could not use their own port again.
fn ports(report: &StatusReport) -> Vec<Finding> {
    let finding = |registry: &crate::admin::RegistryReport| {
        let port = registry.taken_port?;
        let owner = PortOwner::find(SocketAddr::from(([127, 0, 0, 1], port)));
        let who = owner.map_or_else(|| "another program".to_owned(), |owner| owner.to_string());
        Some(
            Finding::note(
                Check::Ports,
                "portTaken",
                format!("{} is at {} and not at port {port}", registry.name, registry.login_server),
            )
            .for_registry(&registry.name)
            .because(format!(
                "port {port} is in use by {who}: stop it and start the emulator again"
            )),
        )
    };
    report.registries.iter().filter_map(finding).collect()
}

/// Fault rules and throttling, which users have set.
fn fault_finding(list: &FaultList, hints: &Hints) -> Option<Finding> {
    let is_throttled = !list.throttling.is_null();
    if list.faults.is_empty() && !is_throttled {
        return None;
    }
    let rule = |rule: &serde_json::Value| {
        let text = |name: &str| rule[name].as_str().unwrap_or_default().to_owned();
        format!("{} on {}", text("kind"), text("on"))
    };
    let mut parts: Vec<String> = list.faults.iter().map(rule).collect();
    if is_throttled {
        parts.push("the calls to the vault are limited".to_owned());
    }
    let what = match list.faults.len() {
        0 => "the calls to the vault are limited on request".to_owned(),
        rules => format!("{} active", count(rules as u64, "fault rule")),
    };
    Some(
        Finding::wrong(Check::Faults, "faults", what)
            .because(format!("a user has set this: {}", parts.join(", ")))
            .repaired_by(hints.line(&Hint::ClearFaults)),
    )
}

fn clock(report: &StatusReport, hints: &Hints) -> Option<Finding> {
    report.clock.frozen.then(|| {
        Finding::note(Check::Clock, "clockFrozen", "the clock is frozen")
            .because(
                "nothing becomes due: no rotation is checked, and no token or key version expires",
            )
            .repaired_by(hints.line(&Hint::ResumeClock))
    })
}

/// An interrupted operation that does not complete.
fn unfinished(one: &UnfinishedReport) -> Finding {
    let what = format!("an operation was interrupted: {}", phrases::unfinished(one));
    let finding = if one.error.is_some() {
        Finding::wrong(Check::Emulator, "unfinished", what)
    } else {
        Finding::note(Check::Emulator, "unfinished", what)
    };
    if one.error.is_some() && one.attempts == 0 && one.next_attempt_in.is_none() {
        return finding.because(
            "this version cannot continue it: start the version that began it, or reset the emulator, which ends it",
        );
    }
    finding.because("the emulator continues it by itself, and tries again until it succeeds")
}

fn disk(diagnosis: &DiagnosisReport, hints: &Hints) -> Finding {
    if diagnosis.has_room {
        return Finding::ok(Check::Disk, format!("{} accepts new content", diagnosis.data_dir));
    }
    // The registry whose uploads use most space; without uploads, unreferenced blobs may still use space.
    let most = diagnosis.registries.iter().max_by_key(|registry| registry.upload_bytes);
    let registry =
        most.filter(|most| most.upload_bytes > 0).map_or(RegistryName::LOCAL, |most| &most.name);
    let held = diagnosis.registries.iter().map(|registry| registry.upload_bytes).sum::<u64>();
    let because = match held {
        0 => "pulls and deletions work while the reserve on the disk lasts".to_owned(),
        held => format!(
            "uploads in progress use {}; pulls and deletions work while the reserve on the disk lasts",
            bytes(held)
        ),
    };
    let what =
        format!("every push is refused with 507: the disk of {} is full", diagnosis.data_dir);
    Finding::wrong(Check::Disk, "diskFull", what)
        .because(because)
        .repaired_by(hints.line(&Hint::GcNow { registry }))
}

fn damage(times: u64, hints: &Hints) -> Option<Finding> {
    (times > 0).then(|| {
        let what = format!("damaged content was found {}", count(times, "time"));
        Finding::wrong(Check::Disk, "damaged", what)
            .because("stored content does not authenticate; `verify` lists it")
            .repaired_by(hints.line(&Hint::Verify { registry: RegistryName::LOCAL }))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::tests::report;

    fn hints() -> Hints {
        Hints::new(Some(&"sealyard".into()), None)
    }

    #[test]
    fn without_an_emulator_the_repair_starts_one_on_free_ports() {
        let holder = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = holder.local_addr().unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));

        let error = CliError::NotRunning { folder: "/d".into(), last: None };
        let findings = not_running(&error, [free, address], &hints());

        let start = Some("sealyard serve --azure-listen 127.0.0.1:0".to_owned());
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings.iter().all(|finding| finding.repair == start), "{findings:?}");
        assert_eq!(findings[0].cause.as_deref(), Some("notRunning"));
        let message = &findings[1].what;
        assert!(message.ends_with(&format!("(pid {})", std::process::id())), "{message}");
        let none = not_running(&error, [free, free], &hints());
        assert_eq!(none[0].repair.as_deref(), Some("sealyard serve"));
    }

    #[test]
    fn an_operation_of_another_version_is_not_reported_as_tried_again() {
        let waiting = UnfinishedReport {
            operation: "revoke".to_owned(),
            subject: None,
            begun: time::OffsetDateTime::UNIX_EPOCH,
            attempts: 1,
            error: Some("the vault is away".to_owned()),
            next_attempt_in: Some(3),
        };
        let stuck = UnfinishedReport { attempts: 0, next_attempt_in: None, ..waiting.clone() };

        let (waiting, stuck) = (unfinished(&waiting), unfinished(&stuck));

        assert!(waiting.why.unwrap().contains("tries again"));
        assert!(stuck.why.unwrap().contains("reset the emulator"));
    }

    #[test]
    fn reports_of_the_emulator_become_findings() {
        let mut status = report();
        assert!(clock(&status, &hints()).is_none() && ports(&status).is_empty());
        status.clock.frozen = true;
        status.registries[0].taken_port = Some(1);

        assert_eq!(clock(&status, &hints()).unwrap().repair.unwrap(), "sealyard clock resume");
        assert!(ports(&status)[0].what.contains("not at port 1"));
        let full = DiagnosisReport {
            vault_is_ours: true,
            has_room: false,
            data_dir: "/d".to_owned(),
            registries: Vec::new(),
        };
        assert_eq!(disk(&full, &hints()).repair.unwrap(), "sealyard gc --now");
        assert!(damage(0, &hints()).is_none());
        assert_eq!(damage(2, &hints()).unwrap().repair.unwrap(), "sealyard verify");
    }
}
