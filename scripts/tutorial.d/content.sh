#!/usr/bin/env bash
# Part of scripts/tutorial: what is pushed and pulled, by skopeo, signed in as `az acr login` signs docker in. Sourced.

IMAGE=team/app

# log_in REGISTRY: as the owner, with the token that the Azure CLI gets for it.
log_in() {
    az acr login --name "$1" --expose-token >"$WORK/login.json"
    fields "accessToken loginServer refreshToken username" <"$WORK/login.json"
    jq -er .accessToken "$WORK/login.json" | skopeo login --tls-verify=false \
        -u "$(jq -er .username "$WORK/login.json")" --password-stdin "$(port_of "$1")"
}

# push REGISTRY REPOSITORY, pull REGISTRY REPOSITORY: the image that was made, to the byte.
push() { skopeo copy -q --dest-tls-verify=false "oci:$WORK/image:t" "docker://$(port_of "$1")/$2:1"; }

pull() {
    rm -rf "$WORK/back"
    skopeo copy -q --src-tls-verify=false "docker://$(port_of "$1")/$2:1" "oci:$WORK/back:t"
    diff -r "$WORK/image/blobs" "$WORK/back/blobs"
}

# The words that a real registry has for it; the cause is beside them.
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

# Nothing of it is on the disk in clear.
search_content() {
    "$SCRIPTS/search-clear" --pushed "$WORK/image/blobs" --in "$DATA" "$DATA.log" --metadata "$IMAGE"
}

part_push() {
    check "push: skopeo, as az acr login signs in" push_image
    check "push: the content is listed" list_content
    check "push: nothing of it is on the disk in clear" search_content
}
