//! Merging a checkpoint and segments gives the same rows as applying the same changes to a plain map.

use std::path::PathBuf;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::attachments::each_op;
use super::super::checkpoint::Row;
use super::super::error::{FormatError, FrameDamage};
use super::super::merge::Merge;
use super::super::op::Op;
use super::*;

/// A folder with one segment for each part, and the rows after each generation.
struct Folder {
    folder: tempfile::TempDir,
    key: RowsKey,
    segments: Vec<PathBuf>,
    /// The state and the rows at each generation.
    history: Vec<(Position, Rows)>,
}

impl Folder {
    fn new(parts: &[Vec<Vec<Change>>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::new();
        let mut history = vec![(journal.position, journal.rows.clone())];
        let mut segments = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let mut bytes = journal.header();
            for changes in part {
                bytes.extend_from_slice(&journal.append(changes, 0));
                history.push((journal.position, journal.rows.clone()));
            }
            bytes.resize(bytes.len() + 40, 0);
            let path = folder.path().join(format!("{number}.segment"));
            std::fs::write(&path, bytes).unwrap();
            segments.push(path);
        }
        Self { folder, key: key(), segments, history }
    }

    fn last(&self) -> u64 {
        self.history.len() as u64 - 1
    }

    fn rows(
        &self,
        checkpoint: Option<&Path>,
        segments: &[PathBuf],
        through: u64,
    ) -> Result<(Position, Rows), FormatError> {
        let mut rows = Rows::new();
        let merge = Merge::read(&self.key, checkpoint, segments, through)?;
        let position = merge.each_row(|Row { tree, key, value }| {
            let last = rows.last_key_value().map(|(key, _)| key.clone());
            assert!(last.is_none_or(|last| last < (*tree, key.to_vec())), "the rows ascend");
            rows.insert((*tree, key.to_vec()), value.to_vec());
            Ok::<_, FormatError>(())
        })?;
        Ok((position.unwrap(), rows))
    }

    /// Writes the checkpoint of a generation, from another checkpoint or from nothing.
    fn checkpoint(&self, from: Option<&Path>, through: u64) -> PathBuf {
        let path = self.folder.path().join(format!("{}-{through}", from.is_some()));
        let file = std::fs::File::create(&path).unwrap();
        let merge = Merge::read(&self.key, from, &self.segments, through).unwrap();
        let rows = merge.write_checkpoint(std::io::BufWriter::new(file)).unwrap();
        assert_eq!(rows, self.history[usize::try_from(through).unwrap()].1.len() as u64);
        path
    }
}

