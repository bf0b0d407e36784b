//! Repairs of journals with each kind of damage that a start refuses.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use zeroize::Zeroizing;

use super::super::checkpoint::{CheckpointReader, CheckpointWriter, Row, checkpoint_name};
use super::super::draft::Draft;
use super::super::head::Head;
use super::super::key::RowsKey;
use super::super::position::{Epoch, Position};
use super::super::segment::{SegmentHeader, segment_name};
use super::super::set_sum::SetSum;
use super::super::{Durability, merge::Merge};
use super::*;

/// The number of records in a segment of the tests, and the number of all records.
const PER_SEGMENT: u64 = 10;
const RECORDS: u64 = 45;
/// The generations of the two checkpoints.
const CHECKPOINTS: [u64; 2] = [20, 30];

type State = BTreeMap<Vec<u8>, Vec<u8>>;

/// A journal of many small records, and the rows after each of them.
struct Test {
    folder: tempfile::TempDir,
    key: RowsKey,
    positions: Vec<Position>,
    states: Vec<State>,
}

impl Test {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = RowsKey::from_root(&Zeroizing::new([3; 32]));
        let epoch = Epoch([9; 16]);
        let position = Position::start(&key, epoch, 0, SetSum::default());
        let mut test = Self { folder, key, positions: vec![position], states: vec![State::new()] };
        fs::create_dir(test.journal()).unwrap();
        let mut segment = Vec::new();
        for generation in 1..=RECORDS {
            let before = *test.positions.last().unwrap();
            if (generation - 1) % PER_SEGMENT == 0 {
                segment = SegmentHeader { before }.encode(&test.key).to_vec();
            }
            segment.extend(test.append(generation, before));
            if generation % PER_SEGMENT == 0 || generation == RECORDS {
                let first = (generation - 1) / PER_SEGMENT * PER_SEGMENT + 1;
                segment.resize((segment.len() + 999).next_multiple_of(4096), 0);
                fs::write(test.segment(first), &segment).unwrap();
            }
        }
        for generation in CHECKPOINTS {
            test.write_rows(generation, &test.journal().join(checkpoint_name(generation)));
        }
        test.write_head(RECORDS);
        test
    }

    /// Each record sets its own row and a common row, and removes the row of the record five before it.
    fn append(&mut self, generation: u64, before: Position) -> Vec<u8> {
        let mut state = self.states.last().unwrap().clone();
        let mut draft = Draft::new();
        let own = format!("row {generation}").into_bytes();
        draft.put(4, &own, b"value").unwrap();
        draft.put(4, b"last", &own).unwrap();
        draft.attach(b"file", &own).unwrap();
        state.insert(own.clone(), b"value".to_vec());
        state.insert(b"last".to_vec(), own);
        if generation > 5 {
            let old = format!("row {}", generation - 5).into_bytes();
            draft.remove(4, &old).unwrap();
            state.remove(&old);
        }
        let mut sum = SetSum::default();
        for (row, value) in &state {
            sum.add(&self.key, 4, row, value);
        }
        let sealed = draft.seal(&self.key, &before, before.generation, sum);
        self.positions.push(sealed.position);
        self.states.push(state);
        sealed.bytes
    }

    fn write_rows(&self, generation: u64, to: &Path) {
        let at = usize::try_from(generation).unwrap();
        let file = fs::File::create(to).unwrap();
        let mut writer = CheckpointWriter::new(&self.key, self.positions[at], file).unwrap();
        for (key, value) in &self.states[at] {
            writer.row(&Row { tree: 4, key, value }).unwrap();
        }
        writer.finish().unwrap();
    }

    fn write_head(&self, generation: u64) {
        let position = self.positions[usize::try_from(generation).unwrap()];
        let durability = Durability::Full;
        let head = Head { position, durability, clean: false, boot_id: [1; 16], inode: 7 };
        fs::write(self.journal().join("head"), head.encode(&self.key)).unwrap();
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal")
    }

    fn segment(&self, first: u64) -> PathBuf {
        self.journal().join(segment_name(first))
    }

    /// Changes a byte in the middle of a segment.
    fn damage(path: &Path, per_mille: usize) {
        let mut bytes = fs::read(path).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        bytes[written * per_mille / 1000] ^= 0x40;
        fs::write(path, bytes).unwrap();
    }

    fn survey(&self) -> Survey {
        Survey::read(&self.key, &self.journal(), None, None).unwrap()
    }

    fn survey_with_index(&self, generation: u64) -> Survey {
        let rows = self.folder.path().join("index.rows");
        self.write_rows(generation, &rows);
        let position = self.positions[usize::try_from(generation).unwrap()];
        Survey::read(&self.key, &self.journal(), Some(ProvenIndex { position, rows }), None)
            .unwrap()
    }

    /// Asserts that the survey finds this state, and that the journal that it writes contains it.
    #[track_caller]
    fn assert_restores(&self, survey: &Survey, generation: u64) {
        assert_eq!(survey.position.generation, generation, "{:?}", survey.faults);
        let work = WorkFolder::new(self.folder.path());
        work.begin().unwrap();
        let (position, rows) = survey.write(&self.key, &work.journal()).unwrap();
        let expected = &self.states[usize::try_from(generation).unwrap()];
        assert_eq!(rows, expected.len() as u64);
        let mut found = State::new();
        let checkpoint = work.journal().join(checkpoint_name(generation));
        let segment = work.journal().join(segment_name(generation + 1));
        let merge = Merge::read(&self.key, Some(&checkpoint), &[segment], generation).unwrap();
        let reached = merge.each_row(|row| {
            found.insert(row.key.to_vec(), row.value.to_vec());
            Ok::<_, super::super::error::FormatError>(())
        });
        assert_eq!((&found, reached.unwrap()), (expected, Some(position)));
        assert_ne!(position.epoch, self.positions[0].epoch, "no old index fits the new journal");
    }
}

