#!/usr/bin/env bash
# Part of scripts/e2e: a registry that requires a login. Azure's Python client, skopeo and docker log in as the admin user, with a
# token for one repository, as an identity, and without a login. Sourced. It starts its own registry.

ACR=
ACR_ENDPOINTS=
ACR_LOGINS=

# acr_admin PATH JSON: sends a request to the admin API.
acr_admin() { curl -sS --fail-with-body "http://$ACR/_sealyard/registries/local/$1" --json "$2"; }

acr_tools() { python_tools "$WORK/py-acr" "$SCRIPTS/e2e.d/acr.txt"; }

# acr_client COMMAND: runs the Python client, which reaches the registry and the issuer as localhost over TLS.
acr_client() {
    local what=$1 authority=() azure ca
    azure=$(jq -r .azure "$ACR_ENDPOINTS")
    azure=${azure%/}
    ca=$(jq -r .ca "$ACR_ENDPOINTS")
    [ "$what" = anonymous ] || authority=("https://localhost:${azure##*:}")
    PYTHONPATH=$WORK/py-acr HOME=$WORK "$SCRIPTS/e2e.d/acr-client" "$what" "https://localhost:${ACR##*:}" "${authority[@]}" "$ca"
}

acr_close() {
    acr_admin access '{"open":false,"adminUserEnabled":true}' >"$ACR_LOGINS/admin.json"
    jq -e '.open == false and (.passwords | length) == 2' "$ACR_LOGINS/admin.json"
    expect_acr 401 GET /v2/
    grep -i "^www-authenticate: Bearer realm=\"http://$ACR/oauth2/token\",service=\"$ACR\"" "$WORK/acr.headers"
}

# expect_acr STATUS METHOD PATH
expect_acr() {
    local status
    status=$(curl -sS -X "$2" -D "$WORK/acr.headers" -o "$WORK/acr.body" -w '%{http_code}' "http://$ACR$3")
    [ "$status" = "$1" ] || { echo "$2 $3: $status, not $1"; cat "$WORK/acr.body"; return 1; }
}

# A new application has no role on the registry.
acr_no_role() {
    local azure
    azure=$(jq -r .azure "$ACR_ENDPOINTS")
    curl -sS --fail-with-body --cacert "$(jq -r .ca "$ACR_ENDPOINTS")" "https://localhost:$(sed 's,/$,,; s,.*:,,' <<<"$azure")/_keyvault/principals" \
        --json '{"kind":"application","displayName":"build"}' >"$ACR_LOGINS/build.json"
    CLIENT_ID=$(jq -er .clientId "$ACR_LOGINS/build.json") CLIENT_SECRET=$(jq -er .secret "$ACR_LOGINS/build.json") \
        acr_client refused
}

acr_anonymous() {
    # This also runs after a failure, because the next checks need a registry without anonymous pull.
    trap "acr_admin access '{\"anonymousPullEnabled\":false}'" EXIT
    acr_admin access '{"anonymousPullEnabled":true}'
    acr_client anonymous
}

acr_password() { jq -r ".passwords[$1]" "$ACR_LOGINS/admin.json"; }

# acr_skopeo AUTHFILE ARGUMENT...
acr_skopeo() {
    local auth=$ACR_LOGINS/$1.json
    shift
    env REGISTRY_AUTH_FILE="$auth" skopeo "$@"
}

acr_login() { acr_skopeo "$1" login --tls-verify=false -u "$2" --password-stdin "$ACR" <<<"$3"; }

acr_skopeo_admin() {
    "$SCRIPTS/oci-image" make "$WORK/acr-image" --tag t
    local name
    acr_login admin-login local "$(acr_password 1)"
    for name in one two; do
        acr_skopeo admin-login copy -q --dest-tls-verify=false "oci:$WORK/acr-image:t" "docker://$ACR/team/$name:1"
    done
    acr_skopeo admin-login list-tags --tls-verify=false "docker://$ACR/team/one" | jq -e '.Tags == ["1"]'
}

