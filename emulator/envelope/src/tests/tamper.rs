//! Tests that an attacker with write access to the files can only make them unreadable.

use std::io::Cursor;

use proptest::prelude::*;

use super::support::*;
use crate::kdf::{FileContext, RunPlace};
use crate::random::Salt;
use crate::runs::{Layout, RUN_HEAD_LEN, Run};
use crate::trailer::{FOOTER_LEN, Trailer};
use crate::{
    Binding, HEADER_LEN, Header, MAX_SEGMENT_LEN, MIN_SEGMENT_LEN, ObjectKind, OpenError, Opener,
    Sealer,
};

/// A full segment and its tag.
const SEALED: usize = SEG + 16;

/// Where the first segment of the first run begins.
const FIRST: usize = HEADER_LEN + RUN_HEAD_LEN;

#[track_caller]
fn refused(file: &[u8]) {
    assert!(opened(file).is_err());
}

#[track_caller]
fn damaged(result: &Result<Vec<u8>, OpenError>) {
    assert!(matches!(result, Err(OpenError::Damaged)), "{result:?}");
}

/// The file with the bytes of two places exchanged.
fn swapped(file: &[u8], one: usize, other: usize, len: usize) -> Vec<u8> {
    let mut swapped = file.to_vec();
    swapped[one..one + len].copy_from_slice(&file[other..other + len]);
    swapped[other..other + len].copy_from_slice(&file[one..one + len]);
    swapped
}

#[test]
fn every_change_of_any_byte_of_a_small_file_is_refused() {
    for content in [&b""[..], b"abc"] {
        let file = sealed(content);
        let mut changed = file.clone();
        for place in 0..file.len() {
            for change in 1..=u8::MAX {
                changed[place] = file[place] ^ change;
                assert!(opened(&changed).is_err(), "byte {place} changed by {change:#04x}");
            }
            changed[place] = file[place];
        }
        assert_eq!(opened(&changed).unwrap(), content);
    }
}

#[test]
fn a_changed_byte_anywhere_in_a_file_of_two_runs_is_refused() {
    let file = sealed_in_two_runs(&content(2 * SEG + 3), SEG + 5);
    let mut changed = file.clone();
    for place in 0..file.len() {
        changed[place] ^= 1 << (place % 8);
        assert!(opened(&changed).is_err(), "byte {place}");
        changed[place] = file[place];
    }
}

#[test]
fn a_cut_file_is_refused_wherever_it_is_cut() {
    let file = sealed_in_two_runs(&content(SEG + 100), SEG);
    for len in 0..file.len() {
        assert!(opened(&file[..len]).is_err(), "{len} bytes");
        assert!(len == 0 || opened(&file[file.len() - len..]).is_err(), "the last {len} bytes");
    }
}

#[test]
fn a_file_with_anything_added_is_refused() {
    let file = sealed(&content(SEG + 100));
    for place in [0, HEADER_LEN, FIRST, FIRST + SEALED, file.len() - FOOTER_LEN, file.len()] {
        for added in [1, 16, RUN_HEAD_LEN, SEALED] {
            let mut extended = file.clone();
            extended.splice(place..place, vec![0; added]);
            refused(&extended);
        }
    }
    refused(&[file.clone(), file].concat());
}

#[test]
fn a_file_without_a_segment_is_refused_even_if_its_end_is_intact() {
    let file = sealed(&content(3 * SEG + 100));
    for index in 0..3 {
        let mut cut = file.clone();
        cut.drain(FIRST + index * SEALED..FIRST + (index + 1) * SEALED);
        refused(&cut);
    }
}

#[test]
fn reordered_and_repeated_segments_are_refused() {
    let file = sealed(&content(4 * SEG));
    for (one, other) in [(0, 1), (1, 3), (0, 3)] {
        damaged(&opened(&swapped(&file, FIRST + one * SEALED, FIRST + other * SEALED, SEALED)));
    }
    let mut repeated = file.clone();
    repeated.copy_within(FIRST..FIRST + SEALED, FIRST + SEALED);
    damaged(&opened(&repeated));
    let mut inserted = file.clone();
    inserted.splice(FIRST..FIRST, file[FIRST..FIRST + SEALED].to_vec());
    refused(&inserted);
}

#[test]
fn reordered_and_repeated_runs_are_refused() {
    let run = RUN_HEAD_LEN + SEALED;
    let file = sealed_in_two_runs(&content(2 * SEG), SEG);
    assert_eq!(opened(&file).unwrap(), content(2 * SEG));

    damaged(&opened(&swapped(&file, HEADER_LEN, HEADER_LEN + run, run)));

    let mut repeated = file.clone();
    repeated.copy_within(HEADER_LEN..HEADER_LEN + run, HEADER_LEN + run);
    damaged(&opened(&repeated));
}

