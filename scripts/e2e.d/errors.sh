#!/usr/bin/env bash
# Part of scripts/e2e: each error of the registry with docker, podman, skopeo, and crane if it is installed. The client ends
# within five seconds and prints the registry's message. Sourced. It starts its own registries.
#
# First come all pairs of status and code, from emulator/tests/it/snapshots/error_answers.snap, which a test
# keeps complete: the client pulls or pushes a manifest and gets the registry's own error (error-proxy). Then come the
# states that users meet, without the proxy.
#
# errors_*_exempt lists the behaviour of clients that no registry can change, with the reason.

ERRORS_LIMIT=5
ERRORS_AT=
ERRORS_PROXY=
ERRORS_FULL=

errors_yard() { "$SEALYARD" "$@" --data-dir "$WORK/errors"; }

# errors_meets MESSAGE-FILE CLIENT ARGUMENT...: checks that the client fails in time and prints the message.
errors_meets() {
    local message=$1 began out status=0 took pauses
    shift
    began=$(date +%s%N)
    out=$("$@" 2>&1 </dev/null) || status=$?
    took=$((($(date +%s%N) - began) / 1000000))
    echo "$took ms, status $status: ${*##*/}: $out"
    # Podman retries after most errors, three times, with a pause of a second each. The pauses do not count.
    pauses=$(grep -c 'Failed, retrying in 1s' <<<"$out") || true
    took=$((took - pauses * 1000))
    [ "$status" != 0 ] || { echo "the client did not fail"; return 1; }
    [ "$took" -lt $((ERRORS_LIMIT * 1000)) ] || { echo "the client took longer than $ERRORS_LIMIT s"; return 1; }
    # Podman and skopeo print the message in a log line with escaped quotes; a status line has only ASCII characters.
    OUT=$out MESSAGE=$(cat "$message") python3 -c '
import os, sys
flat = lambda text: "".join(c if c.isascii() and c.isprintable() else "?" for c in text.replace("\\\"", "\""))
message = flat(os.environ["MESSAGE"])[:400]
sys.exit(0 if message and message in flat(os.environ["OUT"]) else f"the message is missing: {message}")'
}

# ERRORS_USER names the login of each client; without it the client has none.
errors_docker() { timeout 60 env DOCKER_CONFIG="$WORK/errors-logins/${ERRORS_USER:-none}" docker "$@"; }
errors_podman() {
    REGISTRY_AUTH_FILE="$WORK/errors-logins/${ERRORS_USER:-none}/auth.json" timeout 60 podman --root "$WORK/containers" \
        --runroot "$WORK/containers-run" --tmpdir "$WORK/podman" --cgroup-manager cgroupfs --storage-driver "$STORAGE" "$@"
}
errors_skopeo() { REGISTRY_AUTH_FILE="$WORK/errors-logins/${ERRORS_USER:-none}/auth.json" timeout 60 skopeo "$@"; }

errors_pull_docker() { errors_docker pull -q "$1"; }
errors_pull_podman() { errors_podman pull -q --tls-verify=false "$1"; }
errors_pull_skopeo() { errors_skopeo inspect --tls-verify=false "docker://$1"; }
errors_pull_crane() { timeout 60 crane manifest --insecure "$1"; }
errors_push_docker() { errors_docker push -q "$1"; }
errors_push_skopeo() { errors_skopeo copy -q --dest-tls-verify=false "oci:$WORK/errors-image:t" "docker://$1"; }
errors_push_podman() { errors_podman push -q --tls-verify=false errors:1 "docker://$1"; }

errors_registries() {
    local name
    "$SCRIPTS/oci-image" make "$WORK/errors-image" --tag t
    for name in closed darkened; do errors_yard registry create "$name"; done
    errors_yard revoke --by policy --registry darkened
    errors_admin closed access '{"open":false}'
    for name in none admin wrong puller; do
        mkdir -p "$WORK/errors-logins/$name"
        echo '{}' | tee "$WORK/errors-logins/$name/auth.json" >"$WORK/errors-logins/$name/config.json"
    done
    docker_build "errors:1"
    if have podman; then skopeo copy -q "oci:$WORK/errors-image:t" "containers-storage:[$STORAGE@$WORK/containers+$WORK/containers-run]localhost/errors:1"; fi
}

