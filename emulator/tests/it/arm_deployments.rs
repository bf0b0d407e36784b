//! Deployments: the emulator validates a whole template, deploys it in dependency order as the caller, and stores the result.

use azure_emulator_core::identity::{SUBSCRIPTION, TENANT};
use reqwest::{Method, StatusCode};
use sealyard::Sealyard;
use sealyard::internals::registry::{Deployment, DeploymentState};
use serde_json::{Value, json};

use crate::support::arm::{VERSION, ask, code, make_group, owner_token, send, through_proxy};
use crate::support::{Answer, start};

const GROUP: &str = "resourcegroups/team";
const IDENTITIES: &str = "providers/Microsoft.ManagedIdentity/userAssignedIdentities";
const VAULTS: &str = "providers/Microsoft.KeyVault/vaults";
const KEY_VAULT_CONTRIBUTOR: &str = "f25e0fa2-a7c8-4377-a976-54943a77a395";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

fn path(rest: &str) -> String {
    format!("{GROUP}/providers/Microsoft.Resources/deployments/{rest}")
}

fn template(resources: &Value, more: &Value) -> Value {
    let mut template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": resources,
    });
    template.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    template
}

fn deployment_of(template: &Value, parameters: &Value) -> Value {
    json!({"properties": {"mode": "Incremental", "template": template, "parameters": parameters}})
}

fn identity(name: &str) -> Value {
    json!({
        "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
        "apiVersion": "2018-11-30",
        "name": name,
        "location": "[resourceGroup().location]",
    })
}

/// The access policy that lets an identity of the template use the keys of a vault.
fn policy(vault: &str, identity: &str) -> Value {
    json!({
        "type": "Microsoft.KeyVault/vaults/accessPolicies",
        "apiVersion": "2018-02-14",
        "name": format!("{vault}/add"),
        "dependsOn": [format!("[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', '{identity}')]")],
        "properties": {"accessPolicies": [{
            "tenantId": "[subscription().tenantId]",
            "objectId": format!("[reference('{identity}').principalId]"),
            "permissions": {"keys": ["get", "wrapKey", "unwrapKey"]},
        }]},
    })
}

/// Creates a group with a vault that uses access policies.
async fn prepare(emulator: &Sealyard) {
    make_group(emulator, "Team").await;
    let vault = json!({"location": "eastus", "properties": {
        "tenantId": TENANT,
        "sku": {"name": "standard", "family": "A"},
        "accessPolicies": [],
        "enableRbacAuthorization": false,
        "enablePurgeProtection": true,
    }});
    let made = send(emulator, Method::PUT, &format!("{GROUP}/{VAULTS}/vault-one"), &vault).await;
    assert!(made.status.is_success(), "{made:?}");
}

/// Microsoft's template for a registry with a customer-managed key.
fn cmk_template() -> Value {
    serde_json::from_str(include_str!("../../../scripts/tutorial.d/CMKtemplate.json")).unwrap()
}

/// The parameters of that template, for a key in `vault-one`.
fn cmk_parameters(registry: &str, identity: &str) -> Value {
    json!({
        "registry_name": {"value": registry},
        "identity_name": {"value": identity},
        "kv_vault": {"value": "vault-one"},
        "key_id": {"value": "https://vault-one.vault.azure.net/keys/key1"},
    })
}

/// Creates the same group and vault, and that key.
async fn prepare_key(emulator: &Sealyard) {
    prepare(emulator).await;
    let vault = emulator.vault().unwrap();
    vault.create_key("vault-one", "key1", mock_keyvault::KeySize::Rsa2048).await.unwrap();
}

/// Follows `Azure-AsyncOperation` until the operation has ended.
async fn ended(emulator: &Sealyard, begun: &Answer) -> Value {
    assert!(begun.status.is_success(), "{begun:?}");
    assert_eq!(begun.headers["retry-after"], "1");
    let at = begun.headers["azure-asyncoperation"].to_str().unwrap().to_owned();
    assert!(at.starts_with("https://management.azure.com/subscriptions/"), "{at}");
    for _ in 0..1000 {
        let answer = ask(emulator, &at, Some(&owner_token(emulator))).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        if answer.json()["status"] != "InProgress" {
            return answer.json();
        }
        tokio::task::yield_now().await;
    }
    panic!("the operation does not end");
}

async fn deploy(emulator: &Sealyard, name: &str, body: &Value) -> Value {
    let begun = send(emulator, Method::PUT, &path(name), body).await;
    ended(emulator, &begun).await
}

/// Sends requests for deployments of the group over one connection.
fn asking(emulator: &Sealyard) -> impl AsyncFn(Method, &str, &Value) -> Answer {
    let (client, token) = (through_proxy(emulator), owner_token(emulator));
    async move |method, at, body| {
        let url = format!(
            "https://management.azure.com/subscriptions/{SUBSCRIPTION}/{}?{VERSION}",
            path(at)
        );
        let request = client.request(method, url).bearer_auth(&token).json(body);
        Answer::of(request.send().await.unwrap()).await
    }
}

