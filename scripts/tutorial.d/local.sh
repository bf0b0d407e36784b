#!/usr/bin/env bash
# Part of scripts/tutorial: the same resources with names under `localhost`, in a separate cloud of the Azure CLI. Sourced.

az_local() { "$SEALYARD" az --local-names -- "$@"; }

local_names() {
    az_local cloud show | jq -e '.name == "Sealyard"'
    az_local group show --name sealyard | jq -e '.name == "sealyard"'
    az_local acr show --name "$REGISTRY_NAME" |
        jq -e '.loginServer | test("^tutorialpolicies\\.azurecr\\.localhost:[0-9]+$")'
    az_local acr encryption show --name "$REGISTRY_NAME" |
        jq -e '.keyVaultProperties.keyIdentifier | test("^https://tutorial-policies\\.vault\\.localhost:[0-9]+/keys/registry-key$")'
    az_local keyvault key list --vault-name "$VAULT" | jq -e 'length >= 1'
    az_local role assignment list --scope "$(kept role-vault)" | jq -e 'map(.principalName) | all(length > 0)'
    az_local acr login --name "$REGISTRY_NAME" --expose-token | jq -e '.accessToken | length > 100'
    az_local acr repository list --name "$REGISTRY_NAME" | jq -e 'contains(["team/app"])'
}

part_local() { check "local names: the same resources in a separate cloud" local_names; }
