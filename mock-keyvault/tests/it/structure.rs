//! Checks by their imports that the modules which both programs share do not use the vault's modules.

use std::path::{Path, PathBuf};

/// The modules that the registry uses too, and the modules that those use. They use only each other.
const SHARED: &[&str] = &[
    "authority",
    "authorization",
    "changes",
    "clock",
    "directory",
    "durable",
    "duration",
    "events",
    "faults",
    "files",
    "front",
    "identity",
    "lines",
    "listen",
    "listing",
    "odata",
    "random",
    "retry",
    "room",
    "sealing",
    "tls",
    "token_crypto",
];

/// All source files of a module: its own file, and those in its folder.
fn files(source: &Path, module: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (vec![source.join(module).with_extension("rs")], Vec::new());
    folders.push(source.join(module));
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.retain(|path| path.is_file());
    found
}

#[test]
fn shared_modules_do_not_use_the_vault() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();

    for module in SHARED {
        let files = files(&source, module);
        assert!(!files.is_empty(), "there is no module {module}");
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let used = text.split("crate::").skip(1).filter_map(|rest| {
                rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next()
            });
            let forbidden = used.filter(|name| !name.is_empty() && !SHARED.contains(name));
            wrong.extend(forbidden.map(|name| format!("{} uses {name}", path.display())));
        }
    }

    assert!(wrong.is_empty(), "{wrong:#?}");
}
