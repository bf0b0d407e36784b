//! The read-only part of Microsoft Graph that `az` uses to look up principals.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, World, send};

/// The answer of Graph to the owner.
async fn graph(world: &World, method: Method, path: &str, body: Option<Value>) -> Answer {
    let owner = world.vault.owner().client_id;
    let token = world.vault.token(owner, "https://graph.microsoft.com/").unwrap();
    ask(world, method, path, body, Some(token.expose())).await
}

/// Sends a request to the listener's address with Graph's name.
async fn ask(
    world: &World,
    method: Method,
    path: &str,
    body: Option<Value>,
    token: Option<&str>,
) -> Answer {
    let url = format!("https://{}/v1.0/{path}", world.vault.address());
    let mut request = world.http.request(method, url).header("host", "graph.microsoft.com");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    send(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_principal_is_found_by_its_application_id_and_not_by_its_object_id() {
    let world = World::new().await;
    let app = world.vault.add_application("my program").await.unwrap().principal;
    let named =
        |id: &str| format!("servicePrincipals?$filter=servicePrincipalNames/any(c:c eq '{id}')");

    let by_app_id = graph(&world, Method::GET, &named(app.client_id()), None).await.json();
    let by_object_id = graph(&world, Method::GET, &named(app.object_id()), None).await.json();
    let by_name = "servicePrincipals?$filter=displayName eq 'MY program'";
    let by_name = graph(&world, Method::GET, by_name, None).await.json();

    assert_eq!(by_app_id["value"].as_array().unwrap().len(), 1);
    let found = &by_app_id["value"][0];
    assert_eq!(found["id"], app.object_id());
    assert_eq!(found["appId"], app.client_id());
    assert_eq!(found["displayName"], "my program");
    assert_eq!(found["servicePrincipalType"], "Application");
    assert_eq!(found["servicePrincipalNames"], json!([app.client_id()]));
    assert_eq!(by_object_id["value"], json!([]));
    assert_eq!(by_name, by_app_id);
}

#[tokio::test]
async fn objects_are_found_by_their_ids_and_unknown_ids_are_omitted() {
    let world = World::new().await;
    let app = world.vault.add_application("program").await.unwrap().principal;
    let nobody = "00000000-0000-4000-8000-00000000ffff";
    let ids = json!({"ids": [app.object_id().to_uppercase(), nobody], "types": ["user", "servicePrincipal"]});
    let people = json!({"ids": [app.object_id()], "types": ["user"]});

    let found = graph(&world, Method::POST, "directoryObjects/getByIds", Some(ids)).await.json();
    let no_people = graph(&world, Method::POST, "directoryObjects/getByIds", Some(people)).await;
    let one = format!("directoryObjects/{}", app.object_id());
    let one = graph(&world, Method::GET, &one, None).await.json();
    let absent = graph(&world, Method::GET, &format!("directoryObjects/{nobody}"), None).await;

    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!(found["value"][0]["@odata.type"], "#microsoft.graph.servicePrincipal");
    assert_eq!(found["value"][0], one);
    assert_eq!(no_people.json()["value"], json!([]));
    assert_eq!(
        (absent.refusal().0, absent.refusal().1.as_str()),
        (404, "Request_ResourceNotFound")
    );
}

#[tokio::test]
async fn a_service_principal_has_no_me_and_there_are_no_users() {
    let world = World::new().await;

    let me = graph(&world, Method::GET, "me", None).await;
    let users = graph(&world, Method::GET, "users?$filter=userPrincipalName eq 'a@b'", None).await;

    let message = "/me request is only valid with delegated authentication flow.";
    assert_eq!(me.refusal(), (400, "BadRequest".into(), message.into()));
    assert_eq!(users.json()["value"], json!([]));
}

#[tokio::test]
async fn graph_only_accepts_tokens_for_graph_and_writes_nothing() {
    let world = World::new().await;
    let owner = world.vault.owner().client_id;
    let other = world.vault.token(owner, "https://management.azure.com").unwrap();

    let none = ask(&world, Method::GET, "servicePrincipals", None, None).await;
    let wrong = ask(&world, Method::GET, "servicePrincipals", None, Some(other.expose())).await;
    let written =
        graph(&world, Method::POST, "applications", Some(json!({"displayName": "x"}))).await;
    let unknown = graph(&world, Method::GET, "sites", None).await;
    let filter = graph(&world, Method::GET, "servicePrincipals?$filter=mail eq 'x'", None).await;

    for refused in [none, wrong] {
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        assert_eq!(refused.refusal().1, "InvalidAuthenticationToken");
    }
    assert_eq!(
        (written.refusal().0, written.refusal().1.as_str()),
        (403, "Authorization_RequestDenied")
    );
    assert_eq!((unknown.refusal().0, unknown.refusal().1.as_str()), (400, "BadRequest"));
    assert_eq!(
        (filter.refusal().0, filter.refusal().1.as_str()),
        (400, "Request_UnsupportedQuery")
    );
}
