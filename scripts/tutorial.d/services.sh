#!/usr/bin/env bash
# Part of scripts/tutorial: requests of the Azure CLI that are not in the tutorial: the registry without a login, names, kinds of keys,
# resource providers and locations, resources by their id, polled operations. Sourced.

# The registry `local` needs no login, but the client logs in.
open_registry() {
    "$SCRIPTS/oci-image" make "$WORK/open" --tag t
    skopeo copy -q --dest-tls-verify=false "oci:$WORK/open:t" "docker://$REGISTRY/open/app:1"
    az acr repository list -n local | jq -e '. == ["open/app"]'
    az acr repository show-tags -n local --repository open/app | jq -e '. == ["1"]'
    az acr repository delete -n local --repository open/app --yes
}

# The command checks only names of managed HSMs; `az rest` checks names of vaults.
check_names() {
    az keyvault check-name --name unheard-of | jq -e .nameAvailable
    az keyvault check-name --name 1-no-name | jq -e '(.nameAvailable | not) and .reason == "AccountNameInvalid"'
    check_vault_name unheard-of | jq -e .nameAvailable
    check_vault_name local | jq -e '(.nameAvailable | not) and .reason == "AlreadyExists"'
    check_vault_name 1-no-name | jq -e '(.nameAvailable | not) and .reason == "AccountNameInvalid"'
}
check_vault_name() {
    az rest --method post --body "{\"name\":\"$1\",\"type\":\"Microsoft.KeyVault/vaults\"}" \
        --url "/subscriptions/{subscriptionId}/providers/Microsoft.KeyVault/checkNameAvailability?api-version=2024-11-01"
}

# Both names of a curve, HSM keys of a premium vault, an invalid version and an invalid backup.
key_kinds() {
    az keyvault key create --vault-name local --name curve --kty EC --curve P-256K | jq -e '.key.crv == "P-256K"'
    az rest --method post --resource https://vault.azure.net --body '{"kty":"EC","crv":"SECP256K1"}' \
        --url 'https://local.vault.azure.net/keys/curve/create?api-version=7.4' | jq -e '.key.crv == "P-256K"'
    az keyvault key create --vault-name local --name hsm --kty RSA-HSM | jq -e '.key.kty == "RSA-HSM"'
    refused "no-version" az keyvault key show --vault-name local --name hsm --version no-version
    printf 'this is no backup' >"$WORK/no-backup"
    refused "Malformed backup blob" az keyvault key restore --vault-name local --file "$WORK/no-backup"
    az keyvault key delete --vault-name local --name curve
    az keyvault key delete --vault-name local --name hsm
}

providers() {
    local namespace
    az provider list --query '[].namespace' | jq -e 'contains(["Microsoft.ContainerRegistry", "Microsoft.KeyVault"])'
    for namespace in Microsoft.ContainerRegistry Microsoft.KeyVault; do
        az provider show --namespace "$namespace" >"$WORK/provider.json"
        fields "id namespace registrationState resourceTypes" <"$WORK/provider.json"
        jq -e '.registrationState == "Registered" and all(.resourceTypes[]; .apiVersions | length > 0)' "$WORK/provider.json"
    done
    az provider register --namespace Microsoft.KeyVault --wait
    refused "InvalidResourceNamespace" az provider show --namespace Microsoft.NoSuchThing
    az account list-locations | jq -e 'map(select(.name == "eastus" and .displayName == "East US")) | length == 1'
}

# The client looks up the API version of a resource in its provider.
resources_by_id() {
    local id
    for id in "$(az acr show --name local --query id -o tsv)" "$(az keyvault show --name local --query id -o tsv)"; do
        az resource show --ids "$id" | jq -e --arg id "$id" '.id == $id and .location != null'
        az resource tag --ids "$id" --tags team=walk | jq -e '.tags == {team: "walk"}'
        az resource show --ids "$id" | jq -e '.tags == {team: "walk"}'
        az resource tag --ids "$id" --tags | jq -e '.tags == {}'
    done
}

# With `--arm-operations polled` the client polls as in Azure; the name of the location is normalised.
polled_operations() {
    az acr create --resource-group sealyard --name polled01 --sku Premium --location "East US" |
        jq -e '.provisioningState == "Succeeded" and .location == "eastus"'
    az acr update --name polled01 --anonymous-pull-enabled true | jq -e .anonymousPullEnabled
    az keyvault create --resource-group sealyard --name polled-vault --location "East US" |
        jq -e '.properties.provisioningState == "Succeeded"'
    az acr delete --name polled01 --yes
    az acr list | jq -e 'map(.name) == ["local"]'
}

# An operation is running at its first poll and has ended at a later one.
polled_by_client() {
    local at id=/subscriptions/00000000-0000-4000-8000-00000000a002/resourceGroups/sealyard/providers/Microsoft.ContainerRegistry/registries/polled02
    az rest --method put --url "$id?api-version=2025-11-01" --body '{"location":"eastus","sku":{"name":"Basic"}}' \
        --verbose >"$WORK/polled.json" 2>"$WORK/polled.log"
    jq -e '.properties.provisioningState == "Creating"' "$WORK/polled.json"
    at=$(sed -n "s/.*'azure-asyncoperation': '\([^']*\)'.*/\1/p" "$WORK/polled.log")
    [ -n "$at" ] || { cat "$WORK/polled.log"; return 1; }
    [ "$(az rest --url "$at" --query status -o tsv)" != Succeeded ]
    until_true 20 polled_ended "$at"
}
polled_ended() { [ "$(az rest --url "$1" --query status -o tsv)" = Succeeded ]; }

part_services() {
    check "services: the registry without a login is listed" open_registry
    check "services: names of vaults are checked" check_names
    check "services: kinds of keys, versions, backups" key_kinds
    check "services: resource providers and locations" providers
    check "services: a resource by its id, and its tags" resources_by_id
}

part_polled() {
    start_emulator polled --arm-operations polled
    check "polled: registry and vault, created and deleted" polled_operations
    check "polled: an operation is running, then it has ended" polled_by_client
}
