#!/usr/bin/env bash
# Part of scripts/tutorial: "Troubleshoot a customer-managed key". Sourced.

# The identity in use is removed from the registry: the error names it, and doctor prints the repair.
identity_removed() {
    az acr identity remove --name "$REGISTRY_NAME" --identities "$(kept identity)"
    seen_by_registry
    pull_refused "$REGISTRY_NAME"
    refused "does not have access to identity" az acr encryption rotate-key --name "$REGISTRY_NAME" \
        --key-encryption-key "$(kept key)" --identity "$(kept identity)"
    refused "registry assign-identity tutorialpolicies" yard doctor
    az acr identity assign --name "$REGISTRY_NAME" --identities "$(kept identity)"
    back "$REGISTRY_NAME"
}

# The firewall of the vault blocks the registry too, and then allows trusted services.
vault_firewall() {
    az keyvault update --name "$VAULT" --resource-group "$GROUP" --default-action Deny --bypass None |
        jq -e '.properties.networkAcls | .defaultAction == "Deny" and .bypass == "None"'
    seen_by_registry
    pull_refused "$REGISTRY_NAME"
    # A client that sends HEAD for a blob first, whose answer has no body, prints only the status.
    refused 403 push "$REGISTRY_NAME" team/other
    az keyvault update --name "$VAULT" --resource-group "$GROUP" --bypass AzureServices
    back "$REGISTRY_NAME"
    az keyvault update --name "$VAULT" --resource-group "$GROUP" --default-action Allow
    back "$REGISTRY_NAME"
}

part_trouble() {
    check "troubleshoot: the identity was removed" identity_removed
    check "troubleshoot: the vault's firewall" vault_firewall
}
