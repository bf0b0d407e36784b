//! Every status and code of a registry's errors, in a file that `scripts/e2e.d/errors.sh` reads: the script has a case
//! with real clients for each pair, so a new pair needs a case too.
//!
//! The test reads the pairs from the source text: from the tables and the few answers that are not in a table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http::StatusCode;
use insta::{assert_snapshot, with_settings};
use sealyard::internals::oci::Code;

/// Where the source makes errors of registries.
const PLACES: &[&str] = &["oci", "acr", "listeners", "routes.rs"];

fn sources(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|entry| sources(&entry)).collect()
}

/// The code with this name in the source, or in the body of an answer.
fn code_named(name: &str) -> Option<Code> {
    Code::ALL.iter().copied().find(|code| format!("{code:?}") == name || code.as_str() == name)
}

fn status_named(name: &str) -> StatusCode {
    let all = (100..600).filter_map(|status| StatusCode::from_u16(status).ok());
    let named = |status: &StatusCode| {
        let reason = status.canonical_reason().unwrap_or_default();
        reason.to_ascii_uppercase().replace([' ', '-'], "_") == name
    };
    all.into_iter().find(named).unwrap_or_else(|| panic!("no status is called {name}"))
}

/// The identifier at the start of a text.
fn identifier(text: &str) -> &str {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default()
}

/// Every status in a source text with the next code after it, unless another status or the end of the statement is
/// before that code; and the codes of `bad_request`.
fn pairs(text: &str) -> BTreeSet<(u16, &'static str)> {
    let mut found = BTreeSet::new();
    let statuses = ["StatusCode::", "S::"].iter().flat_map(|start| text.match_indices(start));
    for (at, start) in statuses {
        let before = text[..at].chars().next_back().unwrap_or(' ');
        let name = identifier(&text[at + start.len()..]);
        let is_status = name.len() > 1 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        if before.is_ascii_alphanumeric() || !is_status {
            continue;
        }
        let rest = &text[at + start.len() + name.len()..];
        let end = ["StatusCode::", " S::", "(S::", ";\n\n", "}\n\n"];
        let end = end.iter().filter_map(|end| rest.find(end)).min().unwrap_or(rest.len());
        let rest = &rest[..end];
        let code = rest.split_once("Code::").and_then(|(_, rest)| code_named(identifier(rest)));
        let code = code.or_else(|| rest.split('"').find_map(code_named));
        found.extend(code.map(|code| (status_named(name).as_u16(), code.as_str())));
    }
    for (_, rest) in
        text.match_indices("bad_request(Code::").map(|(at, start)| text.split_at(at + start.len()))
    {
        found.extend(code_named(identifier(rest)).map(|code| (400, code.as_str())));
    }
    found
}

#[test]
fn every_status_and_code_of_an_error_is_in_the_file_that_the_checks_with_real_clients_read() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut found, mut named) = (BTreeSet::new(), BTreeSet::new());
    for path in PLACES.iter().flat_map(|place| sources(&source.join(place))) {
        let text = std::fs::read_to_string(&path).unwrap();
        let program = text.split("#[cfg(test)]").next().unwrap_or_default();
        found.extend(pairs(program));
        let codes = program.split("Code::").skip(1).filter_map(|rest| code_named(identifier(rest)));
        named.extend(codes.map(Code::as_str));
    }
    let paired: BTreeSet<&str> = found.iter().map(|(_, code)| *code).collect();
    assert_eq!(paired, named, "each code follows its status");
    let lines: Vec<String> =
        found.iter().map(|(status, code)| format!("{status} {code}")).collect();

    with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        assert_snapshot!("error_answers", lines.join("\n"));
    });
}

#[test]
fn a_pair_is_found_in_every_notation() {
    let text = "
        Error::A => (S::NOT_FOUND, Code::NameUnknown, Value::Null),
        Error::B => {
            (
                S::METHOD_NOT_ALLOWED,
                Code::Unsupported,
            )
        }
        let status = StatusCode::UNAUTHORIZED;
        Ok(ErrorReply::new(status, Code::Unauthorized, message, detail))
        ErrorReply::bad_request(Code::SizeInvalid, message)
        content_refusal(StatusCode::FORBIDDEN, \"DENIED\", \"no\")
        if response.status() == StatusCode::OK {
        }

        Code::Unknown";

    let expected = [
        (400, "SIZE_INVALID"),
        (401, "UNAUTHORIZED"),
        (403, "DENIED"),
        (404, "NAME_UNKNOWN"),
        (405, "UNSUPPORTED"),
    ];
    assert_eq!(pairs(text), BTreeSet::from(expected));
}
