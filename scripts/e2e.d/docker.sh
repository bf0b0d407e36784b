#!/usr/bin/env bash
# Part of scripts/e2e: the docker engine and its command. Sourced.

# docker_files IMAGE: prints the files in an image of the engine with their digests.
docker_files() {
    docker save "$1" -o "$WORK/docker-save.tar"
    "$SCRIPTS/oci-image" files "$WORK/docker-save.tar"
    rm -f "$WORK/docker-save.tar"
}

docker_build() {
    rm -rf "$WORK/docker-context"
    "$SCRIPTS/oci-image" rootfs "$WORK/docker-context"
    DOCKER_BUILDKIT=0 docker build -q -t "$1" "$WORK/docker-context"
}

docker_push() {
    docker_build "$REGISTRY/e2e/docker:1"
    docker_files "$REGISTRY/e2e/docker:1" >"$WORK/docker.files"
    docker image inspect -f '{{.Id}}' "$REGISTRY/e2e/docker:1" >"$WORK/docker.id"
    docker push "$REGISTRY/e2e/docker:1" | tee "$WORK/docker.push"
    sed -n 's/.*digest: \(sha256:[0-9a-f]*\).*/\1/p' "$WORK/docker.push" >"$WORK/docker.digest"
    [ -s "$WORK/docker.digest" ]
    expect 200 GET "/v2/e2e/docker/manifests/1" -H "$ANY_MANIFEST"
    [ "$(digest_of "$WORK/body")" = "$(cat "$WORK/docker.digest")" ]
    echo "result: $(cat "$WORK/docker.digest")"
}

# docker_pull_as REFERENCE: removes the local image, pulls, and compares the id and the files.
docker_pull_as() {
    docker image rm -f "$(cat "$WORK/docker.id")" >/dev/null 2>&1 || true
    if docker image inspect "$(cat "$WORK/docker.id")" >/dev/null 2>&1; then
        echo "the local image still exists"
        return 1
    fi
    docker pull -q "$1"
    [ "$(docker image inspect -f '{{.Id}}' "$1")" = "$(cat "$WORK/docker.id")" ]
    docker_files "$1" | diff "$WORK/docker.files" -
}
docker_pull_tag() { docker_pull_as "$REGISTRY/e2e/docker:1"; }
docker_pull_digest() { docker_pull_as "$REGISTRY/e2e/docker@$(cat "$WORK/docker.digest")"; }

docker_list() {
    docker tag "$(cat "$WORK/docker.id")" "$REGISTRY/e2e/docker:2"
    docker push -q "$REGISTRY/e2e/docker:2"
    tags_are e2e/docker 1 2
    docker manifest inspect --insecure "$REGISTRY/e2e/docker:2" | jq -e '.layers | length == 2'
}

# docker has no command for a deletion in a registry, so a request of the specification deletes, and docker sees the result.
docker_delete() {
    docker_build "$REGISTRY/e2e/docker-gone:1"
    docker push -q "$REGISTRY/e2e/docker-gone:1"
    expect 200 GET /v2/e2e/docker-gone/manifests/1 -H "$ANY_MANIFEST"
    local digest
    digest=$(digest_of "$WORK/body")
    docker image rm -f "$REGISTRY/e2e/docker-gone:1"
    expect 202 DELETE "/v2/e2e/docker-gone/manifests/$digest"
    expect 404 GET "/v2/e2e/docker-gone/manifests/$digest" -H "$ANY_MANIFEST"
    if docker pull "$REGISTRY/e2e/docker-gone:1"; then
        echo "docker pulled a deleted image"
        return 1
    fi
}