#[test]
fn reordered_and_repeated_runs_of_an_unfinished_file_are_not_scanned() {
    let run = RUN_HEAD_LEN + SEALED;
    let finished = sealed_in_two_runs(&content(2 * SEG), SEG);
    let file = &finished[..HEADER_LEN + 2 * run];
    assert_eq!(scanned(file).unwrap().0, content(2 * SEG));

    let (found, _) = scanned(&swapped(file, HEADER_LEN, HEADER_LEN + run, run)).unwrap();
    assert!(found.is_empty());

    let mut repeated = file.to_vec();
    repeated.copy_within(HEADER_LEN..HEADER_LEN + run, HEADER_LEN + run);
    assert_eq!(scanned(&repeated).unwrap().0, content(SEG));
}

#[test]
fn the_run_of_another_unfinished_file_is_not_scanned() {
    let run = RUN_HEAD_LEN + SEALED;
    let one = sealed_in_two_runs(&content(2 * SEG), SEG);
    let other = sealed_in_two_runs(&vec![3; 2 * SEG], SEG);

    let mut mixed = one[..HEADER_LEN + 2 * run].to_vec();
    mixed[HEADER_LEN + run..].copy_from_slice(&other[HEADER_LEN + run..HEADER_LEN + 2 * run]);

    assert_eq!(scanned(&mixed).unwrap().0, content(SEG));
}

#[test]
fn parts_of_another_file_under_the_same_key_are_refused() {
    let one = sealed(&content(2 * SEG + 9));
    let other = sealed(&vec![3; 2 * SEG + 9]);
    let trailer = FIRST + 2 * SEALED + 9 + 16;
    let parts = [
        ("segment", FIRST..FIRST + SEALED),
        ("last segment", FIRST + 2 * SEALED..trailer),
        ("head of the run", HEADER_LEN..FIRST),
        ("salt of the run", HEADER_LEN..HEADER_LEN + 32),
        ("run", HEADER_LEN..trailer),
        ("trailer", trailer..one.len()),
    ];
    for (name, part) in parts {
        let mut mixed = one.clone();
        mixed[part.clone()].copy_from_slice(&other[part]);
        assert!(matches!(opened(&mixed), Err(OpenError::Damaged)), "{name}");
    }
}

#[test]
fn a_file_under_another_name_registry_or_kind_is_refused() {
    let file = sealed(&content(100));
    let manifest = Binding::new("local", ObjectKind::Manifest);

    damaged(&opened_as(&file, binding(), &key(), "sha256:another"));
    damaged(&opened_as(&file, binding(), &key(), ""));
    damaged(&opened_as(&file, Binding::new("other", ObjectKind::Blob), &key(), IDENTITY));
    damaged(&opened_as(&file, manifest.clone(), &key(), IDENTITY));

    // Even if the header says what the reader expects.
    let mut edited = file;
    edited[10] = ObjectKind::Manifest as u8;
    damaged(&opened_as(&edited, manifest, &key(), IDENTITY));
}

#[test]
fn another_data_key_opens_neither_file_nor_scan() {
    let file = sealed(&content(2 * SEG));
    damaged(&opened_as(&file, binding(), &key_of(2), IDENTITY));

    let mut input = Cursor::new(&file);
    let header = Header::read(&mut input).unwrap();
    let mut opener = Opener::open(input, header, binding(), &key(), IDENTITY).unwrap();
    let mut segment = vec![1];
    let refused = opener.read_segment(&key_of(2), 0, &mut segment);
    assert!(matches!(refused, Err(OpenError::Damaged)));
    assert!(segment.is_empty());
}

#[test]
fn a_header_edited_to_another_key_id_or_segment_length_is_refused() {
    let file = sealed(&content(100));
    let mut other_id = file.clone();
    other_id[16..32].copy_from_slice(&[8; 16]);
    damaged(&opened(&other_id));

    let mut len = MIN_SEGMENT_LEN * 2;
    while len <= MAX_SEGMENT_LEN {
        let mut other_len = file.clone();
        other_len[12..16].copy_from_slice(&len.to_be_bytes());
        damaged(&opened(&other_len));
        len *= 2;
    }
}

#[test]
fn the_given_header_must_be_that_of_the_file() {
    let file = sealed(&content(100));
    let header = Header::new(ID, MIN_SEGMENT_LEN * 2, ObjectKind::Blob).unwrap();

    let result = Opener::open(Cursor::new(&file), header, binding(), &key(), IDENTITY);

    assert!(matches!(result, Err(OpenError::Damaged)));
}

