//! Logging in: the challenge, the token endpoints, and the permissions of each kind of login.

use std::time::Duration;

use azure_emulator_core::identity::OWNER_CLIENT_ID;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::internals::registry::{AdminCredentials, Change, PasswordName};
use serde_json::{Value, json};

use crate::support::{Answer, Client, content, start, start_with_clock};

const TOKEN_USER: &str = "00000000-0000-0000-0000-000000000000";
const REGISTRIES: &str = "https://containerregistry.azure.net";
/// ACR's message for every request without a login.
const AUTHENTICATION_REQUIRED: &str =
    "authentication required, visit https://aka.ms/acr/authorization for more information.";

/// Pushes `app:v1` and `other:v1`; from then on the registry requires a login.
pub(crate) async fn close(emulator: &Sealyard, client: &Client) {
    client.push_image("app", "v1", &[b"layer"]).await;
    client.push_image("other", "v1", &[b"layer of the other"]).await;
    let change = Change { anonymous: Some(false), ..Change::default() };
    let name = emulator.registry().registry_name().clone();
    emulator.app().registries.change(&name, change).await.unwrap();
}

pub(crate) async fn admin(emulator: &Sealyard) -> AdminCredentials {
    emulator.registry().set_admin_enabled(true).await.unwrap();
    emulator.registry().admin_credentials().await.unwrap()
}

/// Creates a token with these actions and returns its password.
pub(crate) async fn scoped(emulator: &Sealyard, name: &str, actions: &[&str]) -> String {
    let (registry, name) = (emulator.registry(), name.parse().unwrap());
    let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
    registry.put_scope_map(&name, "", &actions).await.unwrap();
    registry.put_token(&name, name.as_str(), true).await.unwrap();
    let made = registry.generate_credentials(name.as_str(), &[PasswordName::First], None).await;
    made.unwrap()[0].password.expose().to_owned()
}

pub(crate) async fn with_basic(
    client: &Client,
    method: Method,
    path: &str,
    user: &str,
    password: &str,
) -> Answer {
    Answer::of(client.request(method, path).basic_auth(user, Some(password)).send().await.unwrap())
        .await
}

pub(crate) async fn with_bearer(
    client: &Client,
    method: Method,
    path: &str,
    token: &str,
) -> Answer {
    Answer::of(client.request(method, path).bearer_auth(token).send().await.unwrap()).await
}

async fn form(client: &Client, path: &str, fields: &[(&str, &str)]) -> Answer {
    Answer::of(client.request(Method::POST, path).form(fields).send().await.unwrap()).await
}

/// Exchanges a refresh token for an access token with this scope.
pub(crate) async fn access(client: &Client, refresh: &str, scope: &str) -> Answer {
    let fields = [
        ("grant_type", "refresh_token"),
        ("service", "localhost"),
        ("scope", scope),
        ("refresh_token", refresh),
    ];
    form(client, "/oauth2/token", &fields).await
}

/// The claims of a token, decoded as the Python SDK decodes them.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&STANDARD_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[track_caller]
pub(crate) fn text(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()[name].as_str().unwrap().to_owned()
}

#[track_caller]
pub(crate) fn assert_unauthorized(answer: &Answer, what: &str) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{what}: {answer:?}");
    assert_eq!(answer.code(), "UNAUTHORIZED", "{what}");
}

