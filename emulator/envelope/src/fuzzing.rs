//! The functions that the fuzz targets and their tests call: the readers, on arbitrary bytes.
//!
//! Purely arbitrary bytes never pass the first authentication. So the bytes are also taken as the body of a trailer
//! that is then sealed under the right key, and as a script of edits to a correctly sealed file. These functions
//! panic if the format breaks a guarantee, and do nothing else; no other code calls them.

use std::io::Cursor;

use super::header::HEADER_LEN;
use super::kdf::FileContext;
use super::random::Salt;
use super::trailer::Trailer;
use super::{
    Binding, DataKey, DataKeyId, Header, MIN_SEGMENT_LEN, ObjectKind, OpenError, Opener, Scanner,
    Sealer,
};

const IDENTITY: &str = "sha256:fuzz";

/// Enough for a segment and a half: the last segment is a short one.
const CONTENT: [u8; MIN_SEGMENT_LEN as usize * 3 / 2] = [0x5a; MIN_SEGMENT_LEN as usize * 3 / 2];

/// Opens `data` as a finished file, as a trailer and as edits to a finished file.
pub fn open(data: &[u8]) {
    let _ = read_all(data);
    let _ = read_all(&with_trailer_body(data));

    let original = finished();
    let mut file = original.clone();
    edit(&mut file, data);
    match read_all(&file) {
        Ok(content) => {
            assert!(file == original, "an edited file was opened");
            assert!(content == CONTENT, "a file gave other content");
        }
        Err(_) => assert!(file != original, "an untouched file was refused"),
    }
}

/// Scans `data` as an unfinished file and as edits to an unfinished file.
pub fn scan(data: &[u8]) {
    let _ = scan_all(data);

    let mut file = finished();
    edit(&mut file, data);
    if let Ok((content, file_len)) = scan_all(&file) {
        assert!(CONTENT.starts_with(&content), "a scan gave other content");
        assert!(file_len <= file.len() as u64, "a scan went past the end");
    }
}

fn key() -> DataKey {
    DataKey::copy_of(&[1; 32])
}

fn binding() -> Binding {
    Binding::new("fuzz", ObjectKind::Blob)
}

fn header() -> Header {
    Header::new(DataKeyId::from_bytes([2; 16]), MIN_SEGMENT_LEN, ObjectKind::Blob)
        .expect("the shortest segment length is valid")
}

fn finished() -> Vec<u8> {
    let header = header();
    let mut sealer = Sealer::create(Vec::new(), header.data_key(), binding(), header.segment_len())
        .expect("a vector takes a header");
    sealer.append(&key(), &CONTENT).expect("a vector takes segments");
    sealer.finish(&key(), IDENTITY).expect("a vector takes a trailer").0
}

/// A file whose trailer authenticates and has `data` as its body. The first two bytes are the length of the part
/// between header and trailer.
fn with_trailer_body(data: &[u8]) -> Vec<u8> {
    let (len, body) = data.split_first_chunk().unwrap_or((&[0, 0], data));
    let len = usize::from(u16::from_be_bytes(*len));
    let mut file = header().to_bytes().to_vec();
    file.resize(HEADER_LEN + len, 0);
    let context = FileContext::new(header(), binding());
    let trailer = Trailer::seal_body(body.to_vec(), &context, &key(), &Salt([3; 32]))
        .expect("a short trailer can be sealed");
    file.extend_from_slice(&trailer);
    file
}

/// Edits `file`: three bytes give a place and an operation, the fourth its operand.
fn edit(file: &mut Vec<u8>, script: &[u8]) {
    for step in script.chunks_exact(4).take(16) {
        let [high, low, operation, value] = *step else { return };
        let place = usize::from(u16::from_be_bytes([high, low])) % (file.len() + 1);
        match operation % 5 {
            0 => file.truncate(place),
            1 => file.insert(place, value),
            2 => file.extend_from_within(place..),
            3 => file.rotate_left(place),
            _ => file.get_mut(place).into_iter().for_each(|byte| *byte ^= value),
        }
    }
}

fn read_all(file: &[u8]) -> Result<Vec<u8>, OpenError> {
    let mut input = Cursor::new(file);
    let header = Header::read(&mut input)?;
    let mut opener = Opener::open(input, header, binding(), &key(), IDENTITY)?;
    let mut content = Vec::new();
    let mut segment = Vec::new();
    for index in 0..opener.segment_count() {
        opener.read_segment(&key(), index, &mut segment)?;
        content.extend_from_slice(&segment);
    }
    Ok(content)
}

fn scan_all(file: &[u8]) -> Result<(Vec<u8>, u64), OpenError> {
    let mut scanner = Scanner::new(Cursor::new(file), binding())?;
    let mut content = Vec::new();
    let mut segment = Vec::new();
    while scanner.next(&key(), &mut segment)? {
        content.extend_from_slice(&segment);
    }
    Ok((content, scanner.finish().file_len()))
}
