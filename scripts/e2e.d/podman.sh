#!/usr/bin/env bash
# Part of scripts/e2e: podman and buildah, with their own storage in the work folder. Sourced.

pod() { podman --root "$WORK/containers" --runroot "$WORK/containers-run" --tmpdir "$WORK/podman" --cgroup-manager cgroupfs --storage-driver "$STORAGE" "$@"; }
bld() { buildah --root "$WORK/containers" --runroot "$WORK/containers-run" --storage-driver "$STORAGE" "$@"; }

STORAGE=overlay
container_storage() {
    mkdir -p "$WORK/podman"
    # Not every file system supports overlay; vfs copies, and works everywhere.
    if ! bld info >/dev/null 2>&1; then
        rm -rf "$WORK/containers" "$WORK/containers-run"
        echo vfs >"$WORK/storage"
    else
        echo overlay >"$WORK/storage"
    fi
    echo "result: storage $(cat "$WORK/storage")"
}

# podman_files IMAGE, buildah_files IMAGE: print the files in an image with their digests.
podman_files() {
    rm -f "$WORK/podman-save.tar"
    pod save -q --format docker-archive -o "$WORK/podman-save.tar" "$1"
    "$SCRIPTS/oci-image" files "$WORK/podman-save.tar"
    rm -f "$WORK/podman-save.tar"
}
buildah_files() {
    rm -f "$WORK/buildah-save.tar"
    bld push -q "$1" "docker-archive:$WORK/buildah-save.tar"
    "$SCRIPTS/oci-image" files "$WORK/buildah-save.tar"
    rm -f "$WORK/buildah-save.tar"
}

podman_build() {
    rm -rf "$WORK/podman-context"
    "$SCRIPTS/oci-image" rootfs "$WORK/podman-context"
    pod build -q --isolation chroot --layers -t "$1" "$WORK/podman-context"
}

podman_push() {
    podman_build "$REGISTRY/e2e/podman:1"
    podman_files "$REGISTRY/e2e/podman:1" >"$WORK/podman.files"
    pod push -q --tls-verify=false --digestfile "$WORK/podman.digest" "$REGISTRY/e2e/podman:1"
    expect 200 GET "/v2/e2e/podman/manifests/1" -H "$ANY_MANIFEST"
    [ "$(digest_of "$WORK/body")" = "$(cat "$WORK/podman.digest")" ]
}

podman_pull_as() {
    pod rmi -f --all >/dev/null 2>&1 || true
    [ -z "$(pod images -q)" ]
    pod pull -q --tls-verify=false "$1"
    podman_files "$1" | diff "$WORK/podman.files" -
}
podman_pull_tag() { podman_pull_as "$REGISTRY/e2e/podman:1"; }
podman_pull_digest() { podman_pull_as "$REGISTRY/e2e/podman@$(cat "$WORK/podman.digest")"; }

podman_list() {
    pod pull -q --tls-verify=false "$REGISTRY/e2e/podman:1"
    pod tag "$REGISTRY/e2e/podman:1" "$REGISTRY/e2e/podman:2"
    pod push -q --tls-verify=false "$REGISTRY/e2e/podman:2"
    pod search --list-tags --tls-verify=false "$REGISTRY/e2e/podman" | awk 'NR > 1 { print $2 }' | sort | tr '\n' ' ' | grep -x '1 2 '
}

# podman and buildah have no command for a deletion in a registry either.
deleted_is_gone() {
    local client=$1 repository=$2 digest
    expect 200 GET "/v2/$repository/manifests/1" -H "$ANY_MANIFEST"
    digest=$(digest_of "$WORK/body")
    expect 202 DELETE "/v2/$repository/manifests/$digest"
    if "$client" pull -q --tls-verify=false "$REGISTRY/$repository:1"; then
        echo "the client pulled a deleted image"
        return 1
    fi
}

podman_delete() {
    podman_build "$REGISTRY/e2e/podman-gone:1"
    pod push -q --tls-verify=false "$REGISTRY/e2e/podman-gone:1"
    pod rmi -f --all >/dev/null
    deleted_is_gone pod e2e/podman-gone
}

podman_index() {
    local arch
    pod rmi -f --all >/dev/null
    for arch in amd64 arm64; do
        rm -rf "$WORK/podman-context"
        "$SCRIPTS/oci-image" rootfs "$WORK/podman-context"
        pod build -q --isolation chroot --platform "linux/$arch" -t "$REGISTRY/e2e/podman-index:$arch" "$WORK/podman-context"
        podman_files "$REGISTRY/e2e/podman-index:$arch" >"$WORK/podman.$arch"
    done
    pod manifest create e2e-podman-index
    pod manifest add --arch amd64 e2e-podman-index "containers-storage:$REGISTRY/e2e/podman-index:amd64"
    pod manifest add --arch arm64 e2e-podman-index "containers-storage:$REGISTRY/e2e/podman-index:arm64"
    pod manifest push --all --tls-verify=false e2e-podman-index "docker://$REGISTRY/e2e/podman-index:1"
    for arch in amd64 arm64; do
        pod rmi -f --all >/dev/null
        pod pull -q --tls-verify=false --platform "linux/$arch" "$REGISTRY/e2e/podman-index:1"
        podman_files "$REGISTRY/e2e/podman-index:1" | diff "$WORK/podman.$arch" -
    done
    pod rmi -f --all >/dev/null
}