#[tokio::test]
async fn a_registry_without_logins_sends_no_challenge_and_accepts_any_credentials() {
    let (_emulator, client) = start().await;
    client.push_image("app", "v1", &[b"layer"]).await;

    let base = client.get("/v2/").await;
    let stale = with_basic(&client, Method::GET, "/v2/app/manifests/v1", "who", "ever").await;
    let bearer = with_bearer(&client, Method::GET, "/acr/v1/_catalog", "nonsense").await;

    assert_eq!((base.status, stale.status), (StatusCode::OK, StatusCode::OK));
    assert_eq!(bearer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_without_a_login_is_told_where_to_get_a_token_and_which_scope_to_request() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let host = emulator.registry_address();
    let realm = format!("Bearer realm=\"http://{host}/oauth2/token\",service=\"{host}\"");

    for (method, path, scope, actions) in [
        (Method::GET, "/v2/", "", vec![]),
        (Method::GET, "/v2/_catalog", "registry:catalog:*", vec!["*"]),
        (Method::GET, "/acr/v1/_catalog", "registry:catalog:*", vec!["*"]),
        (Method::GET, "/v2/app/manifests/v1", "repository:app:pull", vec!["pull"]),
        (Method::PUT, "/v2/app/manifests/v1", "repository:app:pull,push", vec!["pull", "push"]),
        (Method::POST, "/v2/app/blobs/uploads/", "repository:app:pull,push", vec!["pull", "push"]),
        (Method::GET, "/acr/v1/app", "repository:app:metadata_read", vec!["metadata_read"]),
        (Method::DELETE, "/acr/v1/app", "repository:app:delete", vec!["delete"]),
        (Method::GET, "/v2/no/such/route", "", vec![]),
    ] {
        let answer = client.send(method.clone(), path, "").await;
        assert_unauthorized(&answer, path);
        let scope_part =
            if scope.is_empty() { String::new() } else { format!(",scope=\"{scope}\"") };
        assert_eq!(answer.header("www-authenticate"), format!("{realm}{scope_part}"), "{path}");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["message"], AUTHENTICATION_REQUIRED);
        let wanted: Vec<&str> = error["detail"]
            .as_array()
            .map(|list| list.iter().map(|entry| entry["Action"].as_str().unwrap()).collect())
            .unwrap_or_default();
        assert_eq!(wanted, actions, "{path}");
    }
}

#[tokio::test]
async fn every_401_begins_with_acrs_sentence_and_then_gives_the_reason() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let reader = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let push = "/oauth2/token?service=here&scope=repository:app:pull,push";
    let delete = "/oauth2/token?service=here&scope=repository:app:delete";
    let upload = "/v2/app/blobs/uploads/";
    let form_without_login = [("grant_type", "password"), ("service", "here")];
    let form_of_nonsense = [("grant_type", "refresh_token"), ("refresh_token", "nonsense")];

    for (what, answer, reason) in [
        ("docker without a login", client.get(push).await, None),
        ("an SDK without a login", form(&client, "/oauth2/token", &form_without_login).await, None),
        ("a request without a login", client.get("/v2/_catalog").await, None),
        (
            "a wrong password",
            with_basic(&client, Method::GET, push, "reader", "wrong").await,
            Some("the user name or the password is wrong"),
        ),
        (
            "an invalid token",
            form(&client, "/oauth2/token", &form_of_nonsense).await,
            Some("the token was not made by this registry"),
        ),
        (
            "a login without the permission, at the token endpoint",
            with_basic(&client, Method::GET, delete, "reader", &reader).await,
            Some("the login has none of the permissions that were asked for"),
        ),
        (
            "a login without the permission, at the content",
            with_basic(&client, Method::POST, upload, "reader", &reader).await,
            Some("the login has no permission for this request"),
        ),
    ] {
        let reason = reason.map(|reason| format!(" Reason: {reason}.")).unwrap_or_default();
        assert_unauthorized(&answer, what);
        let message = &answer.json()["errors"][0]["message"];
        assert_eq!(*message, format!("{AUTHENTICATION_REQUIRED}{reason}"), "{what}");
    }
}

#[tokio::test]
async fn a_client_without_a_login_that_sends_a_large_chunk_is_challenged_and_not_cut_off() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let path = "/v2/app/blobs/uploads/00000000-0000-4000-8000-000000000000";

    for _ in 0..3 {
        let answer = client.send(Method::PATCH, path, vec![7; 4 << 20]).await;
        assert_unauthorized(&answer, "a chunk");
    }
}

