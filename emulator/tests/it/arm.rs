//! The control plane as `az` uses it: through the proxy, under Azure's own names and under local ones.

use azure_emulator_core::identity::{SUBSCRIPTION, TENANT};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::arm::{VERSION, ask, code, make_group, owner_token, send, through_proxy};
use crate::support::{Answer, start};

#[tokio::test]
async fn the_owner_sees_the_subscription_and_the_tenant() {
    let (emulator, _client) = start().await;
    let token = owner_token(&emulator);

    for base in ["https://management.azure.com", "https://management.localhost:8443"] {
        let listed = ask(&emulator, &format!("{base}/subscriptions?{VERSION}"), Some(&token)).await;
        let one = format!("{base}/Subscriptions/{}?{VERSION}", SUBSCRIPTION.to_uppercase());
        let one = ask(&emulator, &one, Some(&token)).await;
        let tenants = ask(&emulator, &format!("{base}/tenants?{VERSION}"), Some(&token)).await;

        let listed = &listed.json()["value"];
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["state"], "Enabled");
        assert_eq!(
            (&listed[0]["subscriptionId"], &listed[0]["tenantId"]),
            (&SUBSCRIPTION.into(), &TENANT.into())
        );
        assert_eq!(one.json(), listed[0]);
        assert_eq!(tenants.json()["value"][0]["tenantId"], TENANT);
    }
}

#[tokio::test]
async fn a_principal_without_a_role_sees_no_subscription() {
    let (emulator, _client) = start().await;
    let vault = emulator.vault().unwrap();
    let stranger = vault.add_application("stranger").await.unwrap().principal;
    let token = vault.token(stranger.client_id(), "https://management.azure.com").unwrap();
    let base = "https://management.azure.com/subscriptions";

    let listed = ask(&emulator, &format!("{base}?{VERSION}"), Some(token.expose())).await;
    let one =
        ask(&emulator, &format!("{base}/{SUBSCRIPTION}?{VERSION}"), Some(token.expose())).await;

    assert_eq!(listed.json()["value"], Value::Array(Vec::new()));
    assert_eq!((one.status, code(&one).as_str()), (StatusCode::FORBIDDEN, "AuthorizationFailed"));
    let message = one.json()["error"]["message"].to_string();
    assert!(message.contains("Microsoft.Resources/subscriptions/read"), "{message}");
}

#[tokio::test]
async fn refusals_have_azures_error_body() {
    let (emulator, _client) = start().await;
    let token = owner_token(&emulator);
    let (token, vaults_own) = (Some(token.as_str()), "providers/Microsoft.KeyVault/vaults");
    let other = "00000000-0000-4000-8000-00000000ffff";

    for (path, token, status, expected) in [
        (format!("subscriptions?{VERSION}"), None, 401, "AuthenticationFailed"),
        (format!("subscriptions?{VERSION}"), Some("junk"), 401, "InvalidAuthenticationToken"),
        ("subscriptions".to_owned(), token, 400, "MissingApiVersionParameter"),
        (format!("subscriptions/x?{VERSION}"), token, 400, "InvalidSubscriptionId"),
        (format!("subscriptions/{other}?{VERSION}"), token, 404, "SubscriptionNotFound"),
        (format!("nothing?{VERSION}"), token, 404, "InvalidResourceType"),
        (
            format!("subscriptions/{other}/{vaults_own}?{VERSION}"),
            token,
            404,
            "SubscriptionNotFound",
        ),
    ] {
        let url = format!("https://management.azure.com/{path}");
        let answer = ask(&emulator, &url, token).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (status, expected), "{path}");
        assert!(answer.headers.contains_key("x-ms-request-id"), "{path}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{path}");
    }
}

#[tokio::test]
async fn the_cloud_metadata_use_the_host_name_of_the_request() {
    let (emulator, _client) = start().await;
    let path = "metadata/endpoints?api-version=2022-09-01";

    let public = ask(&emulator, &format!("https://management.azure.com/{path}"), None).await.json();
    let local = format!("https://management.localhost:9443/{path}");
    let local = ask(&emulator, &local, None).await.json();

    assert_eq!(public["suffixes"]["keyVaultDns"], "vault.azure.net");
    assert_eq!(public["authentication"]["loginEndpoint"], "https://login.microsoftonline.com");
    assert_eq!(local["suffixes"]["keyVaultDns"], "vault.localhost:9443");
    assert_eq!(local["suffixes"]["acrLoginServer"], "azurecr.localhost:9443");
    assert_eq!(local["authentication"]["loginEndpoint"], "https://login.localhost:9443");
    assert_eq!(local["resourceManager"], "https://management.localhost:9443");
}

