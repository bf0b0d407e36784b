#!/usr/bin/env bash
# Part of scripts/e2e: artifacts that are not images: Helm charts, ORAS artifacts, subjects and their referrers. Sourced.

# --- Helm ---------------------------------------------------------------------------------------------------------

helm_ready() {
    have helm && { echo "result: $(helm version --short)"; return; }
    python_tools "$WORK/py-helm" "$SCRIPTS/e2e.d/helm.txt"
    PYTHONPATH=$WORK/py-helm python3 -c 'import helm_python as h; print("result: Helm SDK", h.helm_sdk_version())'
}

helm_do() {
    if ! have helm; then
        PYTHONPATH=$WORK/py-helm HOME=$WORK "$SCRIPTS/e2e.d/helm-client" "$@"
        return
    fi
    case $1 in
        package) helm package "$2" --destination "$3" | sed 's/.*: //' ;;
        push) helm push "$2" "$3" --plain-http ;;
        pull) helm pull "$2" --version "$3" --destination "$4" --plain-http ;;
    esac
}

helm_push() {
    local chart=$WORK/chart/sealed
    mkdir -p "$chart/templates" "$WORK/charts"
    printf 'apiVersion: v2\nname: sealed\nversion: 1.2.3\ndescription: A chart that is pushed and pulled\n' >"$chart/Chart.yaml"
    printf 'greeting: good morning to the harbour\n' >"$chart/values.yaml"
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  greeting: {{ .Values.greeting }}\n' >"$chart/templates/map.yaml"
    helm_do package "$chart" "$WORK/charts"
    helm_do push "$WORK/charts/sealed-1.2.3.tgz" "oci://$REGISTRY/e2e/charts"
    expect 200 GET /v2/e2e/charts/sealed/manifests/1.2.3 -H "$ANY_MANIFEST"
    jq -e '.config.mediaType == "application/vnd.cncf.helm.config.v1+json"' "$WORK/body"
}

helm_pull() {
    mkdir -p "$WORK/charts-back"
    helm_do pull "oci://$REGISTRY/e2e/charts/sealed" 1.2.3 "$WORK/charts-back"
    cmp "$WORK/charts/sealed-1.2.3.tgz" "$WORK/charts-back/sealed-1.2.3.tgz"
}

# --- ORAS ---------------------------------------------------------------------------------------------------------

oras_ready() { python_tools "$WORK/py-oras" "$SCRIPTS/e2e.d/oras.txt"; }
oras_do() { PYTHONPATH=$WORK/py-oras HOME=$WORK "$SCRIPTS/e2e.d/oras-client" "$@"; }

oras_push() {
    mkdir -p "$WORK/oras"
    printf 'a letter that goes round the world, %s\n' "$(head -c 12 /dev/urandom | base64)" >"$WORK/oras/letter.txt"
    oras_do push "$REGISTRY/e2e/oras:1" "$WORK/oras/letter.txt" "a note on the letter, in plain text only outside"
    oras_do pull "$REGISTRY/e2e/oras:1" "$WORK/oras-back"
    cmp "$WORK/oras/letter.txt" "$WORK/oras-back/letter.txt"
}

oras_attach() {
    local subject
    printf 'a signature of the letter, %s\n' "$(head -c 12 /dev/urandom | base64)" >"$WORK/oras/signature.txt"
    oras_do attach "$REGISTRY/e2e/oras:signature" "$WORK/oras/signature.txt" "it vouches for the letter that went before" 1
    expect 200 GET /v2/e2e/oras/manifests/1 -H "$ANY_MANIFEST"
    subject=$(digest_of "$WORK/body")
    expect 200 GET "/v2/e2e/oras/referrers/$subject"
    jq -e '.manifests | length == 1' "$WORK/body"
}

# --- subjects and referrers, with single requests -------------------------------------------------------------------

REPO=e2e/referrers

empty_config() {
    printf '{}' >"$WORK/empty.json"
    push_blob "$REPO" "$WORK/empty.json"
}

