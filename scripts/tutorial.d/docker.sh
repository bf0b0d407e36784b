#!/usr/bin/env bash
# Part of scripts/tutorial: `az acr login` with docker, and with the ORAS client.
# Sourced.

# `az acr login` logs docker in at the loopback port and prints the command for a push.
docker_login() {
    az acr login --name "$REGISTRY_NAME" 2>&1 | tee "$WORK/docker-login"
    grep -qF "docker push $(port_of "$REGISTRY_NAME")/" "$WORK/docker-login"
    jq -e --arg at "$(port_of "$REGISTRY_NAME")" '.auths | has($at)' "$DOCKER_CONFIG/config.json"
}

docker_push_pull() {
    local image id
    image=$(port_of "$REGISTRY_NAME")/team/docker:1
    docker_build "$image"
    docker_files "$image" >"$WORK/docker.files"
    id=$(docker image inspect -f '{{.Id}}' "$image")
    docker push -q "$image"
    docker image rm -f "$id"
    docker pull -q "$image"
    docker_files "$image" | diff "$WORK/docker.files" -
    docker image rm -f "$id"
}

oras_push_pull() {
    local tools=$WORK/py-oras letter=$WORK/oras/letter.txt
    python_tools "$tools" "$SCRIPTS/e2e.d/oras.txt"
    oras() { PYTHONPATH=$tools HOME=$WORK/no-login "$SCRIPTS/e2e.d/oras-client" "$@"; }
    az acr login --name "$REGISTRY_NAME" --expose-token >"$WORK/login.json"
    # The client would reuse its first token, which is only for a pull, so it gets one for both.
    ORAS_TOKEN=$(curl -sS --fail-with-body -u "$(jq -er '.username + ":" + .accessToken' "$WORK/login.json")" \
        "http://$(port_of "$REGISTRY_NAME")/oauth2/token?service=tutorial&scope=repository:team/oras:pull,push" | jq -er .access_token)
    export ORAS_TOKEN
    mkdir -p "$WORK/oras"
    printf 'a letter, %s\n' "$(head -c 12 /dev/urandom | base64)" >"$letter"
    oras push "$(port_of "$REGISTRY_NAME")/team/oras:1" "$letter" "a note"
    oras pull "$(port_of "$REGISTRY_NAME")/team/oras:1" "$WORK/oras-back"
    cmp "$letter" "$WORK/oras-back/letter.txt"
    # A client without the token may not pull.
    unset ORAS_TOKEN
    if oras pull "$(port_of "$REGISTRY_NAME")/team/oras:1" "$WORK/oras-no"; then
        echo "a client without a token pulled"
        return 1
    fi
}

part_docker() {
    export DOCKER_CONFIG=$WORK/home/.docker
    mkdir -p "$DOCKER_CONFIG"
    printf '{}' >"$DOCKER_CONFIG/config.json"
    if ! use_docker >"$WORK/docker.out"; then
        skip "docker: az acr login" "no docker engine answers"
        return
    fi
    check "docker: az acr login logs docker in" docker_login
    check "docker: a push and a pull" docker_push_pull
    check "docker: an artifact with the ORAS client" oras_push_pull
    # skopeo reads this folder too.
    export DOCKER_CONFIG=$WORK/no-login
}
