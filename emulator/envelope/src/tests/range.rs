//! Sealed files are read in ranges that a store of objects can answer one by one.

use std::io;

use super::support::{IDENTITY, SEG, binding, content, key, sealed};
use crate::{Header, Opener, ReadRange};

/// A file behind a network: it has no position, and notes each request.
struct Remote {
    file: Vec<u8>,
    requests: Vec<(u64, usize)>,
}

impl ReadRange for &mut Remote {
    fn total_len(&mut self) -> io::Result<u64> {
        Ok(self.file.len() as u64)
    }

    fn read_range(&mut self, offset: u64, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
        self.requests.push((offset, len));
        let from = usize::try_from(offset).unwrap().min(self.file.len());
        let to = self.file.len().min(from + len);
        bytes.extend_from_slice(&self.file[from..to]);
        Ok(())
    }
}

#[test]
fn a_segment_is_one_request_once_the_file_is_open_and_its_run_is_checked() {
    let plaintext = content(3 * SEG + 5);
    let mut remote = Remote { file: sealed(&plaintext), requests: Vec::new() };
    let header = Header::of_file(&mut &mut remote).unwrap();
    let mut opener = Opener::open(&mut remote, header, binding(), &key(), IDENTITY).unwrap();

    let mut read = Vec::new();
    for index in [0, 3, 1, 2] {
        let mut segment = Vec::new();
        opener.read_segment(&key(), index, &mut segment).unwrap();
        read.push(segment);
    }
    drop(opener);

    assert_eq!(read[0], plaintext[..SEG]);
    assert_eq!(read[1], plaintext[3 * SEG..]);
    assert_eq!([read[2].as_slice(), &read[3]].concat(), plaintext[SEG..3 * SEG]);
    // The header twice, the end and the trailer; the head of the run; the segments.
    assert_eq!(remote.requests.len(), 2 + 2 + 1 + 4, "{:?}", remote.requests);
}
