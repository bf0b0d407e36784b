//! Which of the entries of a folder import each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Each file of a crate with the files that it imports.
pub(super) type Imports = BTreeMap<PathBuf, BTreeSet<PathBuf>>;

/// The imports between the entries of a folder. Everything in a subfolder counts as one entry, whose name ends with `/`.
fn between_entries(folder: &Path, imports: &Imports) -> BTreeMap<String, BTreeSet<String>> {
    let entry = |path: &Path| {
        let mut names = path.strip_prefix(folder).ok()?.iter().map(|name| name.to_str().unwrap());
        let first = names.next()?;
        Some(if names.next().is_some() { format!("{first}/") } else { first.to_owned() })
    };
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, imported) in imports {
        let Some(from) = entry(path) else { continue };
        let to = imported.iter().filter_map(|path| entry(path)).filter(|to| *to != from);
        found.entry(from.clone()).or_default().extend(to);
    }
    found
}

/// The entries that can be reached from an entry.
fn reached(from: &str, imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut found, mut left) = (BTreeSet::new(), vec![from]);
    while let Some(name) = left.pop() {
        for next in imports.get(name).into_iter().flatten() {
            if found.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    found
}

/// The cycles among the entries of each folder: the folder, and the entries of the cycle.
pub(super) fn cycles(imports: &Imports) -> Vec<(PathBuf, Vec<String>)> {
    let folders: BTreeSet<&Path> =
        imports.keys().flat_map(|path| path.ancestors().skip(1)).collect();
    let mut found = Vec::new();
    for folder in folders {
        let entries = between_entries(folder, imports);
        let reach: BTreeMap<_, _> =
            entries.keys().map(|name| (name, reached(name, &entries))).collect();
        let mut seen = BTreeSet::new();
        for (name, reached) in &reach {
            let cycle: Vec<String> =
                reached.iter().filter(|other| reach[other].contains(*name)).cloned().collect();
            if !cycle.is_empty() && seen.insert(cycle.clone()) {
                found.push((folder.to_owned(), cycle));
            }
        }
    }
    found
}

#[test]
fn a_cycle_is_found_between_files_and_between_a_file_and_a_folder() {
    let imports = [
        ("a.rs", "b/x.rs"),
        ("b/y.rs", "a.rs"),
        ("b/x.rs", "b/z.rs"),
        ("b/z.rs", "b/x.rs"),
        ("c.rs", "a.rs"),
    ];
    let mut graph = Imports::new();
    for (from, to) in imports {
        graph.entry(from.into()).or_default().insert(to.into());
    }

    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        cycles(&graph),
        [("".into(), names(&["a.rs", "b/"])), ("b".into(), names(&["x.rs", "z.rs"]))]
    );
}
