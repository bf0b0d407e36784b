//! Compares the tables in README.md with the code: operations, keys and algorithms, versions of the API.

use mock_keyvault::KeyType;
use mock_keyvault::{Curve, KeySize, OPERATIONS};
use mock_keyvault::{EncryptionAlgorithm, SignatureAlgorithm};
use reqwest::{Method, StatusCode};

use crate::support::{World, send};

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_lists_every_operation_of_the_router() {
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

/// The cells of the rows of the table under a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    let part = README.split("\n### ").find(|part| part.starts_with(heading)).unwrap();
    let rows = part.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    rows.take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect()
}

fn joined(names: impl Iterator<Item = &'static str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn the_readme_lists_the_keys_and_algorithms_of_the_code() {
    let signs = |curve: Option<Curve>| {
        let all = SignatureAlgorithm::ALL.iter().filter(|algorithm| algorithm.curve() == curve);
        joined(all.map(|algorithm| algorithm.as_str()))
    };
    let sizes: Vec<String> =
        (0..=16_384).filter_map(KeySize::from_bits).map(|size| size.bits().to_string()).collect();
    let mut expected = vec![vec![
        joined([KeyType::Rsa, KeyType::RsaHsm].into_iter().map(KeyType::as_str)),
        sizes.join(", "),
        joined(EncryptionAlgorithm::ALL.iter().map(|algorithm| algorithm.as_str())),
        signs(None),
    ]];
    for curve in Curve::ALL {
        expected.push(vec![
            joined([KeyType::Ec, KeyType::EcHsm].into_iter().map(KeyType::as_str)),
            curve.as_str().to_owned(),
            "none".to_owned(),
            signs(Some(*curve)),
        ]);
    }

    assert_eq!(table("Keys and algorithms"), expected);
}

#[tokio::test]
async fn each_version_of_the_api_answers_as_the_readme_says() {
    let world = World::with_key().await;
    let token = world.token(world.vault.owner()).await;

    for row in table("Versions of the API") {
        for version in row[0].split(", ") {
            let query = match version {
                "none" => String::new(),
                "any other" => "?api-version=2099-01-01".to_owned(),
                version => format!("?api-version={version}"),
            };
            let url = format!("{}/keys/k{query}", world.vault.uri());
            let answer = send(world.http.request(Method::GET, url).bearer_auth(&token)).await;
            match row[1].as_str() {
                "400" => assert_eq!(answer.status, StatusCode::BAD_REQUEST),
                text => {
                    assert_eq!(answer.status, StatusCode::OK, "{version}: {}", answer.text);
                    let attributes = &answer.json()["attributes"];
                    let has = attributes.get("exportable").is_some();
                    assert_eq!(has, attributes.get("hsmPlatform").is_some());
                    assert_eq!(has, !text.starts_with("keys without"), "{version}");
                }
            }
        }
    }
}