#[tokio::test]
async fn the_vault_answers_its_own_part_of_the_control_plane() {
    let (emulator, _client) = start().await;
    let token = owner_token(&emulator);
    let base = format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}");

    let vaults = format!("{base}/providers/Microsoft.KeyVault/vaults?{VERSION}");
    let vaults = ask(&emulator, &vaults, Some(&token)).await;
    let roles = format!("{base}/providers/Microsoft.Authorization/roleDefinitions?{VERSION}");
    let roles = ask(&emulator, &roles, Some(&token)).await;

    assert_eq!(vaults.json()["value"][0]["name"], "local");
    assert!(!roles.json()["value"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn graph_finds_the_owner_under_both_of_its_host_names() {
    let (emulator, _client) = start().await;
    let vault = emulator.vault().unwrap();
    let owner = vault.owner().client_id;
    let path = format!("v1.0/servicePrincipals?$filter=appId eq '{owner}'");

    for base in ["https://graph.microsoft.com", "https://graph.localhost:9443"] {
        let token = vault.token(owner, base).unwrap();
        let found = ask(&emulator, &format!("{base}/{path}"), Some(token.expose())).await;
        let none = ask(&emulator, &format!("{base}/{path}"), None).await;

        assert_eq!(found.json()["value"][0]["appId"], owner, "{base}");
        assert_eq!(code(&none), "InvalidAuthenticationToken");
    }
}

#[tokio::test]
async fn a_registry_is_reached_through_the_proxy_by_its_public_name() {
    let (emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;

    let pulled = ask(&emulator, "https://local.azurecr.io/v2/app/manifests/v1", None).await;

    assert_eq!(pulled.body, manifest);
}

#[tokio::test]
async fn local_names_are_accepted_with_any_port_and_public_names_are_not() {
    let (emulator, client) = start().await;
    let manifest = client.push_image("app", "v1", &[b"layer"]).await;
    let path = "v2/app/manifests/v1";

    let pulled = format!("https://local.azurecr.localhost:9443/{path}");
    let pulled = ask(&emulator, &pulled, None).await;
    let graph = ask(&emulator, "https://graph.localhost:9443/v1.0/me", None).await;
    let public = format!("https://local.azurecr.io:9443/{path}");
    let public = through_proxy(&emulator).get(public).send().await;

    assert_eq!(pulled.body, manifest);
    assert_eq!(code(&graph), "InvalidAuthenticationToken");
    assert!(public.is_err(), "{public:?}");
}

const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";

#[tokio::test]
async fn an_identity_is_created_tagged_found_listed_and_deleted() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "Team").await;
    let path = format!("resourceGroups/Team/{IDENTITIES}/Puller");
    let body = json!({"location": "West Europe", "tags": {"team": "one"}});

    let made = send(&emulator, Method::PUT, &path, &body).await;
    let again =
        send(&emulator, Method::PUT, &path.to_uppercase(), &json!({"location": "westeurope"}))
            .await;
    let tagged = send(&emulator, Method::PATCH, &path, &json!({"tags": {"a": "b"}})).await;
    let found = send(&emulator, Method::GET, &path, &Value::Null).await;
    let listed = send(&emulator, Method::GET, IDENTITIES, &Value::Null).await.json();
    let of_group = format!("resourceGroups/team/{IDENTITIES}");
    let of_group = send(&emulator, Method::GET, &of_group, &Value::Null).await.json();
    let deleted = send(&emulator, Method::DELETE, &path, &Value::Null).await;
    let absent = send(&emulator, Method::DELETE, &path, &Value::Null).await;
    let gone = send(&emulator, Method::GET, &path, &Value::Null).await;

    assert_eq!(made.status, StatusCode::CREATED, "{made:?}");
    let made = made.json();
    assert_eq!((&made["name"], &made["location"]), (&json!("Puller"), &json!("westeurope")));
    assert_eq!(made["type"], "Microsoft.ManagedIdentity/userAssignedIdentities");
    assert_eq!(made["tags"], json!({"team": "one"}));
    assert_eq!(made["properties"]["tenantId"], TENANT);
    assert_ne!(made["properties"]["principalId"], made["properties"]["clientId"]);
    assert_eq!((again.status, &again.json()["tags"]), (StatusCode::OK, &json!({})));
    assert_eq!(again.json()["properties"], made["properties"]);
    assert_eq!(tagged.json()["tags"], json!({"a": "b"}));
    assert_eq!(found.json(), tagged.json());
    let names = |list: &Value| {
        let all = list["value"].as_array().unwrap().clone();
        all.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&listed), ["sealyard", "Puller"]);
    assert_eq!(names(&of_group), ["Puller"]);
    assert_eq!((deleted.status, absent.status), (StatusCode::OK, StatusCode::NO_CONTENT));
    assert_eq!((gone.status, code(&gone).as_str()), (StatusCode::NOT_FOUND, "ResourceNotFound"));
    let message = gone.json()["error"]["message"].as_str().unwrap().to_owned();
    let resource = "The Resource 'Microsoft.ManagedIdentity/userAssignedIdentities/Puller'";
    assert!(
        message.starts_with(&format!("{resource} under resource group 'Team' was not found")),
        "{message}"
    );
}

