//! The search finds each form of a key that it promises to find, anywhere, and nothing in random bytes.

use std::ops::Range;

use sealed_envelope::{Binding, DataKey, DataKeyId, MIN_SEGMENT_LEN, ObjectKind, Sealer};

use crate::needles::Needles;
use crate::schedule::{Schedule, inverse_mix_columns};
use crate::sealed::{FIRST_BLOCKS, Files, Sealed};
use crate::secrets;
use crate::trial::{Hit, Trial};

const KEY: [u8; 32] = [
    0x83, 0x1f, 0x2c, 0xb0, 0x5d, 0x77, 0xe1, 0x09, 0x42, 0xaf, 0x6e, 0xd3, 0x18, 0x94, 0xc5, 0x3a,
    0x70, 0xfe, 0x21, 0x8b, 0x56, 0xe8, 0x0d, 0xb7, 0x9c, 0x33, 0x64, 0xca, 0x1d, 0xf2, 0x4e, 0xa9,
];

/// Bytes that look random and are the same in each run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x1234_5678_9abc_def1_u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[2]
    };
    (0..len).map(byte).collect()
}

/// One sealed file, in two segments.
fn files() -> Files {
    let content = noise(5000);
    let binding = Binding::new("local", ObjectKind::Blob);
    let id = DataKeyId::from_bytes([9; 16]);
    let mut sealer = Sealer::create(Vec::new(), id, binding, MIN_SEGMENT_LEN).unwrap();
    sealer.append(&DataKey::copy_of(&KEY), &content).unwrap();
    let identity = format!("sha256:{}", "ab".repeat(32));
    let (file, _) = sealer.finish(&DataKey::copy_of(&KEY), &identity).unwrap();
    Files::read(&[("file".to_owned(), file)], "local", &[content]).unwrap()
}

fn found(files: &Files, dump: &[u8], registers: Option<Range<usize>>) -> Vec<Hit> {
    let trial = Trial::new(files, 1);
    let mut hits = Vec::new();
    trial.search(dump, 0..dump.len(), &[], |hit| hits.push(hit));
    if let Some(range) = registers {
        trial.search_registers(dump, range, |hit| hits.push(hit));
    }
    hits
}

/// Noise with these bytes in it, at an odd offset.
fn with(bytes: &[u8]) -> Vec<u8> {
    let mut dump = noise(3001);
    dump.extend_from_slice(bytes);
    dump.extend(noise(1000));
    dump
}

fn run_key(files: &Files) -> [u8; 32] {
    let (_, okm) = files.all[0].first_run.as_ref().unwrap().derive(&KEY);
    *okm.first_chunk().unwrap()
}

#[test]
fn each_form_of_a_key_is_found_and_noise_is_not() {
    let files = files();
    let key = run_key(&files);
    let schedule = Schedule::new().expand(&key);
    let reversed: Vec<_> = schedule.iter().rev().map(inverse_mix_columns).collect();
    let repeated =
        |times: usize| -> Vec<u8> { schedule.iter().flat_map(|key| key.repeat(times)).collect() };
    let (prk, _) = files.all[0].trailer.derive(&KEY);
    let forms = [
        ("data key, raw", KEY.to_vec()),
        ("data key, base64url", secrets::text(&KEY)),
        ("pseudorandom key, raw", prk.to_vec()),
        ("AES-256 key, raw", key.to_vec()),
        // Without the key itself.
        ("AES-256 round keys, every 16 bytes", schedule[5..8].concat()),
        ("AES-256 round keys, every 16 bytes", schedule[6..9].concat()),
        ("AES-256 round keys, every 32 bytes", repeated(2)[64..].to_vec()),
        ("AES-256 round keys, every 64 bytes", repeated(4)[128..].to_vec()),
        ("AES-256 round keys, of decryption, every 16 bytes", reversed[3..9].concat()),
    ];

    assert_eq!(found(&files, &with(&[]), None), []);
    for (form, bytes) in forms {
        let hits = found(&files, &with(&bytes), None);
        assert!(hits.iter().any(|hit| hit.form == form), "{form}: {hits:?}");
    }
}

#[test]
fn round_keys_in_registers_are_found_in_any_order() {
    let files = files();
    let schedule = Schedule::new().expand(&run_key(&files));
    let mut registers = noise(64);
    for round in [9, 2, 8] {
        registers.extend_from_slice(&schedule[round]);
        registers.extend_from_slice(&[0; 16]);
    }

    let hits = found(&files, &registers, Some(0..registers.len()));

    assert!(hits.iter().any(|hit| hit.form == "AES-256 round keys, two registers"), "{hits:?}");
}

#[test]
fn parts_of_all_derived_secrets_are_found() {
    let files = files();
    let secrets = Needles::new(secrets::all(&files, &[KEY.to_vec()]), 1, 8);
    let schedule = Schedule::new().expand(&run_key(&files));
    let (prk, _) = files.all[0].trailer.derive(&KEY);

    for part in [&KEY[11..19], &schedule[13][8..], &secrets::text(&KEY)[20..28], &prk[3..11]] {
        let dump = with(part);
        let mut lens = Vec::new();
        secrets.search(&dump, dump.len(), |found| lens.push((found.offset, found.len)));
        assert_eq!(lens, [(3001, 8)]);
    }
    let dump = with(&KEY[11..18]);
    secrets.search(&dump, dump.len(), |found| panic!("seven bytes at {}", found.offset));
}

#[test]
fn content_of_sixteen_bytes_is_found_at_any_offset() {
    let content = noise(4000).split_off(3500);
    let needles = Needles::new(vec![("content".to_owned(), content.clone())], 8, 16);

    for from in 100..110 {
        let mut dump = vec![1; 77];
        dump.extend_from_slice(&content[from..from + 16]);
        let mut found = Vec::new();
        needles.search(&dump, dump.len(), |part| found.push((part.offset, part.len, part.at)));
        assert_eq!(found, [(77, 16, from)]);
    }
}

#[test]
fn the_schedule_is_that_of_the_standard() {
    // FIPS 197, appendix A.3.
    let key =
        hex::decode("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4").unwrap();
    let key: [u8; 32] = key.try_into().unwrap();
    let schedule = Schedule::new();
    let keys = schedule.expand(&key);

    assert_eq!(hex::encode(keys[14]), "fe4890d1e6188d0b046df344706c631e");
    for round in 0..14 {
        assert!(
            schedule.keys_with(&keys[round], &keys[round + 1]).contains(&key.to_vec()),
            "{round}"
        );
    }
    // A.1.
    let last = hex::decode("d014f9a8c9ee2589e13f0cc8b6630ca6").unwrap();
    let key = schedule.invert(last.as_chunks().0, 40);
    assert_eq!(hex::encode(key), "2b7e151628aed2a6abf7158809cf4f3c");
}

#[test]
fn the_content_of_a_file_tells_its_keystream() {
    let files = files();
    let unknown = FIRST_BLOCKS;

    assert!(files.decrypted_by(&unknown).is_none());
    assert_eq!(
        files.all.iter().filter_map(|file: &Sealed| file.messages(&KEY)).flatten().count(),
        2
    );
}
