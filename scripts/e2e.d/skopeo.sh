#!/usr/bin/env bash
# Part of scripts/e2e: skopeo. Sourced.

# same_blobs LAYOUT LAYOUT: compares the blobs of two OCI layouts to the byte.
same_blobs() { diff -r "$1/blobs" "$2/blobs"; }

skopeo_push() {
    "$SCRIPTS/oci-image" make "$WORK/skopeo" --tag t
    skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$WORK/skopeo:t" "docker://$REGISTRY/e2e/skopeo:1"
    skopeo inspect --tls-verify=false --raw "docker://$REGISTRY/e2e/skopeo:1" >"$WORK/skopeo.manifest"
    [ "$(digest_of "$WORK/skopeo.manifest")" = "$(jq -r '.manifests[0].digest' "$WORK/skopeo/index.json")" ]
}

skopeo_pull() {
    rm -rf "$WORK/skopeo-back"
    skopeo copy -q --preserve-digests --src-tls-verify=false "docker://$REGISTRY/e2e/skopeo:1" "oci:$WORK/skopeo-back:t"
    same_blobs "$WORK/skopeo" "$WORK/skopeo-back"
}

skopeo_schema2() {
    skopeo copy -q --format v2s2 --dest-tls-verify=false "oci:$WORK/skopeo:t" "docker://$REGISTRY/e2e/skopeo-v2s2:1"
    rm -rf "$WORK/skopeo-dir"
    skopeo copy -q --preserve-digests --src-tls-verify=false "docker://$REGISTRY/e2e/skopeo-v2s2:1" "dir:$WORK/skopeo-dir"
    jq -e '.mediaType == "application/vnd.docker.distribution.manifest.v2+json"' "$WORK/skopeo-dir/manifest.json"
    local layer
    for layer in $(jq -r '.layers[].digest' "$WORK/skopeo-dir/manifest.json"); do
        cmp "$WORK/skopeo-dir/${layer#sha256:}" "$WORK/skopeo/blobs/sha256/${layer#sha256:}"
    done
}

skopeo_list() {
    skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/e2e/skopeo:1" "docker://$REGISTRY/e2e/skopeo:2"
    skopeo list-tags --tls-verify=false "docker://$REGISTRY/e2e/skopeo" | jq -e '.Tags | sort == ["1", "2"]'
}

# A copy to another repository of the same registry: the client asks for mounts.
skopeo_mount() {
    skopeo copy -q --preserve-digests --src-tls-verify=false --dest-tls-verify=false "docker://$REGISTRY/e2e/skopeo:1" "docker://$REGISTRY/e2e/skopeo-other:1"
    rm -rf "$WORK/skopeo-back"
    skopeo copy -q --preserve-digests --src-tls-verify=false "docker://$REGISTRY/e2e/skopeo-other:1" "oci:$WORK/skopeo-back:t"
    same_blobs "$WORK/skopeo" "$WORK/skopeo-back"
}

skopeo_delete() {
    "$SCRIPTS/oci-image" make "$WORK/skopeo-gone" --tag t
    skopeo copy -q --dest-tls-verify=false "oci:$WORK/skopeo-gone:t" "docker://$REGISTRY/e2e/skopeo-gone:1"
    skopeo delete --tls-verify=false "docker://$REGISTRY/e2e/skopeo-gone:1"
    if skopeo inspect --tls-verify=false "docker://$REGISTRY/e2e/skopeo-gone:1"; then
        echo "the image still exists after its deletion"
        return 1
    fi
}

skopeo_index() {
    "$SCRIPTS/oci-image" make "$WORK/skopeo-index" --tag t --arch amd64 arm64
    skopeo copy -q --all --preserve-digests --dest-tls-verify=false "oci:$WORK/skopeo-index:t" "docker://$REGISTRY/e2e/skopeo-index:1"
    rm -rf "$WORK/skopeo-back"
    skopeo copy -q --all --preserve-digests --src-tls-verify=false "docker://$REGISTRY/e2e/skopeo-index:1" "oci:$WORK/skopeo-back:t"
    same_blobs "$WORK/skopeo-index" "$WORK/skopeo-back"
    skopeo inspect --tls-verify=false --override-arch arm64 "docker://$REGISTRY/e2e/skopeo-index:1" | jq -e '.Architecture == "arm64"'
}

part_skopeo() {
    have skopeo || { skip skopeo "not installed (apt-get install skopeo)"; return; }
    check "skopeo: push, digest kept" skopeo_push
    check "skopeo: pull, same bytes" skopeo_pull
    check "skopeo: Docker schema 2, same bytes" skopeo_schema2
    check "skopeo: list tags" skopeo_list
    check "skopeo: copy to another repository (mount)" skopeo_mount
    check "skopeo: delete, then no inspect" skopeo_delete
    check "skopeo: multi-arch index with all images" skopeo_index
}

# A large image (--big), once. It temporarily needs three times its size on disk.
big_push() {
    "$SCRIPTS/oci-image" make "$WORK/big" --tag t --layers 4 --size "$BIG"
    local began=$SECONDS
    skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$WORK/big:t" "docker://$REGISTRY/e2e/big:1"
    echo "result: $BIG MiB pushed in $((SECONDS - began)) s"
}

big_pull() {
    local began=$SECONDS
    skopeo copy -q --preserve-digests --src-tls-verify=false "docker://$REGISTRY/e2e/big:1" "oci:$WORK/big-back:t"
    echo "result: $BIG MiB pulled in $((SECONDS - began)) s"
    same_blobs "$WORK/big" "$WORK/big-back"
    rm -rf "$WORK/big-back"
}

big_docker() {
    local config manifest
    manifest=$(jq -r '.manifests[0].digest' "$WORK/big/index.json")
    config=$(jq -r .config.digest "$WORK/big/blobs/sha256/${manifest#sha256:}")
    docker pull -q "$REGISTRY/e2e/big:1"
    # The engine checks every layer with the config, and the id is the digest of the config.
    [ "$(docker image inspect -f '{{.Id}}' "$REGISTRY/e2e/big:1")" = "$config" ]
    docker image rm -f "$REGISTRY/e2e/big:1"
}

big_memory() {
    [ -n "${SERVER_PID:-}" ]
    local peak
    peak=$(($(awk '/^VmHWM/ { print $2 }' "/proc/$SERVER_PID/status") / 1024))
    echo "result: peak of $peak MiB"
    [ "$peak" -lt 400 ]
}

part_big() {
    have skopeo || { skip big "skopeo is not installed"; return; }
    check "big image: skopeo pushes $BIG MiB" big_push
    check "big image: skopeo pulls it, same bytes" big_pull
    if have docker; then check "big image: docker pulls it, same id" big_docker; fi
    if [ -n "${SERVER_PID:-}" ]; then check "big image: the registry uses less than 400 MiB of memory" big_memory; fi
    rm -rf "$WORK/big" "$WORK/big-back"
    if [ -z "$FOREIGN" ]; then check "big image: deleted again" skopeo delete --tls-verify=false "docker://$REGISTRY/e2e/big:1"; fi
}
