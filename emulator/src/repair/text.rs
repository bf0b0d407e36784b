//! Formats the plan and the report of a repair for people.

use std::fmt;

use mock_keyvault::repair::write_earlier;

use super::plan::{Plan, Report};
use crate::registry::{DamagedContent, RepositoryName};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_earlier(f, &self.earlier)?;
        if self.is_empty() {
            return writeln!(f, "{}: nothing has to be repaired", self.folder.display());
        }
        if let Some(vault) = &self.vault {
            writeln!(f, "The vault (this changes where its keys are kept):")?;
            indented(f, &vault.to_string())?;
        }
        if let Some(rows) = &self.rows {
            writeln!(f, "The registries:")?;
            indented(f, &rows.to_string())?;
        }
        for lost in &self.lost {
            writeln!(f, "  lost: {lost}")?;
        }
        for marker in &self.markers {
            writeln!(f, "damaged or missing: {}, which is written again", marker.display())?;
        }
        if self.reads_sealed_files {
            writeln!(
                f,
                "Sealed files that no row names are opened with the vault and recovered without a tag, to {} of their registry: {} in files/, {} in quarantine/",
                RepositoryName::RECOVERED,
                self.files,
                self.quarantined
            )?;
        }
        if self.reads_small_files {
            writeln!(
                f,
                "Small sealed files that rows name are opened with the vault: the damaged journal may have held their only copy"
            )?;
        }
        for folder in &self.kept_in {
            writeln!(f, "Damaged files are kept in {}", folder.display())?;
        }
        Ok(())
    }
}

/// The report after a repair, whose plan was shown before.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plan.is_empty() {
            return self.plan.fmt(f);
        }
        writeln!(f, "{} is repaired", self.plan.folder.display())?;
        for folder in &self.plan.kept_in {
            writeln!(f, "The damaged files are kept in {}", folder.display())?;
        }
        let Some(recovered) = &self.recovered else { return Ok(()) };
        if self.plan.reads_sealed_files {
            writeln!(f, "Sealed files that no row named: {}", recovered.files)?;
        }
        for registry in &recovered.registries {
            writeln!(f, "  recovered the registry {registry}")?;
        }
        for content in &recovered.content {
            let (blobs, repository) = (content.blobs, &content.repository);
            writeln!(f, "  {}: recovered {blobs} blobs to {repository}", content.registry)?;
            for manifest in &content.manifests {
                writeln!(f, "  {}: recovered {repository}@{manifest}", content.registry)?;
            }
        }
        for incomplete in &recovered.incomplete {
            let missing = incomplete.missing.join(", ");
            writeln!(f, "  {} lacks {missing}", incomplete.manifest)?;
        }
        for lost in &recovered.lost {
            let digest = lost.digest.as_deref().unwrap_or("unknown content");
            let again = if lost.can_be_tried_again { "; run repair again" } else { "" };
            writeln!(
                f,
                "  not recovered: {digest}, quarantine/{}: {}{again}",
                lost.file, lost.message
            )?;
        }
        for damaged in &recovered.damaged {
            writeln!(f, "  lost: {damaged}; push it again")?;
        }
        if recovered.unchecked > 0 {
            let why = recovered.why_unchecked.as_deref().unwrap_or("no reason is known");
            let count = recovered.unchecked;
            writeln!(
                f,
                "  files that could not be read, and may be lost: {count}: {why}; `verify` reads them when the key can be used"
            )?;
        }
        recovered.notes.iter().try_for_each(|note| writeln!(f, "  {note}"))
    }
}

impl fmt::Display for DamagedContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { registry, finding } = self;
        write!(f, "the {} in {registry}: {}", finding.object, finding.message)?;
        let (names, affected) = if finding.tags.is_empty() {
            ("the repositories", &finding.repositories)
        } else {
            ("the tags", &finding.tags)
        };
        if affected.is_empty() {
            Ok(())
        } else {
            write!(f, "; it affects {names} {}", affected.join(", "))
        }
    }
}

fn indented(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    text.lines().try_for_each(|line| writeln!(f, "  {line}"))
}
