#!/usr/bin/env bash
# Part of scripts/e2e: every method of revocation with real clients. Sourced.
#
# For each method: `sealyard revoke` revokes the key, docker and skopeo are refused with the reason, `sealyard restore`
# restores the former state, and both pull the images that they pushed before, to the byte.

# revocation_cause METHOD: prints the cause in the errors for clients.
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

# The revocation is effective when the command returns, so the script does not wait.
revocation_revoke() {
    yard revoke --by "$1" --json | tee "$WORK/revoked"
    jq -e --arg cause "$(revocation_cause "$1")" '.state == "unavailable" and .cause == $cause' "$WORK/revoked"
    expect 403 GET /v2/e2e/keep/manifests/1 -H "$ANY_MANIFEST"
    jq -e --arg cause "$(revocation_cause "$1")" '.errors[0] | .code == "DENIED" and .detail.cause == $cause and
        (.message | startswith("Access to Key Encryption Key is forbidden"))' "$WORK/body"
    if yard health --registry local; then return 1; fi
    expect 200 GET /_sealyard/health
}

# The installed clients pull and push; each request must fail with a message.
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
        # skopeo sends HEAD for a blob first, whose answer has no body, so it prints only the status.
        grep -qiE 'denied|403' "$WORK/out"
    fi
}

revocation_restore() {
    yard restore --json | tee "$WORK/restored"
    jq -e --arg method "$1" '.state == "active" and .restored == [$method] and .revoked == []' "$WORK/restored"
    yard health --registry local
    # A second restore changes nothing.
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

# The refusal of a method that does not apply names the method to use.
revocation_inapplicable() {
    if yard revoke --by role >"$WORK/out" 2>&1; then return 1; fi
    cat "$WORK/out"
    grep -q -- '--by policy' "$WORK/out"
}

# A revocation before a stop can be restored after the next start.
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
    local method
    check "revocation: an image is pushed" revocation_push
    for method in policy disable delete firewall vault identity; do
        check "revocation: by $method" revocation_revoke "$method"
        check "revocation: by $method: clients get DENIED" revocation_refused
        check "revocation: by $method: restored" revocation_restore "$method"
        check "revocation: by $method: pulled again, same bytes" revocation_back
    done
    check "revocation: by role is refused in a policy vault" revocation_inapplicable
    check "revocation: revoked, and stopped" revocation_before_stop
    # This is not in a check, because programs that a check starts are not ended at the end.
    { wait "$REGISTRY_PID"; } 2>/dev/null || true
    REGISTRY_LISTEN=$REGISTRY start_registry "$KIND" "$DATA"
    check "revocation: restored after a restart" revocation_after_start
}
