//! Verifies the rows: the journal, its checkpoints, the index, and the files in quarantine.
//!
//! A wrong row would make an intact object look missing, so `verify` also checks the storage of the rows.

use std::fmt;
use std::sync::Arc;

use azure_emulator_core::durable::Check;

use super::finding::{Finding, FindingKind, Verified};
use crate::registry::Content;
use crate::registry::blocking::blocking;
use crate::registry::error::Error;
use crate::store::{FileId, StoreError};

impl Content {
    /// Checks the rows of the data folder, and names the files in quarantine.
    pub(super) async fn check_rows(&self, verified: &mut Verified) -> Result<(), Error> {
        let parts = Arc::clone(&self.0);
        let (check, quarantined) = blocking(move || {
            let check = parts.store.check_rows();
            Ok::<_, StoreError>((check, parts.store.quarantined()?))
        })
        .await?;
        match check {
            Ok(check) => {
                let repair = self.0.store.repair_command();
                verified.findings.extend(findings_of_rows(&check, "the stored rows", &repair));
            }
            Err(error) => {
                verified.findings.push(Finding::for_row(format!("cannot check the rows: {error}")));
            }
        }
        verified.findings.extend(quarantined.into_iter().map(Finding::for_quarantined));
        Ok(())
    }
}

/// The findings about a journal and its index. `whose` names the rows; `repair` is the command that repairs them.
pub fn findings_of_rows(check: &Check, whose: &str, repair: &impl fmt::Display) -> Vec<Finding> {
    let advice = format!("stop the emulator, then run `{repair}`");
    let mut findings: Vec<Finding> = check
        .damaged
        .iter()
        .map(|damage| {
            let message = if check.healed { damage.clone() } else { format!("{damage}; {advice}") };
            let done =
                check.healed.then(|| "wrote the rows again from the verified index".to_owned());
            let finding = Finding::new(FindingKind::Row, whose.to_owned(), message);
            Finding { done, healed: check.healed, ..finding }
        })
        .collect();
    if !check.index_is_right && findings.is_empty() {
        let message = format!("the index does not hold the rows of the journal; {advice}");
        findings.push(Finding::new(FindingKind::Row, whose.to_owned(), message));
    }
    findings
}

impl Finding {
    fn for_quarantined(file: FileId) -> Self {
        let message = "it is in quarantine/: no row named it while rows were missing; a repair of the data folder checks it";
        Self::new(FindingKind::Quarantined, file.to_string(), message.to_owned())
    }
}