async fn get(emulator: &Sealyard, at: &str) -> Answer {
    send(emulator, Method::GET, at, &Value::Null).await
}

#[tokio::test]
async fn a_template_is_deployed_in_dependency_order_and_returns_its_outputs() {
    let (emulator, _client) = start().await;
    prepare(&emulator).await;
    let id = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/Team");
    let resources = json!([policy("vault-one", "puller"), identity("[parameters('name')]")]);
    let template = template(
        &resources,
        &json!({
            "parameters": {"name": {"type": "string"}, "secret": {"type": "secureString", "defaultValue": "hush"}},
            "outputs": {
                "client": {"type": "string", "value": "[reference(resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', parameters('name')), '2018-11-30').clientId]"},
                "suffix": {"type": "string", "value": "[environment().suffixes.acrLoginServer]"},
                "deployment": {"type": "string", "value": "[deployment().name]"},
            },
        }),
    );
    let body = deployment_of(&template, &json!({"name": {"value": "puller"}}));

    let begun = send(&emulator, Method::PUT, &path("First"), &body).await;
    let operation = ended(&emulator, &begun).await;
    let deployment = get(&emulator, &path("FIRST")).await.json();
    let made = get(&emulator, &format!("{GROUP}/{IDENTITIES}/puller")).await.json();
    let vault = get(&emulator, &format!("{GROUP}/{VAULTS}/vault-one")).await.json();

    assert_eq!(begun.status, StatusCode::CREATED);
    assert_eq!(begun.json()["properties"]["provisioningState"], "Running");
    assert_eq!(operation["status"], "Succeeded", "{operation}");
    assert_eq!(deployment["name"], "First");
    assert_eq!(deployment["id"], format!("{id}/providers/Microsoft.Resources/deployments/First"));
    let properties = &deployment["properties"];
    assert_eq!(properties["provisioningState"], "Succeeded");
    assert_eq!(properties["mode"], "Incremental");
    assert_eq!(
        properties["parameters"],
        json!({"name": {"type": "String", "value": "puller"}, "secret": {"type": "SecureString"}})
    );
    assert_eq!(
        properties["outputs"],
        json!({
            "client": {"type": "String", "value": made["properties"]["clientId"]},
            "suffix": {"type": "String", "value": ".azurecr.io"},
            "deployment": {"type": "String", "value": "First"},
        })
    );
    let (of_identity, of_policy) = (
        format!("{id}/{IDENTITIES}/puller"),
        format!("{id}/{VAULTS}/vault-one/accessPolicies/add"),
    );
    assert_eq!(
        properties["outputResources"],
        json!([{ "id": of_identity }, { "id": of_policy.clone() }])
    );
    assert_eq!(properties["dependencies"][0]["id"], of_policy);
    assert_eq!(properties["dependencies"][0]["dependsOn"][0]["id"], of_identity);
    let namespaces: Vec<&Value> =
        properties["providers"].as_array().unwrap().iter().map(|one| &one["namespace"]).collect();
    assert_eq!(namespaces, ["Microsoft.KeyVault", "Microsoft.ManagedIdentity"]);
    let policies = vault["properties"]["accessPolicies"].as_array().unwrap();
    assert_eq!(policies.len(), 1, "{policies:?}");
    assert_eq!(policies[0]["objectId"], made["properties"]["principalId"]);
}

#[tokio::test]
async fn the_template_of_the_tutorial_creates_a_registry_with_its_key() {
    let (emulator, _client) = start().await;
    let key = "https://local.vault.azure.net/keys/registry-key";
    let parameters = json!({
        "registry_name": {"value": "registry1"},
        "identity_name": {"value": "puller"},
        "kv_vault": {"value": "local"},
        "key_id": {"value": key},
    });
    let body = deployment_of(&cmk_template(), &parameters);
    // The emulator starts with this group, which has a vault with a key.
    let group = "resourceGroups/sealyard/providers";
    let at = format!("{group}/Microsoft.Resources/deployments/cmk");
    let registry = format!("{group}/Microsoft.ContainerRegistry/registries/registry1");

    let checked = send(&emulator, Method::POST, &format!("{at}/validate"), &body).await;
    let before = get(&emulator, &registry).await;
    let begun = send(&emulator, Method::PUT, &at, &body).await;
    let operation = ended(&emulator, &begun).await;
    let made = get(&emulator, &registry).await.json();

    assert_eq!(checked.status, StatusCode::OK, "{checked:?}");
    let validated = checked.json()["properties"]["validatedResources"].clone();
    assert_eq!(validated.as_array().unwrap().len(), 3, "{validated}");
    assert_eq!(before.status, StatusCode::NOT_FOUND);
    assert_eq!(operation["status"], "Succeeded", "{operation}");
    let encryption = &made["properties"]["encryption"];
    assert_eq!(encryption["status"], "enabled", "{made}");
    assert_eq!(encryption["keyVaultProperties"]["keyIdentifier"], key);
    assert_eq!(encryption["keyVaultProperties"]["keyRotationEnabled"], true);
}

