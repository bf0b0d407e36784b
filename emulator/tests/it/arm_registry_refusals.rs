//! Refusals of registry requests in the control plane: they have Azure's error body and a helpful message, and change nothing.

use azure_emulator_core::identity::SUBSCRIPTION;
use mock_keyvault::Curve;
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use serde_json::{Value, json};

use crate::support::Answer;
use crate::support::arm::{VERSION, code, make_group, owner_token, send, through_proxy};
use crate::support::registries::{
    REGISTRIES, basic, client_id, patch, path, prepared, put, shown, with_key,
};

/// The built-in role Contributor.
const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";

/// The body of a registry with a key, with one value replaced.
fn but(identity: &Value, pointer: &str, value: Value) -> Value {
    let mut body = with_key(identity);
    let at = body.pointer_mut(pointer);
    *at.unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
    body
}

/// The same, with one value of its key replaced.
fn but_key(identity: &Value, name: &str, value: impl Into<Value>) -> Value {
    but(identity, &format!("/properties/encryption/keyVaultProperties/{name}"), value.into())
}

/// Sends an invalid registry and checks the refusal.
async fn check(emulator: &Sealyard, body: Value, expected: &str, fragment: &str) {
    let answer = put(emulator, "team1", &body).await;
    let actual = (answer.status, code(&answer));
    assert_eq!(actual, (StatusCode::BAD_REQUEST, expected.to_owned()), "{body}: {answer:?}");
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(fragment) && !message.ends_with(".."), "{message}");
    assert!(emulator.registry_named("team1").is_none(), "{body}");
}

#[tokio::test]
async fn an_invalid_registry_is_not_created() {
    let (emulator, puller, _) = prepared().await;
    let policy =
        |name: &str| json!({"adminUserEnabled": false, "policies": {name: {"status": "enabled"}}});
    let invalid = "InvalidRequestContent";

    for (body, expected, fragment) in [
        (json!([1]), invalid, "the body must be an object"),
        (but(&puller, "/sku", "Premium".into()), invalid, "'sku'"),
        (but(&puller, "/sku/name", "Gold".into()), "InvalidSku", "Gold"),
        (but(&puller, "/sku", Value::Null), "BadRequest", "sku.name"),
        (but(&puller, "/location", Value::Null), "LocationRequired", "location"),
        (
            but(&puller, "/location", "no-where".into()),
            "LocationNotAvailableForResourceType",
            "no-where",
        ),
        (but(&puller, "/properties/adminUserEnabled", "yes".into()), invalid, "adminUserEnabled"),
        (but(&puller, "/properties", policy("softDeletePolicy")), "NotSupported", "soft-delete"),
        (but(&puller, "/properties", policy("retentionPolicy")), "NotSupported", "retention"),
        (but(&puller, "/properties", policy("quarantinePolicy")), "NotSupported", "quarantine"),
    ] {
        check(&emulator, body, expected, fragment).await;
    }
    let mut tagged = basic();
    tagged["tags"] = json!({"a": 1});
    check(&emulator, tagged, invalid, "tag").await;
    let mut pulled = basic();
    pulled["properties"]["anonymousPullEnabled"] = true.into();
    check(&emulator, pulled, "BadRequest", "Anonymous pull").await;
    let mut trusting = with_key(&puller);
    trusting["properties"]["policies"] = json!({"trustPolicy": {"status": "enabled"}});
    check(&emulator, trusting, "BlockedForEncryptionEnabledRegistry", "this feature 'ContenTrust'")
        .await;
}

#[tokio::test]
async fn without_a_customer_managed_key_the_refusal_of_content_trust_names_the_property() {
    let (emulator, ..) = prepared().await;
    let trust =
        |status: &str| json!({"properties": {"policies": {"trustPolicy": {"status": status}}}});
    let mut trusting = basic();
    trusting["properties"] = trust("enabled")["properties"].clone();
    let property = "'properties.policies.trustPolicy.status'";
    check(&emulator, trusting, "NotSupported", property).await;

    put(&emulator, "team1", &basic()).await;
    let refused = patch(&emulator, "team1", &trust("Enabled")).await;
    let fine = patch(&emulator, "team1", &trust("disabled")).await;

    assert_eq!(
        (refused.status, code(&refused).as_str()),
        (StatusCode::BAD_REQUEST, "NotSupported")
    );
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains(property), "{refused:?}");
    assert_eq!(fine.status, StatusCode::OK, "{fine:?}");
    assert_eq!(fine.json()["properties"]["policies"]["trustPolicy"]["status"], "disabled");
}

#[tokio::test]
async fn every_field_that_a_registry_reports_is_in_the_document_of_differences() {
    let (emulator, puller, _) = prepared().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/differences.md");
    let document = std::fs::read_to_string(path).unwrap();
    let reported = put(&emulator, "team1", &with_key(&puller)).await.json();
    let mut missing = Vec::new();
    let mut rest = vec![(String::new(), reported)];

    while let Some((path, value)) = rest.pop() {
        let is_listed = document.contains(&format!("| `{path}` | "));
        match value {
            _ if is_listed => (),
            Value::Object(members) if !members.is_empty() => {
                let place = |name| if path.is_empty() { name } else { format!("{path}.{name}") };
                rest.extend(members.into_iter().map(|(name, value)| (place(name), value)));
            }
            _ => missing.push(path),
        }
    }

    assert_eq!(missing, [""; 0]);
}