#[test]
fn no_two_keys_places_or_contexts_share_a_commitment() {
    let header = Header::new(ID, MIN_SEGMENT_LEN, ObjectKind::Blob).unwrap();
    let context = FileContext::new(header, binding());
    let other = FileContext::new(header, Binding::new("localx", ObjectKind::Blob));
    let salt = Salt([1; 32]);
    let place = |start, previous| RunPlace { start, previous: Salt([previous; 32]) };

    let keys = [
        context.run(&key(), &salt, place(0, 0)).key(),
        context.run(&key_of(2), &salt, place(0, 0)).key(),
        context.run(&key(), &Salt([2; 32]), place(0, 0)).key(),
        context.run(&key(), &salt, place(1, 0)).key(),
        context.run(&key(), &salt, place(0, 1)).key(),
        context.trailer(&key(), &salt).key(),
        other.run(&key(), &salt, place(0, 0)).key(),
    ];

    for (n, key) in keys.iter().enumerate() {
        for (m, other) in keys.iter().enumerate() {
            assert_eq!(key.commits_to(other.commitment()), n == m, "{n} and {m}");
        }
    }
}

#[test]
fn a_ciphertext_made_for_another_key_is_refused_by_the_commitment() {
    // The tag of GCM cannot guarantee this: here the tag would be right, and only the commitment is not.
    let file = sealed(&content(100));
    let trailer = FIRST + 100 + 16;
    for commitment in [HEADER_LEN + 32, trailer + 32] {
        let mut changed = file.clone();
        changed[commitment] ^= 1;
        damaged(&opened(&changed));
    }
}

#[test]
fn a_wrong_trailer_that_authenticates_is_refused() {
    let header = Header::new(ID, MIN_SEGMENT_LEN, ObjectKind::Blob).unwrap();
    let run = |segments| Run { salt: Salt([4; 32]), segments };
    let seg = SEG as u64;
    let lies = [
        (1, vec![]),
        (0, vec![run(1)]),
        (0, vec![run(0)]),
        (seg, vec![run(2)]),
        (seg + 1, vec![run(1)]),
        (seg, vec![run(1), run(0)]),
        (u64::MAX, vec![run(u64::MAX)]),
        (u64::MAX, vec![run(1 << 32); 3]),
        // Possible, but not in this file.
        (seg, vec![run(1)]),
    ];
    for (plaintext_len, runs) in &lies[..lies.len() - 1] {
        assert!(Layout::new(runs, MIN_SEGMENT_LEN, *plaintext_len).is_err(), "{runs:?}");
    }
    for (plaintext_len, runs) in lies {
        let context = FileContext::new(header, binding());
        let trailer = Trailer { plaintext_len, identity: IDENTITY.to_owned(), runs };
        let mut file = header.to_bytes().to_vec();
        file.extend(trailer.seal(&context, &key(), &Salt([5; 32])).unwrap());
        assert!(opened(&file).is_err(), "{plaintext_len} bytes");
    }
}

#[test]
fn a_footer_that_announces_too_much_is_refused_before_anything_is_allocated() {
    let mut file = sealed(&[]);
    let footer = file.len() - FOOTER_LEN;
    for len in [0_u32, 1, 1 << 20, u32::MAX] {
        file[footer..footer + 4].copy_from_slice(&len.to_be_bytes());
        assert!(matches!(opened(&file), Err(OpenError::Malformed(_))), "{len} bytes");
    }
}

#[test]
fn an_unfinished_file_is_not_opened() {
    let mut file = Vec::new();
    let mut sealer = Sealer::create(&mut file, ID, binding(), MIN_SEGMENT_LEN).unwrap();
    sealer.append(&key(), &content(2 * SEG)).unwrap();
    drop(sealer);

    assert!(matches!(opened(&file), Err(OpenError::Malformed(_))));
}

#[test]
fn a_file_truncated_after_it_was_opened_is_damaged_not_short() {
    let file = sealed(&content(2 * SEG));
    let mut input = Cursor::new(file);
    let header = Header::read(&mut input).unwrap();
    let cut = FIRST as u64 + 100;
    let input = CutLater { input, cut: None };
    let mut opener = Opener::open(input, header, binding(), &key(), IDENTITY).unwrap();

    opener.input_mut().cut = Some(cut);

    let mut segment = Vec::new();
    let refused = opener.read_segment(&key(), 0, &mut segment);
    assert!(matches!(refused, Err(OpenError::Damaged)));
    assert!(segment.is_empty());
}

/// A file that is truncated while it is read.
struct CutLater {
    input: Cursor<Vec<u8>>,
    cut: Option<u64>,
}

impl std::io::Read for CutLater {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let left = self.cut.map_or(u64::MAX, |cut| cut.saturating_sub(self.input.position()));
        let len = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.input.read(&mut buf[..len])
    }
}

impl std::io::Seek for CutLater {
    fn seek(&mut self, pos: std::io::SeekFrom) -> std::io::Result<u64> {
        self.input.seek(pos)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_exchange_of_bytes_within_a_file_is_refused(
        one in 0..3 * SEG, other in 0..3 * SEG, len in 1..2 * SEG,
    ) {
        let file = sealed_in_two_runs(&content(3 * SEG), SEG + 1);
        let mut changed = file.clone();
        let len = len.min(file.len() - one.max(other));
        changed.copy_within(one..one + len, other);
        prop_assume!(changed != file);
        prop_assert!(opened(&changed).is_err());
    }
}
