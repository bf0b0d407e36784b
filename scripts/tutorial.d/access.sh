#!/usr/bin/env bash
# Part of scripts/tutorial: permissions: the admin user, a token for one repository, a principal without a role, locks.
# Sourced.

# log_in_as FILE USER PASSWORD: logs skopeo in, with the login in this file.
log_in_as() {
    REGISTRY_AUTH_FILE=$WORK/$1.auth skopeo login --tls-verify=false -u "$2" --password-stdin "$(port_of "$REGISTRY_NAME")" <<<"$3"
}

# as FILE FUNCTION...: runs a function with the login in this file.
as() { REGISTRY_AUTH_FILE=$WORK/$1.auth "${@:2}"; }

admin_user() {
    refused "to enable admin first" az acr credential show --name "$REGISTRY_NAME"
    az acr update --name "$REGISTRY_NAME" --admin-enabled true | jq -e .adminUserEnabled
    az acr credential show --name "$REGISTRY_NAME" >"$WORK/admin.json"
    jq -e '[.passwords[].name] == ["password", "password2"]' "$WORK/admin.json"
    log_in_as admin "$(jq -r .username "$WORK/admin.json")" "$(jq -r '.passwords[1].value' "$WORK/admin.json")"
    as admin push "$REGISTRY_NAME" team/two
    as admin pull "$REGISTRY_NAME" team/two
    az acr credential renew --name "$REGISTRY_NAME" --password-name password2
    if as admin pull "$REGISTRY_NAME" team/two; then echo "the old password is still valid"; return 1; fi
}

# pull_one: tests a token that may only pull one repository.
pull_one() {
    az acr scope-map create --name pull-app --registry "$REGISTRY_NAME" --repository "$IMAGE" content/read |
        jq -e '.actions == ["repositories/team/app/content/read"]'
    az acr scope-map list --registry "$REGISTRY_NAME" | jq -e 'map(.name) | contains(["pull-app"])'
    az acr token create --name puller --registry "$REGISTRY_NAME" --scope-map pull-app >"$WORK/token.json"
    local password
    password=$(jq -er '.credentials.passwords[0].value' "$WORK/token.json")
    log_in_as token puller "$password"
    as token pull "$REGISTRY_NAME" "$IMAGE"
    if as token pull "$REGISTRY_NAME" team/two; then echo "the token pulled another repository"; return 1; fi
    if as token push "$REGISTRY_NAME" "$IMAGE"; then echo "the token pushed"; return 1; fi
    az acr token show --name puller --registry "$REGISTRY_NAME" | jq -e '.status == "enabled"'
    az acr token update --name puller --registry "$REGISTRY_NAME" --status disabled
    if as token pull "$REGISTRY_NAME" "$IMAGE"; then echo "the disabled token pulled"; return 1; fi
    az acr token delete --name puller --registry "$REGISTRY_NAME" --yes
    az acr scope-map delete --name pull-app --registry "$REGISTRY_NAME" --yes
}

anonymous() {
    printf '{}' >"$WORK/no-login.auth"
    if as no-login pull "$REGISTRY_NAME" "$IMAGE"; then echo "a client without a login pulled"; return 1; fi
    az acr update --name "$REGISTRY_NAME" --anonymous-pull-enabled true | jq -e .anonymousPullEnabled
    as no-login pull "$REGISTRY_NAME" "$IMAGE"
    if as no-login push "$REGISTRY_NAME" "$IMAGE"; then echo "a client without a login pushed"; return 1; fi
    az acr update --name "$REGISTRY_NAME" --anonymous-pull-enabled false
}

locks() {
    az acr repository update --name "$REGISTRY_NAME" --image "$IMAGE:1" --write-enabled false |
        jq -e '.changeableAttributes.writeEnabled | not'
    refused "disallowed" az acr repository delete --name "$REGISTRY_NAME" --image "$IMAGE:1" --yes
    az acr repository update --name "$REGISTRY_NAME" --image "$IMAGE:1" --write-enabled true
    pull "$REGISTRY_NAME" "$IMAGE"
}