acr_skopeo_wrong() {
    if acr_login wrong local "not the password"; then return 1; fi
    if skopeo inspect --tls-verify=false "docker://$ACR/team/one:1"; then return 1; fi
}

acr_token() {
    acr_admin tokens '{"name":"puller","actions":["repositories/team/one/content/read"]}' >"$ACR_LOGINS/puller-token.json"
    acr_login puller puller "$(jq -r .password "$ACR_LOGINS/puller-token.json")"
    rm -rf "$WORK/acr-back"
    acr_skopeo puller copy -q --src-tls-verify=false "docker://$ACR/team/one:1" "oci:$WORK/acr-back:t"
    diff -r "$WORK/acr-image/blobs" "$WORK/acr-back/blobs"
    if acr_skopeo puller inspect --tls-verify=false "docker://$ACR/team/two:1"; then return 1; fi
    if acr_skopeo puller copy -q --dest-tls-verify=false "oci:$WORK/acr-image:t" "docker://$ACR/team/one:2"; then return 1; fi
    if acr_skopeo puller delete --tls-verify=false "docker://$ACR/team/one:1"; then return 1; fi
}

# acr_docker CONFIG ARGUMENT...
acr_docker() {
    local config=$ACR_LOGINS/docker-$1
    shift
    mkdir -p "$config"
    env DOCKER_CONFIG="$config" docker "$@"
}

acr_docker_logins() {
    acr_password 0 | acr_docker admin login -u local --password-stdin "$ACR"
    acr_docker admin pull -q "$ACR/team/one:1"
    acr_docker admin tag "$ACR/team/one:1" "$ACR/team/docker:1"
    acr_docker admin push -q "$ACR/team/docker:1"
    jq -r .password "$ACR_LOGINS/puller-token.json" | acr_docker puller login -u puller --password-stdin "$ACR"
    acr_docker puller pull -q "$ACR/team/one:1"
    acr_docker puller tag "$ACR/team/one:1" "$ACR/team/one:2"
    if acr_docker puller push -q "$ACR/team/one:2"; then return 1; fi
    if acr_docker puller pull -q "$ACR/team/two:1"; then return 1; fi
    if acr_docker stranger pull -q "$ACR/team/one:1"; then return 1; fi
    acr_docker admin image rm -f "$ACR/team/one:1" "$ACR/team/one:2" "$ACR/team/docker:1"
}

# The secrets of the logins are neither in the data folder nor in the log.
acr_secrets() {
    local secret
    for secret in "$(acr_password 0)" "$(acr_password 1)" "$(jq -r .password "$ACR_LOGINS/puller-token.json")"; do
        [ ${#secret} = 64 ]
        if grep -rFl -e "$secret" "$WORK/acr" "$WORK/acr.log"; then return 1; fi
    done
}

part_acr() {
    [ "$KIND" = sealyard ] || { skip acr "this registry has no Azure logins"; return; }
    local before=${REGISTRY:-}
    start_registry "$KIND" "$WORK/acr"
    ACR=$REGISTRY
    REGISTRY=$before
    ACR_ENDPOINTS=$WORK/acr.endpoints.json
    ACR_LOGINS=$WORK/acr-logins
    mkdir -p "$ACR_LOGINS"
    check "acr: Azure's Python client is installed" acr_tools
    check "acr: the registry requires a login and names the endpoint" acr_close
    check "acr: Python client, everything as the owner" acr_client all
    check "acr: Python client, an identity without a role" acr_no_role
    check "acr: Python client, anonymous pull and nothing else" acr_anonymous
    if have skopeo; then
        check "acr: skopeo logs in as the admin user, pushes" acr_skopeo_admin
        check "acr: skopeo, a wrong password and no password" acr_skopeo_wrong
        check "acr: skopeo, a token pulls its one repository" acr_token
        if have docker; then check "acr: docker logs in as the admin user and with a token" acr_docker_logins; fi
        check "acr: no password in the data folder or the log" acr_secrets
    else
        skip acr "skopeo is not installed"
    fi
}