#[tokio::test]
async fn a_registry_and_the_policy_for_its_key_are_created_at_the_first_try_in_any_order() {
    let (emulator, _client) = start().await;
    prepare_key(&emulator).await;
    let mut template = cmk_template();

    for round in 0..20 {
        // Every other round writes the last resource first.
        template["resources"].as_array_mut().unwrap().reverse();
        let parameters = cmk_parameters(&format!("registry{round}"), &format!("puller{round}"));
        let operation = deploy(&emulator, "cmk", &deployment_of(&template, &parameters)).await;
        assert_eq!(operation["status"], "Succeeded", "{round}: {operation}");
    }
}

#[tokio::test]
async fn the_creation_of_a_registry_is_retried_when_the_policy_for_its_key_is_created_much_later() {
    const REGISTRY: &str = "Microsoft.ContainerRegistry/registries";
    let (emulator, _client) = start().await;
    prepare_key(&emulator).await;
    let mut template = cmk_template();
    let resources = template["resources"].as_array_mut().unwrap();
    // To create four registries in sequence takes longer than the check whether a registry may use its key.
    let policy = resources.iter_mut().find(|one| one["type"] != REGISTRY).unwrap();
    policy["dependsOn"].as_array_mut().unwrap().push("plain3".into());
    for number in 0..4 {
        let after = (0 < number).then(|| format!("plain{}", number - 1));
        resources.push(json!({
            "type": REGISTRY,
            "apiVersion": "2022-12-01",
            "name": format!("plain{number}"),
            "location": "eastus",
            "sku": {"name": "Premium"},
            "dependsOn": after.into_iter().collect::<Vec<_>>(),
        }));
    }
    let parameters = cmk_parameters("registry1", "puller");

    let operation = deploy(&emulator, "cmk", &deployment_of(&template, &parameters)).await;

    assert_eq!(operation["status"], "Succeeded", "{operation}");
}

#[tokio::test]
async fn a_registry_fails_with_a_message_when_its_template_does_not_grant_the_key_and_the_clock_stands_still()
 {
    let (emulator, _client) = start().await;
    prepare_key(&emulator).await;
    let mut template = cmk_template();
    template["resources"]
        .as_array_mut()
        .unwrap()
        .retain(|resource| resource["type"] != "Microsoft.KeyVault/vaults/accessPolicies");
    template["resources"].as_array_mut().unwrap().push(json!({
        "type": "Microsoft.ContainerRegistry/registries/scopeMaps",
        "apiVersion": "2022-12-01",
        "name": "registry1/readers",
        "dependsOn": ["[resourceId('Microsoft.ContainerRegistry/registries', 'registry1')]"],
        "properties": {"actions": ["repositories/app/content/read"]},
    }));
    let parameters = cmk_parameters("registry1", "puller");

    let operation = deploy(&emulator, "cmk", &deployment_of(&template, &parameters)).await;
    let steps = get(&emulator, &format!("{}/operations", path("cmk"))).await.json();

    assert_eq!(operation["status"], "Failed", "{operation}");
    let details = operation["error"]["details"].as_array().unwrap();
    assert_eq!(details.len(), 1, "{operation}");
    assert!(details[0]["message"].as_str().unwrap().starts_with("Failed to access KeyId"));
    assert_eq!(
        steps["value"].as_array().unwrap().len(),
        2,
        "a resource that waits has no operation: {steps}"
    );
}

#[tokio::test]
async fn the_nonstandard_json_that_az_sends_is_accepted() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let body = "{\"properties\": {\"parameters\": {\"name\": {\"value\": \"p\\u00fcller\"}}, \"mode\": \"Incremental\", template:{\n\
        \"$schema\": \"https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#\", // the schema\n\
        \"contentVersion\": \"1.0.0.0\", /* {{{ */\n\
        \"parameters\": {\"name\": {\"type\": \"string\"}},\n\
        \"resources\": [],\n\
        \"outputs\": {\"o\": {\"type\": \"string\", \"value\": \"[concat(\n  parameters('name'),\n  '!')]\"}},\n\
        }}}";
    let url = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/{}?{VERSION}",
        path("lax")
    );

    let begun =
        through_proxy(&emulator).put(url).bearer_auth(owner_token(&emulator)).body(body).send();
    let operation = ended(&emulator, &Answer::of(begun.await.unwrap()).await).await;
    let deployment = get(&emulator, &path("lax")).await.json();

    assert_eq!(operation["status"], "Succeeded", "{operation}");
    assert_eq!(deployment["properties"]["outputs"]["o"]["value"], "püller!");
}

