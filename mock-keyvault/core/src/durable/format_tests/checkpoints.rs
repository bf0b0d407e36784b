//! Checkpoints are read as they were written, and any change of their bytes is detected.

use std::io;

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::checkpoint::{
    CheckpointReader, CheckpointWriter, Row, checkpoint_name, parse_checkpoint_name,
};
use super::super::error::FormatError;
use super::*;

/// Rows of very different sizes, so that checkpoints have chunks with many rows and rows larger than a chunk.
fn rows() -> impl Strategy<Value = Rows> {
    let value = prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..20),
        1 => (any::<u8>(), 0..150_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let row = (0..3_u8, prop::collection::vec(any::<u8>(), 0..5));
    prop::collection::btree_map(row, value, 0..12)
}

fn position(rows: &Rows) -> Position {
    let (key, mut sum) = (key(), SetSum::default());
    for ((tree, row), value) in rows {
        sum.add(&key, *tree, row, value);
    }
    Position::start(&key, EPOCH, 5, sum)
}

fn write(rows: &Rows, position: Position) -> io::Result<Vec<u8>> {
    let key = key();
    let mut writer = CheckpointWriter::new(&key, position, Vec::new())?;
    for ((tree, row), value) in rows {
        writer.row(&Row { tree: *tree, key: row, value })?;
    }
    let (count, bytes) = writer.finish()?;
    assert_eq!(count, rows.len() as u64);
    Ok(bytes)
}

fn read(bytes: &[u8]) -> Result<(Position, Rows), FormatError> {
    let (key, mut rows) = (key(), Rows::new());
    let mut reader = CheckpointReader::new(&key, file(), bytes)?;
    while let Some(Row { tree, key, value }) = reader.next_row()? {
        rows.insert((tree, key.to_vec()), value.to_vec());
    }
    assert!(reader.next_row()?.is_none());
    assert_eq!(reader.rows(), rows.len() as u64);
    Ok((reader.position(), rows))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_checkpoint_is_read_as_it_was_written(rows in rows()) {
        let position = position(&rows);
        let bytes = write(&rows, position).unwrap();

        prop_assert_eq!(read(&bytes).unwrap(), (position, rows));
    }

    #[test]
    fn a_changed_checkpoint_is_refused(rows in rows(), at in any::<Index>(), to in any::<Index>(), bit in 0..8) {
        let bytes = write(&rows, position(&rows)).unwrap();
        let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
        let (from, to) = (at.min(to), at.max(to) + 1);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1_u8 << bit;
        let mut zeroed = bytes.clone();
        zeroed[from..to].fill(0);
        let without = [&bytes[..from], &bytes[to..]].concat();
        let twice = [&bytes[..to], &bytes[from..]].concat();

        prop_assert!(read(&flipped).is_err());
        prop_assert!(read(&bytes[..at]).is_err());
        prop_assert!(read(&without).is_err());
        prop_assert!(read(&twice).is_err());
        prop_assert!(zeroed == bytes || read(&zeroed).is_err());
        prop_assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes).is_err());
        let header = write(&Rows::new(), position(&Rows::new())).unwrap();
        prop_assert!(read(&[&header[..136], &bytes].concat()).is_err());
    }
}

#[test]
fn chunks_that_were_swapped_within_a_checkpoint_or_between_two_are_detected() {
    let rows =
        |byte: u8| -> Rows { (0..3_u8).map(|tree| ((tree, vec![]), vec![byte; 70_000])).collect() };
    let [one, two] = [1, 2].map(|byte| write(&rows(byte), position(&rows(byte))).unwrap());
    let chunk = 24 + 9 + 70_000 + 32;
    let (header, second) = (136, 136 + chunk);
    let swapped = [
        &one[..header],
        &one[second..second + chunk],
        &one[header..second],
        &one[second + chunk..],
    ];
    let mixed = [&one[..header], &two[header..second], &one[second..]];

    assert!(read(&one).is_ok());
    assert!(read(&swapped.concat()).is_err());
    assert!(read(&mixed.concat()).is_err());
}

#[test]
fn a_length_beyond_any_chunk_is_refused_before_memory_is_allocated() {
    let mut bytes = write(&Rows::new(), position(&Rows::new())).unwrap();
    bytes[136..144].copy_from_slice(b"SYCHUNK\0");
    bytes[152..160].fill(0xff);

    let refused = read(&bytes).unwrap_err().to_string();

    assert!(
        refused.ends_with("is damaged at byte 136: the length of the frame is out of range"),
        "{refused}"
    );
}

#[test]
fn rows_out_of_order_or_with_another_set_sum_are_not_written() {
    let key = key();
    let rows = Rows::from([((0, vec![1]), vec![])]);
    let row = Row { tree: 0, key: &[1], value: &[] };
    let mut writer = CheckpointWriter::new(&key, position(&rows), Vec::new()).unwrap();

    writer.row(&row).unwrap();
    let twice = writer.row(&row).unwrap_err().to_string();
    let other = write(&rows, position(&Rows::new())).unwrap_err().to_string();

    assert!(twice.contains("ascending order"), "{twice}");
    assert!(other.contains("set sum"), "{other}");
}

#[test]
fn the_name_of_a_checkpoint_is_read_as_it_was_written() {
    assert_eq!(checkpoint_name(0x1000), "0000000000001000.checkpoint");
    assert_eq!(parse_checkpoint_name("0000000000001000.checkpoint"), Some(0x1000));
    assert_eq!(parse_checkpoint_name("0000000000001000.segment"), None);
}
