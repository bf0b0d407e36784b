//! Parts of a registry in the control plane: passwords, tokens, scope maps, usage and names; and unsupported parts.

use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::arm::{code, send};
use crate::support::registries::{REGISTRIES, basic, patch, path, prepared, put};
use crate::support::{Answer, Client};

/// An emulator with the registry `team1`, whose admin user is enabled.
async fn with_admin() -> Sealyard {
    let (emulator, ..) = prepared().await;
    let mut body = basic();
    body["properties"]["adminUserEnabled"] = true.into();
    put(&emulator, "team1", &body).await;
    emulator
}

async fn get(emulator: &Sealyard, part: &str) -> Answer {
    send(emulator, Method::GET, &format!("{}/{part}", path("team1")), &Value::Null).await
}

async fn post(emulator: &Sealyard, part: &str, body: Value) -> Answer {
    send(emulator, Method::POST, &format!("{}/{part}", path("team1")), &body).await
}

async fn put_part(emulator: &Sealyard, part: &str, body: Value) -> Answer {
    send(emulator, Method::PUT, &format!("{}/{part}", path("team1")), &body).await
}

async fn patch_part(emulator: &Sealyard, part: &str, body: Value) -> Answer {
    send(emulator, Method::PATCH, &format!("{}/{part}", path("team1")), &body).await
}

async fn delete(emulator: &Sealyard, part: &str) -> StatusCode {
    let path = format!("{}/{part}", path("team1"));
    send(emulator, Method::DELETE, &path, &Value::Null).await.status
}

/// The id of a part of `team1`.
async fn id(emulator: &Sealyard, part: &str) -> String {
    let registry = send(emulator, Method::GET, &path("team1"), &Value::Null).await.json();
    format!("{}/{part}", registry["id"].as_str().unwrap())
}

/// The status of a list of tags with these credentials.
async fn tags(emulator: &Sealyard, repository: &str, user: &str, password: &str) -> StatusCode {
    let client = Client::named(&emulator.registry_url(), "team1.azurecr.localhost");
    let request = client.request(Method::GET, &format!("/v2/{repository}/tags/list"));
    request.basic_auth(user, Some(password)).send().await.unwrap().status()
}