#[tokio::test]
async fn a_registry_with_a_missing_or_wrong_identity_is_not_created() {
    let (emulator, puller, other) = prepared().await;
    let assigned = "/identity/userAssignedIdentities";
    let missing = format!("{}x", puller["id"].as_str().unwrap());
    let others = other["properties"]["clientId"].clone();

    for (body, expected, fragment) in [
        (but(&puller, "/identity", Value::Null), "BadRequest", "user-assigned identity"),
        (but(&puller, "/identity/type", "None".into()), "BadRequest", "go together"),
        (but(&puller, "/identity/type", "Some".into()), "InvalidRequestContent", "identity.type"),
        (but(&puller, assigned, json!({missing: {}})), "FailedIdentityOperation", "was not found"),
        (but(&puller, assigned, json!({"x": {}})), "InvalidIdentity", "is not an identity"),
        (but_key(&puller, "identity", Value::Null), "BadRequest", "identity' is required"),
        (but_key(&puller, "identity", "puller"), "BadRequest", "client id"),
        (but_key(&puller, "identity", "system"), "BadRequest", "user-assigned"),
        (
            but_key(&puller, "identity", puller["properties"]["principalId"].clone()),
            "BadRequest",
            client_id(&puller),
        ),
        (but_key(&puller, "identity", others), "BadRequest", "does not have access to identity"),
    ] {
        check(&emulator, body, expected, fragment).await;
    }
}

