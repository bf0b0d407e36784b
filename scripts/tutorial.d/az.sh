#!/usr/bin/env bash
# Part of scripts/tutorial: the Azure CLI, and checks of its answers. Sourced.

# The tested version. For a newer one, change this number and generate azure-cli.txt again.
AZ_PINNED=2.91.0

# find_az: sets AZ to the program. Installs it once, with all dependencies, each with its hash.
find_az() {
    if [ -n "${AZ:-}" ]; then
        AZ=$(command -v "$AZ") || die "AZ=$AZ is not a program"
    else
        local folder=$TARGET/azure-cli-$AZ_PINNED
        [ -e "$folder/.done" ] || say "installing the Azure CLI $AZ_PINNED"
        python_tools "$folder" "$SCRIPTS/tutorial.d/azure-cli.txt" || return 1
        AZ=$WORK/bin/az
        mkdir -p "${AZ%/*}"
        printf '#!/bin/sh\nPYTHONPATH="%s" exec python3 -m azure.cli "$@"\n' "$folder" >"$AZ"
        chmod +x "$AZ"
    fi
    PATH=${AZ%/*}:$PATH
}

# az ARGUMENT...: runs the Azure CLI as the owner, for the emulator whose folder is SEALYARD_DATA_DIR.
az() { "$SEALYARD" az -- "$@"; }

az_version() {
    az version --output json | tee "$WORK/az-version.json"
    echo "result: $(jq -er '."azure-cli"' "$WORK/az-version.json")"
}

az_account() { az account show --output json | jq -e '.state == "Enabled" and .isDefault'; }

# fields WANTED: reads JSON and checks that it has at least these fields, not their values.
fields() {
    jq -e --arg wanted "$1" '. as $shown | $wanted | split(" ") | map(select(. as $name | $shown | has($name) | not))
        | if . == [] then true else error("not shown: " + join(", ")) end'
}

# refused TEXT COMMAND...: checks that the command fails and prints this text. Prints its output.
refused() {
    local text=$1 told
    shift
    if told=$("$@" 2>&1); then
        echo "not refused: $*: $told"
        return 1
    fi
    printf '%s\n' "$told"
    grep -qF -- "$text" <<<"$told" || { echo "refused, but without this text: $text"; return 1; }
}

# keep NAME VALUE, kept NAME: store a value of one check for another, and print it.
keep() {
    mkdir -p "$WORK/kept"
    [ -n "$2" ] || { echo "$1 is empty"; return 1; }
    printf '%s' "$2" >"$WORK/kept/$1"
}
kept() { cat "$WORK/kept/$1"; }

# port_of REGISTRY: prints the loopback address for docker and skopeo.
port_of() { yard registry show "$1" --json | jq -er .loginServer; }

# seen_by_registry: ends the lease of the data keys, so that the registry notices changes in the vault.
seen_by_registry() { yard clock advance 1m >/dev/null; }
