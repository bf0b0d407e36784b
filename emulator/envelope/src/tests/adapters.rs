//! The adapters behave like a file with the plaintext.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom, Write};

use proptest::prelude::*;

use crate::{Binding, DataKey, DataKeyId, Header, MIN_SEGMENT_LEN, ObjectKind, Opener, Sealer};

const IDENTITY: &str = "sha256:ab";

fn binding() -> Binding {
    Binding::new("local", ObjectKind::Blob)
}

/// A sealed file, written in pieces of this length.
fn sealed(key: &DataKey, content: &[u8], piece: usize) -> Vec<u8> {
    let id = DataKeyId::random().unwrap();
    let sealer = Sealer::create(Vec::new(), id, binding(), MIN_SEGMENT_LEN).unwrap();
    let mut writer = sealer.into_writer(key);
    for piece in content.chunks(piece) {
        writer.write_all(piece).unwrap();
    }
    writer.flush().unwrap();
    let (file, seal) = writer.finish(IDENTITY).unwrap();
    assert_eq!(seal.plaintext_len, content.len() as u64);
    file
}

fn opened(key: &DataKey, file: Vec<u8>) -> Opener<Cursor<Vec<u8>>> {
    let mut file = Cursor::new(file);
    let header = Header::read(&mut file).unwrap();
    Opener::open(file, header, binding(), key, IDENTITY).unwrap()
}

#[derive(Clone, Debug)]
enum Step {
    Read(usize),
    Seek(SeekFrom),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..9000_usize).prop_map(Step::Read),
        (0..20_000_u64).prop_map(|to| Step::Seek(SeekFrom::Start(to))),
        (-20_000..3_000_i64).prop_map(|to| Step::Seek(SeekFrom::End(to))),
        (-9000..9000_i64).prop_map(|to| Step::Seek(SeekFrom::Current(to))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reads_and_seeks_return_what_they_return_on_the_plaintext(
        content in proptest::collection::vec(any::<u8>(), 0..15_000),
        piece in 1..6000_usize,
        steps in proptest::collection::vec(step(), 0..30),
    ) {
        let key = DataKey::generate().unwrap();
        let file = sealed(&key, &content, piece);
        let mut reader = opened(&key, file).into_reader(&key);
        let mut model = Cursor::new(content);
        for step in steps {
            match step {
                Step::Read(len) => {
                    let (mut found, mut expected) = (Vec::new(), Vec::new());
                    reader.by_ref().take(len as u64).read_to_end(&mut found).unwrap();
                    Read::by_ref(&mut model).take(len as u64).read_to_end(&mut expected).unwrap();
                    prop_assert_eq!(found, expected);
                }
                Step::Seek(to) => {
                    prop_assert_eq!(reader.seek(to).ok(), model.seek(to).ok());
                }
            }
        }
    }
}

#[test]
fn damage_is_an_error_of_invalid_data_and_no_byte_of_its_segment_is_returned() {
    let key = DataKey::generate().unwrap();
    let content = vec![7; 3 * MIN_SEGMENT_LEN as usize];
    let mut file = sealed(&key, &content, content.len());
    let middle = file.len() / 2;
    file[middle] ^= 1;
    let mut reader = opened(&key, file).into_reader(&key);
    let mut found = Vec::new();

    let error = reader.read_to_end(&mut found).unwrap_err();

    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(found, content[..MIN_SEGMENT_LEN as usize], "the sound segment before it");
    assert!(reader.fill_buf().is_err(), "the damaged segment is not returned by another call");
    reader.seek(SeekFrom::Start(u64::from(2 * MIN_SEGMENT_LEN))).unwrap();
    found.clear();
    reader.read_to_end(&mut found).unwrap();
    assert_eq!(found, content[..MIN_SEGMENT_LEN as usize], "the sound segment behind it");
}

#[test]
fn a_sealer_and_an_opener_come_out_of_their_adapters_as_they_went_in() {
    let key = DataKey::generate().unwrap();
    let id = DataKeyId::random().unwrap();
    let sealer = Sealer::create(Vec::new(), id, binding(), MIN_SEGMENT_LEN).unwrap();
    let mut writer = sealer.into_writer(&key);
    writer.write_all(b"hello").unwrap();

    let sealer = writer.into_inner();
    assert_eq!(sealer.len(), 5);
    let (file, _) = sealer.finish(&key, IDENTITY).unwrap();

    let opener = opened(&key, file).into_reader(&key).into_inner();
    assert_eq!(opener.len(), 5);
}
