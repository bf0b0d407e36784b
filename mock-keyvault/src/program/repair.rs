//! `mock-keyvault repair`: repairs a damaged data folder, and lists exactly which keys are lost.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use azure_emulator_core::clock::Clock;
use mock_keyvault::repair::{
    Earlier, RepairError, VaultReport, aside_name, examine, write_earlier,
};
use serde::Serialize;

use super::failure::{Failure, failed};
use super::options::{Options, RepairOptions};
use super::output::print_line;

/// Nothing was changed, because the repair was not confirmed.
const NOT_CONFIRMED: u8 = 5;
/// The folder was repaired with losses.
const LOST: u8 = 6;
/// A process has the folder open.
const IN_USE: u8 = 7;

/// The warning that the repair changes the files of the keys.
const KEYS: &str = "This changes the files that hold the keys of the vault.";
/// The warning before a repair that the disk may have too little space for.
const TIGHT: &str = "the disk may have too little space for the new rows next to the damaged ones; if so, nothing is changed";

/// The document that `--json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    /// Whether anything was changed.
    repaired: bool,
    /// Whether a repair is necessary.
    needed: bool,
    /// The file that names the format of the folder, if it is missing or damaged.
    marker: Option<&'a Path>,
    #[serde(flatten)]
    report: &'a VaultReport,
    /// Other repairs that lost something. The last one may have been interrupted.
    earlier: &'a [Earlier],
}

pub(super) fn repair(options: &Options, wish: &RepairOptions) -> ExitCode {
    match run(options, wish) {
        Ok(code) => code,
        Err(Failure::Repair(error @ RepairError::InUse(_))) => {
            failed(&error);
            ExitCode::from(IN_USE)
        }
        Err(error) => failed(&error),
    }
}

fn run(options: &Options, wish: &RepairOptions) -> Result<ExitCode, Failure> {
    let folder = options.data_dir()?;
    let repair = examine(&folder)?;
    let (of_rows, loses, marker) = (repair.is_needed(), repair.loses_something(), repair.marker());
    let needed = of_rows || marker.is_some();
    let report = repair.report()?;
    let finished = repair.finished().cloned();
    // No earlier run has reported that loss.
    let lost_before = finished.as_ref().is_some_and(|finished| !finished.lost.is_empty());
    let earlier: Vec<Earlier> = repair.earlier().iter().cloned().chain(finished).collect();
    let show_document = |repaired: bool| {
        let marker = marker.as_deref();
        let document = Document { repaired, needed, marker, report: &report, earlier: &earlier };
        print_line(&serde_json::to_string_pretty(&document).unwrap_or_default());
    };
    let show_text = || {
        let mut text = String::new();
        let _ = write_earlier(&mut text, &earlier);
        if of_rows {
            let _ = writeln!(text, "{report}{KEYS}");
        }
        if let Some(marker) = &marker {
            let _ =
                writeln!(text, "damaged or missing: {}, which is written again", marker.display());
        }
        if !needed {
            let _ = write!(text, "{}: no repair is necessary", folder.display());
        }
        print_line(text.trim_end());
    };
    let show = || if wish.json { show_document(false) } else { show_text() };
    let lost = |lost: bool| if lost { ExitCode::from(LOST) } else { ExitCode::SUCCESS };
    if !needed || wish.dry_run {
        show();
        return Ok(lost(lost_before));
    }
    let is_asked = !wish.yes && !wish.json && io::stdin().is_terminal();
    // Before anything is changed: a person who interrupts the repair has seen the losses.
    if !wish.yes || !wish.json {
        show();
    }
    if !wish.yes && (!is_asked || !confirmed()?) {
        let _ = writeln!(
            io::stderr(),
            "nothing was changed: the repair was not confirmed; use `--yes` to repair without asking"
        );
        return Ok(ExitCode::from(NOT_CONFIRMED));
    }
    if !report.rows.fits() {
        let _ = writeln!(io::stderr(), "{TIGHT}");
    }
    let applied = repair.apply(&aside_name(Clock::system().now()))?;
    if wish.json {
        show_document(true);
    } else {
        let kept = applied.map(|applied| applied.aside);
        let kept = kept.map(|kept| format!("; the damaged files are kept in {}", kept.display()));
        print_line(&format!("{} is repaired{}", folder.display(), kept.unwrap_or_default()));
    }
    Ok(lost(loses || lost_before))
}

fn confirmed() -> io::Result<bool> {
    let mut out = io::stdout().lock();
    out.write_all(b"Type yes to repair the folder: ")?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().eq_ignore_ascii_case("yes"))
}
