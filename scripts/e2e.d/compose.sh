#!/usr/bin/env bash
# Part of scripts/e2e: vault and registry as two containers, with the published compose file. Sourced.

COMPOSE_REGISTRY=127.0.0.1:5000
yard_compose() { compose -p sealyard-e2e -f "$ROOT/docker-compose.yml" "$@"; }
yard_exec() { yard_compose exec -T registry /sealyard "$@"; }

compose_image() {
    build_image
    echo "result: $(docker image inspect -f '{{.Size}}' sealyard:local | awk '{ printf "%.1f MiB", $1 / 1048576 }')"
}

compose_healthy() {
    local id
    for id in $(yard_compose ps -q); do
        [ "$(docker inspect -f '{{.State.Health.Status}}' "$id")" = healthy ] || return 1
    done
    [ "$(yard_compose ps -q | wc -l)" = 2 ]
}

compose_up() {
    if curl -s -m 2 "http://$COMPOSE_REGISTRY/" >/dev/null; then
        echo "port 5000 is in use"
        return 1
    fi
    yard_compose up -d || { yard_compose logs --no-color | tail -n 30; return 1; }
    until_true 60 compose_healthy || { yard_compose ps; yard_compose logs --no-color | tail -n 30; return 1; }
}

compose_locked_down() {
    local id
    for id in $(yard_compose ps -q); do
        docker inspect "$id" | jq -e '.[0] | (.Config.User | test("^[1-9][0-9]*(:[1-9][0-9]*)?$")) and .HostConfig.ReadonlyRootfs
            and (.HostConfig.CapDrop == ["ALL"]) and (.HostConfig.SecurityOpt | any(test("no-new-privileges")))'
        docker inspect "$id" | jq -e '[.[0].NetworkSettings.Ports[]? | select(. != null) | .[].HostIp] | all(. == "127.0.0.1")'
    done
}

compose_push() {
    local REGISTRY=localhost:5000
    docker_push
}

compose_pull() {
    local REGISTRY=localhost:5000
    docker_pull_tag
}

compose_refused() {
    yard_exec key disable
    # shellcheck disable=SC2034 # the functions below read this variable
    local REGISTRY=$COMPOSE_REGISTRY
    docker image rm -f "$(cat "$WORK/docker.id")" >/dev/null 2>&1 || true
    denied GET /v2/e2e/docker/manifests/1 -H "$ANY_MANIFEST"
    if docker pull "localhost:5000/e2e/docker:1"; then return 1; fi
    expect 200 GET /v2/
}

compose_enabled() {
    yard_exec key enable
    compose_pull
}

# The steps of a user on the host: copy the certificate authority out of the container, and change the key with Azure's SDK.
compose_sdk() {
    python_tools "$WORK/python" "$ROOT/mock-keyvault/clients/python/requirements.txt"
    docker cp "$(yard_compose ps -q vault):/public/ca.pem" "$WORK/compose-ca.pem"
}
# vault_client OPERATION KEY
vault_client() {
    PYTHONPATH=$WORK/python:$ROOT/mock-keyvault/clients/python PYTHONDONTWRITEBYTECODE=1 REQUESTS_CA_BUNDLE=$WORK/compose-ca.pem \
        KEY_VAULT_URL=https://local.vault.localhost:8443 AZURE_AUTHORITY_HOST=https://login.localhost:8443 \
        "$SCRIPTS/e2e.d/vault-client" "$@"
}
# compose_state REGISTRY FILTER: checks the status of a registry with a jq filter.
compose_state() { yard_exec status --json | jq -e ".registries[] | select(.name == \"$1\") | $2"; }

# The registry uses the newest version of its key within a quarter of an hour of emulator time.
compose_sdk_rotate() {
    local version
    version=$(vault_client rotate registry-key)
    version=${version##*/}
    compose_state local ".key.versionedKeyIdentifier | endswith(\"$version\") | not"
    yard_exec clock advance 16m
    compose_state local ".key.versionedKeyIdentifier | endswith(\"$version\")"
    compose_pull
    echo "result: version $version"
}

# compose_denied HOST:PORT REPOSITORY: whether a pull is refused, which happens within one lease of five seconds.
compose_denied() { [ "$(curl -s -o "$WORK/compose.body" -w '%{http_code}' "http://$1/v2/$2/manifests/1" -H "$ANY_MANIFEST")" = 403 ]; }
compose_sdk_disable() {
    vault_client disable registry-key
    until_true 10 compose_denied "$COMPOSE_REGISTRY" e2e/docker
    docker image rm -f "$(cat "$WORK/docker.id")" >/dev/null 2>&1 || true
    if docker pull localhost:5000/e2e/docker:1 >"$WORK/out" 2>&1; then return 1; fi
    cat "$WORK/out"
    grep -q 'Access to Key Encryption Key is forbidden' "$WORK/out"
    compose_state local '.state == "unavailable" and .cause == "keyDisabled"'
    yard_exec status | grep -q 'unavailable'
}
compose_pulls() { docker pull -q localhost:5000/e2e/docker:1; }
compose_sdk_enable() {
    vault_client enable registry-key
    until_true 20 compose_pulls
    compose_state local '.state == "active"'
    compose_pull
}

# Another registry has its own key in the same vault.
compose_create() {
    yard_exec registry create team1
    compose_state team1 '.state == "active" and (.url | endswith(":5001"))'
    docker tag localhost:5000/e2e/docker:1 localhost:5001/e2e/docker:1
    docker push -q localhost:5001/e2e/docker:1
    vault_client disable team1
    until_true 10 compose_denied 127.0.0.1:5001 e2e/docker
    # The other registry has another key.
    compose_pull
    vault_client enable team1
    yard_exec registry delete team1
}

compose_restart() {
    yard_compose down
    compose_up
    compose_pull
}

# The registry's container restarts while the vault runs, and then the vault's while the registry runs.
compose_single_restarts() {
    local service
    for service in registry vault; do
        yard_compose restart "$service"
        until_true 60 compose_healthy
        compose_pull
    done
}

compose_down() {
    yard_compose down -v
    [ -z "$(docker volume ls -q --filter label=com.docker.compose.project=sealyard-e2e)" ]
}

part_compose() {
    have docker || { skip compose "no docker"; return; }
    if ! have docker-compose && ! docker compose version >/dev/null 2>&1; then
        skip compose "no docker-compose (apt-get install docker-compose)"
        return
    fi
    at_exit 'yard_compose down -v --timeout 5 >/dev/null 2>&1'
    check "compose: the image is built with nothing pulled" compose_image
    check "compose: up, both healthy" compose_up
    check "compose: not root, no capabilities, read-only, on 127.0.0.1" compose_locked_down
    check "compose: docker push localhost:5000 without settings" compose_push
    check "compose: docker pull, same files" compose_pull
    check "compose: key disabled, docker is refused" compose_refused
    check "compose: key enabled, same files" compose_enabled
    check "compose: the host reaches the vault with Azure's Python SDK" compose_sdk
    check "compose: SDK: a new version, which the registry uses" compose_sdk_rotate
    check "compose: SDK: key disabled, docker is refused, status" compose_sdk_disable
    check "compose: SDK: key enabled, same files" compose_sdk_enable
    check "compose: registry create, with its own key" compose_create
    check "compose: down and up, data kept" compose_restart
    check "compose: each container is restarted separately" compose_single_restarts
    check "compose: down -v leaves nothing" compose_down
}
