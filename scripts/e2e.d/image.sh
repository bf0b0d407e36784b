#!/usr/bin/env bash
# Part of scripts/e2e: a container of the image, as `docker run` starts it: with only its own folder, its passwords, and both
# ports published. Sourced.

IMAGE_NAME=sealyard-e2e-image-$$

image_remove() { docker rm -f -v "$IMAGE_NAME" >/dev/null 2>&1 || true; }
# image_port PORT: prints the port of the host for a port of the container.
image_port() { docker port "$IMAGE_NAME" "$1" | head -n 1 | sed 's/.*://'; }
image_status() { curl -s -o /dev/null -w '%{http_code}' "http://127.0.0.1:$(image_port 5000)/v2/" "$@"; }
image_ready() { docker logs "$IMAGE_NAME" 2>/dev/null | grep -q 'Ctrl-C stops the emulator'; }

# image_run RUN-OPTION... -- ARGUMENT...
image_run() {
    local options=()
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    image_remove
    docker run -d --name "$IMAGE_NAME" -p 127.0.0.1::5000 -p 127.0.0.1::8443 "${options[@]}" sealyard:local "$@"
    until_true 30 image_ready || { docker logs "$IMAGE_NAME"; return 1; }
}

image_demo() {
    docker run --rm sealyard:local demo --json | tail -n 1 | jq -e '.step == "pull" and .ok'
    docker run --rm --read-only --tmpfs /tmp sealyard:local demo --json | tail -n 1 | jq -e '.step == "pull" and .ok'
    # Without a folder for temporary files, the demo uses the data folder.
    docker run --rm --read-only sealyard:local demo --json | tail -n 1 | jq -e '.step == "pull" and .ok'
}

# Runs the commands that the start prints.
image_passwords() {
    local -a printed
    local password owner
    mapfile -t printed < <(docker logs "$IMAGE_NAME" 2>/dev/null | sed -n 's/^  \(docker exec .*\)/\1/p')
    printf '%s\n' "${printed[@]}"
    [ "${#printed[@]}" = 5 ]
    for command in "${printed[@]:0:3}"; do eval "$command"; done
    password=$(eval "${printed[3]}")
    owner=$(eval "${printed[4]}")
    [ ${#password} = 64 ] && [ -n "$owner" ] && [ "$owner" != "$password" ]
    [ "$(image_status)" = 401 ]
    [ "$(image_status -u "any:$password")" = 200 ]
    if docker logs "$IMAGE_NAME" 2>&1 | grep -qF -e "$password" -e "$owner"; then return 1; fi
    # The published port of the Azure side accepts only the owner's secret.
    curl -sS --fail -o "$WORK/image-ca.pem" "http://127.0.0.1:$(image_port 5000)/_sealyard/ca.pem"
    image_token "$owner" | jq -e .access_token
    image_token sealyard | jq -e '.error == "invalid_client"'
}
image_token() {
    curl -sS --cacert "$WORK/image-ca.pem" "https://localhost:$(image_port 8443)/00000000-0000-4000-8000-00000000a001/oauth2/v2.0/token" \
        -d grant_type=client_credentials -d client_id=00000000-0000-4000-8000-00000000a003 -d "client_secret=$1" \
        --data-urlencode scope=https://vault.azure.net/.default
}

image_serve() {
    image_run -- && image_passwords
}
image_ephemeral() {
    image_run --read-only --tmpfs /tmp -- --ephemeral && image_passwords
    image_run -- --ephemeral && image_passwords
}

image_chosen_password() {
    image_run -e SEALYARD_PASSWORD=of-the-environment --
    [ "$(image_status -u me:of-the-environment)$(image_status -u me:other)" = 200401 ]
    if docker logs "$IMAGE_NAME" 2>&1 | grep -q of-the-environment; then return 1; fi
    printf 'of-a-file\n' >"$WORK/image-password"
    chmod 644 "$WORK/image-password"
    image_run -e SEALYARD_PASSWORD_FILE=/run/secrets/password -v "$WORK/image-password:/run/secrets/password:ro" --
    [ "$(image_status -u me:of-a-file)$(image_status -u me:other)" = 200401 ]
    [ "$(docker exec "$IMAGE_NAME" /sealyard password)" = of-a-file ]
    # Both variables together are an error.
    if docker run --rm -e SEALYARD_PASSWORD=a -e SEALYARD_PASSWORD_FILE=/b sealyard:local >"$WORK/out" 2>&1; then return 1; fi
    grep 'omit one of the two' "$WORK/out"
    image_run -- --trusted-network
    [ "$(image_status)" = 200 ]
}

# The command line on the host fetches the certificate authority from the container.
image_endpoint() {
    local at azure variables=$WORK/image-env
    image_run -- --trusted-network
    at=http://127.0.0.1:$(image_port 5000)
    azure=https://localhost:$(image_port 8443)/_keyvault/health
    XDG_CACHE_HOME=$WORK/image-cache "$SEALYARD" --endpoint "$at" env >"$variables"
    # shellcheck source=/dev/null
    (
        . "$variables"
        [ "$SEALYARD_ENDPOINT" = "$at" ] && [ "$SEALYARD_URL" = "$at" ]
        curl -sS --fail "$azure"
        # The variable selects the emulator, without a folder or a flag.
        "$SEALYARD" health
    )
    # shellcheck disable=SC2016 # the inner shell expands it
    XDG_CACHE_HOME=$WORK/image-cache "$SEALYARD" --endpoint "$at" run -- \
        sh -c 'test "$SEALYARD_ENDPOINT" = "$1" && curl -sS --fail --noproxy "*" "$2"' sh "$at" "$azure"
}

part_image() {
    have docker || { skip image "no docker"; return; }
    at_exit image_remove
    check "image: built with nothing pulled" build_image
    check "image: demo, also read-only, with and without /tmp" image_demo
    check "image: serve, printed commands, both ports" image_serve
    check "image: --ephemeral, also read-only" image_ephemeral
    check "image: a password of the user's choice" image_chosen_password
    check "image: env and run on the host, with --endpoint" image_endpoint
    image_remove
}
