//! Every command that takes a name fails if the name does not exist, and changes nothing.

use crate::support::program::Home;
use crate::support::start;

#[tokio::test]
async fn every_command_says_that_there_is_no_registry_of_this_name() {
    let (emulator, _client) = start().await;
    let (home, url) = (Home::new(), emulator.registry_url());
    let commands: [&str; 15] = [
        "health --registry nosuch",
        "key list --registry nosuch",
        "key new-version --registry nosuch",
        "key rotate --registry nosuch",
        "key disable --registry nosuch",
        "key enable --registry nosuch",
        "key delete --registry nosuch",
        "key recover --registry nosuch",
        "revoke --by policy --registry nosuch",
        "restore --registry nosuch",
        "verify --registry nosuch",
        "gc --registry nosuch",
        "registry show nosuch",
        "registry delete nosuch",
        "registry rotate-key nosuch",
    ];

    for command in commands {
        for json in [false, true] {
            let mut args: Vec<&str> = command.split(' ').chain(["--endpoint", &url]).collect();
            args.extend(json.then_some("--json"));

            let ended = home.run(&args).await;

            let said = format!("{}{}", ended.out, ended.err);
            assert_eq!(ended.code, Some(1), "{command}: {ended:?}");
            assert!(said.contains("there is no registry"), "{command}: {ended:?}");
            assert!(!said.contains("healthy"), "{command}: {ended:?}");
        }
    }
}

#[tokio::test]
async fn a_key_a_vault_an_identity_and_a_fault_that_do_not_exist_are_errors() {
    let (emulator, client) = start().await;
    let (home, url) = (Home::new(), emulator.registry_url());

    for command in [
        "key list --key nosuch",
        "key new-version --key nosuch",
        "key disable --key nosuch",
        "key delete --key nosuch",
        "key recover --key nosuch",
        "key list --vault nosuch",
        "key new-version --vault nosuch",
        "key disable --version 0123456789abcdef0123456789abcdef",
        "identity delete nosuch",
        "faults remove nosuch",
        "faults add outage --on nosuch",
        "registry remove-identity local nosuch",
        "registry assign-identity local nosuch",
    ] {
        let args: Vec<&str> = command.split(' ').chain(["--endpoint", &url]).collect();

        let ended = home.run(&args).await;

        assert_eq!(ended.code, Some(1), "{command}: {ended:?}");
        assert!(ended.err.starts_with("error: "), "{command}: {ended:?}");
    }
    let list = client.get("/_sealyard/registries/local/key").await.json();
    assert_eq!(list["versions"].as_array().unwrap().len(), 1, "no command changed anything");
}

#[tokio::test]
async fn events_and_audit_of_a_registry_that_does_not_exist_are_not_found() {
    let (emulator, client) = start().await;
    emulator.create_registry("team1").await.unwrap();
    for registry in ["local", "team1", "team1"] {
        let path = format!("/_sealyard/registries/{registry}/key");
        let request = client.request(reqwest::Method::POST, &path);
        let request = request.header("content-type", "application/json");
        let rotated = request.body(r#"{"operation":"rotate"}"#).send().await.unwrap();
        assert_eq!(rotated.status(), 200);
    }
    let events = async |query: &str| {
        let path = format!("/_sealyard/events{query}");
        let request = client.request(reqwest::Method::GET, &path);
        crate::support::Answer::of(
            request.header("accept", "application/json").send().await.unwrap(),
        )
        .await
    };

    assert_eq!(events("?registry=nosuch").await.status, 404);
    assert_eq!(events("?regstry=team1").await.status, 400);
    assert_eq!(client.get("/_sealyard/events?registry=nosuch").await.status, 404);
    assert_eq!(client.get("/_sealyard/audit?registry=nosuch").await.status, 404);
    let of_team = events("?registry=TEAM1").await.json();
    let of_team = of_team["events"].as_array().unwrap();
    assert!(of_team.iter().all(|event| event["registry"] == "team1"), "{of_team:?}");
    let all = events("").await.json()["events"].as_array().unwrap().len();
    assert!(!of_team.is_empty() && of_team.len() < all, "{of_team:?} of {all}");
    let last = events("?registry=team1&last=1").await.json();
    assert_eq!(last["events"].as_array().unwrap().last(), of_team.last());
}
