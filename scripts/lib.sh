#!/usr/bin/env bash
# Functions that the scripts share: a temporary work folder, programs that are started and ended by process id,
# registries, the docker engine, a table of the results. Scripts source this file; it is not run.
#
# The exit trap of a script always ends the programs that it started. All programs listen on loopback only.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
SCRIPTS=$ROOT/scripts
NAME=$(basename "$0")

# The user's settings must not reach the programs that the scripts start.
for name in "${!SEALYARD_@}"; do
    [ "$name" = SEALYARD_SCRATCH ] || unset "$name"
done

# --- messages -----------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$NAME" "$*" >&2
    exit 1
}

# help_of SCRIPT: prints the header comment of a script, which is its help.
help_of() { sed -n '2,/^[^#]/{/^# shellcheck/d;s/^# \{0,1\}//p}' "$1"; }

# --- the work folder and the cleanup ------------------------------------------------------------------------------

UNDO=()
# at_exit COMMAND: adds a command that runs at the end; the last added command runs first.
at_exit() { UNDO+=("$1"); }

run_undo() {
    local status=$? i
    trap - EXIT
    trap '' INT TERM
    set +e
    for ((i = ${#UNDO[@]} - 1; i >= 0; i--)); do eval "${UNDO[i]}"; done
    exit "$status"
}

# make_work_folder: WORK is a new folder on a real disk, removed at the end (or kept, with KEEP=1).
make_work_folder() {
    local base=${SEALYARD_SCRATCH:-/var/tmp}
    mkdir -p "$base"
    WORK=$(mktemp -d "$base/sealyard-${NAME}.XXXXXX")
    trap run_undo EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    at_exit remove_work_folder
}

remove_work_folder() {
    if [ "${KEEP:-0}" = 1 ]; then
        say "kept: $WORK"
        return
    fi
    # Container storage has mounts inside the folder.
    awk -v at="$WORK/" 'index($2, at) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do
        umount -l "$mount" 2>/dev/null
    done
    rm -rf --one-file-system "$WORK" 2>/dev/null || { chmod -R u+rwX "$WORK" && rm -rf --one-file-system "$WORK"; }
}

# --- processes ----------------------------------------------------------------------------------------------------

alive() { kill -0 "$1" 2>/dev/null; }

# stop_pid PID [SECONDS]: sends SIGTERM, waits, then sends SIGKILL.
stop_pid() {
    local pid=$1 tries=$((${2:-20} * 10))
    alive "$pid" || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    while alive "$pid" && ((tries-- > 0)); do sleep 0.1; done
    alive "$pid" && kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null || true
}

# until_true SECONDS COMMAND...: repeats the command until it succeeds or the time is over.
until_true() {
    local tries=$(($1 * 20))
    shift
    while ((tries-- > 0)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.05
    done
    return 1
}

# --- programs -----------------------------------------------------------------------------------------------------

have() { command -v "$1" >/dev/null 2>&1; }

need() {
    local tool
    for tool in "$@"; do
        have "$tool" || die "needs $tool. On Debian: apt-get install $(package_of "$tool")"
    done
}

# package_of PROGRAM: prints the Debian package that has a program.
package_of() {
    case $1 in
        docker | dockerd) echo docker.io ;;
        pip3) echo python3-pip ;;
        *) echo "$1" ;;
    esac
}

TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
SEALYARD=${SEALYARD:-}
# shellcheck disable=SC2034 # used by scripts
# Both programs are in the same folder.
MOCK_KEYVAULT=${MOCK_KEYVAULT:-${SEALYARD:+${SEALYARD%/*}/mock-keyvault}}
MOCK_KEYVAULT=${MOCK_KEYVAULT:-$TARGET/dist/mock-keyvault}

# build_dist: builds the programs as for a release (profile dist), unless SEALYARD names one. Takes a second without changes.
build_dist() {
    [ -n "$SEALYARD" ] && return
    need cargo
    say "building the programs with the profile dist"
    (cd "$ROOT" && cargo build --profile dist --locked --quiet -p sealyard -p mock-keyvault)
    SEALYARD=$TARGET/dist/sealyard
}

# build_image: builds the image, of the quick programs if SEALYARD names one of them. Takes seconds without changes.
build_image() {
    case $SEALYARD in
        "$ROOT"/dist/quick/*) "$SCRIPTS/image" --quick ;;
        *) "$SCRIPTS/image" ;;
    esac
}

# --- registries ---------------------------------------------------------------------------------------------------

# start_registry KIND FOLDER [ARGUMENT...]: starts a registry and waits until it is ready. KIND is `sealyard` or
# `docker-registry`. Sets REGISTRY (host:port), REGISTRY_PID (the job) and SERVER_PID (the server itself). REGISTRY_LISTEN sets the
# address. LAUNCHER is an array of arguments in front of the command.
LAUNCHER=()
start_registry() {
    local kind=$1 folder=$2 log=$2.log
    shift 2
    case $kind in
        sealyard)
            local endpoints=$folder.endpoints.json
            rm -f "$endpoints"
            "${LAUNCHER[@]}" "$SEALYARD" serve --listen "${REGISTRY_LISTEN:-127.0.0.1:0}" --azure-listen 127.0.0.1:0 \
                --data-dir "$folder" --endpoints-file "$endpoints" "$@" >>"$log" 2>&1 </dev/null &
            REGISTRY_PID=$!
            at_exit "stop_pid $REGISTRY_PID"
            until_true 60 ready_or_gone "$REGISTRY_PID" test -s "$endpoints"
            [ -s "$endpoints" ] || {
                tail -n 20 "$log" >&2
                die "sealyard did not start (log above)"
            }
            REGISTRY=$(jq -r .registry "$endpoints")
            REGISTRY=${REGISTRY#http://}
            REGISTRY=${REGISTRY%/}
            ;;
        docker-registry)
            need docker-registry
            mkdir -p "$folder"
            {
                echo "version: 0.1"
                echo "log: {level: info, accesslog: {disabled: true}}"
                echo "storage: {filesystem: {rootdirectory: '$folder', maxthreads: 100}, delete: {enabled: true}, maintenance: {uploadpurging: {enabled: false}}}"
                echo "http: {addr: '${REGISTRY_LISTEN:-127.0.0.1:0}', secret: not-secret}"
            } >"$folder.yml"
            : >"$log"
            # It reads every REGISTRY_… variable as configuration, and skopeo has such a variable.
            env -u REGISTRY_AUTH_FILE "${LAUNCHER[@]}" docker-registry serve "$folder.yml" >>"$log" 2>&1 </dev/null &
            REGISTRY_PID=$!
            at_exit "stop_pid $REGISTRY_PID"
            until_true 20 ready_or_gone "$REGISTRY_PID" grep -q 'listening on' "$log"
            REGISTRY=$(sed -n 's/.*listening on \([0-9.:]*\).*/\1/p' "$log" | tail -n 1)
            [ -n "$REGISTRY" ] || {
                tail -n 20 "$log" >&2
                die "docker-registry did not start (log above)"
            }
            ;;
        *) die "unknown kind of registry: $kind" ;;
    esac
    # With a launcher such as strace, which ignores SIGTERM, the server is its child.
    SERVER_PID=$REGISTRY_PID
    if [ ${#LAUNCHER[@]} != 0 ]; then
        SERVER_PID=$(cut -d' ' -f1 "/proc/$REGISTRY_PID/task/$REGISTRY_PID/children")
        at_exit "stop_pid $SERVER_PID"
    fi
    until_true 20 curl -sf "http://$REGISTRY/v2/" || {
        tail -n 20 "$log" >&2
        die "$kind does not answer on $REGISTRY (log above)"
    }
}

# yard ARGUMENT...: runs sealyard for the emulator whose folder is DATA.
yard() { "$SEALYARD" "$@" --data-dir "$DATA"; }

# ready_or_gone PID COMMAND...: true if the command succeeds or the process has ended, which ends the waiting early.
ready_or_gone() {
    local pid=$1
    shift
    "$@" || ! alive "$pid"
}

# --- HTTP ---------------------------------------------------------------------------------------------------------

# http METHOD PATH [CURL ARGUMENT...]: prints the status; writes the body to $WORK/body and the header to $WORK/head.
http() {
    local method=$1 url=$2
    shift 2
    [[ $url = http* ]] || url=http://$REGISTRY$url
    [ "$method" = HEAD ] && set -- --head "$@"
    curl -sS -o "$WORK/body" -D "$WORK/head" -w '%{http_code}' --max-time 300 -X "$method" "$@" "$url"
}

# header NAME: prints a header of the last answer.
header() { awk -v name="$1:" 'tolower($1) == tolower(name) { sub(/^[^:]*: */, ""); sub(/\r$/, ""); print; exit }' "$WORK/head"; }

# expect STATUS METHOD PATH [CURL ARGUMENT...]: sends a request; fails and prints the answer if it has another status.
expect() {
    local want=$1 got
    shift
    got=$(http "$@") || true
    if [[ ! $got =~ ^($want)$ ]]; then
        echo "$1 $2: expected $want, got $got: $(head -c 500 "$WORK/body" 2>/dev/null)"
        return 1
    fi
}

digest_of() { printf 'sha256:%s' "$(sha256sum "$1" | cut -d' ' -f1)"; }

# begin_upload REPOSITORY: prints the absolute URL of a new upload.
begin_upload() {
    expect 202 POST "/v2/$1/blobs/uploads/" -d '' || return 1
    upload_url
}

# upload_url: prints the Location of the last answer as an absolute URL.
upload_url() {
    local url
    url=$(header location)
    [ -n "$url" ] || return 1
    [[ $url = http* ]] || url=http://$REGISTRY$url
    printf '%s' "$url"
}

# with_digest URL DIGEST
with_digest() { if [[ $1 = *\?* ]]; then printf '%s&digest=%s' "$1" "$2"; else printf '%s?digest=%s' "$1" "$2"; fi; }

# push_blob REPOSITORY FILE: pushes a blob in one PUT.
push_blob() {
    local url
    url=$(begin_upload "$1") || { echo "$url"; return 1; }
    expect 201 PUT "$(with_digest "$url" "$(digest_of "$2")")" -T "$2" -H 'Content-Type: application/octet-stream' -H 'Expect:'
}

# push_manifest REPOSITORY REFERENCE FILE
push_manifest() { expect 201 PUT "/v2/$1/manifests/$2" --data-binary "@$3" -H "Content-Type: $(jq -r .mediaType "$3")"; }

# tags_are REPOSITORY TAG...: checks that the repository has these tags, in lexical order (docker-registry does not sort them).
tags_are() {
    expect 200 GET "/v2/$1/tags/list"
    jq -e '(if $sealyard then .tags else (.tags | sort) end) == $ARGS.positional' --argjson sealyard \
        "$([ "${KIND:-}" = sealyard ] && echo true || echo false)" --args "${@:2}" <"$WORK/body"
}

# shellcheck disable=SC2034
ANY_MANIFEST='Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json'

# --- the docker engine --------------------------------------------------------------------------------------------

# use_docker: uses the engine of the machine, or starts one in the work folder and ends it at the end.
use_docker() {
    have docker || return 1
    docker info >/dev/null 2>&1 && return
    if [ "$(id -u)" != 0 ] || ! have dockerd; then
        echo "no docker engine answers; start one, or run this as root"
        return 1
    fi
    local folder=$WORK/engine had_bridge=0
    [ -e /sys/class/net/docker0 ] && had_bridge=1
    mkdir -p "$folder"
    export DOCKER_HOST=unix://$folder/docker.sock
    dockerd --host "$DOCKER_HOST" --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/pid" \
        >"$folder/log" 2>&1 </dev/null &
    local pid=$!
    at_exit "stop_docker $pid $had_bridge"
    until_true 60 ready_or_gone "$pid" docker info
    docker info >/dev/null 2>&1 && return
    echo "dockerd does not start; the end of its log:"
    tail -n 15 "$folder/log"
    return 1
}

stop_docker() {
    # shellcheck disable=SC2046 # each id is an argument
    alive "$1" && docker rm -f $(docker ps -aq) >/dev/null 2>&1
    stop_pid "$1" 40
    [ "$2" = 0 ] && have ip && ip link delete docker0 2>/dev/null
    return 0
}

# compose ARGUMENT...: runs docker compose v2 if it is installed, otherwise docker-compose 1.29.
compose() { if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi; }

# --- clients from PyPI --------------------------------------------------------------------------------------------

# python_tools FOLDER REQUIREMENTS: installs pinned packages (with hashes if they have machine code) into their own folder.
python_tools() {
    [ -e "$1/.done" ] && return
    python3 -m pip --version >/dev/null 2>&1 || { echo "needs pip: apt-get install python3-pip"; return 1; }
    python3 -m pip install --quiet --disable-pip-version-check --no-input --only-binary :all: \
        --root-user-action ignore --target "$1" -r "$2" && touch "$1/.done"
}

# --- the table ----------------------------------------------------------------------------------------------------

ROWS=()
FAILED=0
PASSED=0
SKIPPED=0

row() { ROWS+=("$(printf '%-7s %-52s %6s  %s' "$1" "$2" "$3" "${4:-}")"); }

# check WHAT FUNCTION [ARGUMENT...]: runs the function in a subshell that stops at the first failure, and records the result.
# Never call it in a condition: that would disable `set -e` inside.
check() {
    local what=$1 began=$SECONDS status log
    shift
    log=$WORK/logs/$(tr -c 'a-zA-Z0-9\n' '-' <<<"$what").log
    mkdir -p "$WORK/logs"
    set +e
    (
        set -eu
        "$@"
    ) >"$log" 2>&1 </dev/null
    status=$?
    set -e
    case $status in
        0)
            PASSED=$((PASSED + 1))
            row PASS "$what" "$((SECONDS - began)) s" "$(sed -n 's/^result: //p' "$log" | tail -n 1)"
            ;;
        77)
            skip "$what" "$(tail -n 1 "$log")"
            return
            ;;
        *)
            FAILED=$((FAILED + 1))
            row FAIL "$what" "$((SECONDS - began)) s" "$(tail -n 1 "$log" | cut -c1-160)"
            ;;
    esac
    say "${ROWS[-1]}"
    if [ "$status" != 0 ]; then tail -n 25 "$log" | sed 's/^/      | /'; fi
}

# skip WHAT WHY: records a skipped row; with STRICT=1 it is a failure.
skip() {
    if [ "${STRICT:-0}" = 1 ]; then
        FAILED=$((FAILED + 1))
        row FAIL "$1" "" "skipped: $2"
    else
        SKIPPED=$((SKIPPED + 1))
        row SKIP "$1" "" "$2"
    fi
    say "${ROWS[-1]}"
}

# table: prints all results again and returns the status of the script.
table() {
    say ""
    printf '%s\n' "${ROWS[@]}"
    say ""
    say "$NAME: $PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}
