#!/usr/bin/env bash
# Part of scripts/e2e: the content of the disk, and the effects of the key. Sourced.

# --- an image that is compared after each step ----------------------------------------------------------------------

# The layers are not compressed, so that the search can find their text.
keep_push() {
    "$SCRIPTS/oci-image" make "$WORK/keep" --tag t --plain --arch amd64 arm64 --bytes 3000000
    layout_push "$WORK/keep" e2e/keep
    jq -r '.manifests[0].digest' "$WORK/keep/index.json" >"$WORK/keep.digest"
}

# layout_push LAYOUT REPOSITORY: pushes a layout with curl, so that no client recompresses it.
layout_push() {
    local layout=$1 repository=$2 top index name
    top=$(jq -r '.manifests[0].digest' "$layout/index.json")
    index=$layout/blobs/sha256/${top#sha256:}
    for name in "$layout"/blobs/sha256/*; do
        jq -e '.layers or .manifests' "$name" >/dev/null 2>&1 || push_blob "$repository" "$name"
    done
    for name in $(jq -r '.manifests[].digest' "$index"); do
        push_manifest "$repository" "$name" "$layout/blobs/sha256/${name#sha256:}"
    done
    push_manifest "$repository" 1 "$index"
}

# keep_same: pulls every blob and manifest of the image and compares them to the byte.
keep_same() {
    local name digest count=0
    for name in "$WORK"/keep/blobs/sha256/*; do
        digest=sha256:$(basename "$name")
        if jq -e '.layers or .manifests' "$name" >/dev/null 2>&1; then
            expect 200 GET "/v2/e2e/keep/manifests/$digest" -H "$ANY_MANIFEST"
        else
            expect 200 GET "/v2/e2e/keep/blobs/$digest"
        fi
        cmp "$WORK/body" "$name"
        count=$((count + 1))
    done
    echo "result: $count objects"
    [ "$count" -ge 7 ]
}

# --- search ---------------------------------------------------------------------------------------------------------

# cut_upload [KIND]: sends half of an upload, and then the client disconnects.
cut_upload() {
    local url size kind=${1:-$KIND}
    mkdir -p "$WORK/cut"
    for ((size = 0; size < 20000; size++)); do printf 'line %d of an upload that was never finished, %s\n' "$size" "$RANDOM$RANDOM"; done >"$WORK/cut/upload.txt"
    size=$(stat -c %s "$WORK/cut/upload.txt")
    url=$(begin_upload e2e/cut)
    # The client announces twice the length that it sends.
    { cat "$WORK/cut/upload.txt"; sleep 3; } | curl -sS -m 2 -X PATCH -H 'Expect:' -H 'Content-Type: application/octet-stream' \
        -H 'Transfer-Encoding:' -H "Content-Length: $((size * 2))" -T - "$url" && return 1
    # docker-registry refuses its own upload URL from now on, but only its files matter here.
    [ "$kind" != sealyard ] || until_true 10 expect 204 GET "$url"
}

# pushed_files: prints the pushed files: the image, the artifacts and the cut upload.
pushed_files() { find "$WORK/keep/blobs" "$WORK/cut" "$WORK/oras" "$WORK/charts" "$WORK"/artifact-*.txt "$WORK"/artifact-*.json -type f 2>/dev/null; }

# These names are metadata.
SEARCH_NAMES=(e2e/keep e2e/oras e2e/charts/sealed e2e/referrers letter.txt signature.txt)

search_sealed() {
    local -a pushed
    mapfile -t pushed < <(pushed_files)
    echo "result: $("$SCRIPTS/search-clear" --pushed "${pushed[@]}" --in "$@" --metadata "${SEARCH_NAMES[@]}" | tee "$WORK/search.out" | tail -n 1)"
    [ "${PIPESTATUS[0]}" = 0 ] && ! grep '^FOUND' "$WORK/search.out"
}

# The proof that the search works: it finds all of the same content in a registry with plain files.
search_plain() {
    (
        # shellcheck disable=SC2317 # this subshell ends the registry itself
        at_exit() { :; }
        start_registry docker-registry "$WORK/plain"
        trap 'stop_pid "$REGISTRY_PID"' EXIT
        layout_push "$WORK/keep" e2e/keep
        cut_upload docker-registry
    )
    local -a pushed
    mapfile -t pushed < <(find "$WORK/keep/blobs" "$WORK/cut" -type f)
    "$SCRIPTS/search-clear" --expect-all --pushed "${pushed[@]}" --in "$WORK/plain" >"$WORK/search.out" || { cat "$WORK/search.out"; return 1; }
    echo "result: $(tail -n 1 "$WORK/search.out")"
}

part_search() {
    check "search: an upload is cut in the middle" cut_upload
    check "search: self test" "$SCRIPTS/search-clear" --self-test
    if [ "$KIND" = sealyard ]; then
        check "search: no pushed content is in the data folder or the log" search_sealed "$DATA" "$DATA.log"
    fi
    if have docker-registry; then
        check "search: all content is found in docker-registry's folder" search_plain
    else
        skip "search: against a plain registry" "docker-registry is not installed"
    fi
}

# --- the key --------------------------------------------------------------------------------------------------------

# denied METHOD PATH [CURL ARGUMENT...]: checks for 403, the code, the cause and the key in the message.
denied() {
    expect 403 "$@"
    jq -e '.errors[0] | .code == "DENIED" and (.message | contains("registry-key")) and (.detail.cause == "keyDisabled") and (.detail.keyIdentifier | contains("registry-key"))' "$WORK/body" \
        || { echo "the refusal is incomplete: $(cat "$WORK/body")"; return 1; }
    jq -e '.errors[0].message | test("Access to Key Encryption Key is forbidden") and test("disabled")' "$WORK/body"
}

key_disable() {
    yard key disable
    yard status --json | jq -e '.registries[] | select(.name == "local") | .state == "unavailable" and .cause == "keyDisabled"'
}

key_refused() {
    local digest
    digest=$(cat "$WORK/keep.digest")
    denied GET "/v2/e2e/keep/manifests/1" -H "$ANY_MANIFEST"
    denied GET "/v2/e2e/keep/blobs/sha256:$(basename "$(find "$WORK/keep/blobs/sha256" -type f -size +1M | head -n 1)")"
    denied POST /v2/e2e/keep/blobs/uploads/ -d ''
    denied PUT /v2/e2e/keep/manifests/2 --data-binary "@$WORK/keep/blobs/sha256/${digest#sha256:}" -H 'Content-Type: application/vnd.oci.image.index.v1+json'
    denied GET /v2/e2e/keep/tags/list
    expect 403 HEAD "/v2/e2e/keep/manifests/1" -H "$ANY_MANIFEST"
    expect 200 GET /v2/
    expect 200 GET /_sealyard/health
}

key_docker_refused() {
    local image
    image=$REGISTRY/e2e/docker:1
    docker image rm -f "$(cat "$WORK/docker.id")" >/dev/null 2>&1 || true
    if docker pull "$image" >"$WORK/out" 2>&1; then echo "docker pulled"; return 1; fi
    cat "$WORK/out"
    grep -qi 'denied' "$WORK/out"
    docker_build "$REGISTRY/e2e/docker-refused:1"
    if docker push "$REGISTRY/e2e/docker-refused:1" >"$WORK/out" 2>&1; then echo "docker pushed"; return 1; fi
    cat "$WORK/out"
    grep -qi 'denied' "$WORK/out"
    docker image rm -f "$REGISTRY/e2e/docker-refused:1" >/dev/null
}

key_skopeo_refused() {
    if skopeo inspect --tls-verify=false "docker://$REGISTRY/e2e/keep:1" >"$WORK/out" 2>&1; then return 1; fi
    cat "$WORK/out"
    grep -qi 'denied' "$WORK/out"
}

key_enable() {
    yard key enable
    yard status --json | jq -e '.registries[] | select(.name == "local") | .state == "active"'
}

# A large download and a large upload run while the key is disabled.
key_stream_setup() {
    head -c $((64 << 20)) /dev/urandom >"$WORK/stream.bin"
    push_blob e2e/stream "$WORK/stream.bin"
}

key_streams_cut() {
    local url down up status=0
    url=$(begin_upload e2e/stream)
    curl -sS --limit-rate 2M -o "$WORK/stream.part" "http://$REGISTRY/v2/e2e/stream/blobs/$(digest_of "$WORK/stream.bin")" &
    down=$!
    head -c $((64 << 20)) /dev/urandom >"$WORK/stream.new"
    curl -sS --limit-rate 2M -o "$WORK/stream.answer" -w '%{http_code}\n' -X PATCH -T "$WORK/stream.new" -H 'Expect:' \
        -H 'Content-Type: application/octet-stream' "$url" >"$WORK/stream.status" 2>&1 &
    up=$!
    sleep 1
    alive "$down"
    alive "$up"
    yard key disable
    # A slow client still gets the bytes in the kernel's buffers; it must not get all of the 64 MiB.
    wait "$down" || status=$?
    [ "$status" != 0 ] || { echo "the download was not cut"; return 1; }
    [ "$(stat -c %s "$WORK/stream.part")" -lt $((64 << 20)) ]
    status=0
    wait "$up" || status=$?
    [ "$status" != 0 ] || grep -q '^403' "$WORK/stream.status" || { echo "the upload succeeded: $(cat "$WORK/stream.status")"; return 1; }
    echo "result: download cut after $(($(stat -c %s "$WORK/stream.part") >> 20)) of 64 MiB, upload: $(tail -n 1 "$WORK/stream.status")"
}

key_streams_back() {
    expect 200 GET "/v2/e2e/stream/blobs/$(digest_of "$WORK/stream.bin")"
    cmp "$WORK/body" "$WORK/stream.bin"
}

key_version() { yard status --json | jq -r '.registries[] | select(.name == "local") | .key.versionedKeyIdentifier'; }

# key_rotate: rotates and checks that a new version is in use and no sealed file changed.
key_rotate() {
    local before after
    before=$(key_version)
    find "$DATA/files" -type f -printf '%p %i %s %T@\n' | sort >"$WORK/files.before"
    yard key rotate
    find "$DATA/files" -type f -printf '%p %i %s %T@\n' | sort >"$WORK/files.after"
    after=$(key_version)
    [ -n "$before" ]
    [ "$before" != "$after" ]
    diff "$WORK/files.before" "$WORK/files.after"
    [ "$(wc -l <"$WORK/files.after")" -gt 10 ]
    yard key list --json | jq -e .
    echo "result: $(wc -l <"$WORK/files.after") sealed files unchanged"
}

key_after_rotation() {
    keep_same
    push_blob e2e/keep "$WORK/cut/upload.txt"
}

key_verify() { yard verify; }

key_gc() {
    yard gc
    keep_same
}

part_key() {
    [ "$KIND" = sealyard ] || { skip key "this registry has no key"; return; }
    check "key: disable" key_disable
    check "key: disabled: reads and writes refused, /v2/ answers" key_refused
    if have docker && [ -e "$WORK/docker.id" ]; then check "key: disabled: docker gets DENIED" key_docker_refused; fi
    if have skopeo; then check "key: disabled: skopeo gets DENIED" key_skopeo_refused; fi
    check "key: enable" key_enable
    check "key: enabled: all content is intact" keep_same
    if have docker && [ -e "$WORK/docker.id" ]; then check "key: enabled: docker pulls again, same files" docker_pull_tag; fi
    check "key: a large blob" key_stream_setup
    check "key: running streams are cut" key_streams_cut
    check "key: enable again" key_enable
    check "key: the large blob is intact" key_streams_back
    check "key: rotate changes no sealed file" key_rotate
    check "key: after rotation: same bytes, pushes work" key_after_rotation
    check "verify: every byte authenticates" key_verify
    check "gc: content in use is kept" key_gc
}
