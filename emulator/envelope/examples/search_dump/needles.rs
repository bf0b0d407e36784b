//! Finds parts of many known byte strings at every offset.

use std::collections::HashMap;

/// The length of a unit that is looked up, in bytes.
pub(crate) const UNIT: usize = 8;

/// A filter in front of the table has this many bits.
const FILTER_BITS: u32 = 24;

/// Known byte strings.
pub(crate) struct Needles {
    texts: Vec<(String, Vec<u8>)>,
    table: HashMap<u64, (usize, usize)>,
    filter: Vec<u64>,
    shortest: usize,
}

/// A part of a known string that was found.
pub(crate) struct Found {
    /// Where it is.
    pub(crate) offset: usize,
    /// How long the common part is.
    pub(crate) len: usize,
    /// The number of the string.
    pub(crate) text: usize,
    /// Where the part begins in the string.
    pub(crate) at: usize,
}

fn unit(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|unit| u64::from_le_bytes(*unit))
}

fn bit(unit: u64) -> usize {
    usize::try_from(unit.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)).unwrap_or(0)
}

impl Needles {
    /// Every part of at least `shortest` bytes will be found if it contains a unit at a multiple of `step`.
    pub(crate) fn new(texts: Vec<(String, Vec<u8>)>, step: usize, shortest: usize) -> Self {
        let mut needles = Self {
            texts,
            table: HashMap::new(),
            filter: vec![0; 1 << (FILTER_BITS - 6)],
            shortest,
        };
        for (number, (_, text)) in needles.texts.iter().enumerate() {
            for at in (0..text.len()).step_by(step) {
                let Some(unit) = unit(&text[at..]) else { break };
                let bytes = unit.to_le_bytes();
                // Runs of one or two values are everywhere.
                if bytes.iter().filter(|byte| **byte != bytes[0] && **byte != bytes[7]).count() < 3
                {
                    continue;
                }
                needles.table.entry(unit).or_insert((number, at));
                needles.filter[bit(unit) / 64] |= 1 << (bit(unit) % 64);
            }
        }
        needles
    }

    pub(crate) fn name(&self, text: usize) -> &str {
        &self.texts[text].0
    }

    /// All parts in `hay` whose first unit begins in front of `end`.
    pub(crate) fn search(&self, hay: &[u8], end: usize, mut found: impl FnMut(Found)) {
        let mut at = 0;
        while at < end {
            let Some(unit) = unit(&hay[at..]) else { return };
            let may_be = (self.filter[bit(unit) / 64] >> (bit(unit) % 64)) & 1 == 1;
            if may_be && let Some(&(text, place)) = self.table.get(&unit) {
                let bytes = &self.texts[text].1;
                let before = (0..place.min(at))
                    .take_while(|back| hay[at - 1 - back] == bytes[place - 1 - back])
                    .count();
                let after =
                    hay[at..].iter().zip(&bytes[place..]).take_while(|(a, b)| a == b).count();
                if before + after >= self.shortest {
                    found(Found {
                        offset: at - before,
                        len: before + after,
                        text,
                        at: place - before,
                    });
                    at += after.max(UNIT) - UNIT + 1;
                    continue;
                }
            }
            at += 1;
        }
    }
}
