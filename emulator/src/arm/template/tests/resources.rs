//! Resources: their ids, their order, their bodies.

use serde_json::{Value, json};

use super::*;

#[test]
fn resources_come_in_the_order_in_which_they_wait_for_each_other() {
    let members = json!({
        "variables": {"v": "[resourceId('N/a', 'four')]"},
        "resources": [
            resource("N/a", "one", &json!({"dependsOn": ["two", "[variables('v')]"]})),
            resource("N/a", "two", &json!({"properties": {"deep": [{"x": "[reference('three').y]"}]}})),
            resource("N/a", "[concat('th', 'ree')]", &json!({"dependsOn": ["N/a/four"]})),
            resource("N/a", "four", &json!({})),
            resource("N/a", "five", &json!({"properties": {"[reference(variables('v'), '2020-01-01').k]": 1}})),
        ],
    });

    let plan = plan(&members, &json!({})).unwrap();

    assert_eq!(ids(&plan), ["four", "three", "two", "one", "five"]);
    assert_eq!(plan.resources()[3].after, [0, 2]);
    assert_eq!(plan.resources()[3].id, format!("{GROUP}/providers/N/a/one"));
}

#[test]
fn a_reference_by_id_waits_only_with_depends_on() {
    let id = format!("{GROUP}/providers/N/a/two");
    let members = json!({"resources": [
        resource("N/a", "one", &json!({"properties": {"x": format!("[reference('{id}').y]")}})),
        resource("N/a", "two", &json!({})),
    ]});

    let plan = plan(&members, &json!({})).unwrap();

    assert_eq!(ids(&plan), ["one", "two"]);
    assert!(plan.resources()[0].after.is_empty());
}

#[test]
fn letter_case_does_not_matter_in_the_names_of_members() {
    let members = json!({
        "Parameters": {"p": {"Type": "string", "DefaultValue": "x"}},
        "resources": [
            {"Type": "N/a", "NAME": "one", "ApiVersion": "1", "DependsOn": ["two"], "Properties": {"Kept": "[parameters('p')]"}},
            {"type": "N/a", "name": "two", "apiversion": "1", "Condition": true},
        ],
        "Outputs": {"o": {"TYPE": "string", "Value": "[parameters('p')]"}},
    });

    let plan = plan(&members, &json!({})).unwrap();

    assert_eq!(ids(&plan), ["two", "one"]);
    let body = plan.body(&plan.resources()[1], &LookupResults::default());
    assert_eq!(body, Ok(json!({"properties": {"Kept": "x"}})));
    assert_eq!(plan.outputs(&LookupResults::default()).unwrap()["o"]["value"], "x");
}

#[test]
fn cycles_and_missing_resources_are_refused() {
    let circle = json!({"resources": [
        resource("N/a", "one", &json!({"dependsOn": ["two"]})),
        resource("N/a", "two", &json!({"properties": {"x": "[reference('one').y]"}})),
    ]});
    let nowhere = json!({"resources": [resource("N/a", "one", &json!({"dependsOn": ["two"]}))]});
    let twice = json!({"resources": [resource("N/a", "one", &json!({})), resource("n/A", "One", &json!({}))]});
    let short = json!({"resources": [resource("N/a/b", "one", &json!({}))]});

    assert!(
        message(plan(&circle, &json!({}))).contains(&format!(
            "Circular dependency detected on resource: '{GROUP}/providers/N/a/"
        ))
    );
    assert!(
        message(plan(&nowhere, &json!({})))
            .contains("The resource 'two' is not defined in the template.")
    );
    assert!(
        message(plan(&twice, &json!({})))
            .contains("The resource 'n/A/One' is defined multiple times")
    );
    assert!(
        message(plan(&short, &json!({}))).contains(
            "The template resource 'one' for type 'N/a/b' has incorrect segment lengths."
        )
    );
}

#[test]
fn children_and_extensions_have_ids_in_their_scope() {
    let members = json!({"resources": [
        resource("Microsoft.KeyVault/vaults", "V", &json!({"resources": [
            resource("accessPolicies", "add", &json!({"dependsOn": ["V"]})),
        ]})),
        resource("M/roles", "r", &json!({"scope": "[concat('Microsoft.KeyVault/vaults/', 'V')]"})),
        resource("M/roles", "s", &json!({"scope": "/subscriptions/other"})),
        resource("Microsoft.KeyVault/vaults/providers/roles", "V/M/t", &json!({})),
    ]});

    let plan = plan(&members, &json!({})).unwrap();

    let vault = format!("{GROUP}/providers/Microsoft.KeyVault/vaults/V");
    let found: Vec<&str> = plan.resources().iter().map(|resource| resource.id.as_str()).collect();
    assert_eq!(
        found,
        [
            vault.as_str(),
            &format!("{vault}/accessPolicies/add"),
            &format!("{vault}/providers/M/roles/r"),
            "/subscriptions/other/providers/M/roles/s",
            &format!("{vault}/providers/M/roles/t"),
        ]
    );
    assert_eq!(
        (plan.resources()[1].kind.as_str(), plan.resources()[1].name.as_str()),
        ("Microsoft.KeyVault/vaults/accessPolicies", "V/add")
    );
}

#[test]
fn a_resource_whose_condition_does_not_hold_is_not_waited_for() {
    let members = json!({
        "parameters": {"with": {"type": "bool", "defaultValue": false}},
        "resources": [
            resource("N/a", "one", &json!({"dependsOn": ["two"]})),
            resource("N/a", "two", &json!({"condition": "[parameters('with')]"})),
        ],
    });

    let without = plan(&members, &json!({})).unwrap();
    let with = plan(&members, &json!({"with": {"value": true}})).unwrap();

    assert_eq!(ids(&without), ["one", "two"]);
    assert!(!without.resources()[1].is_included);
    assert_eq!(ids(&with), ["two", "one"]);
    assert!(with.resources().iter().all(|resource| resource.is_included));
}

