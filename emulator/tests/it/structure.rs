//! The table in ARCHITECTURE.md is true: each module of the emulator has a row, uses exactly the modules in it, and all of those
//! have rows further down. So no two modules can import each other, directly or through others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

struct Row {
    module: String,
    may_use: BTreeSet<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The rows of the table, from top to bottom.
fn rows() -> Vec<Row> {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("| folder or file | purpose | may use |\n").nth(1).unwrap();
    let lines = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let path = cells[0].trim_matches('`').strip_prefix("emulator/src/").unwrap();
        let module = path.trim_end_matches('/').trim_end_matches(".rs").to_owned();
        let may_use = cells.last().unwrap().split(", ").filter(|name| *name != "none");
        Row { module, may_use: may_use.map(str::to_owned).collect() }
    };
    lines.map(row).collect()
}

/// The names of all modules.
fn modules(source: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(source).unwrap().map(|entry| entry.unwrap().path());
    let names = entries.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name != "lib" && name != "main").collect()
}

/// The source files of a module, without its tests.
fn files(source: &Path, module: &str) -> Vec<PathBuf> {
    let (mut found, mut left) =
        (Vec::new(), vec![source.join(module).with_extension("rs"), source.join(module)]);
    while let Some(path) = left.pop() {
        let name = path.file_stem().unwrap();
        if name == "tests" || name == "support" {
            continue;
        }
        if path.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The modules that a file imports, outside of its tests and comments.
fn imports(path: &Path, modules: &BTreeSet<String>) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let used = lines.flat_map(|line| {
        line.split("crate::").skip(1).map(|rest| {
            assert!(!rest.starts_with('{'), "write one `use` for each module: {}", path.display());
            rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap()
        })
    });
    used.filter(|name| modules.contains(*name)).map(str::to_owned).collect()
}

#[test]
fn each_module_uses_exactly_the_modules_of_its_row_in_architecture_md() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let modules = modules(&source);
    let mut wrong = Vec::new();

    for Row { module, may_use } in rows() {
        let files = files(&source, &module);
        assert!(!files.is_empty(), "ARCHITECTURE.md has a row for {module}, which does not exist");
        let mut used = BTreeSet::new();
        for path in files {
            let imports = imports(&path, &modules);
            for name in imports.iter().filter(|name| **name != module && !may_use.contains(*name)) {
                wrong.push(format!("{} uses {name}", path.display()));
            }
            used.extend(imports);
        }
        for name in may_use.difference(&used) {
            wrong.push(format!("the row of {module} allows {name}, which it does not use"));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_module_has_one_row_and_uses_rows_below_it_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (rows, modules) = (rows(), modules(&source));

    let names: Vec<&str> = rows.iter().map(|row| row.module.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, modules.iter().collect::<Vec<_>>());

    for (place, row) in rows.iter().enumerate() {
        let above: Vec<_> =
            row.may_use.iter().filter(|name| !names[place..].contains(&name.as_str())).collect();
        assert!(above.is_empty(), "{} uses rows above it: {above:?}", row.module);
    }
}
