#!/usr/bin/env bash
# Part of scripts/e2e: Azure's Python clients manage a registry with its key, in a program for Azure that runs unchanged with
# `sealyard run`. Sourced. It starts its own emulator.

ARM=

arm_tools() { python_tools "$WORK/py-arm" "$SCRIPTS/e2e.d/arm.txt"; }

arm_client() {
    PYTHONPATH=$WORK/py-arm HOME=$WORK "$SEALYARD" --endpoint "http://$ARM" run -- "$SCRIPTS/e2e.d/arm-client" "$WORK/arm.passwords"
}

# The new passwords are neither in the data folder nor in the log.
arm_secrets() {
    local secret
    while read -r secret; do
        [ ${#secret} = 64 ]
        if grep -rFl -e "$secret" "$WORK/arm" "$WORK/arm.log"; then return 1; fi
    done <"$WORK/arm.passwords"
}

part_arm() {
    [ "$KIND" = sealyard ] || { skip arm "this registry has no control plane"; return; }
    local before=${REGISTRY:-}
    start_registry "$KIND" "$WORK/arm"
    ARM=$REGISTRY
    REGISTRY=$before
    check "arm: Azure's Python clients are installed" arm_tools
    check "arm: Python clients create, use and delete a registry" arm_client
    check "arm: no password in the data folder or the log" arm_secrets
}
