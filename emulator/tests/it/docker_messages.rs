//! No error of a registry has docker's built-in message for its code.
//!
//! Docker drops such a message, prints only the code, and retries a push for 50 seconds. A debug build checks each error
//! that it renders as well, so every other test here looks for such a message too.

use std::path::{Path, PathBuf};

use sealyard::internals::oci::Code;

/// Docker's built-in messages for codes that this registry never sends.
const NEVER_SENT: &[(&str, &str)] = &[
    ("MANIFEST_UNVERIFIED", "manifest failed signature verification"),
    ("PAGINATION_NUMBER_INVALID", "invalid number of results requested"),
    ("QUERY_PARAMETER_INVALID", "invalid query parameter value"),
    ("TAG_INVALID", "manifest tag did not match URI"),
];

/// Every string literal in a source file, without its tests.
fn literals(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let program = text.split("#[cfg(test)]").next().unwrap_or_default();
    program.split('"').map(str::to_owned).collect()
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn no_message_in_the_program_equals_a_built_in_message_of_docker() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&source);
    let mut wrong = Vec::new();

    for path in files.iter().filter(|path| !path.ends_with("oci/code.rs")) {
        for literal in literals(path) {
            let is_hidden =
                Code::ALL.iter().any(|code| !literal.is_empty() && code.hides(&literal))
                    || NEVER_SENT.iter().any(|(_, message)| *message == literal);
            if is_hidden {
                wrong.push(format!("{}: {literal:?}", path.display()));
            }
        }
    }

    assert!(files.len() > 100);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn docker_hides_an_empty_message_and_its_built_in_message() {
    assert!(Code::Unauthorized.hides("authentication required"));
    assert!(!Code::Denied.hides("authentication required"));
    assert!(Code::ALL.iter().all(|code| code.hides("")));
    assert!(Code::ALL.iter().all(|code| !code.hides("the fault was asked for")));
}
