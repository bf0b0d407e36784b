#!/usr/bin/env bash
# Part of scripts/tutorial: the emulator refuses the requests that Azure refuses, with Azure's errors, and changes nothing. Sourced.

create() { az acr create --resource-group "$GROUP" --name refused01 "$@"; }

wrong_registries() {
    local with_key=(--identity "$(kept identity)" --key-encryption-key "$(kept key)")
    refused "Premium" create --sku Basic "${with_key[@]}"
    refused "ResourceGroupNotFound" az acr create --resource-group nowhere --name refused01 --sku Premium --location eastus
    refused "Verify that identity" create --sku Premium --identity "$(kept identity)" --key-encryption-key "https://$VAULT.vault.azure.net/keys/absent"
    az keyvault key create --name curve --vault-name "$VAULT" --kty EC
    refused "RSA" create --sku Premium --identity "$(kept identity)" --key-encryption-key "https://$VAULT.vault.azure.net/keys/curve"
    refused "AlreadyInUse" az acr create --resource-group sealyard --name "$REGISTRY_NAME" --sku Premium
    az acr list | jq -e 'map(.name) | contains(["refused01"]) | not'
    az acr check-name --name refused01 | jq -e .nameAvailable
}

wrong_changes() {
    refused "not emulate" az acr webhook create --registry "$REGISTRY_NAME" --name hook01 --uri http://localhost:1 --actions push
    refused "fetches nothing from other registries" az acr import --name "$REGISTRY_NAME" --source docker.io/library/hello-world:latest
    refused "BlockedForEncryptionEnabledRegistry" az rest --method patch --url \
        "$(az acr show --name "$REGISTRY_NAME" --query id -o tsv)?api-version=2025-11-01" \
        --body '{"properties":{"policies":{"trustPolicy":{"status":"enabled","type":"Notary"}}}}'
    refused "ResourceNotFound" az identity show --resource-group "$GROUP" --name absent
    refused "not found" az group list --subscription 11111111-1111-4111-8111-111111111111
}

# The resources of the group are deleted with it.
delete_group() {
    az acr delete --name "$ROLE_REGISTRY" --yes
    refused "could not be found" az acr show --name "$ROLE_REGISTRY"
    az group delete --name "$GROUP" --yes
    [ "$(az group exists --name "$GROUP")" = false ]
    az acr list | jq -e 'map(.name) == ["local"]'
    az identity list | jq -e 'map(.name) == ["sealyard"]'
    az keyvault list-deleted --resource-type vault | jq -e 'map(.name) | sort == ["tutorial-policies", "tutorial-roles"]'
}

part_refused() {
    check "refused: invalid registries, which are not created" wrong_registries
    check "refused: unsupported requests, by name" wrong_changes
    check "refused: the group is deleted with its resources" delete_group
}
