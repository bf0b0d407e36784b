//! Kills, errors and resumes: intact content is kept, and no (salt, counter) is ever used twice.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Cursor, Write};
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::support::*;
use crate::kdf::{FileContext, RunPlace};
use crate::nonce::{NONCE_LEN, Nonce};
use crate::random::{SALT_LEN, Salt};
use crate::runs::{MAX_RUNS, RUN_HEAD_LEN};
use crate::{
    HEADER_LEN, Header, MIN_SEGMENT_LEN, ObjectKind, OpenError, Scanner, SealError, Sealer,
};

/// A disk with one file, which remembers every attempted write and can fail in the middle of one.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    file: Vec<u8>,
    /// The bytes of each `write_all`, even if only a part of them reached the file.
    tried: Vec<Vec<u8>>,
    /// How many bytes still fit.
    room: Option<usize>,
}

impl Disk {
    fn file(&self) -> Vec<u8> {
        self.0.borrow().file.clone()
    }

    fn edit(&self, edit: impl FnOnce(&mut Vec<u8>)) {
        edit(&mut self.0.borrow_mut().file);
    }

    fn limit(&self, room: Option<usize>) {
        self.0.borrow_mut().room = room;
    }

    fn take_tried(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.borrow_mut().tried)
    }
}

impl Write for Disk {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_all(buf).map(|()| buf.len())
    }

    fn write_all(&mut self, buf: &[u8]) -> io::Result<()> {
        let mut inner = self.0.borrow_mut();
        inner.tried.push(buf.to_vec());
        let len = inner.room.map_or(buf.len(), |room| room.min(buf.len()));
        inner.file.extend_from_slice(&buf[..len]);
        if let Some(room) = &mut inner.room {
            *room -= len;
        }
        if len < buf.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Every (salt, nonce) that ever left a sealer.
#[derive(Default)]
struct Ledger(HashSet<([u8; SALT_LEN], [u8; NONCE_LEN])>);

impl Ledger {
    /// Records everything that one sealer tried to write. It opens each message, so that the nonce is the real one, not a guess.
    #[track_caller]
    fn enter(&mut self, tried: Vec<Vec<u8>>, place: RunPlace) {
        let header = Header::new(ID, MIN_SEGMENT_LEN, ObjectKind::Blob).unwrap();
        let context = FileContext::new(header, binding());
        let mut run = None;
        for written in tried {
            if written == header.to_bytes() {
                continue;
            }
            let message = if let Some((salt, counter)) = &mut run {
                let key = context.run(&key(), salt, place).key();
                let nonce = Nonce::of_segment(*counter).unwrap();
                *counter += 1;
                key.open(&nonce, &[], &mut written.clone()).is_ok().then_some((*salt, nonce))
            } else {
                let salt = Salt(written[..SALT_LEN].try_into().unwrap());
                let key = context.run(&key(), &salt, place).key();
                let nonce = Nonce::of_segment(0).unwrap();
                let mut sealed = written[RUN_HEAD_LEN..].to_vec();
                let opened = key.open(&nonce, &[], &mut sealed).is_ok();
                run = opened.then_some((salt, 1));
                opened.then_some((salt, nonce))
            };
            let (salt, nonce) = message.unwrap_or_else(|| {
                let salt = Salt(written[..SALT_LEN].try_into().unwrap());
                let commitment = written[SALT_LEN..RUN_HEAD_LEN].try_into().unwrap();
                assert!(context.trailer(&key(), &salt).key().commits_to(commitment), "no message");
                (salt, Nonce::TRAILER)
            });
            assert!(self.0.insert((salt.0, *nonce.as_bytes())), "a nonce was used twice");
        }
    }
}

/// The events of an upload between two resumes.
#[derive(Clone, Debug)]
struct Life {
    /// The lengths of the pieces that the client sends.
    pieces: Vec<usize>,
    /// The disk is full after this many bytes.
    room: Option<usize>,
    /// The file is finished, but the process dies before it is published.
    finished: bool,
    damage: Damage,
}

/// The damage of the last writes of a process that died.
#[derive(Clone, Debug)]
enum Damage {
    None,
    /// The end is lost, from this fraction of the length on.
    Cut(f64),
    /// These bytes follow the end.
    Garbage(Vec<u8>),
    /// One byte is changed, at this fraction of the length.
    Flip(f64),
}

fn life() -> impl Strategy<Value = Life> {
    let damage = prop_oneof![
        Just(Damage::None),
        (0.0..1.0).prop_map(Damage::Cut),
        vec(any::<u8>(), 1..2 * SEG).prop_map(Damage::Garbage),
        (0.0..1.0).prop_map(Damage::Flip),
    ];
    let pieces = vec(prop_oneof![1..100_usize, SEG - 2..SEG + 2, 1..3 * SEG], 0..4);
    let room = proptest::option::of(0..4 * SEG);
    (pieces, room, any::<bool>(), damage).prop_map(|(pieces, room, finished, damage)| Life {
        pieces,
        room,
        finished,
        damage,
    })
}

/// New bytes, which differ from all bytes that were sent for that place before.
fn send(content: &mut Vec<u8>, len: usize, life: usize) -> Vec<u8> {
    let first = u8::try_from(life).unwrap().wrapping_mul(31);
    let piece: Vec<u8> = (0..len).map(|n| first.wrapping_add(n.to_le_bytes()[0])).collect();
    content.extend_from_slice(&piece);
    piece
}

/// The place of the run that a resumed sealer will begin.
fn place_of(sealer_start: u64, last: Option<Salt>) -> RunPlace {
    RunPlace { start: sealer_start, previous: last.unwrap_or(Salt::NONE) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn after_any_events_the_prefix_is_right_and_no_nonce_repeats(lives in vec(life(), 1..7)) {
        let disk = Disk::default();
        let mut ledger = Ledger::default();
        let mut content = Vec::new();
        let mut place = place_of(0, None);
        let mut sealer =
            Sealer::create(disk.clone(), ID, binding(), MIN_SEGMENT_LEN).unwrap();

        for (number, life) in lives.iter().enumerate() {
            // The life: content arrives until something fails.
            disk.limit(life.room);
            let mut failed = false;
            for piece in &life.pieces {
                let piece = send(&mut content, *piece, number);
                failed = sealer.append(&key(), &piece).is_err();
                if failed {
                    let again = sealer.append(&key(), b"more");
                    prop_assert!(matches!(again, Err(SealError::Poisoned)));
                    break;
                }
            }
            let whole = sealer.sealed_len();
            if life.finished {
                let _ = sealer.finish(&key(), IDENTITY);
            } else {
                drop(sealer);
            }
            disk.limit(None);
            ledger.enter(disk.take_tried(), place);

            // The death: what the disk keeps.
            let len = disk.file().len();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a place in a short file")]
            let at = |part: f64| HEADER_LEN + ((len - HEADER_LEN) as f64 * part) as usize;
            match life.damage.clone() {
                Damage::None => {}
                Damage::Cut(part) => disk.edit(|file| file.truncate(at(part))),
                Damage::Garbage(bytes) => disk.edit(|file| file.extend(bytes)),
                Damage::Flip(part) => disk.edit(|file| {
                    file.get_mut(at(part)).into_iter().for_each(|byte| *byte ^= 0x40);
                }),
            }

            // The resume.
            let (found, recovered) = scanned(&disk.file()).unwrap();
            prop_assert_eq!(recovered.plaintext_len(), found.len() as u64);
            prop_assert!(content.starts_with(&found));
            if matches!(life.damage, Damage::None | Damage::Garbage(_)) {
                // A failed write may still have left full segments, but never fewer than were acknowledged.
                prop_assert!(whole <= recovered.plaintext_len());
                prop_assert!(failed || whole == recovered.plaintext_len());
            }
            content.truncate(found.len());
            disk.edit(|file| file.truncate(usize::try_from(recovered.file_len()).unwrap()));
            place = place_of(recovered.plaintext_len(), recovered.runs.last().map(|run| run.salt));
            sealer = Sealer::resume(disk.clone(), recovered);
        }

        let piece = send(&mut content, SEG + SEG / 2, lives.len());
        sealer.append(&key(), &piece).unwrap();
        let (_, seal) = sealer.finish(&key(), IDENTITY).unwrap();
        ledger.enter(disk.take_tried(), place);
        prop_assert_eq!(seal.file_len, disk.file().len() as u64);
        prop_assert_eq!(opened(&disk.file()).unwrap(), content);
    }

    #[test]
    fn a_file_cut_anywhere_is_recovered_to_its_last_full_segment(cut in 0..4 * (SEG + 16)) {
        let content = content(3 * SEG + 5);
        let finished = sealed_in_two_runs(&content, SEG + 7);
        let file = &finished[..finished.len().min(HEADER_LEN + cut)];
        let ends = [HEADER_LEN, HEADER_LEN + 64 + SEG + 16, HEADER_LEN + 2 * (64 + SEG + 16), HEADER_LEN + 2 * 64 + 3 * (SEG + 16)];
        let full = ends.iter().filter(|end| **end <= file.len()).count() - 1;

        let (found, recovered) = scanned(file).unwrap();

        prop_assert_eq!(&found, &content[..full * SEG]);
        prop_assert_eq!(recovered.file_len(), ends[full] as u64);
        prop_assert_eq!(opened(&resumed(file.to_vec(), &content)).unwrap(), content);
    }
}

#[test]
fn a_finished_file_that_was_not_published_is_resumed_before_its_last_short_segment() {
    let finished = sealed(&content(2 * SEG + 5));

    let (found, recovered) = scanned(&finished).unwrap();

    assert_eq!(found, content(2 * SEG));
    assert_eq!(recovered.file_len(), (HEADER_LEN + RUN_HEAD_LEN + 2 * (SEG + 16)) as u64);
    assert_eq!(recovered.header().segment_len(), MIN_SEGMENT_LEN);
}

#[test]
fn a_resumed_file_that_is_finished_at_once_opens() {
    for len in [0, SEG, 2 * SEG] {
        let finished = sealed(&content(len));
        assert_eq!(opened(&resumed(finished, &content(len))).unwrap(), content(len));
    }
}

#[test]
fn a_run_head_without_segments_is_removed() {
    let finished = sealed(&content(SEG));
    let (found, recovered) = scanned(&finished[..HEADER_LEN + RUN_HEAD_LEN + SEG]).unwrap();

    assert!(found.is_empty());
    assert_eq!(recovered.file_len(), HEADER_LEN as u64);
}

#[test]
fn an_empty_append_writes_nothing_and_begins_no_run() {
    let mut sealer = sealer();
    sealer.append(&key(), b"").unwrap();

    let (file, _) = sealer.finish(&key(), IDENTITY).unwrap();

    assert_eq!(file.len(), sealed(b"").len());
}

#[test]
fn a_run_is_not_continued_under_another_data_key() {
    let mut sealer = sealer();
    sealer.append(&key(), &content(SEG)).unwrap();
    let before = sealer.file_len();

    let refused = sealer.append(&key_of(2), &content(SEG));

    assert!(matches!(refused, Err(SealError::WrongKey)));
    assert_eq!(sealer.file_len(), before);
    assert!(matches!(sealer.append(&key(), b"x"), Err(SealError::Poisoned)));
    assert!(matches!(sealer.finish(&key(), IDENTITY), Err(SealError::Poisoned)));
}

#[test]
fn a_scan_of_another_kind_registry_or_key_finds_nothing() {
    let file = sealed(&content(SEG));
    let mut other = binding();
    other.kind = ObjectKind::Log;
    assert!(matches!(Scanner::new(Cursor::new(&file), other), Err(OpenError::Damaged)));

    let mut other = binding();
    other.registry.push('x');
    let mut scanner = Scanner::new(Cursor::new(&file), other).unwrap();
    assert!(!scanner.next(&key(), &mut Vec::new()).unwrap());

    let mut scanner = Scanner::new(Cursor::new(&file), binding()).unwrap();
    assert_eq!(scanner.header().data_key(), ID);
    assert!(!scanner.next(&key_of(2), &mut Vec::new()).unwrap());
}

#[test]
fn a_scan_continues_after_one_input_error() {
    let file = sealed(&content(2 * SEG));
    let mut scanner =
        Scanner::new(Flaky { input: Cursor::new(file), fails: false }, binding()).unwrap();
    let mut segment = Vec::new();
    assert!(scanner.next(&key(), &mut segment).unwrap());

    scanner.input_mut().fails = true;
    assert!(matches!(scanner.next(&key(), &mut segment), Err(OpenError::Io(_))));
    scanner.input_mut().fails = false;

    assert!(scanner.next(&key(), &mut segment).unwrap());
    assert_eq!(segment, content(2 * SEG)[SEG..]);
}

#[test]
fn a_file_interrupted_too_often_cannot_be_resumed() {
    let (_, mut recovered) = scanned(&sealed(&content(SEG))).unwrap();
    recovered.runs = vec![recovered.runs[0]; MAX_RUNS];
    let mut sealer = Sealer::resume(Vec::new(), recovered);

    let refused = sealer.append(&key(), &content(SEG));

    assert!(matches!(refused, Err(SealError::TooManyRuns)));
}

/// A disk that fails for a while.
struct Flaky {
    input: Cursor<Vec<u8>>,
    fails: bool,
}

impl io::Read for Flaky {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.fails {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.input.read(buf)
    }
}

impl io::Seek for Flaky {
    fn seek(&mut self, pos: io::SeekFrom) -> io::Result<u64> {
        self.input.seek(pos)
    }
}