#[tokio::test]
async fn the_admin_user_has_every_permission_while_it_is_enabled_and_only_with_a_current_password()
{
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let registry = emulator.registry();
    let disabled = registry.admin_credentials().await;
    let credentials = admin(&emulator).await;
    let [first, second] = [0, 1].map(|i| credentials.passwords[i].expose().to_owned());
    let catalog = async |password: &str| {
        with_basic(&client, Method::GET, "/v2/_catalog", "local", password).await
    };

    assert!(disabled.is_err());
    assert_eq!(catalog(&first).await.json(), json!({ "repositories": ["app", "other"] }));
    assert_eq!(catalog(&second).await.status, StatusCode::OK);
    let shown = registry.admin_credentials().await.unwrap();
    assert_eq!(shown.passwords[0].expose(), first, "the same passwords are shown again");
    let deleted = with_basic(&client, Method::DELETE, "/acr/v1/other", "local", &second).await;
    assert_eq!(deleted.status, StatusCode::ACCEPTED);

    assert_unauthorized(&catalog("wrong").await, "a wrong password");
    registry.regenerate_admin_password(PasswordName::First).await.unwrap();
    assert_unauthorized(&catalog(&first).await, "a password that was replaced");
    assert_eq!(catalog(&second).await.status, StatusCode::OK);
    registry.set_admin_enabled(false).await.unwrap();
    assert_unauthorized(&catalog(&second).await, "a user that is disabled");
}

#[tokio::test]
async fn a_token_covers_only_the_allowed_part_of_the_requested_scopes() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let path = "/oauth2/token?service=here&scope=repository:app:pull,push&scope=repository:other:pull%20registry:catalog:*";

    let answer = with_basic(&client, Method::GET, path, "reader", &password).await;
    let token = text(&answer, "access_token");
    let nothing = "/oauth2/token?service=here&scope=repository:other:pull";
    let refused = with_basic(&client, Method::GET, nothing, "reader", &password).await;
    let login = with_basic(&client, Method::GET, "/oauth2/token", "reader", &password).await;

    let said = claims(&token);
    let granted = json!([{ "type": "repository", "name": "app", "actions": ["pull"] }]);
    assert_eq!((&said["access"], &said["aud"]), (&granted, &json!("here")));
    assert_eq!(
        (&said["iss"], &said["sub"]),
        (&json!("Azure Container Registry"), &json!("reader"))
    );
    assert_unauthorized(&refused, "none of the scopes is allowed");
    assert_eq!(claims(&text(&login, "access_token"))["access"], json!([]));
}

#[tokio::test]
async fn a_token_for_pulling_one_repository_allows_nothing_else() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let path = "/oauth2/token?service=s&scope=repository:app:pull,push,delete";
    let answer = with_basic(&client, Method::GET, path, "reader", &password).await;
    let token = text(&answer, "access_token");

    for (method, path, allowed) in [
        (Method::GET, "/v2/", true),
        (Method::GET, "/v2/app/manifests/v1", true),
        (Method::GET, "/v2/app/tags/list", false),
        (Method::GET, "/v2/other/manifests/v1", false),
        (Method::POST, "/v2/app/blobs/uploads/", false),
        (Method::DELETE, "/acr/v1/app/_tags/v1", false),
        (Method::GET, "/acr/v1/app/_tags", false),
        (Method::PATCH, "/acr/v1/app", false),
        (Method::GET, "/v2/_catalog", false),
    ] {
        let bearer = with_bearer(&client, method.clone(), path, &token).await;
        let basic = with_basic(&client, method, path, "reader", &password).await;
        for (answer, scheme) in [(bearer, "bearer"), (basic, "basic")] {
            if allowed {
                assert_eq!(answer.status, StatusCode::OK, "{scheme} {path}");
            } else {
                assert_unauthorized(&answer, path);
                let challenge = answer.header("www-authenticate");
                assert!(
                    challenge.contains(",error=\"insufficient_scope\","),
                    "{scheme} {challenge}"
                );
                let end = "Reason: the login has no permission for this request.\"";
                assert!(challenge.ends_with(end), "{scheme} {challenge}");
            }
        }
    }
}