#[tokio::test]
async fn an_invalid_deployment_is_refused_before_any_resource_is_created() {
    let (emulator, _client) = start().await;
    prepare(&emulator).await;
    let with = |member: &str, value: Value| {
        let mut body =
            deployment_of(&template(&json!([identity("puller")]), &json!({})), &json!({}));
        body["properties"][member] = value;
        body
    };
    let of = |resources: Value| deployment_of(&template(&resources, &json!({})), &json!({}));
    let other = |kind: &str| json!({"type": kind, "apiVersion": "1", "name": "x"});

    for (body, expected, fragment) in [
        (json!({}), "InvalidRequestContent", "Required property 'properties'"),
        (with("mode", Value::Null), "InvalidRequestContent", "Required property 'mode'"),
        (with("mode", json!("Partly")), "InvalidRequestContent", "Path 'properties.mode'"),
        (with("template", Value::Null), "InvalidRequestContent", "Required property 'template'"),
        (with("parameters", json!(1)), "InvalidRequestContent", "properties.parameters"),
        (with("mode", json!("Complete")), "NotSupported", "The deployment mode 'Complete'"),
        (with("templateLink", json!({"uri": "x"})), "NotSupported", "('templateLink')"),
        (with("onErrorDeployment", json!({})), "NotSupported", "('onErrorDeployment')"),
        (
            with("parameters", json!({"none": {"value": 1}})),
            "InvalidTemplate",
            "The template parameters 'none'",
        ),
        (
            of(json!([identity("puller"), other("Microsoft.Storage/storageAccounts")])),
            "NotSupported",
            "The resource type 'Microsoft.Storage/storageAccounts' of the template resource 'x' is not supported by this emulator.",
        ),
        (
            of(json!([identity("puller"), other("Microsoft.Resources/deployments")])),
            "NotSupported",
            "A deployment in a template",
        ),
        (
            of(json!([identity("puller"), identity("[concat('a', nothing())]")])),
            "InvalidTemplate",
            "The template function 'nothing' is not valid.",
        ),
        (
            of(json!([identity("puller"), identity("[concat('a'"), policy("v", "none")])),
            "InvalidTemplate",
            "is not defined in the template",
        ),
        (
            deployment_of(
                &template(
                    &json!([identity("puller")]),
                    &json!({"outputs": {"o": {"type": "string", "value": "[variables('none')]"}}}),
                ),
                &json!({}),
            ),
            "InvalidTemplate",
            "The template variable 'none' is not found.",
        ),
    ] {
        for (method, at) in [(Method::POST, "one/validate"), (Method::PUT, "one")] {
            let answer = send(&emulator, method, &path(at), &body).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{fragment}: {answer:?}");
            assert_eq!(code(&answer), expected, "{answer:?}");
            let message = answer.json()["error"]["message"].to_string();
            assert!(message.contains(fragment), "{fragment}: {message}");
        }
    }

    let listed = get(&emulator, &format!("{GROUP}/{IDENTITIES}")).await;
    assert_eq!(listed.json()["value"], json!([]));
    assert_eq!(get(&emulator, &path("one")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn unsupported_scopes_and_operations_of_deployments_are_refused_by_name() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let body = deployment_of(&template(&json!([]), &json!({})), &json!({}));

    let to_subscription =
        send(&emulator, Method::PUT, "providers/Microsoft.Resources/deployments/d", &body).await;
    let what_if = send(&emulator, Method::POST, &path("d/whatIf"), &body).await;
    let named = send(&emulator, Method::PUT, &path("a%20b"), &body).await;
    let nowhere = path("d").replace("team", "nowhere");
    let nowhere = send(&emulator, Method::PUT, &nowhere, &body).await;
    let absent = get(&emulator, &path("absent")).await;
    let method = send(&emulator, Method::PATCH, &path("d"), &body).await;

    // A what-if client fails on a refusal with another status.
    for (answer, status, fragment) in [
        (to_subscription, StatusCode::BAD_REQUEST, "other than a resource group"),
        (what_if, StatusCode::OK, "('whatIf')"),
    ] {
        assert_eq!((answer.status, code(&answer).as_str()), (status, "NotSupported"));
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(fragment), "{message}");
    }
    assert_eq!(code(&named), "InvalidDeploymentName");
    assert_eq!(
        (nowhere.status, code(&nowhere).as_str()),
        (StatusCode::NOT_FOUND, "ResourceGroupNotFound")
    );
    assert_eq!(
        (absent.status, code(&absent).as_str()),
        (StatusCode::NOT_FOUND, "DeploymentNotFound")
    );
    assert_eq!(absent.json()["error"]["message"], "Deployment 'absent' could not be found.");
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_failed_resource_gives_the_reason_and_independent_resources_are_created() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let mut last = identity("last");
    last["dependsOn"] = json!(["vault-none/add"]);
    let resources =
        json!([last, policy("vault-none", "first"), identity("first"), identity("other")]);
    let body = deployment_of(&template(&resources, &json!({})), &json!({}));
    let target = format!(
        "/subscriptions/{SUBSCRIPTION}/resourceGroups/team/{VAULTS}/vault-none/accessPolicies/add"
    );

    let operation = deploy(&emulator, "one", &body).await;
    let deployment = get(&emulator, &path("one")).await.json();
    let steps = get(&emulator, &format!("{GROUP}/deployments/one/operations")).await.json();
    let failed = steps["value"][1].clone();
    let id = failed["operationId"].as_str().unwrap();
    let step = get(&emulator, &path(&format!("one/operations/{id}"))).await.json();
    let no_step = get(&emulator, &path("one/operations/none")).await;
    let identities = get(&emulator, &format!("{GROUP}/{IDENTITIES}")).await.json();

    assert_eq!(operation["status"], "Failed");
    let error = &operation["error"];
    assert_eq!(error["code"], "DeploymentFailed");
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .starts_with("At least one resource deployment operation failed.")
    );
    assert_eq!(error["details"].as_array().unwrap().len(), 1, "{error}");
    let detail = &error["details"][0];
    assert_eq!((&detail["target"], &detail["code"]), (&json!(target), &json!("ResourceNotFound")));
    assert_eq!(deployment["properties"]["provisioningState"], "Failed");
    assert_eq!(&deployment["properties"]["error"], error);
    assert_eq!(deployment["properties"]["outputResources"].as_array().unwrap().len(), 2);
    let states: Vec<&Value> = steps["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| &step["properties"]["provisioningState"])
        .collect();
    assert_eq!(states, ["Succeeded", "Failed", "Succeeded"]);
    assert_eq!(step, failed);
    assert_eq!(step["properties"]["targetResource"]["id"], target);
    assert_eq!(step["properties"]["statusMessage"]["error"], *detail);
    assert_eq!(code(&no_step), "DeploymentOperationNotFound");
    let names: Vec<&Value> =
        identities["value"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["first", "other"]);
}

#[tokio::test]
async fn a_deployment_has_exactly_the_permissions_of_its_caller() {
    let (emulator, _client) = start().await;
    prepare(&emulator).await;
    let vault = emulator.vault().unwrap();
    let caller = vault.add_application("caller").await.unwrap().principal;
    let token = vault.token(caller.client_id(), "https://management.azure.com").unwrap();
    let url = |at: &str| {
        format!("https://management.azure.com/subscriptions/{SUBSCRIPTION}/{at}?{VERSION}")
    };
    let give = async |role: &str, id: &str| {
        let assignment = json!({"properties": {
            "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
            "principalId": caller.object_id(),
            "principalType": "ServicePrincipal",
        }});
        let at = format!("{GROUP}/providers/Microsoft.Authorization/roleAssignments/{id}");
        let given = send(&emulator, Method::PUT, &at, &assignment).await;
        assert_eq!(given.status, StatusCode::CREATED, "{given:?}");
    };
    let body = deployment_of(&template(&json!([identity("puller")]), &json!({})), &json!({}));
    let put = async |method: Method, at: &str| {
        let request = through_proxy(&emulator).request(method, url(at));
        let request = request.bearer_auth(token.expose()).json(&body).send();
        Answer::of(request.await.unwrap()).await
    };

    give(READER, "11111111-1111-4111-8111-111111111111").await;
    let reads =
        put(Method::GET, &format!("{GROUP}/providers/Microsoft.Resources/deployments")).await;
    let refused = put(Method::PUT, &path("one")).await;
    let refused_check = put(Method::POST, &path("one/validate")).await;
    give(KEY_VAULT_CONTRIBUTOR, "22222222-2222-4222-8222-222222222222").await;
    let begun = put(Method::PUT, &path("one")).await;
    let operation = ended(&emulator, &begun).await;

    assert_eq!(reads.status, StatusCode::OK, "{reads:?}");
    for (answer, action) in
        [(refused, "deployments/write"), (refused_check, "deployments/validate/action")]
    {
        assert_eq!(
            (answer.status, code(&answer).as_str()),
            (StatusCode::FORBIDDEN, "AuthorizationFailed")
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(action), "{message}");
    }
    let detail = &operation["error"]["details"][0];
    assert_eq!(detail["code"], "AuthorizationFailed", "{operation}");
    let message = detail["message"].as_str().unwrap();
    assert!(
        message.contains("Microsoft.ManagedIdentity/userAssignedIdentities/write"),
        "{message}"
    );
}

#[tokio::test]
async fn a_template_can_create_a_vault_assign_a_role_at_it_and_output_the_user_of_a_registry() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let role = "12338af0-0e69-4776-bea7-57ae8d297424";
    let resources = json!([
        identity("puller"),
        {
            "type": "Microsoft.KeyVault/vaults",
            "apiVersion": "2023-07-01",
            "name": "[variables('vault')]",
            "location": "[resourceGroup().location]",
            "properties": {
                "tenantId": "[tenant().tenantId]",
                "sku": {"name": "standard", "family": "A"},
                "enableRbacAuthorization": true,
                "enablePurgeProtection": true,
            },
        },
        {
            "type": "Microsoft.Authorization/roleAssignments",
            "apiVersion": "2022-04-01",
            "name": "[guid(resourceGroup().id, 'puller')]",
            "scope": "[concat('Microsoft.KeyVault/vaults/', variables('vault'))]",
            "dependsOn": ["[variables('vault')]", "puller"],
            "properties": {
                "roleDefinitionId": format!("[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', '{role}')]"),
                "principalId": "[reference('puller').principalId]",
                "principalType": "ServicePrincipal",
            },
        },
        {
            "type": "Microsoft.ContainerRegistry/registries",
            "apiVersion": "2023-07-01",
            "name": "registry1",
            "location": "[resourceGroup().location]",
            "sku": {"name": "Basic"},
            "properties": {"adminUserEnabled": true},
        },
    ]);
    let more = json!({
        "variables": {"vault": "[concat('v', uniqueString(resourceGroup().id))]"},
        "outputs": {
            "server": {"type": "string", "value": "[reference('registry1').loginServer]"},
            "user": {"type": "string", "value": "[listCredentials('registry1', '2023-07-01').username]"},
            "vault": {"type": "string", "value": "[variables('vault')]"},
            "mode": {"type": "string", "value": "[reference('registry1', '2023-07-01', 'Full').sku.name]"},
        },
    });
    let body = deployment_of(&template(&resources, &more), &json!({}));

    let operation = deploy(&emulator, "all", &body).await;
    let again = deploy(&emulator, "all", &body).await;
    let outputs = get(&emulator, &path("all")).await.json()["properties"]["outputs"].clone();
    let vault = outputs["vault"]["value"].as_str().unwrap().to_owned();
    let roles =
        format!("{GROUP}/{VAULTS}/{vault}/providers/Microsoft.Authorization/roleAssignments");
    let roles = get(&emulator, &roles).await.json();

    assert_eq!(
        (&operation["status"], &again["status"]),
        (&json!("Succeeded"), &json!("Succeeded")),
        "{operation} {again}"
    );
    assert_eq!(outputs["server"]["value"], "registry1.azurecr.io");
    assert_eq!(outputs["user"]["value"], "registry1");
    assert_eq!(outputs["mode"]["value"], "Basic");
    let at_vault = roles["value"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["properties"]["roleDefinitionId"].as_str().unwrap().ends_with(role));
    assert_eq!(at_vault.count(), 1, "{roles}");
}

