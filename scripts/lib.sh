#!/usr/bin/env bash
# Functions that the scripts share: a work folder that goes at the end, programs started and ended by process id,
# registries, the docker engine, a table of what passed. Sourced, never run.
#
# What a script starts is ended by its exit trap, whatever happens. Nothing listens on anything but loopback.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # used by the scripts that source this
SCRIPTS=$ROOT/scripts
NAME=$(basename "$0")

# The settings of the person who runs this must not reach the programs that are started here.
for name in "${!SEALYARD_@}"; do
    [ "$name" = SEALYARD_SCRATCH ] || unset "$name"
done

# --- words --------------------------------------------------------------------------------------------------------

say() { printf '%s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
die() {
    printf '%s: %s\n' "$NAME" "$*" >&2
    exit 1
}

# The header comment of a script is its help.
help_of() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

# --- the work folder, and what is undone at the end ---------------------------------------------------------------

UNDO=()
# at_exit COMMAND: is run at the end, the last one first.
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
    # Container storage mounts itself inside the folder.
    awk -v at="$WORK/" 'index($2, at) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do
        umount -l "$mount" 2>/dev/null
    done
    rm -rf --one-file-system "$WORK" 2>/dev/null || { chmod -R u+rwX "$WORK" && rm -rf --one-file-system "$WORK"; }
}

# --- processes ----------------------------------------------------------------------------------------------------

alive() { kill -0 "$1" 2>/dev/null; }

# stop_pid PID [SECONDS]: asks, waits, then insists.
stop_pid() {
    local pid=$1 tries=$((${2:-20} * 10))
    alive "$pid" || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    while alive "$pid" && ((tries-- > 0)); do sleep 0.1; done
    alive "$pid" && kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null || true
}

# until_true SECONDS COMMAND...: runs it until it succeeds.
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

