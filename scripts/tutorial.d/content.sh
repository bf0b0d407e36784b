#!/usr/bin/env bash
# Part of scripts/tutorial: pushes and pulls with skopeo, with the login of `az acr login`. Sourced.

IMAGE=team/app

# log_in REGISTRY: logs in as the owner, with a token from the Azure CLI.
log_in() {
    az acr login --name "$1" --expose-token >"$WORK/login.json"
    fields "accessToken loginServer refreshToken username" <"$WORK/login.json"
    jq -er .accessToken "$WORK/login.json" | skopeo login --tls-verify=false \
        -u "$(jq -er .username "$WORK/login.json")" --password-stdin "$(port_of "$1")"
}

# push REGISTRY REPOSITORY, pull REGISTRY REPOSITORY: push the image; pull it and compare it to the byte.
push() { skopeo copy -q --dest-tls-verify=false "oci:$WORK/image:t" "docker://$(port_of "$1")/$2:1"; }

pull() {
    rm -rf "$WORK/back"
    skopeo copy -q --src-tls-verify=false "docker://$(port_of "$1")/$2:1" "oci:$WORK/back:t"
    diff -r "$WORK/image/blobs" "$WORK/back/blobs"
}

# A real registry has the same sentence; the message also has the cause.
pull_refused() { refused "Access to Key Encryption Key is forbidden" pull "$1" "$IMAGE"; }

push_image() {
    "$SCRIPTS/oci-image" make "$WORK/image" --tag t
    log_in "$REGISTRY_NAME"
    push "$REGISTRY_NAME" "$IMAGE"
    pull "$REGISTRY_NAME" "$IMAGE"
}

list_content() {
    az acr repository list --name "$REGISTRY_NAME" | jq -e '. == ["team/app"]'
    az acr repository show --name "$REGISTRY_NAME" --repository "$IMAGE" |
        fields "changeableAttributes createdTime imageName lastUpdateTime manifestCount registry tagCount"
    az acr repository show-tags --name "$REGISTRY_NAME" --repository "$IMAGE" | jq -e '. == ["1"]'
    az acr repository show-tags --name "$REGISTRY_NAME" --repository "$IMAGE" --detail |
        jq -e '.[0].digest | startswith("sha256:")'
    az acr manifest list-metadata --registry "$REGISTRY_NAME" --name "$IMAGE" | jq -e '.[0].tags == ["1"]'
}

# No content of the image is on the disk in plain text.
search_content() {
    "$SCRIPTS/search-clear" --pushed "$WORK/image/blobs" --in "$DATA" "$DATA.log" --metadata "$IMAGE"
}

part_push() {
    check "push: skopeo, with the login of az acr login" push_image
    check "push: the content is listed" list_content
    check "push: no content is on the disk in plain text" search_content
}