#[tokio::test]
async fn passwords_expire_by_the_clock_and_tokens_can_be_disabled_changed_and_deleted() {
    let (emulator, client, clock) = start_with_clock().await;
    close(&emulator, &client).await;
    let registry = emulator.registry();
    let name = "builder".parse().unwrap();
    registry.put_token(&name, "_repositories_pull", true).await.unwrap();
    let expiry = Some(clock.now() + Duration::from_hours(1));
    let made = registry.generate_credentials("builder", &PasswordName::BOTH, expiry).await.unwrap();
    let (first, second) = (made[0].password.expose(), made[1].password.expose());
    let pull = async |password: &str| {
        with_basic(&client, Method::GET, "/v2/app/manifests/v1", "builder", password).await
    };

    assert_eq!(pull(first).await.status, StatusCode::OK);
    clock.pass(Duration::from_hours(1));
    assert_unauthorized(&pull(second).await, "the password expired after an hour");
    let again = registry.generate_credentials("builder", &[PasswordName::Second], None).await;
    let again = again.unwrap()[0].password.expose().to_owned();
    assert_eq!(pull(&again).await.status, StatusCode::OK);
    assert_unauthorized(&pull(second).await, "the password was replaced");
    registry.put_token(&name, "_repositories_pull", false).await.unwrap();
    assert_unauthorized(&pull(&again).await, "the token is disabled");
    registry.put_token(&name, "_repositories_push", true).await.unwrap();
    assert_eq!(pull(&again).await.status, StatusCode::OK);
    let both = registry.generate_credentials("builder", &PasswordName::BOTH, None).await.unwrap();
    let left = registry.keep_passwords("builder", &[PasswordName::First]).await.unwrap();
    assert_eq!(left.passwords.len(), 1);
    assert_eq!(pull(both[0].password.expose()).await.status, StatusCode::OK);
    assert_unauthorized(&pull(both[1].password.expose()).await, "the password was removed");
    let again = both[0].password.expose();
    registry.delete_token("builder").await.unwrap();
    assert_unauthorized(&pull(again).await, "the token was deleted");
}

#[tokio::test]
async fn with_anonymous_pull_a_pull_needs_no_login_and_every_other_request_does() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    // The SDKs send this request when they have no credential.
    let ask = async |scope: &str| {
        let empty = [("grant_type", "password"), ("scope", scope), ("refresh_token", "")];
        form(&client, "/oauth2/token", &empty).await
    };

    let before = ask("repository:app:pull").await;
    emulator.registry().set_anonymous_pull(true).await.unwrap();
    let token = text(&ask("repository:app:pull,push").await, "access_token");
    let by_get = client.get("/oauth2/token?scope=registry:catalog:*").await;
    let push = ask("repository:app:push").await;

    assert_unauthorized(&before, "before");
    assert_eq!(
        client.get("/v2/").await.status,
        StatusCode::UNAUTHORIZED,
        "the registry still challenges"
    );
    let pulled = with_bearer(&client, Method::GET, "/v2/app/manifests/v1", &token).await;
    assert_eq!(pulled.status, StatusCode::OK);
    let pushed = with_bearer(&client, Method::POST, "/v2/app/blobs/uploads/", &token).await;
    assert_unauthorized(&pushed, "a push");
    assert_unauthorized(&push, "a token for a push");
    assert_eq!(claims(&text(&by_get, "access_token"))["access"][0]["name"], "catalog");
}