#[tokio::test]
async fn a_running_deployment_cannot_be_replaced_or_deleted_and_can_be_cancelled() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    // The deployment has so many resources that it still runs during the next requests.
    let many: Vec<Value> = (0..700).map(|at| identity(&format!("puller-{at}"))).collect();
    let body = deployment_of(&template(&json!(many), &json!({})), &json!({}));
    let ask = asking(&emulator);

    let begun = ask(Method::PUT, "many", &body).await;
    let small = deployment_of(&template(&json!([]), &json!({})), &json!({}));
    let replaced = ask(Method::PUT, "Many", &small).await;
    let deleted = ask(Method::DELETE, "many", &Value::Null).await;
    let stopped = ask(Method::POST, "MANY/cancel", &Value::Null).await;
    let operation = ended(&emulator, &begun).await;
    let deployment = ask(Method::GET, "many", &Value::Null).await.json();

    for refused in [&replaced, &deleted] {
        assert_eq!(
            (refused.status, code(refused).as_str()),
            (StatusCode::CONFLICT, "DeploymentActive")
        );
    }
    assert_eq!(stopped.status, StatusCode::NO_CONTENT, "{stopped:?}");
    assert_eq!(operation["error"]["code"], "DeploymentCanceled", "{operation}");
    assert_eq!(deployment["properties"]["provisioningState"], "Canceled");
    let made = deployment["properties"]["outputResources"].as_array().unwrap().len();
    assert!(made < many.len(), "{made}");
}

