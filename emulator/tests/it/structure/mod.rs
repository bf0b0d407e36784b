//! The structure of the code is as ARCHITECTURE.md and CONTRIBUTING.md describe it.
//!
//! The tables of ARCHITECTURE.md are true: each module has a row, uses exactly the modules in it, and all of those have rows
//! further down. So no two modules can import each other, directly or through others. Inside a module, no folder takes part
//! in a cycle of imports, and a `mod.rs` contains no code.

mod graph;
mod imports;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::imports::Sources;

/// The source folders of all crates.
const SOURCES: [&str; 5] = [
    "emulator/src",
    "emulator/envelope/src",
    "mock-keyvault/src",
    "mock-keyvault/core/src",
    "oci-spec-tests/src",
];

/// The most files of one folder that may import each other in a cycle.
const LARGEST_CYCLE: usize = 8;

struct Row {
    module: String,
    may_use: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the table about a source folder, from top to bottom.
fn rows(source: &str) -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let tables = text.split("| folder or file | purpose | may use |\n").skip(1);
    let mut found = Vec::new();
    for table in tables {
        let lines = table.lines().skip(1).take_while(|line| line.starts_with('|'));
        for line in lines {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let Some(path) = cells[0].trim_matches('`').strip_prefix(&format!("{source}/")) else {
                continue;
            };
            let module = path.trim_end_matches('/').trim_end_matches(".rs").to_owned();
            let may_use = cells.last().unwrap().split(", ").filter(|name| *name != "none");
            found.push(Row { module, may_use: may_use.map(str::to_owned).collect() });
        }
    }
    assert!(!found.is_empty(), "ARCHITECTURE.md has no table of {source}");
    found
}

/// The sources with a table in ARCHITECTURE.md.
fn with_tables() -> [(&'static str, Sources); 3] {
    ["emulator/src", "mock-keyvault/src", "mock-keyvault/core/src"]
        .map(|source| (source, Sources::read(&root().join(source))))
}

#[test]
fn each_module_uses_exactly_the_modules_of_its_row_in_architecture_md() {
    let mut wrong = Vec::new();

    for (source, sources) in with_tables() {
        for Row { module, may_use } in rows(source) {
            let used = sources.used_by(&module);
            for (name, path) in used.iter().filter(|(name, _)| !may_use.contains(*name)) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
            for name in may_use.iter().filter(|name| !used.contains_key(*name)) {
                wrong.push(format!(
                    "the row of {source}/{module} allows {name}, which it does not use"
                ));
            }
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_module_has_one_row_and_uses_rows_below_it_only() {
    for (source, sources) in with_tables() {
        let rows = rows(source);
        let names: Vec<&str> = rows.iter().map(|row| row.module.as_str()).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, Vec::from_iter(&sources.modules()), "the rows of {source}");

        for (place, row) in rows.iter().enumerate() {
            let above: Vec<_> = row
                .may_use
                .iter()
                .filter(|name| !names[place..].contains(&name.as_str()))
                .collect();
            assert!(above.is_empty(), "{source}: {} uses rows above it: {above:?}", row.module);
        }
    }
}

#[test]
fn no_folder_takes_part_in_a_cycle_of_imports_and_no_cycle_of_files_is_large() {
    let mut wrong = Vec::new();

    for source in SOURCES {
        let imports = Sources::read(&root().join(source)).imports();
        assert!(imports.values().any(|imported| !imported.is_empty()), "{source} has no imports");
        for (folder, cycle) in graph::cycles(&imports) {
            if cycle.len() > LARGEST_CYCLE || cycle.iter().any(|entry| entry.ends_with('/')) {
                wrong.push(format!("{source}/{}: {}", folder.display(), cycle.join(" ")));
            }
        }
    }

    assert!(wrong.is_empty(), "these import each other: {wrong:#?}");
}

#[test]
fn a_mod_rs_contains_documentation_and_the_names_of_its_module_but_no_code() {
    let mut found = Vec::new();
    for source in SOURCES {
        found.extend(Sources::read(&root().join(source)).mod_files_with_code());
    }

    assert!(found.is_empty(), "move the code to a file with a name: {found:#?}");
}
