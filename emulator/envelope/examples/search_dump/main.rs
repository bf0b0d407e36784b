//! Searches the dump of a process for everything that opens sealed files, and for their content.
//!
//! usage: `search_dump JOB.json`; prints the findings as JSON. `scripts/check-memory` makes the dumps and the jobs.
//!
//! 1. Each window of the dump is tried as a key (`trial.rs`), unless it is in the middle of content or of a stored file.
//! 2. With each data key that was found, here or in an earlier dump, all secrets are derived that the program computes for its
//!    files (`secrets.rs`). Every part of them of at least 8 bytes is searched for.
//! 3. Every part of the content of at least 16 bytes is searched for.

#![expect(clippy::print_stdout, reason = "this is a program for a script")]

mod needles;
mod schedule;
mod sealed;
mod secrets;
#[cfg(test)]
mod tests;
mod trial;

use std::collections::BTreeSet;
use std::error::Error;
use std::ops::Range;
use std::sync::Mutex;

use serde_json::{Value, json};

use self::needles::Needles;
use self::sealed::Files;
use self::trial::{Hit, Trial};

/// The length of a part of content or of a stored file in which no keys are looked for.
const KNOWN: usize = 512;

/// How much of a dump a thread searches at a time.
const PIECE: usize = 1 << 20;

/// A job, as the script writes it.
struct Job {
    dump: Vec<u8>,
    files: Files,
    /// The files that are tried with pseudorandom keys.
    prk_files: usize,
    /// The vector registers of each thread in the dump.
    registers: Vec<Range<usize>>,
    /// Data keys that were found in earlier dumps.
    data_keys: Vec<Vec<u8>>,
    /// The content to search for.
    content: Vec<(String, Vec<u8>)>,
    /// The sealed files.
    stored: Vec<(String, Vec<u8>)>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("usage: search_dump JOB.json")?;
    let job = Job::read(&serde_json::from_slice(&std::fs::read(path)?)?)?;
    println!("{}", job.run());
    Ok(())
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(|item| item.as_str().map(str::to_owned)).collect()
}

impl Job {
    fn read(job: &Value) -> Result<Self, Box<dyn Error>> {
        let mut content = Vec::new();
        for path in texts(&job["content"]) {
            let bytes = std::fs::read(&path)?;
            content.push((path, bytes));
        }
        let mut stored = Vec::new();
        for path in texts(&job["sealed"]) {
            // An unfinished file may be gone.
            stored.extend(std::fs::read(&path).ok().map(|bytes| (path, bytes)));
        }
        let plain: Vec<Vec<u8>> = content.iter().map(|(_, bytes)| bytes.clone()).collect();
        let registers = job["registers"].as_array().into_iter().flatten().filter_map(|pair| {
            let [from, to] =
                [0, 1].map(|at| pair[at].as_u64().and_then(|at| usize::try_from(at).ok()));
            Some(from?..to?)
        });
        Ok(Self {
            dump: std::fs::read(job["dump"].as_str().ok_or("no dump")?)?,
            files: Files::read(&stored, job["registry"].as_str().ok_or("no registry")?, &plain)?,
            prk_files: usize::try_from(job["prk_files"].as_u64().unwrap_or(2))?,
            registers: registers.collect(),
            data_keys: texts(&job["data_keys"])
                .iter()
                .map(hex::decode)
                .collect::<Result<_, _>>()?,
            content,
            stored,
        })
    }

    fn run(&self) -> Value {
        let mut keys = self.try_keys();
        keys.sort();
        let mut data_keys: BTreeSet<Vec<u8>> = self.data_keys.iter().cloned().collect();
        data_keys.extend(keys.iter().filter_map(|hit| hit.data_key.clone()));
        let data_keys: Vec<Vec<u8>> = data_keys.into_iter().collect();
        let secrets = Needles::new(secrets::all(&self.files, &data_keys), 1, needles::UNIT);
        // A part of 16 bytes always contains a unit at a multiple of 8.
        let content = Needles::new(self.content.clone(), needles::UNIT, 16);
        let keys: Vec<Value> = keys
            .iter()
            .map(|hit| json!({ "offset": hit.offset, "form": hit.form, "opens": hit.opens }))
            .collect();
        json!({
            "bytes": self.dump.len(),
            "files": self.files.all.len(),
            "keys": keys,
            "secrets": self.parts(&secrets),
            "content": self.parts(&content),
            "data_keys": data_keys.iter().map(hex::encode).collect::<Vec<_>>(),
        })
    }

    /// Calls the function for each piece of the dump, on all cores.
    fn in_pieces<T: Send>(&self, search: impl Fn(Range<usize>) -> Vec<T> + Sync) -> Vec<T> {
        let pieces = Mutex::new((0..self.dump.len()).step_by(PIECE));
        let all = Mutex::new(Vec::new());
        let next = || pieces.lock().ok().and_then(|mut pieces| pieces.next());
        let work = || {
            while let Some(start) = next() {
                let found = search(start..(start + PIECE).min(self.dump.len()));
                if let Ok(mut all) = all.lock() {
                    all.extend(found);
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(work);
            }
        });
        all.into_inner().unwrap_or_default()
    }

    fn try_keys(&self) -> Vec<Hit> {
        let trial = Trial::new(&self.files, self.prk_files);
        let known = self.known();
        let mut hits = self.in_pieces(|range| {
            let mut hits = Vec::new();
            trial.search(&self.dump, range, &known, |hit| hits.push(hit));
            hits
        });
        for range in &self.registers {
            trial.search_registers(&self.dump, range.clone(), |hit| hits.push(hit));
        }
        hits
    }

    /// The parts of the dump that are pushed content or stored files, in order.
    fn known(&self) -> Vec<Range<usize>> {
        let texts = self.content.iter().chain(&self.stored).cloned().collect();
        let found = self.found(&Needles::new(texts, needles::UNIT, KNOWN));
        let mut known: Vec<Range<usize>> = Vec::new();
        for (offset, len, ..) in found {
            match known.last_mut() {
                Some(last) if offset < last.end => last.end = last.end.max(offset + len),
                _ => known.push(offset..offset + len),
            }
        }
        known
    }

    /// Offset, length, number of the string and place in it of each part, in order.
    fn found(&self, needles: &Needles) -> Vec<(usize, usize, usize, usize)> {
        let mut found = self.in_pieces(|range| {
            let mut found = Vec::new();
            let end = (range.end + PIECE).min(self.dump.len());
            needles.search(&self.dump[range.start..end], range.len(), |part| {
                found.push((range.start + part.offset, part.len, part.text, part.at));
            });
            found
        });
        found.sort_unstable();
        found
    }

    fn parts(&self, needles: &Needles) -> Vec<Value> {
        let part = |(offset, len, text, at): (usize, usize, usize, usize)| json!({ "offset": offset, "len": len, "what": needles.name(text), "at": at });
        self.found(needles).into_iter().map(part).collect()
    }
}
