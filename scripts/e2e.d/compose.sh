#!/usr/bin/env bash
# Part of scripts/e2e: vault and registry as two containers, by the compose file people use. Sourced.

COMPOSE_REGISTRY=127.0.0.1:5000
yard_compose() { compose -p sealyard-e2e -f "$ROOT/docker-compose.yml" "$@"; }
yard_exec() { yard_compose exec -T registry /sealyard "$@"; }

compose_image() {
    # Costs seconds when nothing changed.
    "$SCRIPTS/image"
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
        echo "port 5000 is taken"
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
    # shellcheck disable=SC2034 # the functions below read it
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

compose_restart() {
    yard_compose down
    compose_up
    compose_pull
}

# The registry's container comes back while the vault stays, and the other way round.
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
    check "compose: docker push localhost:5000 with no set-up" compose_push
    check "compose: docker pull, same files" compose_pull
    check "compose: key disabled, docker is refused" compose_refused
    check "compose: key enabled, same files" compose_enabled
    check "compose: down and up, data kept" compose_restart
    check "compose: each one restarted alone" compose_single_restarts
    check "compose: down -v leaves nothing" compose_down
}