# artifact NAME TYPE [SUBJECT]: makes a manifest with an empty config and a layer of text. SUBJECT is the file of its subject.
artifact() {
    local name=$1 type=$2 subject=${3:-} layer=$WORK/artifact-$1.txt
    printf 'the unique text of %s: %s\n' "$name" "$(head -c 30 /dev/urandom | base64 -w0)" >"$layer"
    jq -n --arg type "$type" --arg layer "$(digest_of "$layer")" --argjson size "$(stat -c %s "$layer")" \
        --arg note "an annotation of $name, which is content and not metadata" \
        --argjson subject "$(if [ -n "$subject" ]; then jq -n --arg d "$(digest_of "$subject")" --argjson s "$(stat -c %s "$subject")" \
            '{mediaType: "application/vnd.oci.image.manifest.v1+json", digest: $d, size: $s}'; else echo null; fi)" '{
        schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", artifactType: $type,
        config: {mediaType: "application/vnd.oci.empty.v1+json", digest: "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", size: 2},
        layers: [{mediaType: "text/plain", digest: $layer, size: $size}], annotations: {"example.sealyard.note": $note}}
        + if $subject then {subject: $subject} else {} end' >"$WORK/artifact-$name.json"
    push_blob "$REPO" "$layer"
}

# put_artifact NAME REFERENCE
put_artifact() { push_manifest "$REPO" "$2" "$WORK/artifact-$1.json"; }

referrers_of() { expect 200 GET "/v2/$REPO/referrers/$(digest_of "$WORK/artifact-$1.json")${2:-}"; }

subject_and_referrers() {
    empty_config
    artifact base application/vnd.example.base.v1
    put_artifact base base
    artifact sbom application/vnd.example.sbom.v1 "$WORK/artifact-base.json"
    artifact signature application/vnd.example.signature.v1 "$WORK/artifact-base.json"
    put_artifact sbom "$(digest_of "$WORK/artifact-sbom.json")"
    [ "$(header OCI-Subject)" = "$(digest_of "$WORK/artifact-base.json")" ]
    put_artifact signature "$(digest_of "$WORK/artifact-signature.json")"
    referrers_of base
    [[ $(header Content-Type) = application/vnd.oci.image.index.v1+json* ]]
    jq -e '[.manifests[].artifactType] | sort == ["application/vnd.example.sbom.v1", "application/vnd.example.signature.v1"]' "$WORK/body"
    jq -e '[.manifests[].annotations["example.sealyard.note"]] | all(startswith("an annotation of"))' "$WORK/body"
}

referrers_filter() {
    referrers_of base '?artifactType=application/vnd.example.sbom.v1'
    [ "$(header OCI-Filters-Applied)" = artifactType ]
    jq -e '.manifests | length == 1 and .[0].artifactType == "application/vnd.example.sbom.v1"' "$WORK/body"
    referrers_of base '?artifactType=application/vnd.example.none.v1'
    jq -e '.manifests == []' "$WORK/body"
}

late_subject() {
    artifact late application/vnd.example.base.v1
    artifact early application/vnd.example.sbom.v1 "$WORK/artifact-late.json"
    put_artifact early "$(digest_of "$WORK/artifact-early.json")"
    referrers_of late
    jq -e '.manifests | length == 1' "$WORK/body"
    put_artifact late late
    referrers_of late
    jq -e '.manifests | length == 1' "$WORK/body"
}

referrer_deleted() {
    local digest
    digest=$(digest_of "$WORK/artifact-signature.json")
    expect 202 DELETE "/v2/$REPO/manifests/$digest"
    referrers_of base
    jq -e --arg digest "$digest" '[.manifests[].digest] | index($digest) == null and length == 1' "$WORK/body"
}

artifact_back() {
    expect 200 GET "/v2/$REPO/manifests/base" -H "$ANY_MANIFEST"
    cmp "$WORK/body" "$WORK/artifact-base.json"
    expect 200 GET "/v2/$REPO/blobs/$(digest_of "$WORK/artifact-sbom.txt")" -L
    cmp "$WORK/body" "$WORK/artifact-sbom.txt"
}

