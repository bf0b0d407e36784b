//! This program writes and reads the files of FORMAT.md's test vector.

use super::super::Durability;
use super::super::checkpoint::{CheckpointReader, CheckpointWriter, Row};
use super::super::head::Head;
use super::super::scan::{End, Scan};
use super::*;

const FORMAT: &str = include_str!("../FORMAT.md");

/// The bytes in the block after this line of FORMAT.md.
fn vector(title: &str) -> Vec<u8> {
    let (_, rest) = FORMAT.split_once(&format!("{title}:\n\n```hex\n")).expect(title);
    let (digits, _) = rest.split_once("```").unwrap();
    hex::decode(digits.split_whitespace().collect::<String>()).unwrap()
}

/// The journal of the vector: one segment with two records.
fn journal() -> (Journal, Vec<u8>) {
    let mut journal = Journal::new();
    let mut segment = journal.header();
    let put = |row: &[u8], value: &[u8]| Change::Put(2, row.to_vec(), value.to_vec());
    let attached = Change::Attach(b"sha256:00".to_vec(), b"sealed".to_vec());
    segment.extend(journal.append(&[put(b"a", b"one"), put(b"b", b"two")], 0));
    segment.extend(
        journal.append(&[Change::Remove(2, b"a".to_vec()), put(b"b", b"three"), attached], 1),
    );
    segment.resize(segment.len() + 16, 0);
    (journal, segment)
}

#[test]
fn the_test_vector_is_written_exactly_and_read() {
    let (Journal { key, position, rows }, segment) = journal();
    let mut writer = CheckpointWriter::new(&key, position, Vec::new()).unwrap();
    for ((tree, row), value) in &rows {
        writer.row(&Row { tree: *tree, key: row, value }).unwrap();
    }
    let (_, checkpoint) = writer.finish().unwrap();
    let (boot_id, inode) = ([9; 16], 11);
    let head = Head { position, durability: Durability::Full, clean: true, boot_id, inode };

    assert_eq!(hex::encode(&segment), hex::encode(vector("The segment")));
    assert_eq!(hex::encode(&checkpoint), hex::encode(vector("The checkpoint")));
    assert_eq!(hex::encode(head.encode(&key)), hex::encode(vector("The head")));
    assert_eq!(hex::encode(position.seal(&key)), hex::encode(vector("The sealed position")));

    let scan = Scan::new(&key, file(), &segment).unwrap();
    assert_eq!(scan.end(), End::Clean { offset: segment.len() as u64 - 16 });
    let mut reader = CheckpointReader::new(&key, file(), &checkpoint[..]).unwrap();
    let row = reader.next_row().unwrap().unwrap();
    assert_eq!(row, Row { tree: 2, key: b"b", value: b"three" });
    assert_eq!(reader.next_row().unwrap(), None);
}