#[test]
fn a_whole_journal_is_sound_and_restores_its_last_state() {
    let test = Test::new();

    let survey = test.survey();

    assert!(survey.is_sound(), "{:?}", survey.faults);
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn attached_files_are_returned_in_order_including_those_after_the_damage() {
    let test = Test::new();
    Test::damage(&test.segment(41), 500);

    let survey = test.survey();

    let last = survey.position.generation;
    let expected = (1..=RECORDS).filter(|at| *at != last + 1).map(|at| Attachment {
        name: b"file".to_vec(),
        content: format!("row {at}").into_bytes(),
        is_restored: at <= last,
    });
    assert_eq!(survey.attachments(), expected.collect::<Vec<_>>());
}

#[test]
fn a_segment_that_is_truncated_after_its_records_is_detected_and_loses_nothing() {
    let test = Test::new();
    let bytes = fs::read(test.segment(41)).unwrap();
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    fs::write(test.segment(41), &bytes[..written + 9]).unwrap();

    let survey = test.survey();

    assert!(!survey.is_sound() && !survey.loses_something());
    assert!(survey.faults[0].0.contains(&segment_name(41)), "{:?}", survey.faults);
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn damage_after_the_last_checkpoint_keeps_the_records_before_it_and_reports_those_after_it() {
    let test = Test::new();
    Test::damage(&test.segment(41), 500);

    let survey = test.survey();

    assert!(!survey.is_sound() && survey.loses_something());
    assert!((41..45).contains(&(survey.position.generation + 1)));
    test.assert_restores(&survey, survey.position.generation);
    let first = survey.position.generation + 2;
    let lost = survey.lost.iter().map(|record| record.generation);
    // If only its changes are damaged, the damaged record is reported as well.
    let lost: Vec<u64> = lost.skip_while(|lost| *lost < first).collect();
    assert_eq!(lost, (first..=RECORDS).collect::<Vec<_>>());
    assert!(survey.faults[0].0.contains(&segment_name(41)), "{:?}", survey.faults);
}

#[test]
fn damage_before_the_last_checkpoint_loses_nothing() {
    let test = Test::new();
    for first in [1, 11, 21] {
        Test::damage(&test.segment(first), 300);
    }

    let survey = test.survey();

    assert!(!survey.is_sound() && !survey.loses_something());
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn with_the_last_checkpoint_damaged_the_one_before_it_leads_to_the_same_state() {
    let test = Test::new();
    Test::damage(&test.journal().join(checkpoint_name(30)), 600);

    let survey = test.survey();

    let older = test.journal().join(checkpoint_name(20));
    assert_eq!(survey.source, Some(Source::Checkpoint(older)));
    assert!(!survey.loses_something());
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn without_checkpoints_the_journal_is_read_from_its_beginning() {
    let test = Test::new();
    for generation in CHECKPOINTS {
        fs::remove_file(test.journal().join(checkpoint_name(generation))).unwrap();
    }

    let survey = test.survey();

    assert_eq!(survey.source, Some(Source::Beginning));
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn a_missing_segment_ends_what_can_be_restored_unless_the_index_is_further() {
    let test = Test::new();
    fs::remove_file(test.segment(31)).unwrap();

    test.assert_restores(&test.survey(), 30);
    assert_eq!(test.survey().expected, RECORDS);
    let with_index = test.survey_with_index(43);

    assert!(matches!(with_index.source, Some(Source::Index(_))));
    assert!(!with_index.loses_something() && !with_index.is_sound());
    fs::remove_dir_all(WorkFolder::new(test.folder.path()).path()).unwrap();
    test.assert_restores(&with_index, RECORDS);
}

#[test]
fn an_index_in_the_middle_of_a_damaged_segment_leads_to_the_end() {
    let test = Test::new();
    Test::damage(&test.segment(41), 300);

    let survey = test.survey_with_index(43);

    assert!(!survey.loses_something(), "{:?}", survey.faults);
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn without_a_journal_a_proven_index_restores_all() {
    let test = Test::new();
    fs::remove_dir_all(test.journal()).unwrap();

    let survey = test.survey_with_index(RECORDS);

    assert!(!survey.is_sound() && !survey.loses_something());
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn with_neither_journal_nor_index_the_rows_begin_empty() {
    let test = Test::new();
    fs::remove_dir_all(test.journal()).unwrap();

    let survey = test.survey();

    assert!(survey.loses_something() && survey.source.is_none());
    test.assert_restores(&survey, 0);
}

#[test]
fn a_header_that_cannot_be_read_does_not_hide_the_records_after_it() {
    let test = Test::new();
    let mut bytes = fs::read(test.segment(41)).unwrap();
    bytes[20] ^= 1;
    fs::write(test.segment(41), bytes).unwrap();

    let survey = test.survey();

    assert!(!survey.is_sound());
    test.assert_restores(&survey, RECORDS);
}

#[test]
fn a_lost_end_of_a_journal_is_detected_by_its_head() {
    let test = Test::new();
    fs::remove_file(test.segment(41)).unwrap();

    let survey = test.survey();

    assert_eq!((survey.position.generation, survey.expected), (40, RECORDS));
    assert!(survey.loses_something());
}

#[test]
fn every_changed_byte_of_a_journal_leaves_an_earlier_state() {
    let test = Test::new();
    let files: Vec<PathBuf> =
        fs::read_dir(test.journal()).unwrap().map(|entry| entry.unwrap().path()).collect();
    for path in files {
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(61) {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            fs::write(&path, &changed).unwrap();
            let survey = test.survey();
            test.assert_restores(&survey, survey.position.generation);
            assert!(!survey.is_sound(), "{} byte {at}", path.display());
        }
        fs::write(&path, whole).unwrap();
    }
}

#[test]
fn a_switch_is_one_step_and_keeps_the_damaged_files() {
    let test = Test::new();
    Test::damage(&test.segment(41), 500);
    let damaged = fs::read(test.segment(41)).unwrap();
    fs::create_dir(test.folder.path().join("index")).unwrap();
    let work = WorkFolder::new(test.folder.path());
    let survey = test.survey();

    work.begin().unwrap();
    let (position, _) = survey.write(&test.key, &work.journal()).unwrap();
    let aside = work.switch(position.epoch, "damaged-1", &[]).unwrap();

    assert_eq!(fs::read(aside.join("journal").join(segment_name(41))).unwrap(), damaged);
    assert!(aside.join("index").exists() && !test.folder.path().join("index").exists());
    let repaired = test.survey();
    assert!(repaired.is_sound(), "{:?}", repaired.faults);
    assert_eq!(repaired.position, position);
    let checkpoint = test.journal().join(checkpoint_name(position.generation));
    assert_eq!(CheckpointReader::open(&test.key, &checkpoint).unwrap().position(), position);
}

#[test]
fn a_repair_that_was_killed_at_any_step_of_the_switch_is_finished_and_reports_the_lost_rows() {
    let lost = ["the tag a:1".to_owned(), "a name\nof two lines".to_owned()];
    let reported = ["the tag a:1".to_owned(), "a name of two lines".to_owned()];
    for step in 0..=6 {
        let test = Test::new();
        Test::damage(&test.segment(41), 500);
        let (root, work) = (test.folder.path(), WorkFolder::new(test.folder.path()));
        let (aside, old) = (root.join("damaged-1"), work.path().join("journal.old"));
        fs::create_dir(root.join("index")).unwrap();
        work.begin().unwrap();
        let (position, _) = test.survey().write(&test.key, &work.journal()).unwrap();
        work.note(position.epoch, "damaged-1", &lost).unwrap();
        // The first two steps are for a file system that cannot exchange two folders. The third step is the exchange.
        let steps: [&dyn Fn() -> io::Result<()>; 6] = [
            &|| fs::rename(test.journal(), &old),
            &|| fs::rename(work.journal(), test.journal()),
            &|| fs::rename(&old, work.journal()),
            &|| {
                fs::create_dir(&aside)
                    .and_then(|()| fs::rename(work.journal(), aside.join("journal")))
            },
            &|| fs::rename(work.path().join("lost.txt"), aside.join("lost.txt")),
            &|| fs::rename(root.join("index"), aside.join("index")),
        ];
        steps[..step].iter().try_for_each(|step| step()).unwrap();

        let finished = work.finish(&test.key).unwrap();

        assert!(!work.path().exists());
        if step == 0 {
            assert_eq!(finished, None);
            assert!(!test.survey().is_sound(), "the folder is as before");
            continue;
        }
        let earlier = Earlier { kept: aside.clone(), lost: reported.to_vec() };
        assert_eq!(finished.as_ref(), Some(&earlier), "killed after step {step}");
        assert_eq!(Earlier::all(root).unwrap(), [earlier]);
        assert!(aside.join("journal").join(segment_name(41)).exists());
        assert!(aside.join("index").exists() && !root.join("index").exists());
        assert_eq!(test.survey().position, position);
    }
}
