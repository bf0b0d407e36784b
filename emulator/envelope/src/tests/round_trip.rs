//! Tests that content is read as it was written, for any pieces and any order of reads.

use std::io::Cursor;

use proptest::collection::vec;
use proptest::prelude::*;

use super::support::*;
use crate::{
    DataKeyId, HEADER_LEN, Header, MAX_SEGMENT_LEN, MIN_SEGMENT_LEN, ObjectKind, OpenError, Opener,
    SEGMENT_LEN, SealError, Sealer, open_value, seal_value,
};

#[track_caller]
fn check(len: usize) {
    let content = content(len);
    let file = sealed(&content);
    assert_eq!(opened(&file).unwrap(), content, "{len} bytes");
}

#[test]
fn content_of_every_length_around_a_segment_survives_a_round_trip() {
    for len in [0, 1, 15, 16, 17, SEG - 1, SEG, SEG + 1, 2 * SEG - 1, 2 * SEG, 5 * SEG + 77] {
        check(len);
    }
}

#[test]
fn an_empty_object_is_header_and_trailer() {
    let file = sealed(&[]);

    let input = Cursor::new(&file);
    let header = Header::read(&mut input.clone()).unwrap();
    let mut opener = Opener::open(input, header, binding(), &key(), IDENTITY).unwrap();

    assert_eq!((opener.len(), opener.segment_count()), (0, 0));
    let refused = opener.read_segment(&key(), 0, &mut Vec::new());
    assert!(matches!(refused, Err(OpenError::NoSuchSegment(0))));
}

#[test]
fn the_usual_and_the_longest_segments_work() {
    for segment_len in [SEGMENT_LEN, MAX_SEGMENT_LEN] {
        let content = content(segment_len as usize + 3);
        let mut sealer = Sealer::create(Vec::new(), ID, binding(), segment_len).unwrap();
        sealer.append(&key(), &content).unwrap();
        let (file, seal) = sealer.finish(&key(), IDENTITY).unwrap();

        assert_eq!(seal.plaintext_len, content.len() as u64);
        assert_eq!(seal.file_len, file.len() as u64);
        assert_eq!(opened(&file).unwrap(), content);
    }
}

#[test]
fn a_segment_length_out_of_bounds_is_refused_by_writer_and_reader() {
    let file = sealed(&[]);
    for len in [0, 1, MIN_SEGMENT_LEN - 1, MIN_SEGMENT_LEN + 1, 2 * MAX_SEGMENT_LEN, u32::MAX] {
        let refused = Sealer::create(Vec::new(), ID, binding(), len);
        assert!(matches!(refused, Err(SealError::SegmentLen(found)) if found == len));

        let mut edited = file.clone();
        edited[12..16].copy_from_slice(&len.to_be_bytes());
        assert!(matches!(Header::read(&mut &edited[..]), Err(OpenError::Malformed(_))));
    }
}

#[test]
fn a_header_has_one_form() {
    for kind in [ObjectKind::Blob, ObjectKind::Manifest, ObjectKind::Log, ObjectKind::Snapshot] {
        let header = Header::new(ID, SEGMENT_LEN, kind).unwrap();
        let bytes = header.to_bytes();
        assert_eq!(Header::read(&mut &bytes[..]).unwrap(), header);
    }
    let bytes = Header::new(ID, SEGMENT_LEN, ObjectKind::Blob).unwrap().to_bytes();
    for len in 0..HEADER_LEN {
        assert!(matches!(Header::read(&mut &bytes[..len]), Err(OpenError::NotSealed)));
    }
    let mut next_version = bytes;
    next_version[9] = 2;
    let refused = Header::read(&mut &next_version[..]);
    assert!(matches!(refused, Err(OpenError::UnsupportedVersion(2))));
}

#[test]
fn lengths_count_what_is_accepted_and_what_is_sealed() {
    let mut sealer = sealer();
    assert_eq!((sealer.len(), sealer.sealed_len(), sealer.file_len()), (0, 0, 32));

    sealer.append(&key(), &content(SEG + 9)).unwrap();

    assert_eq!(sealer.len(), SEG as u64 + 9);
    assert_eq!(sealer.sealed_len(), SEG as u64);
    assert_eq!(sealer.file_len(), 32 + 64 + SEG as u64 + 16);
    assert_eq!(sealer.data_key(), ID);
}

#[test]
fn segments_are_read_in_any_order() {
    let content = content(5 * SEG + 5);
    let file = sealed(&content);
    let mut input = Cursor::new(&file);
    let header = Header::read(&mut input).unwrap();
    let mut opener = Opener::open(input, header, binding(), &key(), IDENTITY).unwrap();

    let mut segment = Vec::new();
    for index in [5_usize, 0, 3, 3, 1, 5] {
        opener.read_segment(&key(), index as u64, &mut segment).unwrap();
        let from = index * SEG;
        assert_eq!(segment, content[from..content.len().min(from + SEG)]);
        assert_eq!(opener.segment_of(from as u64), index as u64);
    }
}

#[test]
fn an_identity_has_at_most_200_bytes() {
    let longest = "i".repeat(200);
    let (file, _) = sealer().finish(&key(), &longest).unwrap();
    assert!(opened_as(&file, binding(), &key(), &longest).is_ok());

    let refused = sealer().finish(&key(), &"i".repeat(201));
    assert!(matches!(refused, Err(SealError::IdentityLen(201))));
}

#[test]
fn only_the_written_form_of_a_data_key_id_is_read() {
    let id = DataKeyId::random().unwrap();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(format!("{ID:?}"), "DataKeyId(07070707070707070707070707070707)");
    for text in ["", "07", &"0".repeat(33), &"g".repeat(32), &"A".repeat(32)] {
        assert!(text.parse::<DataKeyId>().is_err(), "{text:?}");
    }
}

#[test]
fn a_value_opens_only_with_its_key_its_context_and_its_place() {
    let value = seal_value(&key(), b"ring", b"row 1", b"secret").unwrap();
    assert_eq!(open_value(&key(), b"ring", b"row 1", &value).unwrap().as_slice(), b"secret");

    let damaged = |result| matches!(result, Err(OpenError::Damaged));
    assert!(damaged(open_value(&key_of(2), b"ring", b"row 1", &value)));
    assert!(damaged(open_value(&key(), b"rings", b"row 1", &value)));
    assert!(damaged(open_value(&key(), b"ring", b"row 2", &value)));
    for place in 0..value.len() {
        let mut changed = value.clone();
        changed[place] ^= 1;
        assert!(open_value(&key(), b"ring", b"row 1", &changed).is_err(), "byte {place}");
        assert!(open_value(&key(), b"ring", b"row 1", &value[..place]).is_err(), "cut at {place}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_pieces_of_content_do_not_change_the_result(pieces in vec(0..2 * SEG + 2, 0..8)) {
        let content = content(pieces.iter().sum());
        let mut sealer = sealer();
        let mut rest = content.as_slice();
        for piece in pieces {
            let (now, later) = rest.split_at(piece);
            sealer.append(&key(), now).unwrap();
            rest = later;
        }
        prop_assert_eq!(sealer.len(), content.len() as u64);

        let (file, seal) = sealer.finish(&key(), IDENTITY).unwrap();

        prop_assert_eq!(seal.file_len, file.len() as u64);
        prop_assert_eq!(opened(&file).unwrap(), content);
    }
}