# A principal without a role signs in with its own configuration folder, so that the owner stays signed in.
no_role() {
    local azure ca app
    azure=$(jq -r .azure "$DATA.endpoints.json")
    ca=$(jq -r .ca "$DATA.endpoints.json")
    app=$(curl -sS --fail-with-body --cacert "$ca" "${azure%/}/_keyvault/principals" --json '{"kind":"application","displayName":"stranger"}')
    export AZURE_CONFIG_DIR=$WORK/stranger-az AZURE_CORE_INSTANCE_DISCOVERY=false
    as_stranger() { "$SEALYARD" run -- "$AZ" "$@"; }
    as_stranger login --service-principal --allow-no-subscriptions -u "$(jq -r .clientId <<<"$app")" \
        -p "$(jq -r .secret <<<"$app")" --tenant "$(az account show --query tenantId -o tsv)"
    # Without a role the principal has no subscription either, so most commands send no request.
    refused "SubscriptionNotFound" as_stranger keyvault show --resource-group "$GROUP" --name "$VAULT"
    local token
    token=$(as_stranger account get-access-token --resource https://management.azure.com --query accessToken -o tsv)
    "$SEALYARD" run -- curl -sS -H "Authorization: Bearer $token" \
        "https://management.azure.com$(kept vault)?api-version=2026-02-01" >"$WORK/refusal.json"
    jq -e '.error.code == "AuthorizationFailed"' "$WORK/refusal.json"
}

# list_tags FILE: lists the tags with the login in this file.
list_tags() { as "$1" skopeo list-tags --tls-verify=false "docker://$(port_of "$REGISTRY_NAME")/$IMAGE" | jq -e '.Tags == ["1"]'; }

# system_token NAME SCOPE-MAP: creates a token with a system-defined scope map and logs skopeo in with it.
system_token() {
    az acr token create --name "$1" --registry "$REGISTRY_NAME" --scope-map "$2" >"$WORK/$1.json"
    log_in_as "$1" "$1" "$(jq -er '.credentials.passwords[0].value' "$WORK/$1.json")"
}

# Tags are metadata: the admin user, roles and the scope maps with metadata can list them; scope maps for only pulls or pushes cannot
# (Azure/acr#600).
tag_lists() {
    local azure app login reader
    log_in_as admin "$REGISTRY_NAME" "$(az acr credential show --name "$REGISTRY_NAME" --query 'passwords[0].value' -o tsv)"
    list_tags admin
    system_token lister _repositories_pull_metadata_read
    list_tags lister
    login=(--username lister --password "$(jq -er '.credentials.passwords[0].value' "$WORK/lister.json")")
    az acr repository show-tags --name "$REGISTRY_NAME" --repository "$IMAGE" "${login[@]}" | jq -e '. == ["1"]'
    refused "was denied" az acr repository list --name "$REGISTRY_NAME" "${login[@]}"
    system_token onlypull _repositories_pull
    as onlypull pull "$REGISTRY_NAME" "$IMAGE"
    if list_tags onlypull; then echo "a token that may only pull listed tags"; return 1; fi
    system_token everything _repositories_admin
    login=(--username everything --password "$(jq -er '.credentials.passwords[0].value' "$WORK/everything.json")")
    az acr repository list --name "$REGISTRY_NAME" "${login[@]}" | jq -e 'contains(["team/app"])'

    azure=$(jq -r .azure "$DATA.endpoints.json")
    app=$(curl -sS --fail-with-body --cacert "$(jq -r .ca "$DATA.endpoints.json")" "${azure%/}/_keyvault/principals" \
        --json '{"kind":"application","displayName":"reader"}')
    reader=$(jq -r .clientId <<<"$app")
    az role assignment create --assignee "$reader" --role AcrPull --scope "$(az acr show --name "$REGISTRY_NAME" --query id -o tsv)"
    log_in_as reader "$reader" "$(jq -r .secret <<<"$app")"
    list_tags reader
    if as reader push "$REGISTRY_NAME" "$IMAGE"; then echo "AcrPull pushed"; return 1; fi
}

# A login of a deleted registry is not valid for a new registry of the same name.
made_again() {
    az acr create --resource-group "$GROUP" --name again05 --sku Basic
    az acr login --name again05 --expose-token >"$WORK/again.json"
    REGISTRY_AUTH_FILE=$WORK/again.auth
    export REGISTRY_AUTH_FILE
    jq -er .accessToken "$WORK/again.json" | skopeo login --tls-verify=false \
        -u "$(jq -er .username "$WORK/again.json")" --password-stdin "$(port_of again05)"
    push again05 team/app
    az acr delete --name again05 --yes
    az acr create --resource-group "$GROUP" --name again05 --sku Basic
    if push again05 team/app; then echo "the login of the deleted registry is still valid"; return 1; fi
    az acr delete --name again05 --yes
}

part_access() {
    check "access: the admin user" admin_user
    check "access: a token for one repository" pull_one
    check "access: permissions to list tags and repositories" tag_lists
    check "access: a login ends with its registry" made_again
    check "access: anonymous pull" anonymous
    check "access: a locked image" locks
    check "access: a principal without a role is refused" no_role
}