#[tokio::test]
async fn an_identity_has_the_permissions_of_its_roles_on_the_registry() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let vault = emulator.vault().unwrap();
    let made = vault.add_application("a build").await.unwrap();
    let app = made.principal;
    let scope = emulator.registry().resource_id();
    let login = async |client_id: &str, resource: &str| {
        let token = vault.token(client_id, resource).unwrap();
        let fields =
            [("grant_type", "access_token"), ("service", "here"), ("access_token", token.expose())];
        form(&client, "/oauth2/exchange?api-version=2021-07-01", &fields).await
    };
    let may = async |refresh: &str| {
        let all = "repository:app:pull,push,delete,metadata_read,metadata_write";
        let answer = access(&client, refresh, all).await;
        if answer.status == StatusCode::UNAUTHORIZED {
            return json!(null);
        }
        claims(&text(&answer, "access_token"))["access"][0]["actions"].clone()
    };

    let owner =
        text(&login(OWNER_CLIENT_ID, "https://management.azure.com").await, "refresh_token");
    assert_eq!(may(&owner).await.as_array().unwrap().len(), 5, "the owner has every permission");
    assert_unauthorized(&login(OWNER_CLIENT_ID, "https://vault.azure.net").await, "for a vault");

    let build = text(&login(app.client_id(), REGISTRIES).await, "refresh_token");
    assert_eq!(may(&build).await, json!(null), "no role yet");
    for (role, at, actions) in [
        ("AcrPull", scope.as_str(), json!(["pull", "metadata_read"])),
        ("AcrPush", &scope, json!(["pull", "push", "metadata_read", "metadata_write"])),
        ("AcrDelete", &scope, json!(["delete"])),
        ("Reader", scope.split("/providers").next().unwrap(), json!(["pull", "metadata_read"])),
        ("AcrPull", &scope.replace("/local", "/another"), json!(null)),
        ("Key Vault Administrator", &scope, json!(null)),
    ] {
        vault.assign_role(at, role, app.object_id()).await.unwrap();
        assert_eq!(may(&build).await, actions, "{role} at {at}");
        vault.remove_role(at, role, app.object_id()).await.unwrap();
        assert_eq!(may(&build).await, json!(null), "{role} was removed");
    }
    vault.remove_principal(app.client_id()).await.unwrap();
    assert_unauthorized(
        &access(&client, &build, "repository:app:pull").await,
        "the principal was deleted",
    );
}

#[tokio::test]
async fn a_refresh_token_is_a_password_of_the_user_with_the_empty_guid_until_it_expires() {
    let (emulator, client, clock) = start_with_clock().await;
    close(&emulator, &client).await;
    let vault = emulator.vault().unwrap();
    let entra = vault.token(OWNER_CLIENT_ID, REGISTRIES).unwrap();
    let fields = [("grant_type", "access_token"), ("access_token", entra.expose())];
    let refresh = text(&form(&client, "/oauth2/exchange", &fields).await, "refresh_token");
    let scope = "/oauth2/token?service=here&scope=repository:app:pull";
    let catalog =
        async || with_basic(&client, Method::GET, "/v2/_catalog", TOKEN_USER, &refresh).await;

    let by_get = with_basic(&client, Method::GET, scope, TOKEN_USER, &refresh).await;
    let fields = [
        ("grant_type", "password"),
        ("username", TOKEN_USER),
        ("password", &refresh),
        ("scope", "repository:app:pull"),
    ];
    let by_post = form(&client, "/oauth2/token", &fields).await;
    let token = text(&by_get, "access_token");
    let again = with_basic(&client, Method::GET, scope, TOKEN_USER, &token).await;

    let said = claims(&refresh);
    assert_eq!(said["grant_type"], "refresh_token");
    assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 3 * 3600);
    assert_eq!(text(&by_post, "access_token").split('.').count(), 3);
    assert_eq!(claims(&text(&again, "access_token"))["access"], claims(&token)["access"]);
    assert_eq!(catalog().await.status, StatusCode::OK);
    let pulled = with_basic(&client, Method::GET, "/v2/app/manifests/v1", TOKEN_USER, &token).await;
    assert_eq!(pulled.status, StatusCode::OK);
    clock.pass(Duration::from_hours(3));
    assert_unauthorized(&catalog().await, "the refresh token expired after three hours");
    let pulled = with_bearer(&client, Method::GET, "/v2/app/manifests/v1", &token).await;
    assert_unauthorized(&pulled, "the access token has expired as well");
    let challenge = pulled.header("www-authenticate");
    assert!(
        challenge
            .contains(",error=\"invalid_token\",error_description=\"authentication required, ")
    );
}

