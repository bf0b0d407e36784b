//! Keys, content and finished files for the tests.

use std::io::Cursor;

use crate::{
    Binding, DataKey, DataKeyId, Header, MIN_SEGMENT_LEN, ObjectKind, OpenError, Opener, Recovered,
    Scanner, Sealer,
};

/// The segment length of most tests, so that files stay short.
pub(super) const SEG: usize = MIN_SEGMENT_LEN as usize;

pub(super) const IDENTITY: &str = "sha256:the-content-of-a-test";

pub(super) const ID: DataKeyId = DataKeyId::from_bytes([7; 16]);

pub(super) fn key() -> DataKey {
    key_of(1)
}

pub(super) fn key_of(byte: u8) -> DataKey {
    DataKey::copy_of(&[byte; 32])
}

pub(super) fn binding() -> Binding {
    Binding::new("local", ObjectKind::Blob)
}

/// Content in which no two places look alike.
pub(super) fn content(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let byte = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[3]
    };
    (0..len).map(byte).collect()
}

pub(super) fn sealer() -> Sealer<Vec<u8>> {
    Sealer::create(Vec::new(), ID, binding(), MIN_SEGMENT_LEN).unwrap()
}

/// A finished file with this content.
pub(super) fn sealed(content: &[u8]) -> Vec<u8> {
    let mut sealer = sealer();
    sealer.append(&key(), content).unwrap();
    sealer.finish(&key(), IDENTITY).unwrap().0
}

/// All content of a finished file.
pub(super) fn opened(file: &[u8]) -> Result<Vec<u8>, OpenError> {
    opened_as(file, binding(), &key(), IDENTITY)
}

pub(super) fn opened_as(
    file: &[u8],
    binding: Binding,
    key: &DataKey,
    identity: &str,
) -> Result<Vec<u8>, OpenError> {
    let mut input = Cursor::new(file);
    let header = Header::read(&mut input)?;
    let mut opener = Opener::open(input, header, binding, key, identity)?;
    let mut content = Vec::new();
    let mut segment = Vec::new();
    for index in 0..opener.segment_count() {
        opener.read_segment(key, index, &mut segment)?;
        content.extend_from_slice(&segment);
    }
    assert_eq!(content.len() as u64, opener.len());
    Ok(content)
}

/// A finished file in two runs: the writer stopped after `interrupted` bytes, the tail was lost and sent again.
pub(super) fn sealed_in_two_runs(content: &[u8], interrupted: usize) -> Vec<u8> {
    let mut first = Vec::new();
    let mut sealer = Sealer::create(&mut first, ID, binding(), MIN_SEGMENT_LEN).unwrap();
    sealer.append(&key(), &content[..interrupted]).unwrap();
    drop(sealer);
    resumed(first, content)
}

/// Scans an unfinished file, appends the missing part of `content` and finishes it.
pub(super) fn resumed(mut file: Vec<u8>, content: &[u8]) -> Vec<u8> {
    let (_, recovered) = scanned(&file).unwrap();
    file.truncate(usize::try_from(recovered.file_len()).unwrap());
    let from = usize::try_from(recovered.plaintext_len()).unwrap();
    let mut sealer = Sealer::resume(file, recovered);
    sealer.append(&key(), &content[from..]).unwrap();
    sealer.finish(&key(), IDENTITY).unwrap().0
}

/// All content of an unfinished file.
pub(super) fn scanned(file: &[u8]) -> Result<(Vec<u8>, Recovered), OpenError> {
    scanned_with(file, &key())
}

pub(super) fn scanned_with(file: &[u8], key: &DataKey) -> Result<(Vec<u8>, Recovered), OpenError> {
    let mut scanner = Scanner::new(Cursor::new(file), binding())?;
    let mut content = Vec::new();
    let mut segment = Vec::new();
    while scanner.next(key, &mut segment)? {
        content.extend_from_slice(&segment);
    }
    assert!(!scanner.next(key, &mut segment)?, "the end is final");
    Ok((content, scanner.finish()))
}