#[tokio::test]
async fn an_invalid_identity_is_refused_with_azures_error_body_and_is_not_created() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let at = |name: &str| format!("resourceGroups/team/{IDENTITIES}/{name}");
    let place = json!({"location": "eastus"});

    for (method, path, body, status, expected) in [
        (Method::PUT, at("one"), json!({}), 400, "LocationRequired"),
        (Method::PUT, at("one"), json!({"location": 1}), 400, "InvalidRequestContent"),
        (
            Method::PUT,
            at("one"),
            json!({"location": "a-b"}),
            400,
            "LocationNotAvailableForResourceType",
        ),
        (
            Method::PUT,
            at("one"),
            json!({"location": "eastus", "tags": {"a": 1}}),
            400,
            "InvalidRequestContent",
        ),
        (Method::PUT, at("a"), place.clone(), 400, "InvalidResourceName"),
        (
            Method::PUT,
            format!("resourceGroups/bad./{IDENTITIES}/one"),
            place.clone(),
            400,
            "InvalidResourceGroup",
        ),
        (Method::POST, at("one"), place, 405, "MethodNotAllowed"),
        (Method::PATCH, at("one"), json!({}), 404, "ResourceNotFound"),
        (
            Method::DELETE,
            format!("resourceGroups/sealyard/{IDENTITIES}/sealyard"),
            Value::Null,
            409,
            "Conflict",
        ),
    ] {
        let answer = send(&emulator, method.clone(), &path, &body).await;
        let actual = (answer.status.as_u16(), code(&answer));
        assert_eq!(actual, (status, expected.to_owned()), "{method} {path}: {answer:?}");
    }

    assert_eq!(emulator.app().registries.identities().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_principal_without_a_role_cannot_create_or_see_an_identity() {
    let (emulator, _client) = start().await;
    let vault = emulator.vault().unwrap();
    let stranger = vault.add_application("stranger").await.unwrap().principal;
    let token = vault.token(stranger.client_id(), "https://management.azure.com").unwrap();
    let base = format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}");

    let listed = format!("{base}/{IDENTITIES}?{VERSION}");
    let listed = ask(&emulator, &listed, Some(token.expose())).await;
    let one = format!("{base}/resourceGroups/sealyard/{IDENTITIES}/sealyard?{VERSION}");
    let read = ask(&emulator, &one, Some(token.expose())).await;
    let put = through_proxy(&emulator).put(&one).bearer_auth(token.expose());
    let put = Answer::of(put.json(&json!({"location": "eastus"})).send().await.unwrap()).await;

    assert_eq!(listed.json()["value"], json!([]));
    for refused in [read, put] {
        assert_eq!(
            (refused.status, code(&refused).as_str()),
            (StatusCode::FORBIDDEN, "AuthorizationFailed")
        );
    }
}

const REGISTRIES: &str = "providers/Microsoft.ContainerRegistry/registries";