#[tokio::test]
async fn a_deployment_that_a_restart_interrupted_has_failed_and_can_be_started_again() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let registries = &emulator.app().registries;
    // The row looks like this while the deployment runs, and after the process was killed.
    let cut_off = Deployment {
        group: "team".parse().unwrap(),
        name: "one".parse().unwrap(),
        state: DeploymentState::Running,
        begun: registries.moment(),
        ended: None,
        report: json!({"properties": {"mode": "Incremental"}}),
    };
    registries.begin_deployment(&cut_off, "{}".to_owned()).await.unwrap();

    let found = get(&emulator, &path("one")).await.json();
    let body = deployment_of(&template(&json!([]), &json!({})), &json!({}));
    let again = deploy(&emulator, "one", &body).await;

    assert_eq!(found["properties"]["provisioningState"], "Failed");
    let message = found["properties"]["error"]["message"].as_str().unwrap();
    assert!(message.contains("The emulator stopped while"), "{message}");
    assert_eq!(again["status"], "Succeeded", "{again}");
}

#[tokio::test]
async fn a_reset_leaves_only_the_first_group_and_no_deployment() {
    let (emulator, client) = start().await;
    make_group(&emulator, "team").await;
    let body = deployment_of(&template(&json!([identity("puller")]), &json!({})), &json!({}));
    deploy(&emulator, "one", &body).await;
    let of_first = "resourceGroups/sealyard/providers/Microsoft.Resources/deployments";
    let begun = send(&emulator, Method::PUT, &format!("{of_first}/two"), &body).await;
    ended(&emulator, &begun).await;
    let tags = json!({"tags": {"team": "one"}});
    send(&emulator, Method::PATCH, "resourceGroups/sealyard", &tags).await;

    let reset = client.send_json("/_sealyard/reset", &json!({})).await;
    let groups = get(&emulator, "resourceGroups").await.json();
    let deployments = get(&emulator, of_first).await.json();
    make_group(&emulator, "team").await;
    let again = get(&emulator, &path("")).await.json();

    assert_eq!(reset.status, StatusCode::OK, "{reset:?}");
    assert_eq!(groups["value"].as_array().unwrap().len(), 1, "{groups}");
    assert_eq!(
        (&groups["value"][0]["name"], &groups["value"][0]["tags"]),
        (&json!("sealyard"), &json!({}))
    );
    assert_eq!((&deployments["value"], &again["value"]), (&json!([]), &json!([])));
}

