#!/usr/bin/env bash
# Part of scripts/tutorial: "Revoke a customer-managed key", with each method, and the restore. Sourced.

# gone REGISTRY, back REGISTRY: check the client's view after a revocation and after the restore.
gone() {
    seen_by_registry
    pull_refused "$1"
    # The control plane still works.
    az acr encryption show --name "$1" | jq -e '.status == "enabled"'
}

back() {
    seen_by_registry
    pull "$1" "$IMAGE"
}

revoke_policy() {
    az keyvault delete-policy --resource-group "$GROUP" --name "$VAULT" --object-id "$(kept principal)"
    gone "$REGISTRY_NAME"
    allow_by_policy
    back "$REGISTRY_NAME"
}

revoke_role() {
    log_in "$ROLE_REGISTRY"
    push "$ROLE_REGISTRY" "$IMAGE"
    pull "$ROLE_REGISTRY" "$IMAGE"
    local role="Key Vault Crypto Service Encryption User"
    az role assignment delete --assignee "$(kept principal)" --role "$role" --scope "$(kept role-vault)"
    gone "$ROLE_REGISTRY"
    az role assignment create --assignee "$(kept principal)" --role "$role" --scope "$(kept role-vault)"
    back "$ROLE_REGISTRY"
}

revoke_by_deletion() {
    az keyvault key delete --name "$KEY" --vault-name "$VAULT" | fields "deletedDate recoveryId scheduledPurgeDate"
    gone "$REGISTRY_NAME"
    az keyvault key list-deleted --vault-name "$VAULT" | jq -e 'length == 1'
    az keyvault key recover --name "$KEY" --vault-name "$VAULT"
    back "$REGISTRY_NAME"
}

revoke_by_disabling() {
    az keyvault key set-attributes --name "$KEY" --vault-name "$VAULT" --enabled false | jq -e '.attributes.enabled | not'
    gone "$REGISTRY_NAME"
    az keyvault key set-attributes --name "$KEY" --vault-name "$VAULT" --enabled true
    back "$REGISTRY_NAME"
}

revoke_with_the_vault() {
    az keyvault delete --name "$VAULT" --resource-group "$GROUP"
    gone "$REGISTRY_NAME"
    az keyvault list-deleted --resource-type vault | jq -e 'map(.name) == ["tutorial-policies"]'
    az keyvault recover --name "$VAULT" | jq -e '.properties.provisioningState == "Succeeded"'
    back "$REGISTRY_NAME"
}

part_revoke() {
    check "revoke: the access policy, and restore" revoke_policy
    check "revoke: the role, and restore" revoke_role
    check "revoke: the key is deleted, and recovered" revoke_by_deletion
    check "revoke: the version is disabled, and enabled" revoke_by_disabling
    check "revoke: the vault is deleted, and recovered" revoke_with_the_vault
}
