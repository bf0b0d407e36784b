//! Tries everything in a dump as a key: raw bytes of 16, 24 and 32 bytes, base64url text, and round keys of AES.
//!
//! Windows in which few bytes differ are skipped, because they are no keys: of random bytes, less than one window in a billion has so
//! few different ones. The tests show that no form of a key is missed.

use std::ops::Range;

use aes_gcm::aead::consts::U16;
use aes_gcm::aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes_gcm::aes::{Aes128Enc, Aes192Enc, Aes256Enc, Block};

use crate::schedule::{self, RoundKey, Schedule};
use crate::sealed::{FIRST_BLOCKS, Files, Message, Sealed};

/// How many of 16 bytes must be different.
const DIFFERENT_OF_16: u16 = 10;
/// How many of 32 bytes must be different.
const DIFFERENT_OF_32: u16 = 22;
/// The length of a data key in base64url.
const TEXT_LEN: usize = 43;
/// The distances of round keys in memory: in sequence, or repeated for vectors of two and four blocks.
const STRIDES: [usize; 3] = [16, 32, 64];
/// How far behind its first byte a form of a key can reach.
pub(crate) const REACH: usize = 2 * 64 + 16;

/// A key that was found.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Hit {
    pub(crate) offset: usize,
    /// The form of the key.
    pub(crate) form: String,
    /// The file or the data key that it opens.
    pub(crate) opens: String,
    /// The data key, if it is one.
    pub(crate) data_key: Option<Vec<u8>>,
}

/// Everything that keys are tried on.
pub(crate) struct Trial<'a> {
    files: &'a Files,
    of_data_keys: Vec<&'a Sealed>,
    prks: Vec<&'a Message>,
    schedule: Schedule,
}

/// The number of different bytes in each window of `len` bytes.
fn different(bytes: &[u8], len: usize) -> Vec<u16> {
    let mut counts = [0_u16; 256];
    let mut now = 0;
    let mut all = Vec::with_capacity(bytes.len());
    for (at, byte) in bytes.iter().enumerate() {
        let count = &mut counts[usize::from(*byte)];
        now += u16::from(*count == 0);
        *count += 1;
        if at + 1 >= len {
            all.push(now);
            let count = &mut counts[usize::from(bytes[at + 1 - len])];
            *count -= 1;
            now -= u16::from(*count == 0);
        }
    }
    all
}

fn is_text(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// Decodes base64url of a data key.
fn decoded(text: &[u8]) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'-' => 62,
        _ => 63,
    };
    let (mut bits, mut len, mut bytes) = (0_u32, 0, Vec::with_capacity(32));
    for byte in text {
        bits = (bits << 6) | u32::from(value(*byte));
        len += 6;
        if len >= 8 {
            len -= 8;
            bytes.push((bits >> len).to_be_bytes()[3]);
        }
    }
    bytes
}

fn unit(bytes: &[u8], at: usize) -> Option<&RoundKey> {
    bytes.get(at..)?.first_chunk()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |word| u32::from_le_bytes(*word))
}

impl<'a> Trial<'a> {
    /// `prk_files` files are also tried with pseudorandom keys, which takes longer.
    pub(crate) fn new(files: &'a Files, prk_files: usize) -> Self {
        let prks = files.all.iter().rev().take(prk_files);
        let prks = prks.flat_map(|file| [Some(&file.trailer), file.first_run.as_ref()]);
        Self {
            files,
            of_data_keys: files.one_for_each_data_key(),
            prks: prks.flatten().collect(),
            schedule: Schedule::new(),
        }
    }

    /// The file that this AES key decrypts, if it is the key of one.
    fn opened_by_aes(&self, key: &[u8]) -> Option<&str> {
        fn outputs(
            cipher: Option<impl BlockCipherEncrypt<BlockSize = U16>>,
        ) -> Option<[[u8; 16]; 2]> {
            let cipher = cipher?;
            Some(FIRST_BLOCKS.map(|block| {
                let mut block = Block::from(block);
                cipher.encrypt_block(&mut block);
                block.into()
            }))
        }
        let outputs = match key.len() {
            16 => outputs(Aes128Enc::new_from_slice(key).ok()),
            24 => outputs(Aes192Enc::new_from_slice(key).ok()),
            _ => outputs(Aes256Enc::new_from_slice(key).ok()),
        }?;
        self.files.decrypted_by(&outputs)
    }

    /// Tries 32 bytes as a data key, as a key of a file, or as the key that both outputs of a derivation come from.
    fn opened_by_32(&self, bytes: &[u8], offset: usize, form: &str, hit: &mut impl FnMut(Hit)) {
        let mut found = |form: String, opens: String, data_key| {
            hit(Hit { offset, form, opens, data_key });
        };
        if let Some(file) = self.opened_by_aes(bytes) {
            found(format!("AES-256 key, {form}"), file.to_owned(), None);
        }
        for file in &self.of_data_keys {
            if file.trailer.opened_by(bytes).is_some() {
                let id = format!("data key {}", hex::encode(file.data_key));
                found(format!("data key, {form}"), id, Some(bytes.to_vec()));
            }
        }
        for message in &self.prks {
            if message.is_expanded_from(bytes) {
                found(format!("pseudorandom key, {form}"), message.name.clone(), None);
            }
        }
    }