# BuildKit's cache as `--cache-to type=registry` pushes it: an index of layers and a config (buildkit#2479). Debian has no such BuildKit,
# so curl sends BuildKit's requests, and skopeo reads the index.
build_cache() {
    local repository=e2e/cache digest
    printf 'a layer of the cache, %s\n' "$(head -c 12 /dev/urandom | base64)" >"$WORK/cache-layer"
    jq -n --arg layer "$(digest_of "$WORK/cache-layer")" '{layers: [{blob: $layer, parent: -1}], records: []}' >"$WORK/cache-config"
    push_blob "$repository" "$WORK/cache-layer"
    push_blob "$repository" "$WORK/cache-config"
    jq -n --arg layer "$(digest_of "$WORK/cache-layer")" --argjson layer_size "$(stat -c %s "$WORK/cache-layer")" \
        --arg config "$(digest_of "$WORK/cache-config")" --argjson config_size "$(stat -c %s "$WORK/cache-config")" '{
        schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
        {mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", digest: $layer, size: $layer_size},
        {mediaType: "application/vnd.buildkit.cacheconfig.v0", digest: $config, size: $config_size}]}' >"$WORK/cache-index"
    push_manifest "$repository" cache "$WORK/cache-index"
    if have skopeo; then
        skopeo inspect --tls-verify=false --raw "docker://$REGISTRY/$repository:cache" | cmp - "$WORK/cache-index"
    fi
    digest=$(digest_of "$WORK/cache-layer")
    [ "$KIND" != sealyard ] || expect 405 DELETE "/v2/$repository/blobs/$digest"
    expect 200 GET "/v2/$repository/blobs/$digest" -L
}

# Pushes as regctl does: by a tag with the digest, and by a digest with tags (distribution-spec#600).
tags_and_digests() {
    local digest repository=e2e/cache
    digest=$(digest_of "$WORK/cache-index")
    expect 201 PUT "/v2/$repository/manifests/named?digest=$digest" --data-binary "@$WORK/cache-index" \
        -H "Content-Type: application/vnd.oci.image.index.v1+json"
    expect 201 PUT "/v2/$repository/manifests/$digest?tag=one&tag=two" --data-binary "@$WORK/cache-index" \
        -H "Content-Type: application/vnd.oci.image.index.v1+json"
    [ "$(tr -d '\r' <"$WORK/head" | sed -n 's/^oci-tag: //Ip' | sort | tr '\n' ' ')" = "one two " ]
    tags_are "$repository" cache named one two
    expect 400 PUT "/v2/$repository/manifests/other?digest=sha256:$(printf '0%.0s' {1..64})" --data-binary "@$WORK/cache-index" \
        -H "Content-Type: application/vnd.oci.image.index.v1+json"
    jq -e '.errors[0].code == "DIGEST_INVALID"' "$WORK/body"
}

part_artifacts() {
    check "helm: a client" helm_ready
    check "helm: push a chart" helm_push
    check "helm: pull it, same bytes" helm_pull
    check "oras: a client" oras_ready
    check "oras: push and pull an artifact, same bytes" oras_push
    local status
    status=$(http GET "/v2/e2e/oras/referrers/sha256:$(printf '0%.0s' {1..64})")
    if [ "$status" != 200 ]; then
        [ "$KIND" = sealyard ] || { skip "referrers" "this registry has no referrers API ($status)"; return; }
    fi
    check "artifact: an index of blobs, like BuildKit's cache" build_cache
    if [ "$KIND" = sealyard ]; then check "artifact: tags and digests as parameters of a push" tags_and_digests; fi
    check "oras: attach to a subject" oras_attach
    check "artifact: a subject and two referrers" subject_and_referrers
    check "artifact: pulled, same bytes" artifact_back
    check "artifact: referrers by type" referrers_filter
    check "artifact: a subject that is pushed after its referrer" late_subject
    check "artifact: a deleted referrer is no longer listed" referrer_deleted
}
