#!/usr/bin/env bash
# Part of scripts/tutorial: "Enable a customer-managed key": by access policy, by role, by template; and show the result.
# Sourced.

GROUP=tutorial
IDENTITY=tutorial-identity
VAULT=tutorial-policies
ROLE_VAULT=tutorial-roles
KEY=registry-key
REGISTRY_NAME=tutorialpolicies
ROLE_REGISTRY=tutorialroles
TEMPLATE_REGISTRY=tutorialtemplate
TEMPLATE_IDENTITY="template-identity"

make_group() {
    az group create --name "$GROUP" --location eastus |
        tee /dev/stderr | fields "id location managedBy name properties tags type"
    az group show --name "$GROUP" | jq -e '.properties.provisioningState == "Succeeded" and .name == "tutorial"'
    [ "$(az group exists --name "$GROUP")" = true ]
    [ "$(az group exists --name nowhere)" = false ]
}

make_identity() {
    az identity create --resource-group "$GROUP" --name "$IDENTITY" |
        tee /dev/stderr | fields "clientId id location name principalId resourceGroup tags tenantId type"
    keep identity "$(az identity show --resource-group "$GROUP" --name "$IDENTITY" --query id -o tsv)"
    keep principal "$(az identity show --resource-group "$GROUP" --name "$IDENTITY" --query principalId -o tsv)"
    keep client "$(az identity show --resource-group "$GROUP" --name "$IDENTITY" --query clientId -o tsv)"
}

make_policy_vault() {
    az keyvault create --name "$VAULT" --resource-group "$GROUP" --enable-purge-protection \
        --enable-rbac-authorization false >"$WORK/vault.json"
    fields "id location name properties resourceGroup tags type" <"$WORK/vault.json"
    jq .properties "$WORK/vault.json" |
        fields "accessPolicies enablePurgeProtection enableSoftDelete provisioningState sku tenantId vaultUri"
    # The vault shows its public name, so a script that builds addresses from it runs unchanged.
    jq -e '.properties.enablePurgeProtection and .properties.vaultUri == "https://tutorial-policies.vault.azure.net/"' \
        "$WORK/vault.json"
    keep vault "$(az keyvault show --resource-group "$GROUP" --name "$VAULT" --query id -o tsv)"
}

allow_by_policy() {
    az keyvault set-policy --resource-group "$GROUP" --name "$VAULT" --object-id "$(kept principal)" \
        --key-permissions get unwrapKey wrapKey |
        jq -e --arg id "$(kept principal)" '.properties.accessPolicies[] | select(.objectId == $id)
            | .permissions.keys | sort == ["get", "unwrapKey", "wrapKey"]'
}

# make_key VAULT NAME: creates a key and keeps its id without the version, like the tutorial.
make_key() {
    az keyvault key create --name "$KEY" --vault-name "$1" >"$WORK/key.json"
    fields "attributes key managed releasePolicy tags" <"$WORK/key.json"
    jq -e '.key.kty == "RSA" and .attributes.enabled' "$WORK/key.json"
    keep "$2" "$(az keyvault key show --name "$KEY" --vault-name "$1" --query key.kid -o tsv | sed -e 's/\/[^/]*$//')"
    [ "$(kept "$2")" = "https://$1.vault.azure.net/keys/$KEY" ]
}

make_registry() {
    az acr create --resource-group "$GROUP" --name "$REGISTRY_NAME" --identity "$(kept identity)" \
        --key-encryption-key "$(kept key)" --sku Premium >"$WORK/registry.json"
    az resource list --resource-group "$GROUP" | jq -e 'map(.name) | contains([$registry, $vault])' \
        --arg registry "$REGISTRY_NAME" --arg vault "$VAULT"
    az resource list --name "$REGISTRY_NAME" --resource-type Microsoft.ContainerRegistry/registries |
        jq -e 'length == 1 and .[0].createdTime != null'
    fields "adminUserEnabled creationDate encryption id identity location loginServer name" <"$WORK/registry.json"
    fields "policies provisioningState resourceGroup sku tags type" <"$WORK/registry.json"
    jq -e '.provisioningState == "Succeeded" and .loginServer == "tutorialpolicies.azurecr.io"
        and .sku.name == "Premium" and .encryption.status == "enabled"' "$WORK/registry.json"
}