#[tokio::test]
async fn a_registry_whose_key_cannot_be_used_is_not_created_and_neither_is_its_system_identity() {
    let (emulator, puller, other) = prepared().await;
    let vault = emulator.vault().unwrap();
    vault.create_ec_key("local", "curve", Curve::P256).await.unwrap();
    let at = |path: &str| format!("https://local.vault.azure.net/{path}");
    let principals = vault.principals().len();

    for (key, fragment) in [
        (Value::Null, "keyIdentifier' is required"),
        ("own".into(), "this is not a key identifier"),
        (at("secrets/own").into(), "not the identifier of a key"),
        (
            at("keys/none").into(),
            "Failed to access KeyId 'https://local.vault.azure.net/keys/none'",
        ),
        ("https://nowhere.vault.azure.net/keys/own".into(), "nowhere"),
        (at("keys/curve").into(), "supports only RSA or RSA-HSM keys"),
    ] {
        let mut body = but_key(&puller, "keyIdentifier", key);
        body["identity"]["type"] = "SystemAssigned, UserAssigned".into();
        check(&emulator, body, "BadRequest", fragment).await;
    }
    check(&emulator, with_key(&other), "BadRequest", "Get, Wrap Key, Unwrap Key").await;
    let in_basic = but(&puller, "/sku/name", "Standard".into());
    check(&emulator, in_basic, "CMKNotSupportedForSku", "Premium").await;

    assert_eq!(vault.principals().len(), principals);
    assert_eq!(put(&emulator, "team1", &with_key(&puller)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_refused_change_leaves_the_registry_unchanged() {
    let (emulator, puller, _) = prepared().await;
    put(&emulator, "team1", &with_key(&puller)).await;
    put(&emulator, "plain", &basic()).await;
    let before = (shown(&emulator, "team1").await, shown(&emulator, "plain").await);
    let encryption = with_key(&puller)["properties"]["encryption"].clone();
    let off = json!({"properties": {"encryption": {"status": "disabled"}}});
    let none_left = json!({puller["id"].as_str().unwrap(): null});
    let both = json!({"anonymousPullEnabled": true, "adminUserEnabled": true});

    for (name, body, status, expected) in [
        ("team1", off.clone(), 400, "BadRequest"),
        ("team1", json!({"sku": {"name": "Basic"}}), 400, "CMKNotSupportedForSku"),
        ("team1", json!({"location": "westus"}), 409, "InvalidResourceLocation"),
        (
            "team1",
            json!({"identity": {"type": "UserAssigned", "userAssignedIdentities": none_left}}),
            400,
            "BadRequest",
        ),
        (
            "plain",
            json!({"sku": {"name": "Premium"}, "properties": {"encryption": encryption}}),
            400,
            "BadRequest",
        ),
        ("plain", json!({"properties": both}), 400, "BadRequest"),
        ("plain", json!({"properties": {"adminUserEnabled": "yes"}}), 400, "InvalidRequestContent"),
        ("plain", json!({"properties": {"publicNetworkAccess": "Disabled"}}), 400, "NotSupported"),
    ] {
        let answer = patch(&emulator, name, &body).await;
        let actual = (answer.status.as_u16(), code(&answer));
        assert_eq!(actual, (status, expected.to_owned()), "{name} {body}: {answer:?}");
    }
    let mut without = with_key(&puller);
    without["properties"]["encryption"] = json!({"status": "enabled"});
    let without = put(&emulator, "team1", &without).await;
    let plain_off = patch(&emulator, "plain", &off).await;

    assert_eq!(code(&without), "BadRequest", "{without:?}");
    assert_eq!(plain_off.status, StatusCode::OK, "{plain_off:?}");
    assert_eq!((shown(&emulator, "team1").await, shown(&emulator, "plain").await), before);
}

#[tokio::test]
async fn an_invalid_name_a_name_that_is_in_use_and_a_missing_group_are_refused() {
    let (emulator, ..) = prepared().await;
    make_group(&emulator, "elsewhere").await;
    put(&emulator, "plain", &basic()).await;
    let at = |group: &str| format!("resourceGroups/{group}/{REGISTRIES}/plain");

    for (method, path, status, expected) in [
        (Method::PUT, path("ab"), 400, "InvalidResourceName"),
        (Method::PUT, path("a-b-c"), 400, "InvalidResourceName"),
        (Method::PUT, at("none"), 404, "ResourceGroupNotFound"),
        (Method::PUT, at("elsewhere"), 409, "AlreadyInUse"),
        (Method::PATCH, at("elsewhere"), 404, "ResourceNotFound"),
        (Method::PATCH, path("team9"), 404, "ResourceNotFound"),
        (Method::POST, path("plain"), 405, "MethodNotAllowed"),
    ] {
        let answer = send(&emulator, method.clone(), &path, &basic()).await;
        let actual = (answer.status.as_u16(), code(&answer));
        assert_eq!(actual, (status, expected.to_owned()), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_request_without_a_version_a_body_that_is_not_json_and_a_caller_without_a_role_are_refused()
 {
    let (emulator, ..) = prepared().await;
    let vault = emulator.vault().unwrap();
    let stranger = vault.add_application("stranger").await.unwrap().principal;
    let stranger = vault.token(stranger.client_id(), "https://management.azure.com").unwrap();
    let owner = owner_token(&emulator);
    let url =
        format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/{}", path("team1"));
    let put = async |url: String, token: &str, body: String| {
        let request = through_proxy(&emulator).put(url).bearer_auth(token).body(body);
        Answer::of(request.send().await.unwrap()).await
    };

    let unversioned = put(url.clone(), &owner, basic().to_string()).await;
    let malformed = put(format!("{url}?{VERSION}"), &owner, "{\"location\":".to_owned()).await;
    let refused = put(format!("{url}?{VERSION}"), stranger.expose(), basic().to_string()).await;

    for (answer, status, expected) in [
        (unversioned, 400, "MissingApiVersionParameter"),
        (malformed, 400, "InvalidRequestContent"),
        (refused, 403, "AuthorizationFailed"),
    ] {
        assert_eq!(
            (answer.status.as_u16(), code(&answer).as_str()),
            (status, expected),
            "{answer:?}"
        );
    }
    assert!(emulator.registry_named("team1").is_none());
}

/// The path and body of a role assignment for a principal at a scope.
fn role(principal: &str, role: &str, scope: &str) -> (String, Value) {
    let path = format!(
        "{scope}/providers/Microsoft.Authorization/roleAssignments/11111111-1111-4111-8111-111111111111"
    );
    let definition = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    );
    (path, json!({"properties": {"roleDefinitionId": definition, "principalId": principal}}))
}

#[tokio::test]
async fn a_caller_who_may_change_a_registry_cannot_assign_an_identity_without_permission_for_it() {
    let (emulator, puller, _) = prepared().await;
    put(&emulator, "team1", &basic()).await;
    let vault = emulator.vault().unwrap();
    let helper = vault.add_application("helper").await.unwrap().principal;
    let (assignment, body) = role(helper.object_id(), CONTRIBUTOR, &path("team1"));
    let given = send(&emulator, Method::PUT, &assignment, &body).await;
    let token = vault.token(helper.client_id(), "https://management.azure.com").unwrap();
    let url =
        format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/{}", path("team1"));
    let patch = async |body: Value| {
        let url = format!("{url}?{VERSION}");
        let request = through_proxy(&emulator).patch(url).bearer_auth(token.expose());
        Answer::of(request.json(&body).send().await.unwrap()).await
    };

    let tagged = patch(json!({"tags": {"a": "b"}})).await;
    let identity = with_key(&puller)["identity"].clone();
    let refused = patch(json!({"identity": identity})).await;
    let deleted = send(&emulator, Method::DELETE, &path("team1"), &Value::Null).await;
    put(&emulator, "team1", &basic()).await;
    let another = patch(json!({"tags": {}})).await;

    assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    assert_eq!(tagged.status, StatusCode::OK, "{tagged:?}");
    let actual = (refused.status, code(&refused));
    assert_eq!(
        actual,
        (StatusCode::FORBIDDEN, "LinkedAuthorizationFailed".to_owned()),
        "{refused:?}"
    );
    assert_eq!(deleted.status, StatusCode::OK, "{deleted:?}");
    // A role at the deleted registry does not apply to the next registry of the same name.
    assert_eq!(another.status, StatusCode::FORBIDDEN, "{another:?}");
    assert!(shown(&emulator, "team1").await.get("identity").is_none());
}
