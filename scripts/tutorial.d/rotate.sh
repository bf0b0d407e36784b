#!/usr/bin/env bash
# Part of scripts/tutorial: "Rotate a customer-managed key": to a new version, to another key id, to another identity.
# Sourced.

# versioned REGISTRY: prints the version in use.
versioned() { az acr encryption show --name "$1" --query keyVaultProperties.versionedKeyIdentifier -o tsv; }

rotate_automatically() {
    local before newest
    before=$(versioned "$REGISTRY_NAME")
    newest=$(az keyvault key create --name "$KEY" --vault-name "$VAULT" --query key.kid -o tsv)
    [ "$(versioned "$REGISTRY_NAME")" = "$before" ]
    # The registry uses the new version within one hour.
    yard clock advance 1h
    [ "$(versioned "$REGISTRY_NAME")" = "$newest" ]
    az acr encryption show --name "$REGISTRY_NAME" | jq -e '.keyVaultProperties
        | .keyRotationEnabled and .lastKeyRotationTimestamp != null'
    pull "$REGISTRY_NAME" "$IMAGE"
}

rotate_by_policy() {
    az keyvault key rotation-policy update --vault-name "$VAULT" --name "$KEY" --value \
        '{"lifetimeActions":[{"trigger":{"timeAfterCreate":"P7D"},"action":{"type":"Rotate"}}],"attributes":{"expiryTime":"P90D"}}' |
        jq -e '.lifetimeActions | length >= 1'
    local before newest
    before=$(versioned "$REGISTRY_NAME")
    yard clock advance 6d
    [ "$(versioned "$REGISTRY_NAME")" = "$before" ]
    # The vault creates a version after seven days, and the registry uses it within one hour.
    yard clock advance 1d
    yard clock advance 1h
    newest=$(az keyvault key show --vault-name "$VAULT" --name "$KEY" --query key.kid -o tsv)
    [ "$newest" != "$before" ]
    [ "$(versioned "$REGISTRY_NAME")" = "$newest" ]
    log_in "$REGISTRY_NAME"
    pull "$REGISTRY_NAME" "$IMAGE"
    # The former version is not needed any more.
    az keyvault key set-attributes --name "$KEY" --vault-name "$VAULT" --version "${before##*/}" --enabled false | jq -e '.attributes.enabled | not'
    seen_by_registry
    pull "$REGISTRY_NAME" "$IMAGE"
    az keyvault key set-attributes --name "$KEY" --vault-name "$VAULT" --version "${before##*/}" --enabled true
}

# A key id with a version disables automatic rotation.
rotate_to_version() {
    local newest
    newest=$(az keyvault key create --name other-key --vault-name "$VAULT" --query key.kid -o tsv)
    az acr encryption rotate-key --name "$REGISTRY_NAME" --key-encryption-key "$newest" --identity "$(kept identity)" |
        jq -e --arg key "$newest" '.encryption.keyVaultProperties | .keyIdentifier == $key and
            .versionedKeyIdentifier == $key and (.keyRotationEnabled | not)'
    pull "$REGISTRY_NAME" "$IMAGE"
}

# A key id without a version enables it.
rotate_to_unversioned() {
    az acr encryption rotate-key --name "$REGISTRY_NAME" --key-encryption-key "$(kept key)" --identity "$(kept identity)" |
        jq -e --arg key "$(kept key)" '.encryption.keyVaultProperties | .keyIdentifier == $key and .keyRotationEnabled'
    pull "$REGISTRY_NAME" "$IMAGE"
}

# Policies use the principal id, but the registry needs the client id, and the refusal names it.
rotate_with_principal() {
    refused "$(kept client)" az acr encryption rotate-key --name "$REGISTRY_NAME" \
        --key-encryption-key "$(kept key)" --identity "$(kept principal)"
}

rotate_to_system_identity() {
    az acr identity assign --name "$REGISTRY_NAME" --identities '[system]' | jq -e '.identity.principalId != null'
    local principal
    principal=$(az acr identity show --name "$REGISTRY_NAME" --query principalId -o tsv)
    # Without the permissions the rotation is refused, and the error names the missing ones.
    refused "Verify that identity" az acr encryption rotate-key --name "$REGISTRY_NAME" --key-encryption-key "$(kept key)" --identity '[system]'
    az keyvault set-policy --resource-group "$GROUP" --name "$VAULT" --object-id "$principal" --key-permissions get unwrapKey wrapKey
    az acr encryption rotate-key --name "$REGISTRY_NAME" --key-encryption-key "$(kept key)" --identity '[system]' |
        jq -e '.encryption.keyVaultProperties.identity == "system"'
    pull "$REGISTRY_NAME" "$IMAGE"
    az acr encryption rotate-key --name "$REGISTRY_NAME" --key-encryption-key "$(kept key)" --identity "$(kept identity)" |
        jq -e --arg client "$(kept client)" '.encryption.keyVaultProperties.identity == $client'
    pull "$REGISTRY_NAME" "$IMAGE"
}

part_rotate() {
    check "rotate: a new version is in use within an hour" rotate_automatically
    check "rotate: a rotation policy creates versions" rotate_by_policy
    check "rotate: manually, to a key id with a version" rotate_to_version
    check "rotate: manually, to a key id without a version" rotate_to_unversioned
    check "rotate: a principal id is refused, and the error names the client id" rotate_with_principal
    check "rotate: to the system-assigned identity and back" rotate_to_system_identity
}
