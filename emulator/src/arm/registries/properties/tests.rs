//! The list refuses as it says, and `docs/differences.md` matches it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::check::check;
use super::property::{Property, Treatment};
use super::table::{ADDED, PARTS, PROPERTIES};
use crate::arm::path::UNSUPPORTED_SEGMENTS;

/// A body with one value at a path.
fn with(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, name| {
        Value::Object(Map::from_iter([(name.to_owned(), inner)]))
    })
}

fn treated(treatment: Treatment) -> (&'static str, String) {
    match treatment {
        Treatment::ActedOn => ("acted on", String::new()),
        Treatment::Inert => ("inert", String::new()),
        Treatment::RefusedElsewhere => ("refused", String::new()),
        Treatment::Only { value: "[]", .. } => {
            ("refused", "Only an empty list is accepted. ".to_owned())
        }
        Treatment::Only { value, .. } => ("refused", format!("Only `{value}` is accepted. ")),
    }
}

fn rendered(properties: &[Property]) -> String {
    let mut table = String::from("| property | treatment | what that means |\n|---|---|---|\n");
    for Property { path, treatment, description } in properties {
        let (treated, only) = treated(*treatment);
        writeln!(table, "| `{path}` | {treated} | {only}{description} |").unwrap();
    }
    table
}

/// The tables of the document, each with its heading.
fn tables() -> Vec<(String, String)> {
    let mut tables = vec![
        ("`Microsoft.ContainerRegistry/registries`".to_owned(), rendered(PROPERTIES)),
        ("Properties of other versions".to_owned(), rendered(ADDED)),
    ];
    for (part, properties) in PARTS {
        tables.push((format!("`{part}`"), rendered(properties)));
    }
    let mut absent =
        String::from("| resource or action | treatment | what there is instead |\n|---|---|---|\n");
    for (name, kind, _) in UNSUPPORTED_SEGMENTS {
        let (what, instead) = kind.name_and_alternative();
        writeln!(
            absent,
            "| `registries/{name}` | refused | Sealyard does not emulate {what}. {instead} |"
        )
        .unwrap();
    }
    tables.push(("Resources and actions that are not served".to_owned(), absent));
    tables
}

#[test]
fn the_document_of_differences_has_each_property_of_the_list_and_no_other() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences.md");
    let document = fs_err::read_to_string(path).unwrap();
    let written: BTreeSet<&str> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let tables = tables();

    for (title, table) in &tables {
        let section = format!("## {title}\n\n");
        let (_, rest) =
            document.split_once(&section).unwrap_or_else(|| panic!("no section {title}"));
        let own: String = rest
            .split("\n## ")
            .next()
            .unwrap()
            .lines()
            .filter(|line| line.starts_with('|'))
            .fold(String::new(), |all, line| all + line + "\n");
        assert_eq!(own, *table, "the section {title} should be:\n{table}");
    }
    let listed: BTreeSet<&str> = tables
        .iter()
        .flat_map(|(_, table)| table.lines())
        .filter(|line| line.starts_with("| `"))
        .collect();
    assert_eq!(written, listed);
}

#[test]
fn each_property_with_one_accepted_value_takes_it_in_any_case_and_refuses_another_by_its_path() {
    for property in PROPERTIES.iter().chain(ADDED) {
        let Treatment::Only { value, .. } = property.treatment else {
            assert!(check(&with(property.path, &json!("anything"))).is_ok(), "{property:?}");
            continue;
        };
        let (fine, others) = match value {
            "false" => (json!(false), vec![json!(true), json!("x"), json!(1)]),
            "[]" => (json!([]), vec![json!([{}]), json!("x"), json!({})]),
            text => (json!(text.to_uppercase()), vec![json!("Other"), json!(true), json!([])]),
        };
        assert!(check(&with(property.path, &fine)).is_ok(), "{property:?}");
        assert!(check(&with(&property.path.to_uppercase(), &Value::Null)).is_ok());
        for other in others {
            let refused = check(&with(property.path, &other)).unwrap_err().to_string();
            assert!(refused.contains(&format!("'{}'", property.path)), "{refused}");
        }
    }
}

#[test]
fn no_property_is_listed_twice_and_every_sentence_ends() {
    let all: Vec<&Property> = PROPERTIES.iter().chain(ADDED).collect();
    let paths: BTreeSet<&str> = all.iter().map(|property| property.path).collect();

    assert_eq!(paths.len(), all.len());
    for property in all.iter().copied().chain(PARTS.iter().flat_map(|(_, properties)| *properties))
    {
        assert!(
            property.description.ends_with('.') && !property.description.contains('|'),
            "{property:?}"
        );
    }
}

#[test]
fn an_empty_or_unknown_property_is_accepted() {
    for body in
        [json!(null), json!({}), json!({ "properties": { "unknown": { "a": 1 } } }), json!([1])]
    {
        assert!(check(&body).is_ok(), "{body}");
    }
}
