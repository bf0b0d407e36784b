//! Carries out the steps of a repair of one service's rows.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk_calls as fs;

use super::super::error::FormatError;
use super::super::key::RowsKey;
use super::super::layout::Layout;
use super::super::look::JournalState;
use super::super::position::Position;
use super::super::verdict::Verdict;
use super::earlier::Earlier;
use super::fault::Fault;
use super::index::IndexLook;
use super::survey::Survey;
use super::work::WorkFolder;
use crate::files::{Access, write_whole};

/// The file that marks a journal that lost rows. While it exists, files that no row names are not removed.
const LOSS: &str = "loss";

/// A repair of the rows in a data folder, whose lock the caller holds. If it is dropped before [`Repair::apply`], nothing is
/// changed.
#[derive(Debug)]
pub struct Repair {
    key: Arc<RowsKey>,
    root: PathBuf,
    work: WorkFolder,
    look: IndexLook,
    survey: Survey,
    finished: Option<Earlier>,
    earlier: Vec<Earlier>,
    applied: bool,
}

/// The result of a repair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number of rows after the repair.
    pub rows: u64,
    /// The folder with the damaged journal and index.
    pub aside: PathBuf,
}

impl Repair {
    /// Examines all remaining files. First it finishes a switch that an earlier repair began.
    pub fn examine(root: &Path, trees: &[&str], key: Arc<RowsKey>) -> io::Result<Self> {
        let work = WorkFolder::new(root);
        let finished = work.finish(&key)?;
        let mut earlier = Earlier::all(root)?;
        earlier.retain(|earlier| Some(&earlier.kept) != finished.as_ref().map(|done| &done.kept));
        work.begin()?;
        let layout = Layout::new(root);
        // A start would use this index.
        let healed = layout.healed_index();
        let index = if healed.try_exists()? { healed } else { layout.index() };
        let looked = IndexLook::at(&index, work.path(), &key, trees);
        let (look, survey) = match looked.and_then(|look| {
            let index = match &look {
                IndexLook::Proven(index) => Some(index.clone()),
                _ => None,
            };
            let claimed = look.position();
            let mut survey = Survey::read(&key, layout.journal(), index, claimed)?;
            let refusal = refusal(&layout, &key, claimed)?;
            survey.faults.extend(refusal.filter(|fault| !survey.faults.contains(fault)));
            Ok((look, survey))
        }) {
            Ok(found) => found,
            Err(error) => {
                work.discard()?;
                return Err(error);
            }
        };
        Ok(Self {
            key,
            root: root.to_owned(),
            work,
            look,
            survey,
            finished,
            earlier,
            applied: false,
        })
    }

    /// Whether a repair is needed. A damaged index needs none, since a start rebuilds it.
    pub fn is_needed(&self) -> bool {
        !self.survey.is_sound()
    }

    /// The state of the journal.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The state of the index.
    pub fn index(&self) -> &IndexLook {
        &self.look
    }

    /// An earlier repair that was interrupted after its switch, and that this one has finished. Its lost rows are not reported yet.
    pub fn finished(&self) -> Option<&Earlier> {
        self.finished.as_ref()
    }

    /// Other repairs that lost rows and whose damaged files are still kept.
    pub fn earlier(&self) -> &[Earlier] {
        &self.earlier
    }

    /// The key of the journal.
    pub fn key(&self) -> &RowsKey {
        &self.key
    }

    /// The most bytes that the new journal can need.
    pub fn bytes_needed(&self) -> io::Result<u64> {
        let mut bytes = super::super::segment::SEGMENT_LEN;
        let folders = [self.root.join("journal"), self.work.path().to_owned()];
        for folder in folders.iter().filter(|folder| folder.exists()) {
            for entry in fs::read_dir(folder)? {
                let metadata = entry?.metadata()?;
                bytes = bytes.saturating_add(if metadata.is_file() { metadata.len() } else { 0 });
            }
        }
        Ok(bytes)
    }

    /// The bytes that are free for it.
    pub fn bytes_free(&self) -> io::Result<u64> {
        let space = rustix::fs::statvfs(&self.root)?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Writes the found rows as a new journal, which replaces the damaged one in one step. The damaged one is kept in the folder
    /// `aside` of the data folder, with a file that lists the `lost` rows.
    pub fn apply(mut self, aside: &str, lost: &[String]) -> Result<Applied, FormatError> {
        let (position, rows) = self.survey.write(&self.key, &self.work.journal())?;
        // Even if this repair loses nothing, an earlier loss or a missing head can leave sealed files that no row names. The next
        // start must move them to quarantine instead of deleting them.
        write_whole(&self.work.journal().join(LOSS), b"", Access::Private)?;
        self.applied = true;
        let aside = self.work.switch(position.epoch, aside, lost)?;
        Ok(Applied { rows, aside })
    }
}

/// The reason that a start would refuse the journal, if it would.
fn refusal(layout: &Layout, key: &RowsKey, index: Option<Position>) -> io::Result<Option<Fault>> {
    let looked = match JournalState::at(layout, key, index) {
        Err(FormatError::Io(error)) => return Err(error),
        Err(damaged) => return Ok(Some(Fault(damaged.to_string()))),
        Ok(looked) => looked,
    };
    // A journal without segments is already a fault.
    let Some(looked) = looked.filter(|looked| looked.judge() == Verdict::Damaged) else {
        return Ok(None);
    };
    Ok(Some(Fault(match looked.damage() {
        Ok(damage) => damage.to_string(),
        Err(error) => error.to_string(),
    })))
}

impl Drop for Repair {
    fn drop(&mut self) {
        // After a switch that failed half-way, the next repair needs the folder to finish it.
        if !self.applied
            && let Err(error) = self.work.discard()
        {
            tracing::debug!(%error, "cannot remove the work folder of a repair");
        }
    }
}