#[tokio::test]
async fn a_registry_is_shown_with_its_key_listed_and_deleted() {
    let (emulator, _client) = start().await;
    emulator.create_registry("team1").await.unwrap();
    let made = emulator.registry_named("team1").unwrap();
    make_group(&emulator, "other").await;
    let path = format!("resourceGroups/Sealyard/{REGISTRIES}/Team1");

    let shown = send(&emulator, Method::GET, &path, &Value::Null).await.json();
    let listed = send(&emulator, Method::GET, REGISTRIES, &Value::Null).await.json();
    let elsewhere = format!("resourceGroups/other/{REGISTRIES}/team1");
    let elsewhere = send(&emulator, Method::GET, &elsewhere, &Value::Null).await;
    let local = format!("resourceGroups/sealyard/{REGISTRIES}/local");
    let stays = send(&emulator, Method::DELETE, &local, &Value::Null).await;
    let deleted = send(&emulator, Method::DELETE, &path, &Value::Null).await;
    let absent = send(&emulator, Method::DELETE, &path, &Value::Null).await;

    assert_eq!(shown["id"], made.resource_id());
    assert_eq!(shown["sku"], json!({"name": "Premium", "tier": "Premium"}));
    assert_eq!(shown["identity"]["type"], "UserAssigned");
    assert_eq!(shown["identity"]["userAssignedIdentities"].as_object().unwrap().len(), 1);
    let properties = &shown["properties"];
    assert_eq!(properties["loginServer"], "team1.azurecr.io");
    assert_eq!(properties["encryption"]["status"], "enabled");
    let key = &properties["encryption"]["keyVaultProperties"];
    assert_eq!(key["keyIdentifier"], "https://local.vault.azure.net/keys/team1");
    let versioned = key["versionedKeyIdentifier"].as_str().unwrap();
    assert!(versioned.starts_with("https://local.vault.azure.net/keys/team1/"), "{versioned}");
    assert_eq!(key["keyRotationEnabled"], true);
    assert_eq!(key["identity"], made.profile().identities[0].principal.client_id);
    let names: Vec<&str> = listed["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["local", "team1"]);
    assert_eq!(code(&elsewhere), "ResourceNotFound");
    assert_eq!((stays.status, code(&stays).as_str()), (StatusCode::CONFLICT, "Conflict"));
    assert_eq!((deleted.status, absent.status), (StatusCode::OK, StatusCode::NO_CONTENT));
    assert!(emulator.registry_named("team1").is_none());
}

#[tokio::test]
async fn resources_of_all_types_are_in_one_list_that_a_filter_narrows() {
    let (emulator, _client) = start().await;
    let token = owner_token(&emulator);
    let listed = async |filter: &str| {
        let url = format!(
            "https://management.azure.com/subscriptions/{SUBSCRIPTION}/resources?{VERSION}&$filter={filter}"
        );
        ask(&emulator, &url, Some(&token)).await
    };
    let types = |answer: &Answer| {
        let all = answer.json()["value"].as_array().unwrap().clone();
        all.iter().map(|one| one["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };

    let registries =
        listed("resourceType eq 'microsoft.containerregistry/registries' and name eq 'LOCAL'")
            .await;
    let vaults = listed("resourceType eq 'Microsoft.KeyVault/vaults'").await;
    let all = listed("").await;
    let wrong = listed("kind eq 'x'").await;

    assert_eq!(types(&registries), ["Microsoft.ContainerRegistry/registries"]);
    assert_eq!(types(&vaults), ["Microsoft.KeyVault/vaults"]);
    assert_eq!(types(&all).len(), 3, "{all:?}");
    assert_eq!(code(&wrong), "InvalidFilterInQueryString");
}

#[tokio::test]
async fn the_providers_that_clients_look_up_are_registered_and_list_their_types_and_versions() {
    let (emulator, _client) = start().await;
    let get = async |path: &str| send(&emulator, Method::GET, path, &Value::Null).await;

    let all = get("providers").await.json();
    let registry = get("providers/microsoft.containerregistry").await.json();
    let network =
        send(&emulator, Method::POST, "providers/Microsoft.Network/register", &Value::Null);
    let network = network.await.json();
    let unknown = get("providers/Contoso.Nothing").await;

    let namespaces: Vec<&str> = all["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["namespace"].as_str().unwrap())
        .collect();
    for namespace in ["Microsoft.KeyVault", "Microsoft.ManagedIdentity", "Microsoft.Network"] {
        assert!(namespaces.contains(&namespace), "{namespaces:?}");
    }
    assert_eq!(registry["registrationState"], "Registered");
    let types = registry["resourceTypes"].as_array().unwrap();
    let registries = types.iter().find(|one| one["resourceType"] == "registries").unwrap();
    assert_eq!(registries["apiVersions"][0], "2025-11-01");
    assert!(registries["locations"].as_array().unwrap().contains(&"East US".into()));
    assert_eq!(network["registrationState"], "Registered");
    assert_eq!(
        (unknown.status, code(&unknown)),
        (StatusCode::NOT_FOUND, "InvalidResourceNamespace".to_owned())
    );
}

#[tokio::test]
async fn the_locations_and_the_operations_of_a_provider_are_listed() {
    let (emulator, _client) = start().await;

    let places = send(&emulator, Method::GET, "locations", &Value::Null).await.json();
    let url = format!(
        "https://management.azure.com/providers/Microsoft.ContainerRegistry/operations?{VERSION}"
    );
    let operations = ask(&emulator, &url, Some(&owner_token(&emulator))).await.json();

    let east = places["value"].as_array().unwrap().iter().find(|one| one["name"] == "eastus");
    assert_eq!(east.unwrap()["displayName"], "East US");
    let read = "Microsoft.ContainerRegistry/registries/read";
    assert!(operations["value"].as_array().unwrap().iter().any(|one| one["name"] == read));
}