# errors_pairs: prints the pairs of status and code, one per line.
errors_pairs() { sed '1,/^---$/d' "$ROOT/emulator/tests/it/snapshots/error_answers.snap"; }

# errors_pair_exempt CASE CLIENT: prints why this client cannot end in time at this error.
errors_pair_exempt() {
    case "$1 $2" in
        # containers/image waits for the time in Retry-After, or two seconds, and doubles it, five times; libimage in podman repeats all of
        # that three times. Docker does not retry after 429.
        "429-toomanyrequests podman") echo "podman retries twenty times after 429" ;;
        *) return 1 ;;
    esac
}

# errors_pair CASE: pulls and pushes with all clients.
errors_pair() {
    local case=$1 image=localhost:$ERRORS_PROXY/errors/$1:1 client why
    for client in docker podman skopeo crane; do
        have "$client" || continue
        if why=$(errors_pair_exempt "$case" "$client"); then echo "exempt: $why"; continue; fi
        errors_meets "$WORK/errors-messages/$case" "errors_pull_$client" "$image"
    done
    # Podman pushes with skopeo's code.
    docker tag errors:1 "$image"
    errors_meets "$WORK/errors-messages/$case" errors_push_docker "$image"
    errors_meets "$WORK/errors-messages/$case" errors_push_skopeo "$image"
    docker image rm "$image"
}

# All pairs run, several in parallel, because podman retries for three seconds after most errors.
errors_pairs_met() {
    local case status=0
    mkdir -p "$WORK/errors-logs"
    # shellcheck disable=SC2046 # each function is an argument
    export -f errors_pair errors_pair_exempt errors_meets errors_docker errors_podman errors_skopeo have $(compgen -A function errors_pull_) \
        $(compgen -A function errors_push_)
    export WORK STORAGE ERRORS_PROXY ERRORS_LIMIT
    [ "$(errors_pairs | wc -l)" -gt 20 ]
    errors_pairs | tr ' A-Z' '-a-z' >"$WORK/errors-cases"
    # shellcheck disable=SC2016
    xargs -P 8 -I CASE bash -euc 'errors_pair CASE >"$WORK/errors-logs/CASE" 2>&1; touch "$WORK/errors-logs/CASE.ok"' <"$WORK/errors-cases" || true
    while read -r case; do
        if [ ! -e "$WORK/errors-logs/$case.ok" ]; then
            status=1
            echo "--- $case"
            cat "$WORK/errors-logs/$case"
        fi
    done <"$WORK/errors-cases"
    echo "result: $(wc -l <"$WORK/errors-cases") pairs"
    return "$status"
}

# --- the states that users meet -------------------------------------------------------------------------------------

# errors_say TEXT: sets the expected message.
errors_say() { printf '%s' "$1" >"$WORK/errors-message"; }
# errors_all IMAGE ACTION...: checks that each action, such as pull_docker, fails with the message.
errors_all() {
    local image=$1 action
    shift
    for action in "$@"; do
        have "${action#*_}" || continue
        if [[ $action = push_docker ]]; then docker tag errors:1 "$image"; fi
        errors_meets "$WORK/errors-message" "errors_$action" "$image"
    done
}
errors_every() { errors_all "$1" pull_docker pull_podman pull_skopeo push_docker push_podman push_skopeo; }
errors_port() { errors_yard status --json | jq -r ".registries[] | select(.name == \"$1\") | .loginServer"; }

