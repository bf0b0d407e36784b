//! Surveys the remains of a journal, and finds the newest state that can be proven.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::super::key::RowsKey;
use super::super::position::{Epoch, Position};
use super::super::segment::SegmentHeader;
use super::super::set_sum::SetSum;
use super::fault::Fault;
use super::files::{Files, verify};
use super::records::{OwnedOp, Records};

/// The rows that changed after the base; `None` is a removed row.
pub(super) type Changed = BTreeMap<(u8, Vec<u8>), Option<Vec<u8>>>;

/// The state of a journal.
#[derive(Debug)]
pub struct Survey {
    /// The faults, file by file.
    pub faults: Vec<Fault>,
    /// The source of the rows that can be restored; `None` if nothing can be proven, and there will be no rows.
    pub source: Option<Source>,
    /// The state that can be restored.
    pub position: Position,
    /// The newest generation that the journal, its head or the index names.
    pub expected: u64,
    /// The later changes that can be read. They do not continue the state.
    pub lost: Vec<LostRecord>,
    pub(super) changed: Changed,
    attachments: Vec<Attachment>,
}

/// The source from which the rows are restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The beginning of the journal.
    Beginning,
    /// This checkpoint.
    Checkpoint(PathBuf),
    /// The index. Its rows add up to the set sum of the journal at its position. They are in this file, as a checkpoint.
    Index(PathBuf),
}

/// An index whose rows were proven and written as a checkpoint.
#[derive(Clone, Debug)]
pub struct ProvenIndex {
    /// The state of its rows.
    pub position: Position,
    /// The checkpoint that its rows were written to.
    pub rows: PathBuf,
}

/// A record that cannot be applied, because it is damaged or an earlier record is lost, with its readable changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecord {
    /// Its generation.
    pub generation: u64,
    /// Its changes.
    pub ops: Vec<OwnedOp>,
}

/// A small file that is attached to a record of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The name of the file.
    pub name: Vec<u8>,
    /// The content of the file.
    pub content: Vec<u8>,
    /// Whether the record is among the restored ones. If not, the file was attached after a gap.
    pub is_restored: bool,
}

/// A state from which the rows can be restored.
struct Base {
    source: Source,
    position: Position,
}

impl Survey {
    /// Reads the journal in this folder. A missing folder has no files. `claimed` is the state that an index whose rows do not
    /// add up claims to be in.
    pub fn read(
        key: &RowsKey,
        journal: &Path,
        index: Option<ProvenIndex>,
        claimed: Option<Position>,
    ) -> io::Result<Self> {
        let mut files = Files::list(journal)?;
        let mut faults = std::mem::take(&mut files.faults);
        let head = files.head(key, &mut faults);
        let mut bases = Vec::new();
        let mut known: Vec<Position> =
            head.iter().map(|head| head.position).chain(claimed).collect();
        for path in &files.checkpoints {
            match verify(key, path) {
                (Some(position), Ok(())) => {
                    known.push(position);
                    bases.push(Base { source: Source::Checkpoint(path.clone()), position });
                }
                (position, Err(error)) => {
                    known.extend(position);
                    faults.push(Fault(error.to_string()));
                }
                (None, Ok(())) => (),
            }
        }
        if let Some(ProvenIndex { position, rows }) = index {
            known.push(position);
            bases.push(Base { source: Source::Index(rows), position });
        }
        let segments = files.read_segments(&mut faults)?;
        let mut epochs: Vec<Epoch> = Vec::new();
        let headers = segments
            .iter()
            .filter_map(|(path, bytes)| Some(SegmentHeader::read(key, path, bytes).ok()?.before));
        known.extend(headers);
        for position in &known {
            if !epochs.contains(&position.epoch) {
                epochs.push(position.epoch);
            }
        }
        let mut records = Records::default();
        for (path, bytes) in &segments {
            let fault = records.take(key, path, bytes, &epochs);
            faults.extend(fault.map(|error| Fault(error.to_string())));
        }
        for epoch in &epochs {
            let position = Position::start(key, *epoch, 0, SetSum::default());
            if records.after(&position).is_some() {
                bases.push(Base { source: Source::Beginning, position });
            }
        }
        // The state that a start would reach, which does not begin at an index.
        let of_journal = bases
            .iter()
            .filter(|base| !matches!(base.source, Source::Index(_)))
            .map(|base| reach(&records, base.position).generation)
            .max();
        let mut survey = Self::choose(key, bases, &records, head.map(|head| head.position.epoch))?;
        let epoch = survey.position.epoch;
        let found = records.all().map(|found| found.position);
        survey.expected = known
            .iter()
            .copied()
            .chain(found)
            .filter(|position| survey.source.is_none() || position.epoch == epoch)
            .map(|position| position.generation)
            .fold(survey.position.generation, u64::max);
        survey.faults = faults;
        if of_journal.is_none_or(|reached| reached < survey.expected) {
            let (next, file) = (of_journal.map_or(1, |reached| reached + 1), journal.display());
            survey.faults.push(Fault(format!("{file}: generation {next} is missing or damaged")));
        }
        Ok(survey)
    }