fn parts() -> impl Strategy<Value = Vec<Vec<Vec<Change>>>> {
    prop::collection::vec(transactions(0..4), 1..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn merging_gives_the_rows_of_each_generation(parts in parts(), through in any::<Index>(), from in any::<Index>()) {
        let folder = Folder::new(&parts);
        let through = through.index(folder.history.len());
        let from = from.index(through + 1);
        let (through, from) = (through as u64, from as u64);

        let first = folder.checkpoint(None, from);
        let from_nothing = folder.rows(None, &folder.segments, through).unwrap();
        let from_checkpoint = folder.rows(Some(&first), &folder.segments, through).unwrap();
        let second = folder.checkpoint(Some(&first), through);
        let again = folder.rows(Some(&second), &[], through).unwrap();

        let expected = &folder.history[usize::try_from(through).unwrap()];
        prop_assert_eq!(&from_nothing, expected);
        prop_assert_eq!(&from_checkpoint, expected);
        prop_assert_eq!(&again, expected);
        prop_assert_eq!(
            std::fs::read(&second).unwrap(),
            std::fs::read(folder.checkpoint(None, through)).unwrap()
        );
    }

    #[test]
    fn a_changed_segment_is_never_merged_into_other_rows(parts in parts(), which in any::<Index>(), at in any::<Index>(), bit in 0..8) {
        let folder = Folder::new(&parts);
        let path = &folder.segments[which.index(folder.segments.len())];
        let mut bytes = std::fs::read(path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        std::fs::write(path, bytes).unwrap();

        if let Ok(read) = folder.rows(None, &folder.segments, folder.last()) {
            // The damage is after the last record, so no needed byte was changed.
            prop_assert_eq!(&read, folder.history.last().unwrap());
        }
    }
}

fn three() -> Folder {
    let put = |byte: u8| vec![Change::Put(0, vec![byte], vec![byte])];
    Folder::new(&[vec![put(1), put(2)], vec![put(3), put(4)], vec![put(5)]])
}

#[test]
fn the_error_of_a_missing_segment_names_its_first_generation() {
    let folder = three();
    let checkpoint = folder.checkpoint(None, 1);
    let [one, two, three] = &folder.segments[..] else { panic!() };
    let refused = |checkpoint: Option<&Path>, segments: &[&PathBuf]| {
        let segments: Vec<PathBuf> = segments.iter().copied().cloned().collect();
        match folder.rows(checkpoint, &segments, 5).unwrap_err() {
            FormatError::Damaged { what, .. } => what,
            FormatError::Io(error) => panic!("{error}"),
        }
    };

    assert_eq!(refused(None, &[two, three]), FrameDamage::Missing(1));
    assert_eq!(refused(None, &[one, three]), FrameDamage::Missing(3));
    assert_eq!(refused(None, &[one, two]), FrameDamage::Missing(5));
    assert_eq!(refused(Some(&checkpoint), &[two, three]), FrameDamage::Missing(2));
    assert_eq!(refused(Some(&checkpoint), &[]), FrameDamage::Missing(2));
    assert_eq!(refused(None, &[]), FrameDamage::Missing(1));
    assert_eq!(refused(None, &[one, one, two, three]), FrameDamage::Chain);
}

#[test]
fn a_checkpoint_of_another_history_is_not_merged() {
    let put = |byte: u8| vec![Change::Put(0, vec![0], vec![byte])];
    let [one, other] = [1, 2].map(|byte| Folder::new(&[vec![put(byte), put(3)], vec![put(4)]]));
    let checkpoint = other.checkpoint(None, 1);

    assert!(one.rows(Some(&checkpoint), &one.segments, 3).is_err());
    let checkpoint = other.checkpoint(None, 2);
    assert!(one.rows(Some(&checkpoint), &one.segments[1..], 3).is_err());
}

#[test]
fn a_value_that_changed_after_its_verification_is_detected_at_the_end() {
    let folder = Folder::new(&[vec![vec![Change::Put(0, vec![1], vec![0xaa; 64])]]]);
    let merge = || Merge::read(&folder.key, None, &folder.segments, 1).unwrap();
    let (first, second) = (merge(), merge());
    let path = &folder.segments[0];
    let bytes = std::fs::read(path).unwrap();
    let at = bytes.windows(64).position(|window| window == [0xaa; 64]).unwrap();
    let changed = [&bytes[..at], &[0xbb], &bytes[at + 1..]].concat();
    std::fs::write(path, changed).unwrap();

    let rows = first.each_row(|_| Ok::<_, FormatError>(())).unwrap_err().to_string();
    let checkpoint = second.write_checkpoint(Vec::new()).unwrap_err().to_string();

    assert!(rows.contains("do not add up") && rows.contains("0.segment"), "{rows}");
    assert!(checkpoint.contains("do not add up"), "{checkpoint}");
}

#[test]
fn changes_are_returned_in_order_including_those_after_a_damaged_segment() {
    let attach = |byte: u8| vec![Change::Attach(vec![byte], vec![byte; 5])];
    let parts =
        [vec![attach(1), attach(2)], vec![], vec![attach(3), vec![Change::Remove(0, vec![4])]]];
    let folder = Folder::new(&parts);
    let found = |through| {
        let mut names = Vec::new();
        let damage = each_op(&folder.key, &folder.segments, through, |op| {
            match op {
                Op::Attachment { name, .. } | Op::Remove { key: name, .. } => names.push(name[0]),
                Op::Put { .. } => {}
            }
            Ok::<_, FormatError>(())
        });
        (names, damage.unwrap().map(|damage| damage.to_string()))
    };

    assert_eq!(found(4), (vec![1, 2, 3, 4], None));
    assert_eq!(found(3), (vec![1, 2, 3], None));
    assert_eq!(found(0), (vec![], None));

    let mut bytes = std::fs::read(&folder.segments[0]).unwrap();
    let at = bytes.windows(5).position(|window| window == [2; 5]).unwrap();
    bytes[at] = 0;
    std::fs::write(&folder.segments[0], bytes).unwrap();
    let (names, damage) = found(4);
    assert_eq!(names, [1, 3, 4]);
    assert!(damage.unwrap().contains("0.segment is damaged"));
}