errors_no_login() {
    local closed
    closed=$(errors_port closed)
    errors_say "authentication required, visit https://aka.ms/acr/authorization for more information."
    errors_every "$closed/errors:1"
}
errors_wrong_login() {
    local closed
    closed=$(errors_port closed)
    errors_say "Reason: the user name or the password is wrong"
    errors_auth wrong "$closed" "user:wrong"
    ERRORS_USER=wrong errors_every "$closed/errors:1"
}
# The token may pull, but not push.
errors_denied_scope() {
    local closed password
    closed=$(errors_port closed)
    password=$(errors_admin closed tokens '{"name":"puller","actions":["repositories/errors/content/read"]}' | jq -r .password)
    errors_auth puller "$closed" "puller:$password"
    errors_say "authentication required, visit https://aka.ms/acr/authorization for more information."
    ERRORS_USER=puller errors_all "$closed/errors:1" push_docker push_podman push_skopeo
    ERRORS_USER=puller errors_all "$closed/other:1" pull_docker pull_podman pull_skopeo
}
# errors_auth USER REGISTRY NAME:PASSWORD: writes a login to the files of the clients.
errors_auth() {
    jq -n --arg at "$2" --arg auth "$(printf '%s' "$3" | base64 -w0)" '{auths: {($at): {auth: $auth}}}' |
        tee "$WORK/errors-logins/$1/auth.json" >"$WORK/errors-logins/$1/config.json"
}
errors_admin() { curl -sS --fail-with-body "http://$ERRORS_AT/_sealyard/registries/$1/$2" --json "$3"; }

errors_unknown() {
    errors_say "the repository errors/none is not known to the registry"
    errors_all "$ERRORS_AT/errors/none:1" pull_docker pull_podman pull_skopeo
}

# A push begins with HEAD of a blob, whose answer has no body (RFC 9110, section 9.3.2): clients print only the status of the refusal.
# So only pulls print the message, and the push has to end in time.
errors_revoked() {
    local method image began
    image=$ERRORS_AT/revoked:1
    skopeo copy -q --dest-tls-verify=false "oci:$WORK/errors-image:t" "docker://$image"
    errors_say "Access to Key Encryption Key is forbidden"
    for method in policy disable delete firewall vault identity; do
        errors_yard revoke --by "$method" >/dev/null
        errors_all "$image" pull_docker pull_podman pull_skopeo
        began=$(date +%s%N)
        docker tag errors:1 "$image"
        if errors_push_docker "$image"; then return 1; fi
        if errors_push_skopeo "$image"; then return 1; fi
        [ $((($(date +%s%N) - began) / 1000000)) -lt $((ERRORS_LIMIT * 1000)) ]
        errors_yard restore >/dev/null
    done
}

# errors_clear: removes the faults and revocations that a failed check may have left.
errors_clear() {
    errors_yard faults clear
    errors_yard restore >/dev/null
}

# The vault is unreachable: 503, with the message in the status line. Docker retries a layer after 503, four times in 50 seconds;
# only the message of a full disk makes it stop.
errors_outage() {
    local image=$ERRORS_AT/outage:1
    skopeo copy -q --dest-tls-verify=false "oci:$WORK/errors-image:t" "docker://$image"
    errors_yard faults add outage --on vault
    # The lease lasts five seconds; an advance of the clock ends it.
    errors_yard clock advance 10s >/dev/null
    errors_say "$(curl -s "http://$ERRORS_AT/v2/outage/tags/list" | jq -r '.errors[0].message')"
    errors_all "$image" pull_docker pull_podman pull_skopeo
    errors_clear
    errors_pull_skopeo "$image"
}

# All clients end in time at 429 with Retry-After, except podman with 20 s (errors_pair_exempt). Without it, skopeo takes 30 s
# too: 2, 4, 8 and 16. Docker never retries.
errors_throttled() {
    local image=$ERRORS_AT/throttled:1 on
    skopeo copy -q --dest-tls-verify=false "oci:$WORK/errors-image:t" "docker://$image"
    errors_clear
    errors_say "this fault was injected by a fault rule"
    for on in manifests/GET uploads/POST; do errors_yard faults add status --on "$on" --status 429 --retry-after 1; done
    errors_all "$image" pull_docker push_docker pull_skopeo
    errors_yard faults clear
    for on in manifests/GET uploads/POST; do errors_yard faults add status --on "$on" --status 429; done
    errors_all "$image" pull_docker push_docker
    errors_yard faults clear
}

