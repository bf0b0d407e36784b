//! Segments are read as they were written, and their end is classified after each kind of damage.

use proptest::prelude::*;
use proptest::sample::Index;

use super::super::error::FrameDamage;
use super::super::scan::{End, Later, Scan};
use super::super::segment::{SEGMENT_HEADER_LEN, parse_segment_name, segment_name};
use super::*;

type Read = (Vec<Vec<Change>>, End);

/// The records and the end of a segment; `None` if its header is damaged.
fn read(bytes: &[u8]) -> Option<Read> {
    let key = key();
    let mut scan = Scan::new(&key, file(), bytes).ok()?;
    let mut records = Vec::new();
    for located in scan.by_ref() {
        records.push(located.record.ops().map(|op| Change::from_op(&op)).collect());
    }
    Some((records, scan.end()))
}

fn written(transactions: &[Vec<Change>]) -> (Vec<u8>, Vec<usize>) {
    Journal::new().segment(transactions, 64)
}

/// How many records end before that offset.
fn before(ends: &[usize], offset: usize) -> usize {
    ends.iter().filter(|end| **end <= offset).count()
}

proptest! {
    #[test]
    fn a_segment_is_read_as_it_was_written(transactions in transactions(0..5), zeros in 0..70_usize) {
        let (bytes, _) = Journal::new().segment(&transactions, zeros);
        let offset = (bytes.len() - zeros) as u64;

        prop_assert_eq!(read(&bytes), Some((transactions, End::Clean { offset })));
    }

    #[test]
    fn any_flipped_bit_is_detected_and_the_records_before_it_are_read(transactions in transactions(1..5), at in any::<Index>(), bit in 0..8) {
        let (mut bytes, ends) = written(&transactions);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        let good = before(&ends, at);

        let Some((records, end)) = read(&bytes) else {
            prop_assert!(at < SEGMENT_HEADER_LEN);
            return Ok(());
        };
        prop_assert_eq!(&records[..], &transactions[..good]);
        prop_assert!(end.fault().is_some());
        if good + 1 < ends.len() {
            let generation = transactions.len() as u64;
            let expected = Some(Later { generation, synced_through: generation - 1 });
            prop_assert!(matches!(end, End::Bad { later, .. } if later == expected), "{:?}", end);
        }
    }

    #[test]
    fn a_segment_that_is_truncated_or_zeroed_within_a_record_is_torn(transactions in transactions(1..5), at in any::<Index>()) {
        let (mut bytes, ends) = written(&transactions);
        let at = SEGMENT_HEADER_LEN + at.index(ends.last().unwrap() - SEGMENT_HEADER_LEN);
        let good = before(&ends, at);
        let offset = if good == 0 { SEGMENT_HEADER_LEN } else { ends[good - 1] } as u64;
        let torn = End::Torn { offset, generation: good as u64 + 1 };
        let clean = End::Clean { offset };

        let (cut, cut_end) = read(&bytes[..at]).unwrap();
        bytes[at..].fill(0);
        let (zeroed, zeroed_end) = read(&bytes).unwrap();

        prop_assert_eq!(&cut[..], &transactions[..good]);
        // A record can end with zeros.
        prop_assert!(zeroed == cut || zeroed[..] == transactions[..=good]);
        prop_assert_eq!(cut_end, if at as u64 == offset { clean } else { torn });
        prop_assert!(zeroed.len() > good || zeroed_end == cut_end);
    }

    #[test]
    fn a_record_that_is_lost_before_others_is_damage(transactions in transactions(2..6), at in any::<Index>()) {
        let (bytes, ends) = written(&transactions);
        let lost = at.index(ends.len() - 1);
        let (from, to) = (if lost == 0 { SEGMENT_HEADER_LEN } else { ends[lost - 1] }, ends[lost]);
        let last = transactions.len() as u64;
        let later = Some(Later { generation: last, synced_through: last - 1 });
        let mut zeroed = bytes.clone();
        zeroed[from..to].fill(0);
        let removed = [&bytes[..from], &bytes[to..]].concat();

        for (bytes, what) in [(zeroed, FrameDamage::Magic), (removed, FrameDamage::Chain)] {
            let (records, end) = read(&bytes).unwrap();
            let (offset, generation) = (from as u64, lost as u64 + 1);
            prop_assert_eq!(&records[..], &transactions[..lost]);
            prop_assert_eq!(end, End::Bad { offset, generation, what, later });
        }
    }

    #[test]
    fn records_in_another_order_are_damage(transactions in transactions(2..5), at in any::<Index>()) {
        let (bytes, ends) = written(&transactions);
        let first = at.index(ends.len() - 1);
        let from = if first == 0 { SEGMENT_HEADER_LEN } else { ends[first - 1] };
        let (middle, to) = (ends[first], ends[first + 1]);
        let swapped = [&bytes[..from], &bytes[middle..to], &bytes[from..middle], &bytes[to..]].concat();

        let (records, end) = read(&swapped).unwrap();

        prop_assert_eq!(&records[..], &transactions[..first]);
        prop_assert!(matches!(end, End::Bad { what: FrameDamage::Chain, later: Some(_), .. }), "{:?}", end);
    }

    #[test]
    fn bytes_after_the_records_are_damage(transactions in transactions(0..3), zeros in 0..40_usize, garbage in prop::collection::vec(any::<u8>(), 1..300)) {
        let (bytes, _) = Journal::new().segment(&transactions, zeros);
        let offset = bytes.len() - zeros;
        let bytes = [&bytes[..], &garbage].concat();

        let (records, end) = read(&bytes).unwrap();

        prop_assert_eq!(records, transactions);
        if garbage.iter().all(|byte| *byte == 0) {
            prop_assert_eq!(end, End::Clean { offset: offset as u64 });
        } else {
            prop_assert!(end.fault().is_some_and(|(at, _)| at == offset as u64));
        }
    }

    #[test]
    fn arbitrary_bytes_never_give_a_record(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert_eq!(read(&bytes), None);
        let (header, _) = written(&[]);
        let (records, _) = read(&[&header[..SEGMENT_HEADER_LEN], &bytes].concat()).unwrap();
        prop_assert_eq!(records, Vec::<Vec<Change>>::new());
    }

    #[test]
    fn the_name_of_a_segment_is_read_as_it_was_written(first in any::<u64>()) {
        prop_assert_eq!(parse_segment_name(&segment_name(first)), Some(first));
    }
}

#[test]
fn names_of_other_files_are_refused() {
    for name in
        ["", ".segment", "1.segment", "000000000000000A.segment", "+000000000000001.segment"]
    {
        assert_eq!(parse_segment_name(name), None, "{name}");
    }
}

#[test]
fn a_copy_of_a_record_in_the_value_of_a_torn_record_does_not_count_as_a_record() {
    let mut journal = Journal::new();
    let mut bytes = journal.header();
    let inner = journal.append(&[], 0);
    bytes.extend_from_slice(&inner);
    let start = bytes.len();
    bytes.extend_from_slice(&journal.append(&[Change::Put(0, vec![], inner.repeat(2))], 0));
    let length = bytes.len();
    bytes[length - 40..].fill(0);

    let (_, end) = read(&bytes).unwrap();

    assert_eq!(end, End::Torn { offset: start as u64, generation: 2 });
}
