//! The table in README.md says of every operation whether it is served.

use mock_keyvault::OPERATIONS;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_lists_every_operation_as_the_router_has_it() {
    let expected: Vec<String> = OPERATIONS
        .iter()
        .map(|route| {
            let served = if route.served { "yes" } else { "no: 501" };
            format!("| {} | `{} {}` | {served} |", route.operation, route.method, route.path)
        })
        .collect();

    let table = README.split("\n## ").find(|part| part.starts_with("Operations")).unwrap();
    let rows: Vec<String> = table
        .lines()
        .filter(|line| line.contains(" | `"))
        .map(|line| {
            let cells: Vec<&str> = line.split('|').take(4).collect();
            format!("{}|", cells.join("|"))
        })
        .collect();

    assert_eq!(rows, expected);
}