#[test]
fn a_body_is_complete_once_its_lookups_are_made() {
    let members = json!({
        "parameters": {"i": {"type": "string", "defaultValue": "id1"}},
        "resources": [
            resource("N/ids", "[parameters('i')]", &json!({"location": "[resourceGroup().location]"})),
            resource("N/a", "one", &json!({
                "location": "eastus",
                "comments": "x",
                "tags": null,
                "dependsOn": ["[parameters('i')]"],
                "identity": {"all": {"[resourceId('N/ids', parameters('i'))]": {}}},
                "properties": {
                    "client": "[reference(resourceId('N/ids', parameters('i')), '2018-11-30').clientId]",
                    "place": "[reference('id1', '2018-11-30', 'Full').location]",
                },
            })),
        ],
    });
    let plan = plan(&members, &json!({})).unwrap();
    let one = &plan.resources()[1];
    let id = format!("{GROUP}/providers/N/ids/id1");
    let lookup = Lookup::Resource { id: id.clone(), api_version: "2018-11-30".to_owned() };

    let before = plan.body(one, &LookupResults::default());
    let mut lookups = LookupResults::default();
    lookups.insert(lookup.clone(), json!({"location": "here", "properties": {"clientId": "c"}}));
    let after = plan.body(one, &lookups);

    assert_eq!(
        plan.body(&plan.resources()[0], &LookupResults::default()),
        Ok(json!({"location": "eastus"}))
    );
    assert_eq!(before, Err(PlanError::NeedsLookup(lookup)));
    assert_eq!(
        after,
        Ok(json!({
            "location": "eastus",
            "identity": {"all": {id: {}}},
            "properties": {"client": "c", "place": "here"},
        }))
    );
}

#[test]
fn runtime_functions_are_allowed_only_in_properties_and_outputs() {
    for member in ["name", "location", "condition", "dependsOn"] {
        let value = json!({member: "[reference('x', '2020-01-01').y]"});
        let members = json!({"resources": [resource("N/a", "one", &value)]});

        let refused = plan(&members, &json!({}))
            .map_err(PlanError::Invalid)
            .and_then(|plan| plan.body(&plan.resources()[0], &LookupResults::default()));

        let Err(PlanError::Invalid(error)) = refused else { panic!("{member}: {refused:?}") };
        assert!(
            error
                .to_string()
                .contains("The template function 'reference' is not expected at this location."),
            "{member}: {error}"
        );
    }
}

#[test]
fn list_functions_need_a_lookup_with_their_body() {
    let members = json!({"resources": [resource("N/a", "one", &json!({}))]});
    let lookup = Lookup::List {
        id: format!("{GROUP}/providers/N/a/one"),
        function: "listCredentials".to_owned(),
        api_version: "2020-01-01".to_owned(),
        body: Some("{\"a\":1}".to_owned()),
    };
    let expression =
        "[listCredentials('one', '2020-01-01', createObject('a', 1)).passwords[0].value]";

    let before = value_with(members.clone(), expression, &LookupResults::default());
    let mut lookups = LookupResults::default();
    lookups.insert(lookup.clone(), json!({"passwords": [{"value": "p"}]}));
    let after = value_with(members, expression, &lookups);

    assert_eq!(before, Err(PlanError::NeedsLookup(lookup)));
    assert_eq!(after, Ok(json!("p")));
    assert!(!format!("{lookups:?}").contains("\"p\""), "{lookups:?}");
}

#[test]
fn a_template_of_a_registry_with_its_key_plans_three_resources_in_order() {
    let text = include_str!("../../../../../scripts/tutorial.d/CMKtemplate.json");
    let body = format!("{{\"properties\": {{\"mode\": \"Incremental\", template:{text}}}}}");
    let template = &read(&body).unwrap()["properties"]["template"];
    let given = json!({
        "registry_name": {"value": "registry1"},
        "identity_name": {"value": "id1"},
        "kv_vault": {"value": "V"},
        "key_id": {"value": "https://v.vault.azure.net/keys/k"},
    });
    let identity =
        format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id1");
    let mut lookups = LookupResults::default();
    lookups.insert(
        Lookup::Resource { id: identity.clone(), api_version: "2018-11-30".to_owned() },
        json!({"properties": {"clientId": "client", "principalId": "principal"}}),
    );

    let plan = Plan::new(template, given.as_object().unwrap(), scope()).unwrap();
    let bodies: Vec<Value> =
        plan.resources().iter().map(|resource| plan.body(resource, &lookups).unwrap()).collect();

    assert_eq!(ids(&plan), ["id1", "registry1", "add"]);
    assert_eq!(bodies[0], json!({"location": "eastus"}));
    assert_eq!(
        bodies[2],
        json!({"properties": {"accessPolicies": [{
            "tenantId": "tenant",
            "objectId": "principal",
            "permissions": {"keys": ["get", "wrapKey", "unwrapKey"]},
        }]}})
    );
    assert_eq!(
        bodies[1],
        json!({
            "location": "eastus",
            "sku": {"name": "Premium"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity.clone(): {}}},
            "properties": {
                "adminUserEnabled": false,
                "encryption": {
                    "status": "enabled",
                    "keyVaultProperties": {
                        "identity": "client",
                        "KeyIdentifier": "https://v.vault.azure.net/keys/k",
                    },
                },
            },
        })
    );
    assert_eq!(plan.outputs(&lookups).unwrap()["identity"]["value"], json!(identity));
}