# The Debian package that holds a program.
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
# The two programs are built and shipped side by side.
MOCK_KEYVAULT=${MOCK_KEYVAULT:-${SEALYARD:+${SEALYARD%/*}/mock-keyvault}}
MOCK_KEYVAULT=${MOCK_KEYVAULT:-$TARGET/dist/mock-keyvault}

# Builds the programs as they are shipped (profile dist), unless SEALYARD names one. Costs a second when nothing changed.
build_dist() {
    [ -n "$SEALYARD" ] && return
    need cargo
    say "building the programs with the profile dist"
    (cd "$ROOT" && cargo build --profile dist --locked --quiet -p sealyard -p mock-keyvault)
    SEALYARD=$TARGET/dist/sealyard
}

# build_image: the image, with nothing pulled. Of the quick programs, if those are what is tested. Costs seconds when nothing changed.
build_image() {
    case $SEALYARD in
        "$ROOT"/dist/quick/*) "$SCRIPTS/image" --quick ;;
        *) "$SCRIPTS/image" ;;
    esac
}

# --- registries ---------------------------------------------------------------------------------------------------

# start_registry KIND FOLDER [ARGUMENT...]: starts one and waits until it is ready. KIND is `sealyard` or
# `docker-registry`. Sets REGISTRY (host:port), REGISTRY_PID (the job) and SERVER_PID (the server itself). REGISTRY_LISTEN chooses the address, LAUNCHER an array
# of words to put in front of the command.
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
            # It would read any REGISTRY_… variable as configuration; skopeo's is one.
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
        *) die "no registry of the kind $kind" ;;
    esac
    # With a launcher (strace, which does not end when it is asked to) the server is its child.
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

# yard ARGUMENT...: the command line, of the emulator whose folder is DATA.
yard() { "$SEALYARD" "$@" --data-dir "$DATA"; }

# Ends the waiting early when the process is gone.
ready_or_gone() {
    local pid=$1
    shift
    "$@" || ! alive "$pid"
}

# --- HTTP ---------------------------------------------------------------------------------------------------------

# http METHOD PATH [CURL ARGUMENT...]: prints the status; the body is left in $WORK/body, the header in $WORK/head.
http() {
    local method=$1 url=$2
    shift 2
    [[ $url = http* ]] || url=http://$REGISTRY$url
    [ "$method" = HEAD ] && set -- --head "$@"
    curl -sS -o "$WORK/body" -D "$WORK/head" -w '%{http_code}' --max-time 300 -X "$method" "$@" "$url"
}

# header NAME: one header of the last answer.
header() { awk -v name="$1:" 'tolower($1) == tolower(name) { sub(/^[^:]*: */, ""); sub(/\r$/, ""); print; exit }' "$WORK/head"; }

# expect STATUS METHOD PATH [CURL ARGUMENT...]: an answer of this status, or a failure that shows the other one.
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

# upload_url: the Location of the last answer, absolute.
upload_url() {
    local url
    url=$(header location)
    [ -n "$url" ] || return 1
    [[ $url = http* ]] || url=http://$REGISTRY$url
    printf '%s' "$url"
}

# with_digest URL DIGEST
with_digest() { if [[ $1 = *\?* ]]; then printf '%s&digest=%s' "$1" "$2"; else printf '%s?digest=%s' "$1" "$2"; fi; }

# push_blob REPOSITORY FILE: monolithic.
push_blob() {
    local url
    url=$(begin_upload "$1") || { echo "$url"; return 1; }
    expect 201 PUT "$(with_digest "$url" "$(digest_of "$2")")" -T "$2" -H 'Content-Type: application/octet-stream' -H 'Expect:'
}

# push_manifest REPOSITORY REFERENCE FILE
push_manifest() { expect 201 PUT "/v2/$1/manifests/$2" --data-binary "@$3" -H "Content-Type: $(jq -r .mediaType "$3")"; }

# tags_are REPOSITORY TAG...: these tags, in lexical order (which docker-registry does not keep).
tags_are() {
    expect 200 GET "/v2/$1/tags/list"
    jq -e '(if $sealyard then .tags else (.tags | sort) end) == $ARGS.positional' --argjson sealyard \
        "$([ "${KIND:-}" = sealyard ] && echo true || echo false)" --args "${@:2}" <"$WORK/body"
}

# shellcheck disable=SC2034
ANY_MANIFEST='Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json'

# --- the docker engine --------------------------------------------------------------------------------------------

# use_docker: an engine that answers: the machine's own, or one of our own in the work folder, ended at the end.
use_docker() {
    have docker || return 1
    docker info >/dev/null 2>&1 && return
    if [ "$(id -u)" != 0 ] || ! have dockerd; then
        echo "no docker engine answers, and only root can start one here"
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
    echo "dockerd does not start; its last words:"
    tail -n 15 "$folder/log"
    return 1
}

stop_docker() {
    # shellcheck disable=SC2046 # one word an id
    alive "$1" && docker rm -f $(docker ps -aq) >/dev/null 2>&1
    stop_pid "$1" 40
    [ "$2" = 0 ] && have ip && ip link delete docker0 2>/dev/null
    return 0
}

# compose ARGUMENT...: docker compose v2 where it is, else docker-compose 1.29.
compose() { if docker compose version >/dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi; }

# --- clients from PyPI --------------------------------------------------------------------------------------------

# python_tools FOLDER REQUIREMENTS: installs pinned packages (hashed, where they hold machine code) into a folder of their own.
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

# check WHAT FUNCTION [ARGUMENT...]: runs it in a shell of its own that stops at the first failure, and keeps the result.
# Call it as a command of its own, never in a condition: that would switch `set -e` off inside.
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

# skip WHAT WHY: with STRICT=1 this is a failure.
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

# table: all results once more, and the status of the script.
table() {
    say ""
    printf '%s\n' "${ROWS[@]}"
    say ""
    say "$NAME: $PASSED passed, $FAILED failed, $SKIPPED skipped"
    [ "$FAILED" = 0 ] && [ "$PASSED" != 0 ]
}