# The steps of the README: the certificate is in the user's folder, and no flag is needed. The port accepts TLS and plain HTTP.
podman_trusting() {
    local at=localhost:${REGISTRY##*:} home=$WORK/podman-home
    mkdir -p "$home/.config/containers/certs.d/$at"
    podman_build "$at/e2e/podman-tls:1"
    # Without the certificate the push fails, because podman does not fall back to HTTP.
    if HOME=$home pod push -q "$at/e2e/podman-tls:1"; then return 1; fi
    curl -sS --fail "http://$REGISTRY/_sealyard/ca.pem" -o "$home/.config/containers/certs.d/$at/ca.crt"
    HOME=$home pod push -q "$at/e2e/podman-tls:1"
    pod rmi -f --all >/dev/null
    HOME=$home pod pull -q "$at/e2e/podman-tls:1"
    HOME=$home bld pull -q "$at/e2e/podman-tls:1"
    if have skopeo; then HOME=$home skopeo list-tags "docker://$at/e2e/podman-tls" | jq -e '.Tags == ["1"]'; fi
    pod rmi -f --all >/dev/null
}

part_podman() {
    have podman || { skip podman "not installed (apt-get install podman)"; return; }
    podman_ready podman || return 0
    check "podman: push, digest equals the registry's" podman_push
    check "podman: pull by tag, same files" podman_pull_tag
    check "podman: pull by digest, same files" podman_pull_digest
    check "podman: list tags" podman_list
    check "podman: delete, then no pull" podman_delete
    check "podman: multi-arch index, each platform pulled" podman_index
    if [ "$KIND" = sealyard ]; then check "podman, buildah, skopeo: TLS with ca.pem, without a flag" podman_trusting; fi
}

podman_ready() {
    if ! have buildah; then
        skip "$1" "buildah is not installed (apt-get install buildah)"
        return 1
    fi
    [ -e "$WORK/storage" ] || check "podman, buildah: their own storage" container_storage
    STORAGE=$(cat "$WORK/storage" 2>/dev/null || echo vfs)
}

buildah_image() {
    local made
    rm -rf "$WORK/buildah-context"
    "$SCRIPTS/oci-image" rootfs "$WORK/buildah-context"
    made=$(bld from ${2:+--arch "$2"} scratch)
    bld copy -q "$made" "$WORK/buildah-context/one" /one
    bld config --annotation "example.sealyard.client=buildah" ${2:+--arch "$2"} "$made"
    bld commit -q --rm "$made" "$1"
}

buildah_push() {
    buildah_image "$REGISTRY/e2e/buildah:1"
    buildah_files "$REGISTRY/e2e/buildah:1" >"$WORK/buildah.files"
    bld push -q --tls-verify=false --digestfile "$WORK/buildah.digest" "$REGISTRY/e2e/buildah:1" "docker://$REGISTRY/e2e/buildah:1"
    expect 200 GET "/v2/e2e/buildah/manifests/1" -H "$ANY_MANIFEST"
    [ "$(digest_of "$WORK/body")" = "$(cat "$WORK/buildah.digest")" ]
}

buildah_pull() {
    bld rmi -f --all >/dev/null 2>&1 || true
    [ -z "$(bld images -q)" ]
    bld pull -q --tls-verify=false "$REGISTRY/e2e/buildah:1"
    buildah_files "$REGISTRY/e2e/buildah:1" | diff "$WORK/buildah.files" -
}

buildah_list() {
    bld push -q --tls-verify=false "$REGISTRY/e2e/buildah:1" "docker://$REGISTRY/e2e/buildah:2"
    tags_are e2e/buildah 1 2
}

buildah_delete() {
    buildah_image "$REGISTRY/e2e/buildah-gone:1"
    bld push -q --tls-verify=false "$REGISTRY/e2e/buildah-gone:1" "docker://$REGISTRY/e2e/buildah-gone:1"
    bld rmi -f --all >/dev/null
    deleted_is_gone bld e2e/buildah-gone
}

buildah_index() {
    local arch
    bld rmi -f --all >/dev/null 2>&1 || true
    bld manifest create e2e-buildah-index
    for arch in amd64 arm64; do
        buildah_image "e2e-buildah-$arch" "$arch"
        buildah_files "e2e-buildah-$arch" >"$WORK/buildah.$arch"
        bld manifest add --arch "$arch" e2e-buildah-index "containers-storage:localhost/e2e-buildah-$arch"
    done
    bld manifest push --all --tls-verify=false e2e-buildah-index "docker://$REGISTRY/e2e/buildah-index:1"
    for arch in amd64 arm64; do
        bld rmi -f --all >/dev/null
        bld pull -q --tls-verify=false --arch "$arch" "$REGISTRY/e2e/buildah-index:1"
        buildah_files "$REGISTRY/e2e/buildah-index:1" | diff "$WORK/buildah.$arch" -
    done
    bld rmi -f --all >/dev/null
}

part_buildah() {
    have buildah || { skip buildah "not installed (apt-get install buildah)"; return; }
    podman_ready buildah || return 0
    check "buildah: push, digest equals the registry's" buildah_push
    check "buildah: pull, same files" buildah_pull
    check "buildah: list tags" buildah_list
    check "buildah: delete, then no pull" buildah_delete
    check "buildah: multi-arch index, each platform pulled" buildah_index
}
