//! Damages every file of the journal and of the index at random. Afterwards the rows are right, the start is refused, or the loss
//! is reported. No damage goes unreported.

use std::path::PathBuf;

use fs_err as fs;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::support::{All, Folder, all, put};

/// The outcome of a damage.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// All rows are there.
    Healed,
    /// The start was refused, or rows are missing and that was reported.
    Named,
    /// Rows are wrong and that was not reported.
    Silent,
}

fn judge(folder: &Folder, model: &All) -> Outcome {
    let rows = match folder.open() {
        Err(error) => {
            assert!(error.to_string().contains("run `rows repair`"), "{error}");
            return Outcome::Named;
        }
        Ok(rows) => rows,
    };
    if all(&rows) == *model {
        Outcome::Healed
    } else if rows.notices().iter().any(super::super::Notice::is_loss) {
        Outcome::Named
    } else {
        Outcome::Silent
    }
}

fn files(folder: &Folder) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.layout().journal().to_owned(), folder.layout().index()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

fn damage(random: &mut StdRng, paths: &[PathBuf]) -> String {
    let path = &paths[random.random_range(0..paths.len())];
    let mut bytes = fs::read(path).unwrap();
    // Most of a segment is empty, so most of the damage is placed where there are records.
    let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let within = if random.random_ratio(9, 10) { written } else { bytes.len() };
    let at = random.random_range(0..within.max(1));
    let what = match random.random_range(0..6) {
        0 | 1 if !bytes.is_empty() => {
            bytes[at.min(written.max(1) - 1)] ^= 1 << random.random_range(0..8_u32);
            "flip"
        }
        2 => {
            bytes.truncate(at);
            "cut"
        }
        3 => {
            let end = bytes.len().min(at + random.random_range(1..5000));
            bytes[at.min(end)..end].fill(0);
            "zeros"
        }
        4 => {
            let other = fs::read(&paths[random.random_range(0..paths.len())]).unwrap();
            bytes = other;
            "swap"
        }
        _ => {
            if random.random_bool(0.5) {
                fs::remove_file(path).unwrap();
                return format!("missing {}", path.display());
            }
            bytes.clear();
            "empty"
        }
    };
    fs::write(path, bytes).unwrap();
    format!("{what} at {at} of {}", path.display())
}

#[test]
fn no_damage_of_a_file_is_silent() {
    let original = Folder::new();
    let rows = original.open().unwrap();
    for at in 0..300_u32 {
        put(&rows, &(at % 200).to_be_bytes(), &vec![u8::try_from(at % 251).unwrap(); 4000]);
    }
    let segments = original.layout().segments().unwrap();
    let [closed @ .., (open, _)] = &segments[..] else { panic!("no segments") };
    rows.engine().checkpoint(None, closed, open - 1).unwrap();
    put(&rows, b"last", b"x");
    let model = all(&rows);
    drop(rows);
    assert_eq!(judge(&original.copied(), &model), Outcome::Healed, "without damage");

    for seed in 0..60 {
        let copy = original.copied();
        let copy = if seed % 2 == 0 { copy } else { copy.killed() };
        let description = damage(&mut StdRng::seed_from_u64(seed), &files(&copy));
        let outcome = judge(&copy, &model);
        assert_ne!(outcome, Outcome::Silent, "seed {seed}: {description}");
    }
}