errors_locked() {
    local image=$ERRORS_AT/kept:1
    errors_clear
    skopeo copy -q --dest-tls-verify=false "oci:$WORK/errors-image:t" "docker://$image"
    curl -sS --fail-with-body -X PATCH "http://$ERRORS_AT/acr/v1/kept" -H 'Content-Type: application/json' -d '{"writeEnabled":false}'
    errors_say "The operation is disallowed on this registry, repository or image."
    errors_all "$image" push_docker push_podman push_skopeo
    curl -sS --fail-with-body -X PATCH "http://$ERRORS_AT/acr/v1/kept" -H 'Content-Type: application/json' -d '{"readEnabled":false}'
    errors_all "$image" pull_docker pull_podman pull_skopeo
}

# Docker does not retry after a full disk, because the message has the text of the system's error.
errors_full() {
    errors_say "no space left on device: the disk of the registry is full"
    errors_all "$ERRORS_FULL/full:1" push_docker push_podman push_skopeo
}

# A registry on a file system of 64 MiB with three left refuses new content, and everything else works.
errors_start_full() {
    local free
    mkdir -p "$WORK/errors-full"
    mount -t tmpfs -o size=64m,mode=700 tmpfs "$WORK/errors-full" || return 1
    start_registry "$KIND" "$WORK/errors-full/data"
    ERRORS_FULL=localhost:${REGISTRY##*:}
    free=$(df --output=avail -k "$WORK/errors-full" | tail -n 1)
    head -c $(((free - 3072) * 1024)) /dev/zero >"$WORK/errors-full/filler"
}

errors_start_proxy() {
    mkdir -p "$WORK/errors-messages"
    "$SCRIPTS/e2e.d/error-proxy" "127.0.0.1:${ERRORS_AT##*:}" "127.0.0.1:${ERRORS_FULL##*:}" \
        "$ROOT/emulator/tests/it/snapshots/error_answers.snap" "$WORK/errors-messages" >"$WORK/errors-proxy" 2>"$WORK/errors-proxy.log" </dev/null &
    at_exit "stop_pid $!"
    until_true 20 ready_or_gone $! test -s "$WORK/errors-proxy"
    ERRORS_PROXY=$(cat "$WORK/errors-proxy")
}
errors_proxy_runs() { cat "$WORK/errors-proxy.log"; [ -n "$ERRORS_PROXY" ]; }

part_errors() {
    [ "$KIND" = sealyard ] || { skip errors "only sealyard has these errors"; return; }
    local before=${REGISTRY:-} tool
    for tool in docker podman skopeo; do have "$tool" || { skip errors "needs $tool"; return; }; done
    [ "$(id -u)" = 0 ] || { skip errors "needs root for a small file system"; return; }
    # This is not in a check, because programs that a check starts are not ended at the end.
    start_registry "$KIND" "$WORK/errors"
    ERRORS_AT=localhost:${REGISTRY##*:}
    errors_start_full || { skip errors "a small file system cannot be mounted here"; return; }
    REGISTRY=$before
    [ -e "$WORK/storage" ] || check "errors: storage for podman" container_storage
    STORAGE=$(cat "$WORK/storage")
    check "errors: registries, an image, no login" errors_registries
    errors_start_proxy
    check "errors: each status and code can be provoked" errors_proxy_runs
    check "errors: each client ends in 5 s with the message" errors_pairs_met
    check "errors: no login" errors_no_login
    check "errors: a wrong password" errors_wrong_login
    check "errors: a login without the permission" errors_denied_scope
    check "errors: no such repository" errors_unknown
    check "errors: the key is revoked, with each method" errors_revoked
    check "errors: the vault is unreachable" errors_outage
    check "errors: throttled" errors_throttled
    check "errors: locked" errors_locked
    check "errors: the disk is full" errors_full
    docker image rm -f errors:1 >/dev/null 2>&1
}
