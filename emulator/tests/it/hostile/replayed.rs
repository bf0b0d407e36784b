//! Valid tokens at the wrong place or at the wrong time.

use std::time::Duration;

use azure_emulator_core::clock::SavedClock;
use azure_emulator_core::identity::OWNER_CLIENT_ID;
use mock_keyvault::MockKeyVault;
use reqwest::{Method, StatusCode};
use sealyard::internals::registry::Change;

use crate::acr_login::{access, admin, assert_unauthorized, close, text, with_basic, with_bearer};
use crate::support::arm::through_proxy;
use crate::support::{Answer, Client, start, start_with_clock};

const CATALOG: &str = "/oauth2/token?service=s&scope=registry:catalog:*";

async fn exchange(client: &Client, token: &str) -> Answer {
    let form = [("grant_type", "access_token"), ("service", "s"), ("access_token", token)];
    let request = client.request(Method::POST, "/oauth2/exchange").form(&form);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn a_token_for_one_service_of_the_issuer_is_refused_by_every_other() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let (vault, http) = (emulator.vault().unwrap(), through_proxy(&emulator));
    let doors = [
        ("https://vault.azure.net", "https://local.vault.azure.net/keys?api-version=7.4"),
        (
            "https://management.azure.com",
            "https://management.azure.com/subscriptions?api-version=2022-12-01",
        ),
        ("https://graph.microsoft.com", "https://graph.microsoft.com/v1.0/servicePrincipals"),
    ];
    let near = [
        "https://vault.azure.net.evil.test",
        "https://vault.azure.net@evil.test",
        "https://VAULT.azure.net/x",
        "https://management.azure.com:443/x",
        "https://vault.localhost:443x",
        "",
        "*",
    ];
    let audiences = doors.iter().map(|(audience, _)| *audience);

    for audience in audiences.chain(["https://containerregistry.azure.net"]).chain(near) {
        let token = vault.token(OWNER_CLIENT_ID, audience).unwrap();
        for (own, url) in doors {
            let answer = http.get(url).bearer_auth(token.expose()).send().await.unwrap();
            let expected = if own == audience { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(answer.status(), expected, "{audience:?} at {url}");
        }
        let is_for_registries =
            ["https://management.azure.com", "https://containerregistry.azure.net"]
                .contains(&audience);
        let exchanged = exchange(&client, token.expose()).await;
        assert_eq!(
            exchanged.status == StatusCode::OK,
            is_for_registries,
            "{audience:?}: {exchanged:?}"
        );
        // A token of the issuer is not one of the registry.
        let direct = with_bearer(&client, Method::GET, "/v2/_catalog", token.expose()).await;
        assert_unauthorized(&direct, audience);
    }
}

#[tokio::test]
async fn a_token_of_another_issuer_is_refused_by_every_service() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let other = MockKeyVault::builder().ephemeral().start().await.unwrap();
    let http = through_proxy(&emulator);

    for (audience, url) in [
        ("https://vault.azure.net", "https://local.vault.azure.net/keys?api-version=7.4"),
        (
            "https://management.azure.com",
            "https://management.azure.com/subscriptions?api-version=2022-12-01",
        ),
        ("https://graph.microsoft.com", "https://graph.microsoft.com/v1.0/servicePrincipals"),
    ] {
        // The same tenant, the same principal and the same name of the issuer, but another key.
        let token = other.token(OWNER_CLIENT_ID, audience).unwrap();
        let answer = http.get(url).bearer_auth(token.expose()).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{url}");
    }
    let token = other.token(OWNER_CLIENT_ID, "https://management.azure.com").unwrap();
    assert_unauthorized(&exchange(&client, token.expose()).await, "another issuer");
}

#[tokio::test]
async fn tokens_of_the_registry_are_valid_only_for_their_purpose_their_registry_and_their_time() {
    let (emulator, client, clock) = start_with_clock().await;
    close(&emulator, &client).await;
    emulator.create_registry("team1").await.unwrap();
    let team = emulator.registry_named("team1").unwrap();
    let change = Change { anonymous: Some(false), ..Change::default() };
    emulator.app().registries.change(team.registry_name(), change).await.unwrap();
    let team = Client::named(&emulator.registry_url(), "team1.azurecr.io");
    let password = admin(&emulator).await.passwords[0].expose().to_owned();
    let made = with_basic(&client, Method::GET, CATALOG, "local", &password).await;
    let token = text(&made, "access_token");
    let entra = emulator.vault().unwrap().token(OWNER_CLIENT_ID, "https://management.azure.com");
    let refresh = text(&exchange(&client, entra.unwrap().expose()).await, "refresh_token");
    let list =
        async |at: &Client, token: &str| with_bearer(at, Method::GET, "/v2/_catalog", token).await;

    assert_eq!(list(&client, &token).await.status, StatusCode::OK);
    assert_eq!(access(&client, &refresh, "registry:catalog:*").await.status, StatusCode::OK);
    assert_unauthorized(&list(&team, &token).await, "at another registry");
    assert_unauthorized(
        &access(&team, &refresh, "registry:catalog:*").await,
        "at another registry",
    );
    assert_unauthorized(
        &list(&client, &refresh).await,
        "a refresh token gives no access by itself",
    );
    assert_unauthorized(
        &access(&client, &token, "registry:catalog:*").await,
        "not a refresh token",
    );
    assert_unauthorized(&exchange(&client, &token).await, "not a token of the issuer");
    assert_unauthorized(&exchange(&client, &refresh).await, "not a token of the issuer");

    let at = |seconds| {
        let offset = time::Duration::seconds(seconds);
        clock.restore(SavedClock { offset, frozen_at: None });
    };
    at(-1);
    assert_unauthorized(&list(&client, &token).await, "not valid yet");
    assert_unauthorized(&access(&client, &refresh, "registry:catalog:*").await, "not valid yet");
    at(0);
    clock.pass(Duration::from_mins(75));
    assert_unauthorized(&list(&client, &token).await, "expired");
    assert_eq!(access(&client, &refresh, "registry:catalog:*").await.status, StatusCode::OK);
    clock.pass(Duration::from_mins(3 * 60 - 75));
    assert_unauthorized(&access(&client, &refresh, "registry:catalog:*").await, "expired");
}