docker_index() {
    local arch list=$REGISTRY/e2e/docker-index:1
    for arch in amd64 arm64; do
        docker_build "$REGISTRY/e2e/docker-index:$arch"
        docker push -q "$REGISTRY/e2e/docker-index:$arch"
        docker image inspect -f '{{.Id}}' "$REGISTRY/e2e/docker-index:$arch" >"$WORK/docker.$arch"
    done
    rm -rf "${DOCKER_CONFIG:?}/manifests"
    docker manifest create --insecure "$list" "$REGISTRY/e2e/docker-index:amd64" "$REGISTRY/e2e/docker-index:arm64"
    docker manifest annotate "$list" "$REGISTRY/e2e/docker-index:arm64" --os linux --arch arm64
    docker manifest push --insecure "$list"
    docker image rm -f "$(cat "$WORK/docker.amd64")" "$(cat "$WORK/docker.arm64")"
    docker pull -q "$list"
    [ "$(docker image inspect -f '{{.Id}}' "$list")" = "$(cat "$WORK/docker.amd64")" ]
    docker image rm -f "$(cat "$WORK/docker.amd64")"
    docker pull -q --platform linux/arm64 "$list"
    [ "$(docker image inspect -f '{{.Id}}' "$list")" = "$(cat "$WORK/docker.arm64")" ]
    docker image rm -f "$(cat "$WORK/docker.arm64")"
}

# heal_pull IMAGE ID: removes the local image and pulls; docker checks every byte.
heal_pull() {
    docker image rm -f "$2"
    docker pull -q "$1"
    [ "$(docker image inspect -f '{{.Id}}' "$1")" = "$2" ]
}

# heal_files: prints the sealed files that the push of the image created.
heal_files() { find "$DATA/files" -type f | sort | comm -13 "$WORK/heal.before" -; }

# After damage to sealed files, docker pushes the image again and can pull it.
docker_heal() {
    local image=$REGISTRY/e2e/docker-heal:1 context=$WORK/docker-heal id file status=0
    rm -rf "$context"
    mkdir "$context"
    head -c 3000000 /dev/urandom >"$context/random"
    printf 'FROM scratch\nCOPY random /\n' >"$context/Dockerfile"
    DOCKER_BUILDKIT=0 docker build -q -t "$image" "$context"
    id=$(docker image inspect -f '{{.Id}}' "$image")
    find "$DATA/files" -type f | sort >"$WORK/heal.before"
    docker push -q "$image"
    [ "$(heal_files | wc -l)" = 3 ]

    # The HEAD request of the push finds a truncated file.
    for file in $(heal_files); do truncate -s -7 "$file"; done
    docker push -q "$image"
    heal_pull "$image" "$id"

    # Only a read finds a flipped byte: a pull, or verify, which names the tag.
    for file in $(heal_files); do
        python3 - "$file" <<'END'
import os, sys
with open(sys.argv[1], "r+b") as file:
    file.seek(os.path.getsize(sys.argv[1]) // 2)
    byte = file.read(1)[0]
    file.seek(-1, os.SEEK_CUR)
    file.write(bytes([byte ^ 1]))
END
    done
    yard verify >"$WORK/heal.out" || status=$?
    cat "$WORK/heal.out"
    [ "$status" = 5 ]
    [ "$(grep -c 'damaged .* e2e/docker-heal:1' "$WORK/heal.out")" = 3 ]
    docker push -q "$image"
    yard verify
    heal_pull "$image" "$id"
    docker image rm -f "$id"
    echo "result: 3 files cut, then 3 bytes flipped"
}

part_docker() {
    have docker || { skip docker "not installed (apt-get install docker.io)"; return; }
    check "docker: an engine answers" docker info -f '{{"result: engine "}}{{.ServerVersion}}'
    check "docker: push, digest equals the registry's" docker_push
    check "docker: pull by tag, same files" docker_pull_tag
    check "docker: pull by digest, same files" docker_pull_digest
    check "docker: list tags, inspect a manifest" docker_list
    check "docker: delete, then no pull" docker_delete
    check "docker: multi-arch list, each platform pulled" docker_index
    if [ "$KIND" = sealyard ]; then check "docker: damaged files, pushed again, pulled" docker_heal; fi
}
