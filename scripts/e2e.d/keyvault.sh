#!/usr/bin/env bash
# Part of scripts/e2e: the vault without a registry, as a program and as a container of the compose file: other names, mapped ports,
# managed identities, and the output of `env`. Sourced. Without a docker engine the container is skipped.

KEYVAULT_TENANT=00000000-0000-4000-8000-00000000a001
KEYVAULT_OWNER=00000000-0000-4000-8000-00000000a003
KEYVAULT_CA=
KEYVAULT_AT=

# keyvault_curl URL [CURL ARGUMENT...]: sends the request to the vault for any host and port in the URL.
keyvault_curl() {
    local url=$1 rest host port
    shift
    rest=${url#*://}
    host=${rest%%/*}
    port=${host##*:}
    curl -sS --max-time 30 --cacert "$KEYVAULT_CA" --connect-to "${host%:*}:$port:${KEYVAULT_AT%:*}:${KEYVAULT_AT##*:}" "$@" "$url"
}

# keyvault_token HOST: prints a token of the owner, from the issuer under this host.
keyvault_token() {
    keyvault_curl "https://$1/$KEYVAULT_TENANT/oauth2/v2.0/token" -d grant_type=client_credentials -d "client_id=$KEYVAULT_OWNER" \
        -d client_secret=sealyard --data-urlencode scope=https://vault.azure.net/.default | jq -er .access_token
}

# keyvault_by_name HOST: creates keys and checks that their ids, the challenge and the next link have this host and port.
keyvault_by_name() {
    local host=$1 token key
    token=$(keyvault_token "$host")
    keyvault_curl "https://$host/keys?api-version=7.4" -D - -o /dev/null | tr -d '\r' |
        grep -i "^www-authenticate: .*authorization=\"https://$host/$KEYVAULT_TENANT\""
    for key in one two; do
        keyvault_curl "https://$host/keys/$key/create?api-version=7.4" -H "Authorization: Bearer $token" --json '{"kty":"RSA"}' |
            jq -e --arg id "https://$host/keys/$key/" '.key.kid | startswith($id)'
    done
    keyvault_curl "https://$host/keys?api-version=7.4&maxresults=1" -H "Authorization: Bearer $token" |
        jq -e --arg at "https://$host/keys?" '.nextLink | startswith($at)'
}

keyvault_names() {
    keyvault_by_name "vault:8443"
    keyvault_by_name "localhost:32768"
    # A name that is not configured is not in the certificate.
    if keyvault_curl "https://elsewhere:8443/_keyvault/health"; then return 1; fi
}

# The identity endpoint issues a token without a secret over plain HTTP, but not without the header or for a foreign host.
keyvault_managed_identity() {
    local at="http://localhost:32768/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fvault.azure.net" token
    token=$(keyvault_curl "$at" -H 'Metadata: true' | jq -er .access_token)
    keyvault_curl "https://localhost:32768/keys/one?api-version=7.4" -H "Authorization: Bearer $token" | jq -e .key.kid
    keyvault_curl "$at" | jq -e '.error == "invalid_request"'
    [ "$(keyvault_curl "${at/localhost/page.example}" -H 'Metadata: true' -o /dev/null -w '%{http_code}')" = 403 ]
}

keyvault_program() {
    local endpoints=$WORK/keyvault/endpoints.json
    KEYVAULT_CA=$WORK/keyvault-ca.pem
    "$MOCK_KEYVAULT" --data-dir "$WORK/keyvault" --listen 127.0.0.1:0 --trusted-network --hostname-alias vault \
        --ca-file "$KEYVAULT_CA" >"$WORK/keyvault.log" 2>&1 </dev/null &
    at_exit "stop_pid $!"
    until_true 60 ready_or_gone $! test -s "$endpoints"
    KEYVAULT_AT=$(jq -er .address "$endpoints") || die "the vault does not start: $(tail -n 1 "$WORK/keyvault.log")"
}

# With the output of `env`, curl reaches the vault and trusts its CA.
keyvault_env() {
    eval "$("$MOCK_KEYVAULT" env --data-dir "$WORK/keyvault")"
    curl -sS --resolve "*:${KEYVAULT_AT##*:}:127.0.0.1" "$KEY_VAULT_URL/_keyvault/health" | jq -e '.status == "ok"'
    curl -sS --resolve "*:${KEYVAULT_AT##*:}:127.0.0.1" "$AZURE_AUTHORITY_HOST/$AZURE_TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials \
        -d "client_id=$AZURE_CLIENT_ID" -d "client_secret=$AZURE_CLIENT_SECRET" --data-urlencode scope=https://vault.azure.net/.default | jq -e .access_token
}

yard_keyvault() { compose -p sealyard-e2e-keyvault -f "$ROOT/docker-compose.yml" "$@"; }

keyvault_healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$(yard_keyvault ps -q vault)")" = healthy ]; }

keyvault_up() {
    if curl -sk -m 2 https://127.0.0.1:8443/ >/dev/null; then
        echo "port 8443 is in use"
        return 1
    fi
    yard_keyvault up -d vault
    until_true 60 keyvault_healthy || { yard_keyvault logs --no-color | tail -n 30; return 1; }
    docker cp "$(yard_keyvault ps -q vault):/public/ca.pem" "$WORK/keyvault-container-ca.pem"
}

keyvault_container_env() {
    eval "$(yard_keyvault exec -T vault /mock-keyvault env --ca "$KEYVAULT_CA")"
    curl -sS --resolve '*:8443:127.0.0.1' "$KEY_VAULT_URL/_keyvault/health" | jq -e '.status == "ok"'
}

part_keyvault() {
    # This is not in a check, because its subshell would lose the address.
    keyvault_program
    check "keyvault: the program is healthy" "$MOCK_KEYVAULT" health --data-dir "$WORK/keyvault"
    check "keyvault: answers under an alias and a mapped port have that name" keyvault_names
    check "keyvault: a managed identity needs no secret and no TLS" keyvault_managed_identity
    check "keyvault: a client needs only the output of env" keyvault_env
    have docker || { skip "keyvault: as a container" "no docker"; return; }
    if ! have docker-compose && ! docker compose version >/dev/null 2>&1; then
        skip "keyvault: as a container" "no docker-compose (apt-get install docker-compose)"
        return
    fi
    at_exit 'yard_keyvault down -v --timeout 5 >/dev/null 2>&1'
    check "keyvault: the image is built with nothing pulled" build_image
    check "keyvault: the container is up and healthy" keyvault_up
    KEYVAULT_CA=$WORK/keyvault-container-ca.pem
    KEYVAULT_AT=127.0.0.1:8443
    check "keyvault: the container, by alias and mapped port" keyvault_names
    check "keyvault: the container, a managed identity" keyvault_managed_identity
    check "keyvault: the container, env" keyvault_container_env
}
