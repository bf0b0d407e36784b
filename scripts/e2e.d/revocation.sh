#!/usr/bin/env bash
# Part of scripts/e2e: every way to take the key away, under real clients. Sourced.
#
# For each way: the key is revoked by `sealyard revoke`, docker and skopeo are refused and told why, `sealyard restore`
# gives back what was there, and both pull again what they pushed before, to the byte.

# The cause that clients are told for a way.
revocation_cause() {
    case $1 in
        policy) echo policyRemoved ;;
        role) echo roleRemoved ;;
        disable) echo keyDisabled ;;
        delete) echo keyDeleted ;;
        firewall) echo vaultFirewall ;;
        vault) echo vaultDeleted ;;
        identity) echo identityRemoved ;;
    esac
}

revocation_push() {
    if have skopeo; then
        "$SCRIPTS/oci-image" make "$WORK/revocation" --tag t
        skopeo copy -q --preserve-digests --dest-tls-verify=false "oci:$WORK/revocation:t" "docker://$REGISTRY/e2e/revocation:1"
    fi
    if have docker; then
        docker_build "$REGISTRY/e2e/revocation-docker:1"
        docker_files "$REGISTRY/e2e/revocation-docker:1" >"$WORK/revocation.files"
        docker image inspect -f '{{.Id}}' "$REGISTRY/e2e/revocation-docker:1" >"$WORK/revocation.id"
        docker push -q "$REGISTRY/e2e/revocation-docker:1"
    fi
}

# The command has done its work when it returns: there is no waiting here.
revocation_revoke() {
    yard revoke --by "$1" --json | tee "$WORK/revoked"
    jq -e --arg cause "$(revocation_cause "$1")" '.state == "unavailable" and .cause == $cause' "$WORK/revoked"
    expect 403 GET /v2/e2e/keep/manifests/1 -H "$ANY_MANIFEST"
    jq -e --arg cause "$(revocation_cause "$1")" '.errors[0] | .code == "DENIED" and .detail.cause == $cause and
        (.message | startswith("Access to Key Encryption Key is forbidden"))' "$WORK/body"
    if yard health --registry local; then return 1; fi
    expect 200 GET /_sealyard/health
}

# A pull, a push and a look at the tags by the clients that are here; each has to fail, and to say so.
revocation_refused() {
    local image=$REGISTRY/e2e/revocation-docker:1
    if have docker; then
        docker image rm -f "$(cat "$WORK/revocation.id")" >/dev/null 2>&1 || true
        if docker pull "$image" >"$WORK/out" 2>&1; then echo "docker pulled"; return 1; fi
        cat "$WORK/out"
        grep -qi 'denied' "$WORK/out"
    fi
    if have skopeo; then
        if skopeo copy -q --src-tls-verify=false "docker://$REGISTRY/e2e/revocation:1" "oci:$WORK/revocation-no:t" >"$WORK/out" 2>&1; then echo "skopeo pulled"; return 1; fi
        cat "$WORK/out"
        grep -qi 'denied' "$WORK/out"
        if skopeo copy -q --dest-tls-verify=false "oci:$WORK/revocation:t" "docker://$REGISTRY/e2e/revocation:2" >"$WORK/out" 2>&1; then echo "skopeo pushed"; return 1; fi
        cat "$WORK/out"
        # It asks for a blob by HEAD first, whose answer has no body: it prints the bare status.
        grep -qiE 'denied|403' "$WORK/out"
    fi
}

revocation_restore() {
    yard restore --json | tee "$WORK/restored"
    jq -e --arg way "$1" '.state == "active" and .restored == [$way] and .revoked == []' "$WORK/restored"
    yard health --registry local
    # Once more does no harm.
    yard restore --json | jq -e '.state == "active" and .restored == []'
}

revocation_back() {
    local image=$REGISTRY/e2e/revocation-docker:1
    if have docker; then
        docker image rm -f "$(cat "$WORK/revocation.id")" >/dev/null 2>&1 || true
        docker pull -q "$image"
        [ "$(docker image inspect -f '{{.Id}}' "$image")" = "$(cat "$WORK/revocation.id")" ]
        docker_files "$image" | diff "$WORK/revocation.files" -
    fi
    if have skopeo; then
        rm -rf "$WORK/revocation-back"
        skopeo copy -q --preserve-digests --src-tls-verify=false "docker://$REGISTRY/e2e/revocation:1" "oci:$WORK/revocation-back:t"
        same_blobs "$WORK/revocation" "$WORK/revocation-back"
    fi
    keep_same
}

# A way that does not apply is refused with the one that does.
revocation_inapplicable() {
    if yard revoke --by role >"$WORK/out" 2>&1; then return 1; fi
    cat "$WORK/out"
    grep -q -- '--by policy' "$WORK/out"
}

# What was revoked before a stop is given back after it.
revocation_before_stop() {
    yard revoke --by policy
    stop_pid "$SERVER_PID"
}
revocation_after_start() {
    expect 403 GET /v2/e2e/keep/tags/list
    yard restore --json | jq -e '.state == "active" and .restored == ["policy"]'
    expect 200 GET /v2/e2e/keep/tags/list
}

part_revocation() {
    [ "$KIND" = sealyard ] || { skip revocation "this registry has no key"; return; }
    have docker || have skopeo || { skip revocation "neither docker nor skopeo is installed"; return; }
    local way
    check "revocation: an image is pushed" revocation_push
    for way in policy disable delete firewall vault identity; do
        check "revocation: by $way" revocation_revoke "$way"
        check "revocation: by $way: clients are told DENIED" revocation_refused
        check "revocation: by $way: restored" revocation_restore "$way"
        check "revocation: by $way: pulled again, same bytes" revocation_back
    done
    check "revocation: by role is refused in a policy vault" revocation_inapplicable
    check "revocation: revoked, and stopped" revocation_before_stop
    # Not in a check: what is started there is not ended at the end.
    { wait "$REGISTRY_PID"; } 2>/dev/null || true
    REGISTRY_LISTEN=$REGISTRY start_registry "$KIND" "$DATA"
    check "revocation: restored after a restart" revocation_after_start
}