fn values(passwords: &Value) -> Vec<String> {
    let all = passwords["passwords"].as_array().unwrap();
    all.iter().map(|one| one["value"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_passwords_of_the_admin_user_are_shown_regenerated_and_accepted() {
    let emulator = with_admin().await;

    let shown = post(&emulator, "listCredentials", Value::Null).await.json();
    let renewed =
        post(&emulator, "regenerateCredential", json!({"name": "password2"})).await.json();
    let again = post(&emulator, "LISTCREDENTIALS", Value::Null).await.json();

    assert_eq!(shown["username"], "team1");
    let (before, after) = (values(&shown), values(&renewed));
    assert_eq!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_eq!(again, renewed);
    // The repository does not exist, and only a client with a login learns that.
    assert_eq!(tags(&emulator, "app", "team1", &after[1]).await, StatusCode::NOT_FOUND);
    assert_eq!(tags(&emulator, "app", "team1", &before[1]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_password_is_shown_or_regenerated_while_the_admin_user_is_disabled() {
    let emulator = with_admin().await;
    patch(&emulator, "team1", &json!({"properties": {"adminUserEnabled": false}})).await;

    let list = post(&emulator, "listCredentials", Value::Null).await;
    let renew = post(&emulator, "regenerateCredential", json!({"name": "password"})).await;

    for refused in [list, renew] {
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        assert_eq!(code(&refused), "UnAuthorizedForCredentialOperations");
    }
}

#[tokio::test]
async fn a_token_is_created_with_its_scope_map_and_passwords_and_can_pull_one_repository() {
    let emulator = with_admin().await;
    let actions = json!(["repositories/app/content/read", "repositories/app/metadata/read"]);
    let (map_id, token_id) =
        (id(&emulator, "scopeMaps/readers").await, id(&emulator, "tokens/puller").await);

    let map = json!({"properties": {"description": "reads", "actions": actions}});
    let map = put_part(&emulator, "scopeMaps/readers", map).await;
    let token = json!({"properties": {"scopeMapId": map_id.to_lowercase(), "status": "enabled"}});
    let token = put_part(&emulator, "tokens/puller", token).await;
    let made = post(&emulator, "generateCredentials", json!({"tokenId": token_id})).await;
    let shown = get(&emulator, "tokens/puller").await.json();

    assert_eq!(map.status, StatusCode::CREATED, "{map:?}");
    let map = map.json();
    assert_eq!((&map["id"], &map["name"]), (&map_id.into(), &"readers".into()));
    assert_eq!(map["properties"]["type"], "UserDefined");
    assert_eq!(map["properties"]["actions"], actions);
    assert_eq!(token.status, StatusCode::CREATED, "{token:?}");
    assert_eq!(token.json()["properties"]["credentials"]["passwords"], json!([]));
    let made = made.json();
    assert_eq!(made["username"], "puller");
    assert_eq!(shown["properties"]["scopeMapId"], map["id"]);
    let listed = shown["properties"]["credentials"]["passwords"].as_array().unwrap().clone();
    assert_eq!(listed.len(), 2);
    assert!(listed.iter().all(|one| one.get("value").is_none()), "{listed:?}");
    let passwords = values(&made);
    assert_eq!(tags(&emulator, "app", "puller", &passwords[0]).await, StatusCode::NOT_FOUND);
    assert_eq!(tags(&emulator, "other", "puller", &passwords[0]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_patch_of_a_token_or_a_scope_map_changes_only_the_fields_that_it_names() {
    let emulator = with_admin().await;
    let pull = id(&emulator, "scopeMaps/_repositories_pull").await;
    let token_id = id(&emulator, "tokens/puller").await;
    put_part(&emulator, "tokens/puller", json!({"properties": {"scopeMapId": pull}})).await;
    post(&emulator, "generateCredentials", json!({"tokenId": token_id})).await;
    let map = json!({"properties": {"description": "reads", "actions": ["repositories/app/content/read"]}});
    put_part(&emulator, "scopeMaps/readers", map).await;

    let off = json!({"properties": {"status": "disabled"}});
    let off = patch_part(&emulator, "tokens/puller", off).await.json();
    let one = json!({"properties": {"credentials": {"passwords": [{"name": "password2"}]}}});
    let one = patch_part(&emulator, "tokens/puller", one).await.json();
    let again =
        json!({"tokenId": token_id, "name": "password1", "expiry": "2999-01-01T00:00:00.000000Z"});
    let again = post(&emulator, "generateCredentials", again).await.json();
    let described = json!({"properties": {"description": "reads one"}});
    let described = patch_part(&emulator, "scopeMaps/readers", described).await.json();

    assert_eq!(off["properties"]["status"], "disabled");
    assert_eq!(off["properties"]["scopeMapId"], pull);
    assert_eq!(off["properties"]["credentials"]["passwords"].as_array().unwrap().len(), 2);
    let left = &one["properties"]["credentials"]["passwords"];
    assert_eq!((left.as_array().unwrap().len(), &left[0]["name"]), (1, &json!("password2")));
    assert_eq!(one["properties"]["status"], "disabled");
    assert_eq!(again["passwords"].as_array().unwrap().len(), 1);
    assert_eq!(again["passwords"][0]["expiry"], "2999-01-01T00:00:00Z");
    assert_eq!(described["properties"]["description"], "reads one");
    assert_eq!(described["properties"]["actions"], json!(["repositories/app/content/read"]));
}

#[tokio::test]
async fn tokens_and_scope_maps_are_listed_and_a_second_deletion_succeeds() {
    let emulator = with_admin().await;
    let pull = id(&emulator, "scopeMaps/_repositories_pull").await;
    put_part(&emulator, "tokens/puller", json!({"properties": {"scopeMapId": pull}})).await;

    let maps = get(&emulator, "scopeMaps").await.json();
    let tokens = get(&emulator, "tokens").await.json();
    let usages = get(&emulator, "listUsages").await.json();
    let gone = [delete(&emulator, "tokens/puller").await, delete(&emulator, "tokens/puller").await];
    let absent = delete(&emulator, "scopeMaps/readers").await;
    let none = get(&emulator, "tokens/puller").await;

    let maps = maps["value"].as_array().unwrap().clone();
    assert_eq!(maps.len(), 5);
    assert!(maps.iter().all(|map| map["properties"]["type"] == "SystemDefined"), "{maps:?}");
    assert_eq!(tokens["value"][0]["name"], "puller");
    let used = usages["value"].as_array().unwrap().iter().find(|usage| usage["name"] == "Tokens");
    assert_eq!(
        used.unwrap(),
        &json!({"name": "Tokens", "limit": 100, "currentValue": 1, "unit": "Count"})
    );
    assert_eq!(gone, [StatusCode::OK, StatusCode::NO_CONTENT]);
    assert_eq!(absent, StatusCode::NO_CONTENT);
    assert_eq!((none.status, code(&none).as_str()), (StatusCode::NOT_FOUND, "ResourceNotFound"));
}

#[tokio::test]
async fn an_invalid_login_request_is_refused_with_azures_error_body() {
    let emulator = with_admin().await;
    let pull = id(&emulator, "scopeMaps/_repositories_pull").await;
    let puller = id(&emulator, "tokens/puller").await;
    let nosuch = id(&emulator, "tokens/nosuch").await;
    put_part(&emulator, "tokens/puller", json!({"properties": {"scopeMapId": pull}})).await;
    let map = |actions: Value| json!({"properties": {"actions": actions}});
    let invalid = "InvalidRequestContent";

    for (method, part, body, status, expected) in [
        (Method::POST, "regenerateCredential", json!({"name": "third"}), 400, invalid),
        (Method::POST, "generateCredentials", json!({}), 400, "BadRequest"),
        (Method::POST, "generateCredentials", json!({"tokenId": "puller"}), 400, invalid),
        (Method::POST, "generateCredentials", json!({"tokenId": nosuch}), 404, "ResourceNotFound"),
        (
            Method::POST,
            "generateCredentials",
            json!({"tokenId": puller, "name": "x"}),
            400,
            invalid,
        ),
        (
            Method::POST,
            "generateCredentials",
            json!({"tokenId": puller, "expiry": "soon"}),
            400,
            invalid,
        ),
        (
            Method::POST,
            "generateCredentials",
            json!({"tokenId": puller, "expiry": "2001-01-01T00:00:00Z"}),
            400,
            "BadRequest",
        ),
        (Method::PUT, "scopeMaps/readers", json!({}), 400, "BadRequest"),
        (Method::PUT, "scopeMaps/readers", map(json!("x")), 400, invalid),
        (Method::PUT, "scopeMaps/readers", map(json!(["app/pull"])), 400, "BadRequest"),
        (
            Method::PUT,
            "scopeMaps/readers",
            map(json!(["gateway/a/config/read"])),
            400,
            "BadRequest",
        ),
        (Method::PUT, "scopeMaps/a", map(json!([])), 400, "InvalidResourceName"),
        (Method::PUT, "scopeMaps/_repositories_pull", map(json!([])), 409, "Conflict"),
        (Method::DELETE, "scopeMaps/_repositories_pull", Value::Null, 409, "Conflict"),
        (Method::PATCH, "scopeMaps/readers", json!({}), 404, "ResourceNotFound"),
        (Method::PUT, "tokens/other", json!({}), 400, "BadRequest"),
        (Method::PUT, "tokens/other", json!({"properties": {"scopeMapId": "x"}}), 400, invalid),
        (
            Method::PUT,
            "tokens/other",
            json!({"properties": {"scopeMapId": pull.replace("_pull", "_none")}}),
            404,
            "ResourceNotFound",
        ),
        (Method::PATCH, "tokens/puller", json!({"properties": {"status": "on"}}), 400, invalid),
        (
            Method::PATCH,
            "tokens/puller",
            json!({"properties": {"credentials": {"certificates": [{"name": "certificate1"}]}}}),
            400,
            "NotSupported",
        ),
        (Method::PATCH, "tokens/nosuch", json!({}), 404, "ResourceNotFound"),
        (Method::POST, "tokens/puller", json!({}), 405, "MethodNotAllowed"),
        (Method::GET, "listCredentials", Value::Null, 405, "MethodNotAllowed"),
    ] {
        let path = format!("{}/{part}", path("team1"));
        let answer = send(&emulator, method.clone(), &path, &body).await;
        let actual = (answer.status.as_u16(), code(&answer));
        assert_eq!(actual, (status, expected.to_owned()), "{method} {part} {body}: {answer:?}");
    }

    assert_eq!(get(&emulator, "tokens").await.json()["value"].as_array().unwrap().len(), 1);
    assert_eq!(get(&emulator, "scopeMaps").await.json()["value"].as_array().unwrap().len(), 5);
}

#[tokio::test]
async fn a_part_of_a_missing_registry_cannot_be_created_and_its_deletion_succeeds() {
    let (emulator, ..) = prepared().await;
    let part = format!("{}/scopeMaps/readers", path("nowhere"));
    let body = json!({"properties": {"actions": []}});

    let made = send(&emulator, Method::PUT, &part, &body).await;
    let read = send(&emulator, Method::GET, &part, &Value::Null).await;
    let deleted = send(&emulator, Method::DELETE, &part, &Value::Null).await;

    assert_eq!(
        (made.status, code(&made).as_str()),
        (StatusCode::NOT_FOUND, "ParentResourceNotFound")
    );
    assert_eq!((read.status, code(&read).as_str()), (StatusCode::NOT_FOUND, "ResourceNotFound"));
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn unsupported_parts_are_listed_as_empty_and_refused_by_name() {
    let emulator = with_admin().await;

    for kind in ["replications", "webhooks", "privateEndpointConnections", "cacheRules", "tasks"] {
        let listed = get(&emulator, kind).await;
        let made = put_part(&emulator, &format!("{kind}/one"), basic()).await;
        let read = get(&emulator, &format!("{kind}/one")).await;

        assert_eq!(
            (listed.status, listed.json()),
            (StatusCode::OK, json!({"value": []})),
            "{kind}"
        );
        assert_eq!(
            (made.status, code(&made).as_str()),
            (StatusCode::BAD_REQUEST, "NotSupported"),
            "{kind}"
        );
        assert_eq!(code(&read), "ResourceNotFound", "{kind}");
        assert_eq!(
            delete(&emulator, &format!("{kind}/one")).await,
            StatusCode::NO_CONTENT,
            "{kind}"
        );
    }
    let import = post(&emulator, "importImage", json!({"source": {"sourceImage": "a:b"}})).await;
    assert_eq!((import.status, code(&import).as_str()), (StatusCode::BAD_REQUEST, "NotSupported"));
    let message = import.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("import of images"), "{message}");
}

#[tokio::test]
async fn a_name_is_available_taken_or_invalid() {
    let emulator = with_admin().await;
    let check = async |name: &str| {
        let path = "providers/Microsoft.ContainerRegistry/checkNameAvailability";
        let kind = "Microsoft.ContainerRegistry/registries";
        let body =
            json!({"name": name, "type": kind, "autoGeneratedDomainNameLabelScope": "Unsecure"});
        send(&emulator, Method::POST, path, &body).await.json()
    };

    let (free, taken, none) = (check("team2").await, check("TEAM1").await, check("a-b").await);

    assert_eq!(free["nameAvailable"], true);
    assert_eq!(
        (&taken["nameAvailable"], &taken["reason"]),
        (&json!(false), &json!("AlreadyExists"))
    );
    assert_eq!((&none["nameAvailable"], &none["reason"]), (&json!(false), &json!("Invalid")));
    let listed = send(&emulator, Method::GET, REGISTRIES, &Value::Null).await.json();
    assert_eq!(listed["value"].as_array().unwrap().len(), 2);
}
