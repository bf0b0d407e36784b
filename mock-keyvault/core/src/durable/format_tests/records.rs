//! Records, the set sum, sealed positions and the head.

use proptest::prelude::*;

use super::super::Durability;
use super::super::draft::TooLarge;
use super::super::head::{HEAD_LEN, Head};
use super::super::position::Chain;
use super::super::record::{MAX_BODY_LEN, RecordHead};
use super::*;

fn head() -> Head {
    let position = Position { generation: 9, chain: Chain([3; 32]), ..Journal::new().position };
    Head { position, durability: Durability::Relaxed, clean: true, boot_id: [4; 16], inode: 5 }
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(changes in changes(), synced in any::<u64>()) {
        let mut journal = Journal::new();
        let before = journal.position;
        let bytes = journal.append(&changes, synced);
        let head = RecordHead::verify(&journal.key, EPOCH, &bytes).unwrap();
        let record = head.record(&journal.key, EPOCH, &bytes).unwrap();

        prop_assert_eq!(record.ops().map(|op| Change::from_op(&op)).collect::<Vec<_>>(), changes);
        prop_assert_eq!(head.frame_len(), bytes.len());
        prop_assert_eq!(record.position, journal.position);
        prop_assert_eq!(record.synced_through, synced);
        prop_assert!(record.continues(&before));
    }

    #[test]
    fn a_record_of_another_epoch_or_key_does_not_verify(changes in changes()) {
        let mut journal = Journal::new();
        let bytes = journal.append(&changes, 0);
        let other = RowsKey::from_root(&Zeroizing::new([2; 32]));

        prop_assert!(RecordHead::verify(&other, EPOCH, &bytes).is_err());
        prop_assert!(RecordHead::verify(&journal.key, Epoch([8; 16]), &bytes).is_err());
    }

    #[test]
    fn the_set_sum_depends_on_the_rows_and_not_on_their_history(transactions in transactions(0..6)) {
        let mut journal = Journal::new();
        for changes in &transactions {
            journal.append(changes, 0);
        }
        let mut sum = SetSum::default();
        for ((tree, row), value) in journal.rows.iter().rev() {
            sum.add(&journal.key, *tree, row, value);
        }

        prop_assert_eq!(journal.position.set_sum, sum);
        prop_assert_eq!(SetSum::from_bytes(sum.to_bytes()), sum);
        prop_assert_eq!(journal.rows.is_empty(), sum == SetSum::default());
    }

    #[test]
    fn the_set_sum_depends_on_where_a_key_ends(row in prop::collection::vec(any::<u8>(), 1..9), value in any::<[u8; 4]>()) {
        let (mut whole, mut moved) = (SetSum::default(), SetSum::default());
        whole.add(&key(), 0, &row, &value);
        let (shorter, rest) = row.split_at(row.len() - 1);
        moved.add(&key(), 0, shorter, &[rest, &value].concat());

        prop_assert_ne!(whole, moved);
    }

    #[test]
    fn a_flipped_bit_in_the_head_or_in_a_sealed_position_is_detected(bit in 0..HEAD_LEN * 8) {
        let key = key();
        let mut bytes = head().encode(&key);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Head::read(&key, file(), &bytes).is_err());

        let mut sealed = head().position.seal(&key);
        let bit = bit % (sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(Position::unseal(&key, &sealed), None);
    }

    #[test]
    fn arbitrary_bytes_are_neither_a_head_nor_a_position(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Head::read(&key(), file(), &bytes).is_err());
        prop_assert_eq!(Position::unseal(&key(), &bytes), None);
    }
}

#[test]
fn the_head_and_a_sealed_position_are_read_as_they_were_written() {
    let (key, head) = (key(), head());
    let other = Head { durability: Durability::Full, clean: false, ..head };

    assert_eq!(Head::read(&key, file(), &head.encode(&key)).unwrap(), head);
    assert_eq!(Head::read(&key, file(), &other.encode(&key)).unwrap(), other);
    assert!(Head::read(&key, file(), &[&head.encode(&key)[..], &[0]].concat()).is_err());
    assert_eq!(Position::unseal(&key, &head.position.seal(&key)), Some(head.position));
}

#[test]
fn a_change_that_does_not_fit_into_a_record_is_refused_and_not_added() {
    let mut draft = Draft::new();
    draft.remove(0, b"a").unwrap();
    let length = draft.frame_len();

    assert_eq!(draft.put(0, b"b", &vec![0; MAX_BODY_LEN]), Err(TooLarge));
    assert_eq!(draft.frame_len(), length);
}

#[test]
fn the_key_does_not_appear_in_its_debug_text() {
    assert_eq!(format!("{:?}", key()), "RowsKey { .. }");
}
