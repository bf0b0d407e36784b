//! The functions for the fuzz targets and their tests: they read the journal from arbitrary bytes.
//!
//! Arbitrary bytes never pass the first authentication code. So the bytes are also sealed as the changes of a record and as the
//! rows of a checkpoint, and used as edits to valid files. These functions panic when a reader accepts bytes that were not written.
//! They have no other effect, and nothing else calls them.

use std::path::Path;

use zeroize::Zeroizing;

use super::checkpoint::{self, CheckpointReader, CheckpointWriter, Row};
use super::draft::Draft;
use super::error::FormatError;
use super::key::RowsKey;
use super::position::{Epoch, Position};
use super::scan::{End, Scan};
use super::segment::SegmentHeader;
use super::set_sum::SetSum;

/// Reads `data` as a segment, as the bytes after a header, as the changes of a record, and as edits to a segment.
pub fn journal(data: &[u8]) {
    let key = key();
    let _ = scan(&key, data);
    let _ = scan(&key, &[&SegmentHeader { before: start(&key) }.encode(&key)[..], data].concat());
    let sealed = Draft::from_body(data).seal(&key, &start(&key), 0, SetSum::default());
    let header = SegmentHeader { before: start(&key) }.encode(&key);
    let _ = scan(&key, &[&header[..], &sealed.bytes].concat());

    let original = segment(&key);
    let (all, _) = scan(&key, &original).expect("a segment that was written is read");
    let mut file = original.clone();
    edit(&mut file, data);
    if let Ok((records, end)) = scan(&key, &file) {
        assert!(all.starts_with(&records), "an edited segment gave other records");
        let written = original.len() - ZEROS;
        let intact = file.get(..written) == Some(&original[..written])
            && file[written..].iter().all(|byte| *byte == 0);
        assert!(!intact || records.len() == all.len(), "records of an intact segment are missing");
        let whole = records.len() == all.len() && end == (End::Clean { offset: written as u64 });
        assert!(intact == whole || records.len() < all.len(), "an edit was not noticed");
    }
}

/// Reads `data` as a checkpoint, as the rows of a chunk, and as edits to a checkpoint.
pub fn checkpoint(data: &[u8]) {
    let key = key();
    let _ = read(&key, data);
    let _ = read(&key, &checkpoint::with_chunk(&key, &start(&key), data));

    let original = written_checkpoint(&key);
    let mut file = original.clone();
    edit(&mut file, data);
    match read(&key, &file) {
        Ok(rows) => {
            assert!(file == original, "an edited checkpoint was read");
            assert!(rows == 3, "a checkpoint gave other rows");
        }
        Err(_) => assert!(file != original, "an untouched checkpoint was refused"),
    }
}

/// The zeros after the records of the segment.
const ZEROS: usize = 64;

fn key() -> RowsKey {
    RowsKey::from_root(&Zeroizing::new([1; 32]))
}

fn start(key: &RowsKey) -> Position {
    Position::start(key, Epoch([2; 16]), 0, SetSum::default())
}

/// A segment of three records.
fn segment(key: &RowsKey) -> Vec<u8> {
    let mut position = start(key);
    let mut bytes = SegmentHeader { before: position }.encode(key).to_vec();
    for number in 0..3 {
        let mut draft = Draft::new();
        draft.put(0, &[number], &[number; 20]).expect("a short row fits");
        draft.remove(1, &[number]).expect("a short key fits");
        draft.attach(b"name", &[number; 30]).expect("a short file fits");
        let mut sum = position.set_sum;
        sum.add(key, 0, &[number], &[number; 20]);
        let sealed = draft.seal(key, &position, u64::from(number), sum);
        bytes.extend_from_slice(&sealed.bytes);
        position = sealed.position;
    }
    bytes.resize(bytes.len() + ZEROS, 0);
    bytes
}

fn written_checkpoint(key: &RowsKey) -> Vec<u8> {
    let rows = [(0, [1], [1; 20]), (0, [2], [2; 20]), (1, [0], [3; 20])];
    let mut sum = SetSum::default();
    for (tree, row, value) in &rows {
        sum.add(key, *tree, row, value);
    }
    let position = Position::start(key, Epoch([2; 16]), 7, sum);
    let mut writer = CheckpointWriter::new(key, position, Vec::new()).expect("memory takes bytes");
    for (tree, key, value) in &rows {
        writer.row(&Row { tree: *tree, key, value }).expect("the rows ascend");
    }
    writer.finish().expect("the rows add up").1
}

/// The records of a segment, as text, and its end.
fn scan(key: &RowsKey, bytes: &[u8]) -> Result<(Vec<String>, End), FormatError> {
    let mut scan = Scan::new(key, Path::new("fuzz"), bytes)?;
    let records = scan.by_ref().map(|located| format!("{located:?}")).collect();
    Ok((records, scan.end()))
}

fn read(key: &RowsKey, bytes: &[u8]) -> Result<u64, FormatError> {
    let mut reader = CheckpointReader::new(key, Path::new("fuzz"), bytes)?;
    while reader.next_row()?.is_some() {}
    Ok(reader.rows())
}

/// Edits `file`. Of each four bytes, three name a position and an operation, and the fourth is its operand.
fn edit(file: &mut Vec<u8>, script: &[u8]) {
    for step in script.as_chunks::<4>().0.iter().take(16) {
        let [high, low, operation, value] = *step;
        let place = usize::from(u16::from_be_bytes([high, low])) % (file.len() + 1);
        match operation % 6 {
            0 => file.truncate(place),
            1 => file.insert(place, value),
            2 => file.extend_from_within(place..),
            3 => file.rotate_left(place),
            4 => file[place..].iter_mut().take(usize::from(value)).for_each(|byte| *byte = 0),
            _ => file.get_mut(place).into_iter().for_each(|byte| *byte ^= value),
        }
    }
}