#[tokio::test]
async fn deployments_are_listed_replaced_exported_and_deleted_without_their_resources() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let good = template(&json!([identity("puller")]), &json!({}));
    let mut bad = identity("bad");
    bad["location"] = json!("no/where");
    let bad = deployment_of(&template(&json!([bad]), &json!({})), &json!({}));
    deploy(&emulator, "good", &deployment_of(&good, &json!({}))).await;
    deploy(&emulator, "bad", &bad).await;

    let mut tagged = deployment_of(&good, &json!({}));
    tagged["tags"] = json!({"team": "one"});
    let again = send(&emulator, Method::PUT, &path("Good"), &tagged).await;
    ended(&emulator, &again).await;
    let listed = get(&emulator, &path("")).await.json();
    let of_state = format!(
        "https://management.azure.com/subscriptions/{SUBSCRIPTION}/{}?{VERSION}&$filter=provisioningState eq 'Failed'",
        path("")
    );
    let of_state = ask(&emulator, &of_state, Some(&owner_token(&emulator))).await.json();
    let exported = send(&emulator, Method::POST, &path("good/exportTemplate"), &Value::Null).await;
    let cancelled = send(&emulator, Method::POST, &path("good/cancel"), &Value::Null).await;
    let there = send(&emulator, Method::HEAD, &path("good"), &Value::Null).await;
    let deleted = send(&emulator, Method::DELETE, &path("good"), &Value::Null).await;
    let deleted_again = send(&emulator, Method::DELETE, &path("good"), &Value::Null).await;
    let absent = send(&emulator, Method::HEAD, &path("good"), &Value::Null).await;

    assert_eq!(again.status, StatusCode::OK);
    let mut names: Vec<&str> = listed["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["name"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["Good", "bad"]);
    let tags: Vec<&Value> =
        listed["value"].as_array().unwrap().iter().filter_map(|one| one.get("tags")).collect();
    assert_eq!(tags, [&json!({"team": "one"})]);
    assert_eq!(of_state["value"].as_array().unwrap().len(), 1);
    assert_eq!(of_state["value"][0]["name"], "bad");
    assert_eq!(exported.json()["template"], good);
    assert_eq!(
        (cancelled.status, code(&cancelled).as_str()),
        (StatusCode::CONFLICT, "DeploymentCannotBeCancelled")
    );
    assert_eq!(there.status, StatusCode::NO_CONTENT);
    assert_eq!(
        (deleted.status, deleted_again.status),
        (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT)
    );
    assert_eq!(absent.status, StatusCode::NOT_FOUND);
    assert_eq!(
        get(&emulator, &format!("{GROUP}/{IDENTITIES}/puller")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_deployment_survives_a_restart_and_is_deleted_with_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Sealyard::builder().ephemeral().data_dir(folder.path().join("d")).start();
    let emulator = start().await.unwrap();
    make_group(&emulator, "team").await;
    let outputs = json!({"outputs": {"long": {"type": "array", "value": "[range(0, 5000)]"}}});
    let body = deployment_of(&template(&json!([]), &outputs), &json!({}));
    deploy(&emulator, "one", &body).await;
    let before = get(&emulator, &path("one")).await.json();
    emulator.shutdown().await;

    let emulator = start().await.unwrap();
    let after = get(&emulator, &path("one")).await.json();
    let gone = send(&emulator, Method::DELETE, GROUP, &Value::Null).await;
    for _ in 0..1000 {
        if send(&emulator, Method::HEAD, GROUP, &Value::Null).await.status == StatusCode::NOT_FOUND
        {
            break;
        }
    }
    make_group(&emulator, "team").await;
    let listed = get(&emulator, &path("")).await.json();

    assert_eq!(before["properties"]["provisioningState"], "Succeeded");
    assert_eq!(before["properties"]["outputs"]["long"]["value"][4999], 4999);
    assert_eq!(after, before);
    assert_eq!(gone.status, StatusCode::ACCEPTED);
    assert_eq!(listed["value"], json!([]));
}

/// A template with the parts of Azure's quickstart `container-registry-with-policies-and-diagnostics` that decide whether it
/// deploys (Azure/azure-quickstart-templates, `azuredeploy.json` at 2daa6904). It is not the published file.
fn with_policies_and_diagnostics() -> Value {
    let parameter = |kind: &str, value: Value| json!({"type": kind, "defaultValue": value});
    let registry = "[format('Microsoft.ContainerRegistry/registries/{0}', parameters('acrName'))]";
    let registry_id =
        "[resourceId('Microsoft.ContainerRegistry/registries', parameters('acrName'))]";
    let beside = |condition: &str, kind: &str| {
        json!({
            "condition": format!("[parameters('{condition}')]"),
            "type": kind,
            "apiVersion": "2021-05-01-preview",
            "scope": registry,
            "name": "[variables('extra')]",
            "properties": {"workspaceId": "[if(empty(parameters('workspace')), null(), parameters('workspace'))]"},
            "dependsOn": [registry_id],
        })
    };
    json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "acrName": {
                "type": "string",
                "defaultValue": "[format('acr{0}', uniqueString(resourceGroup().id))]",
                "minLength": 5,
                "maxLength": 50,
            },
            "location": parameter("string", json!("[resourceGroup().location]")),
            "acrSku": parameter("string", json!("Basic")),
            "enableSystemIdentity": parameter("bool", json!(false)),
            "userAssignedIdentities": parameter("object", json!({})),
            "ipRules": parameter("object", json!({})),
            "networkRuleBypassOptions": {
                "type": "string",
                "defaultValue": "None",
                "allowedValues": ["AzureServices", "None"],
            },
            "policies": parameter("object", json!({})),
            "enableDeleteLock": parameter("bool", json!(false)),
            "enableDiagnostics": parameter("bool", json!(false)),
            "workspace": parameter("string", json!("")),
        },
        "functions": [],
        "variables": {"extra": "[format('{0}-x', parameters('acrName'))]"},
        "resources": [
            {
                "type": "Microsoft.ContainerRegistry/registries",
                "apiVersion": "2021-06-01-preview",
                "name": "[parameters('acrName')]",
                "location": "[parameters('location')]",
                "sku": {"name": "[parameters('acrSku')]"},
                "identity": "[if(parameters('enableSystemIdentity'), createObject('type', 'SystemAssigned'), if(not(empty(parameters('userAssignedIdentities'))), createObject('type', 'UserAssigned', 'userAssignedIdentities', parameters('userAssignedIdentities')), null()))]",
                "properties": {
                    "adminUserEnabled": false,
                    "publicNetworkAccess": "Enabled",
                    "zoneRedundancy": "Disabled",
                    "networkRuleBypassOptions": "[parameters('networkRuleBypassOptions')]",
                    "networkRuleSet": "[if(not(empty(parameters('ipRules'))), createObject('defaultAction', parameters('ipRules').defaultAction, 'ipRules', parameters('ipRules').ipRules), createObject())]",
                    "policies": "[parameters('policies')]",
                },
            },
            beside("enableDiagnostics", "Microsoft.Insights/diagnosticSettings"),
            beside("enableDeleteLock", "Microsoft.Authorization/locks"),
        ],
        "outputs": {
            "name": {"type": "string", "value": "[parameters('acrName')]"},
            "id": {"type": "string", "value": registry_id},
            "acrLoginServer": {
                "type": "string",
                "value": format!("[reference({}).loginServer]", registry_id.trim_matches(['[', ']'])),
            },
        },
    })
}

#[tokio::test]
async fn a_template_like_the_quickstart_with_policies_and_diagnostics_deploys_with_its_defaults() {
    let (emulator, _client) = start().await;
    make_group(&emulator, "team").await;
    let body = deployment_of(&with_policies_and_diagnostics(), &json!({}));

    let ended = deploy(&emulator, "quick", &body).await;
    let shown = send(&emulator, Method::GET, &path("quick"), &Value::Null).await.json();

    assert_eq!(ended["status"], "Succeeded", "{ended}");
    let name = shown["properties"]["outputs"]["name"]["value"].as_str().unwrap();
    let server = &shown["properties"]["outputs"]["acrLoginServer"]["value"];
    assert_eq!(*server, format!("{name}.azurecr.io"));
    let id = shown["properties"]["outputs"]["id"]["value"].as_str().unwrap();
    assert!(id.ends_with(&format!("/Microsoft.ContainerRegistry/registries/{name}")), "{id}");
    assert!(!emulator.registry_named(name).unwrap().profile().is_cmk());
}