    /// Whether the journal is undamaged up to its end.
    pub fn is_sound(&self) -> bool {
        self.source.is_some() && self.faults.is_empty() && !self.loses_something()
    }

    /// Whether some changes cannot be restored.
    pub fn loses_something(&self) -> bool {
        self.source.is_none() || self.position.generation < self.expected
    }

    /// The small files that are attached to the journal, in its order.
    pub fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    /// Chooses the base from which the records lead to the newest state. The history that the head names has priority.
    fn choose(
        key: &RowsKey,
        bases: Vec<Base>,
        records: &Records,
        of_head: Option<Epoch>,
    ) -> io::Result<Self> {
        let mut best: Option<(Base, Position)> = None;
        for base in bases {
            let reached = reach(records, base.position);
            let rank = |position: &Position| (Some(position.epoch) == of_head, position.generation);
            if best.as_ref().is_none_or(|(_, other)| rank(other) < rank(&reached)) {
                best = Some((base, reached));
            }
        }
        let (source, from, position) =
            if let Some((Base { source, position: from }, position)) = best {
                (Some(source), from, position)
            } else {
                let start = Position::start(key, Epoch::random()?, 0, SetSum::default());
                (None, start, start)
            };
        let mut survey = Self {
            faults: Vec::new(),
            source,
            position,
            expected: 0,
            lost: Vec::new(),
            changed: Changed::new(),
            attachments: Vec::new(),
        };
        let mut at = from;
        while let Some(found) = records.after(&at) {
            found.ops.iter().for_each(|op| survey.apply(op));
            at = found.position;
        }
        survey.note_lost(records);
        Ok(survey)
    }

    fn apply(&mut self, op: &OwnedOp) {
        match op {
            OwnedOp::Put { tree, key, value } => {
                self.changed.insert((*tree, key.clone()), Some(value.clone()));
            }
            OwnedOp::Remove { tree, key } => {
                self.changed.insert((*tree, key.clone()), None);
            }
            OwnedOp::Attachment { .. } => {}
        }
    }

    fn note_lost(&mut self, records: &Records) {
        let mut epochs = vec![self.position.epoch];
        if self.source.is_none() {
            let mut found: Vec<Epoch> = records.all().map(|found| found.position.epoch).collect();
            found.sort_by_key(|epoch| epoch.0);
            found.dedup();
            epochs = found;
        }
        for epoch in epochs {
            for found in records.later(epoch, self.position.generation) {
                let (generation, ops) = (found.position.generation, found.ops.clone());
                self.lost.push(LostRecord { generation, ops });
            }
            for (generation, ops) in records.damaged(epoch, self.position.generation) {
                self.lost.push(LostRecord { generation, ops: ops.clone() });
            }
            self.lost.sort_by_key(|lost| lost.generation);
            // The content is authentic even if earlier records are lost.
            for found in records.later(epoch, 0) {
                let is_restored = found.position.generation <= self.position.generation;
                for op in &found.ops {
                    if let OwnedOp::Attachment { name, content } = op {
                        let (name, content) = (name.clone(), content.clone());
                        self.attachments.push(Attachment { name, content, is_restored });
                    }
                }
            }
        }
    }
}

/// The newest state that the records lead to from a position.
fn reach(records: &Records, from: Position) -> Position {
    let mut at = from;
    while let Some(found) = records.after(&at) {
        at = found.position;
    }
    at
}