    /// Tries each window of the dump that begins in `range`, except those that lie in a `known` part of it: pushed content and stored
    /// files, which are no keys. These are in order and do not overlap.
    pub(crate) fn search(
        &self,
        dump: &[u8],
        range: Range<usize>,
        known: &[Range<usize>],
        mut hit: impl FnMut(Hit),
    ) {
        let end = (range.end + REACH).min(dump.len());
        let bytes = &dump[range.start..end];
        let (of_16, of_32) = (different(bytes, 16), different(bytes, 32));
        let is_random = |at: usize| of_16.get(at).is_some_and(|count| *count >= DIFFERENT_OF_16);
        let text_from = |at: usize| {
            let text = bytes[at..].iter().take(TEXT_LEN);
            text.take_while(|byte| is_text(**byte)).count()
        };
        let mut known = known.iter().peekable();
        for at in 0..range.len().min(bytes.len()) {
            let offset = range.start + at;
            while known.next_if(|part| part.end < offset + REACH).is_some() {}
            if known.peek().is_some_and(|part| part.start <= offset) {
                continue;
            }
            if is_text(bytes[at]) && text_from(at) == TEXT_LEN {
                let key = decoded(&bytes[at..at + TEXT_LEN]);
                self.opened_by_32(&key, offset, "base64url", &mut hit);
            }
            if is_random(at) {
                for len in [16, 24] {
                    if is_random(at + len - 16)
                        && let Some(key) = bytes.get(at..at + len)
                        && let Some(file) = self.opened_by_aes(key)
                    {
                        let form = format!("AES-{} key, raw", 8 * len);
                        hit(Hit { offset, form, opens: file.to_owned(), data_key: None });
                    }
                }
                if of_32.get(at).is_some_and(|count| *count >= DIFFERENT_OF_32) {
                    self.opened_by_32(&bytes[at..at + 32], offset, "raw", &mut hit);
                }
            }
            if of_16.get(at).is_some_and(|count| *count >= DIFFERENT_OF_16 / 2) {
                self.search_schedules(bytes, at, offset, &mut hit);
            }
        }
    }

    /// Tries the round keys that begin at `at`.
    fn search_schedules(&self, bytes: &[u8], at: usize, offset: usize, hit: &mut impl FnMut(Hit)) {
        let mut found = |form: &str, keys: Vec<Vec<u8>>| {
            for key in keys {
                if let Some(file) = self.opened_by_aes(&key) {
                    let form = format!("AES-{} round keys, {form}", 8 * key.len());
                    hit(Hit { offset, form, opens: file.to_owned(), data_key: None });
                }
            }
        };
        for stride in STRIDES {
            let (b, c) = (at + stride, at + 2 * stride);
            let forward = |from, to| word(bytes, to + 4) == word(bytes, from + 4) ^ word(bytes, to);
            let quick = [forward(at, c), forward(c, at), forward(at, b), forward(b, at)];
            if quick == [false; 4] {
                continue;
            }
            let (Some(one), Some(two)) = (unit(bytes, at), unit(bytes, b)) else { continue };
            let place = format!("every {stride} bytes");
            if schedule::is_linear_128(one, two) {
                found(&place, self.keys_128(one));
            }
            if schedule::is_linear_128(two, one) {
                let decryption = format!("of decryption, {place}");
                found(&decryption, self.keys_128(&schedule::mix_columns(two)));
            }
            let Some(three) = unit(bytes, c) else { continue };
            if schedule::is_linear_256(one, three) {
                found(&place, self.schedule.keys_with(one, two));
            }
            if schedule::is_linear_256(three, one) {
                let mixed = [three, two].map(schedule::mix_columns);
                let decryption = format!("of decryption, {place}");
                found(&decryption, self.schedule.keys_with(&mixed[0], &mixed[1]));
            }
        }
        let is_linear_192 = (7..12).all(|word_at| {
            let at = |index: usize| word(bytes, at + 4 * index);
            at(word_at) == at(word_at - 6) ^ at(word_at - 1)
        });
        if is_linear_192 && let Some(words) = bytes.get(at..at + 24) {
            let words = words.as_chunks().0;
            found(
                "in sequence",
                (0..8).map(|round| self.schedule.invert(words, 6 * round)).collect(),
            );
        }
    }

    fn keys_128(&self, key: &RoundKey) -> Vec<Vec<u8>> {
        (0..10).map(|round| self.schedule.invert(key.as_chunks().0, 4 * round)).collect()
    }

    /// Tries the vector registers of a thread, in any order: pairs of 16 bytes as keys and as round keys.
    pub(crate) fn search_registers(
        &self,
        dump: &[u8],
        range: Range<usize>,
        mut hit: impl FnMut(Hit),
    ) {
        let mut units: Vec<(usize, RoundKey)> = Vec::new();
        for at in range.step_by(16) {
            let Some(unit) = unit(dump, at) else { break };
            let is_new = units.iter().all(|(_, other)| other != unit);
            if is_new && different(unit, 16).first().is_some_and(|count| *count >= DIFFERENT_OF_16)
            {
                units.push((at, *unit));
            }
        }
        for (at, one) in &units {
            for (_, two) in &units {
                if one == two {
                    continue;
                }
                let pair = [*one, *two].concat();
                self.opened_by_32(&pair, *at, "two registers", &mut hit);
                let mixed = [one, two].map(schedule::mix_columns);
                let plain = self.schedule.keys_with(one, two);
                for key in plain.into_iter().chain(self.schedule.keys_with(&mixed[0], &mixed[1])) {
                    if let Some(file) = self.opened_by_aes(&key) {
                        let form = "AES-256 round keys, two registers".to_owned();
                        hit(Hit { offset: *at, form, opens: file.to_owned(), data_key: None });
                    }
                }
            }
        }
    }
}