# show_encryption REGISTRY KEY: checks that the answer has exactly the fields in the documentation.
show_encryption() {
    az acr encryption show --name "$1" | tee "$WORK/encryption.json"
    jq -e 'keys == ["keyVaultProperties", "status"] and .status == "enabled"' "$WORK/encryption.json"
    jq -e '.keyVaultProperties | keys == ["identity", "keyIdentifier", "keyRotationEnabled",
        "lastKeyRotationTimestamp", "versionedKeyIdentifier"]' "$WORK/encryption.json"
    jq -e '.keyVaultProperties | .keyRotationEnabled and (.versionedKeyIdentifier | startswith(
        $key + "/")) and .keyIdentifier == $key' --arg key "$2" "$WORK/encryption.json"
}

show_registry() {
    az acr show --name "$REGISTRY_NAME" | jq -e '.identity.type == "UserAssigned" or .identity.type == "userAssigned"'
    az acr identity show --name "$REGISTRY_NAME" |
        jq -e --arg client "$(kept client)" '[.userAssignedIdentities[].clientId] == [$client]'
    az acr list --output json | jq -e 'map(.name) | contains(["local", "tutorialpolicies"])'
    az acr check-name --name "$REGISTRY_NAME" | jq -e '.nameAvailable | not'
    az acr check-name --name unheardof | jq -e .nameAvailable
    az acr show-usage --name "$REGISTRY_NAME" | jq -e '[.value[].name] | contains(["Size", "Tokens"])'
    az resource list --resource-group "$GROUP" | jq -e 'map(.type) | contains(["Microsoft.KeyVault/vaults"])'
}

make_role_vault() {
    az keyvault create --name "$ROLE_VAULT" --resource-group "$GROUP" --enable-purge-protection |
        jq -e .properties.enableRbacAuthorization
    keep role-vault "$(az keyvault show --resource-group "$GROUP" --name "$ROLE_VAULT" --query id -o tsv)"
    # The client itself refuses this command, and `sealyard az` prints the remedy.
    refused "--legacy-access-policies" az keyvault set-policy --resource-group "$GROUP" --name "$ROLE_VAULT" \
        --object-id "$(kept principal)" --key-permissions get
}

allow_by_role() {
    az role assignment create --assignee "$(kept principal)" --scope "$(kept role-vault)" \
        --role "Key Vault Crypto Service Encryption User" |
        tee /dev/stderr | fields "id name principalId principalType roleDefinitionId scope type"
    # As in Azure, the owner of a vault with roles has no permission for its keys yet.
    refused ForbiddenByRbac az keyvault key create --name "$KEY" --vault-name "$ROLE_VAULT"
    az role assignment create --assignee "$(az account show --query user.name -o tsv)" \
        --role "Key Vault Crypto Officer" --scope "$(kept role-vault)"
    az role assignment list --scope "$(kept role-vault)" |
        jq -e 'map(.roleDefinitionName) | sort == ["Key Vault Crypto Officer", "Key Vault Crypto Service Encryption User"]'
}

make_role_registry() {
    az acr create --resource-group "$GROUP" --name "$ROLE_REGISTRY" --identity "$(kept identity)" \
        --key-encryption-key "$(kept role-key)" --sku Premium | jq -e '.encryption.status == "enabled"'
    show_encryption "$ROLE_REGISTRY" "$(kept role-key)"
}

deploy_template() {
    local template=$SCRIPTS/tutorial.d/CMKtemplate.json
    set -- --parameters registry_name="$TEMPLATE_REGISTRY" identity_name="$TEMPLATE_IDENTITY" kv_vault="$VAULT" key_id="$(kept key)"
    az deployment group validate --resource-group "$GROUP" --template-file "$template" "$@" |
        jq -e '.properties.provisioningState == "Succeeded"'
    az deployment group create --resource-group "$GROUP" --template-file "$template" "$@" |
        jq -e '.properties.provisioningState == "Succeeded"'
    show_encryption "$TEMPLATE_REGISTRY" "$(kept key)"
    az deployment group list --resource-group "$GROUP" | jq -e 'map(.name) == ["CMKtemplate"]'
}

part_enable() {
    check "enable: a resource group" make_group
    check "enable: a user-assigned identity" make_identity
    check "enable: a vault with access policies" make_policy_vault
    check "enable: a policy for the identity" allow_by_policy
    check "enable: a key, and its id without a version" make_key "$VAULT" key
    check "enable: a registry with the key" make_registry
    check "enable: the encryption is shown" show_encryption "$REGISTRY_NAME" "$(kept key)"
    check "enable: the registry is shown and listed" show_registry
    check "enable by role: a vault with roles, where set-policy fails" make_role_vault
    check "enable by role: the identity and the owner get a role" allow_by_role
    check "enable by role: a key" make_key "$ROLE_VAULT" role-key
    check "enable by role: a registry with the key" make_role_registry
    check "enable by template: identity, policy and registry" deploy_template
}
