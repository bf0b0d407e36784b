//! Compares the table of clauses in the README with the library: `UPDATE_README=1 cargo test -p oci-spec-tests --test readme`
//! writes it.

use std::fmt::Write as _;

use oci_spec_tests::{CLAUSES, Level};

const BEGIN: &str = "<!-- clauses: written by tests/readme.rs -->\n";
const END: &str = "<!-- end of clauses -->\n";

#[test]
fn the_table_of_clauses_matches_the_library() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) =
        readme.split_once(BEGIN).expect("the README has the start mark of the table");
    let (found, after) = rest.split_once(END).expect("the README has the end mark of the table");

    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert!(
            found == table(),
            "the table is out of date: UPDATE_README=1 cargo test -p oci-spec-tests --test readme"
        );
    }
}

fn table() -> String {
    let count = |level| CLAUSES.iter().filter(|clause| clause.level == level).count();
    let mut table = format!(
        "\n{} clauses: {} MUST, {} SHOULD, {} MAY, {} extensions.\n",
        CLAUSES.len(),
        count(Level::Must),
        count(Level::Should),
        count(Level::May),
        count(Level::Extension)
    );
    let mut section = None;
    for clause in CLAUSES {
        if section != Some(clause.section) {
            section = Some(clause.section);
            let title = clause.section.title();
            let heading = match clause.section.url() {
                url if url.is_empty() => title.to_owned(),
                url => format!("[{title}]({url})"),
            };
            let _ = write!(
                table,
                "\n### {heading}\n\n| clause | level | the registry |\n|---|---|---|\n"
            );
        }
        let statement = clause.statement.replace('<', "&lt;").replace("*/*", "`*/*`");
        let _ = writeln!(table, "| `{}` | {} | {statement} |", clause.id, clause.level);
    }
    table.push('\n');
    table
}
