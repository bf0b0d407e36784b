#!/usr/bin/env bash
# Part of scripts/tutorial: the published commands without changes, which need vaults with access policies. Sourced. It starts its own
# emulator with the option for that.

published_text() {
    local identityID identityPrincipalID keyID
    az group create --name "$GROUP" --location eastus
    az identity create --resource-group "$GROUP" --name "$IDENTITY"
    identityID=$(az identity show --resource-group "$GROUP" --name "$IDENTITY" --query 'id' -o tsv)
    identityPrincipalID=$(az identity show --resource-group "$GROUP" --name "$IDENTITY" --query 'principalId' -o tsv)
    az keyvault create --name "$VAULT" --resource-group "$GROUP" --enable-purge-protection
    az keyvault set-policy --resource-group "$GROUP" --name "$VAULT" --object-id "$identityPrincipalID" --key-permissions get unwrapKey wrapKey
    az keyvault key create --name "$KEY" --vault-name "$VAULT"
    keyID=$(az keyvault key show --name "$KEY" --vault-name "$VAULT" --query 'key.kid' -o tsv)
    keyID=$(echo "$keyID" | sed -e 's/\/[^/]*$//')
    az acr create --resource-group "$GROUP" --name "$REGISTRY_NAME" --identity "$identityID" --key-encryption-key "$keyID" --sku Premium
    show_encryption "$REGISTRY_NAME" "$keyID"
    az keyvault delete-policy --resource-group "$GROUP" --name "$VAULT" --object-id "$identityPrincipalID"
    az acr list | jq -e 'map(.name) == ["local", "tutorialpolicies"]'
}

part_legacy() {
    start_emulator legacy --legacy-access-policies
    check "legacy: the published commands without changes" published_text
}