#[tokio::test]
async fn an_application_logs_in_with_its_client_id_and_secret() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let vault = emulator.vault().unwrap();
    let made = vault.add_application("a build").await.unwrap();
    let (id, secret) = (made.principal.client_id(), made.secret.unwrap().secret);
    let scope = emulator.registry().resource_id();
    vault.assign_role(&scope, "AcrPull", made.principal.object_id()).await.unwrap();
    let pull = async |secret: &str| {
        with_basic(&client, Method::GET, "/v2/app/manifests/v1", id, secret).await
    };

    assert_eq!(pull(secret.expose()).await.status, StatusCode::OK);
    assert_unauthorized(&pull("wrong").await, "a wrong secret");
}

#[tokio::test]
async fn a_blob_is_not_mounted_from_a_repository_that_the_login_may_not_pull() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let writes = ["repositories/app/content/read", "repositories/app/content/write"];
    let writer = scoped(&emulator, "writer", &writes).await;
    let everything =
        scoped(&emulator, "everything", &["repositories/*/content/read", writes[1]]).await;
    let digest = content::digest(b"layer of the other");
    let mount = async |user: &str, password: &str, from: &str| {
        let path = format!("/v2/app/blobs/uploads/?mount={digest}{from}");
        with_basic(&client, Method::POST, &path, user, password).await.status
    };

    assert_eq!(mount("writer", &writer, "&from=other").await, StatusCode::ACCEPTED);
    assert_eq!(mount("writer", &writer, "").await, StatusCode::ACCEPTED);
    assert_eq!(mount("everything", &everything, "&from=other").await, StatusCode::CREATED);
}

#[tokio::test]
async fn a_registry_without_its_key_issues_tokens_and_still_challenges_requests_without_a_login() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;
    let password = admin(&emulator).await.passwords[0].expose().to_owned();
    client.key("disable").await;

    let stranger = client.get("/v2/app/manifests/v1").await;
    let scope = "/oauth2/token?scope=repository:app:pull";
    let answer = with_basic(&client, Method::GET, scope, "local", &password).await;
    let token = text(&answer, "access_token");
    let pulled = with_bearer(&client, Method::GET, "/v2/app/manifests/v1", &token).await;

    assert_unauthorized(&stranger, "a request without a login");
    assert_eq!((pulled.status, pulled.code().as_str()), (StatusCode::FORBIDDEN, "DENIED"));
}

#[tokio::test]
async fn logins_survive_a_restart_and_no_password_is_stored_in_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let start = || Sealyard::builder().ephemeral().data_dir(&data).start();
    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    close(&emulator, &client).await;
    let admin = admin(&emulator).await.passwords[0].expose().to_owned();
    let scoped = scoped(&emulator, "reader", &["repositories/app/content/read"]).await;
    let scope = "/oauth2/token?scope=repository:app:pull";
    let answer = with_basic(&client, Method::GET, scope, "reader", &scoped).await;
    let token = text(&answer, "access_token");
    emulator.shutdown().await;

    for secret in [&admin, &scoped] {
        let found = files(&data)
            .into_iter()
            .find(|bytes| bytes.windows(secret.len()).any(|window| window == secret.as_bytes()));
        assert!(found.is_none());
    }
    let emulator = start().await.unwrap();
    let client = Client::of(&emulator);
    let path = "/v2/app/manifests/v1";

    assert_unauthorized(&client.get(path).await, "a request without a login");
    assert_eq!(with_bearer(&client, Method::GET, path, &token).await.status, StatusCode::OK);
    for (user, password) in [("local", &admin), ("reader", &scoped)] {
        let pulled = with_basic(&client, Method::GET, path, user, password).await;
        assert_eq!(pulled.status, StatusCode::OK, "{user}");
    }
}

