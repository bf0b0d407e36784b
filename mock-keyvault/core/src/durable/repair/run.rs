//! The steps of a repair of one service's rows, in order.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fs_err as fs;

use super::super::error::FormatError;
use super::super::key::RowsKey;
use super::super::layout::Layout;
use super::super::look::Looked;
use super::super::position::Position;
use super::super::verdict::Verdict;
use super::earlier::Earlier;
use super::index::IndexLook;
use super::survey::{Fault, Survey};
use super::work::WorkFolder;
use crate::files::{Access, write_whole};

/// The mark beside a journal that lost something: until it is settled, no file is removed because no row names it.
const LOSS: &str = "loss";

/// A repair of the rows in a data folder, whose lock the caller holds. Dropped before [`Repair::apply`], it has changed
/// nothing.
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

/// What a repair has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The number of rows that are there now.
    pub rows: u64,
    /// Where the damaged journal and index are kept.
    pub aside: PathBuf,
}

impl Repair {
    /// Looks at everything that is left. A switch that an earlier repair began is ended first.
    pub fn examine(root: &Path, trees: &[&str], key: Arc<RowsKey>) -> io::Result<Self> {
        let work = WorkFolder::of(root);
        let finished = work.finish(&key)?;
        let mut earlier = Earlier::all(root)?;
        earlier.retain(|earlier| Some(&earlier.kept) != finished.as_ref().map(|done| &done.kept));
        work.begin()?;
        let layout = Layout::new(root);
        // A start would take that one.
        let healed = layout.healed_index();
        let index = if healed.try_exists()? { healed } else { layout.index() };
        let looked = IndexLook::at(&index, work.path(), &key, trees);
        let (look, survey) = match looked.and_then(|look| {
            let index = match &look {
                IndexLook::Proven(index) => Some(index.clone()),
                _ => None,
            };
            let claimed = look.position();
            let mut survey = Survey::of(&key, layout.journal(), index, claimed)?;
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

    /// Whether there is something to repair. An index alone never needs it: a start makes it again.
    pub fn is_needed(&self) -> bool {
        !self.survey.is_sound()
    }

    /// What was found.
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// What the index says.
    pub fn index(&self) -> &IndexLook {
        &self.look
    }

    /// A repair that was cut off after its switch, which this one has ended. What it lost was told to nobody.
    pub fn finished(&self) -> Option<&Earlier> {
        self.finished.as_ref()
    }

    /// Other repairs that lost something, as long as what was damaged is kept.
    pub fn earlier(&self) -> &[Earlier] {
        &self.earlier
    }

    /// The key of the journal.
    pub fn key(&self) -> &RowsKey {
        &self.key
    }

    /// The bytes that the new journal needs at the most.
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

    /// The bytes that are free where it is made.
    pub fn bytes_free(&self) -> io::Result<u64> {
        let room = rustix::fs::statvfs(&self.root)?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// Writes the rows that were found as a new journal and puts it in the place of the damaged one, in one step. What was
    /// there is kept in the folder `aside` of the data folder, with a file that lists what is `lost`.
    pub fn apply(mut self, aside: &str, lost: &[String]) -> Result<Applied, FormatError> {
        let (position, rows) = self.survey.write(&self.key, &self.work.journal())?;
        // Also if this repair loses nothing: a loss that was noted before, or a head that was missing, leaves sealed files that no
        // row names. The next start moves them to quarantine and must not delete them.
        write_whole(&self.work.journal().join(LOSS), b"", Access::Private)?;
        self.applied = true;
        let aside = self.work.switch(position.epoch, aside, lost)?;
        Ok(Applied { rows, aside })
    }
}

/// Why a start would refuse the journal, if it would.
fn refusal(layout: &Layout, key: &RowsKey, index: Option<Position>) -> io::Result<Option<Fault>> {
    let looked = match Looked::at(layout, key, index) {
        Err(FormatError::Io(error)) => return Err(error),
        Err(damaged) => return Ok(Some(Fault(damaged.to_string()))),
        Ok(looked) => looked,
    };
    // That there is no segment was noted.
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
        // After a switch that failed half way, the folder is what the next repair ends it with.
        if !self.applied
            && let Err(error) = self.work.discard()
        {
            tracing::debug!(%error, "the work folder of a repair stays");
        }
    }
}