#[tokio::test]
async fn meaningless_token_requests_are_refused_with_a_message() {
    let (emulator, client) = start().await;
    close(&emulator, &client).await;

    for (path, fields, status) in [
        ("/oauth2/token", vec![], 400),
        ("/oauth2/token", vec![("grant_type", "device")], 400),
        ("/oauth2/token", vec![("grant_type", "refresh_token")], 400),
        ("/oauth2/token", vec![("grant_type", "password"), ("username", "x")], 400),
        ("/oauth2/token", vec![("grant_type", "refresh_token"), ("refresh_token", "x")], 401),
        ("/oauth2/exchange", vec![("grant_type", "access_token")], 400),
        ("/oauth2/exchange", vec![("grant_type", "access_token"), ("access_token", "x")], 401),
        ("/oauth2/exchange", vec![("grant_type", "password")], 400),
    ] {
        let answer = form(&client, path, &fields).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {fields:?}");
        assert!(answer.json()["errors"][0]["message"].is_string(), "{path} {fields:?}");
    }
    let secret = "a password of no user";
    let refused = with_basic(&client, Method::GET, "/v2/", "nosuch", secret).await;
    assert!(!String::from_utf8_lossy(&refused.body).contains(secret));
}

#[tokio::test]
async fn scope_maps_and_tokens_are_managed_and_invalid_ones_are_refused() {
    let (emulator, _client) = start().await;
    let registry = emulator.registry();
    let name = |text: &str| text.parse::<sealyard::internals::registry::AccessName>();
    let put = async |map: &str, actions: &[&str]| {
        let actions: Vec<String> = actions.iter().map(|action| (*action).to_owned()).collect();
        registry.put_scope_map(&name(map).unwrap(), "a description", &actions).await
    };
    let many: Vec<String> = (0..2000).map(|i| format!("repositories/r{i}/content/read")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();

    assert_eq!(put("large-map", &many).await.unwrap().actions.len(), 2000);
    assert_eq!(put("large-map", &["repositories/a/content/read"]).await.unwrap().actions.len(), 1);
    assert_eq!(registry.scope_maps().await.unwrap().len(), 6);
    assert!(registry.scope_map("_repositories_pull").await.unwrap().is_system_defined());
    assert!(put("other-map", &["repositories/a/b"]).await.is_err());
    assert!(put("_repositories_pull", &[]).await.is_err());
    assert!(name("four").is_err() && name("a b c d").is_err());
    assert!(registry.put_token(&name("token").unwrap(), "no-such-map", true).await.is_err());
    registry.put_token(&name("token").unwrap(), "large-map", true).await.unwrap();
    assert!(registry.delete_scope_map("large-map").await.is_err(), "a token uses it");
    assert!(registry.delete_scope_map("_repositories_pull").await.is_err());
    assert!(registry.generate_credentials("nosuch", &PasswordName::BOTH, None).await.is_err());
    assert_eq!(registry.tokens().await.unwrap()[0].scope_map, "large-map");
    registry.delete_token("token").await.unwrap();
    registry.delete_scope_map("large-map").await.unwrap();
    assert!(registry.scope_map("large-map").await.is_err());
}

/// The bytes of all files below a folder.
fn files(folder: &std::path::Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(std::fs::read(path).unwrap());
        }
    }
    found
}
