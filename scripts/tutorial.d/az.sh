#!/usr/bin/env bash
# Part of scripts/tutorial: the Azure CLI, and what is said of its answers. Sourced.

# The version whose requests were measured; a newer one is tried by changing it and making azure-cli.txt anew.
AZ_PINNED=2.91.0

# find_az: AZ is the program. Installed once, with all that it needs, each package by its hash.
find_az() {
    if [ -n "${AZ:-}" ]; then
        AZ=$(command -v "$AZ") || die "AZ names no program"
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

# az ARGUMENT...: as the owner of everything local, against the emulator whose folder is SEALYARD_DATA_DIR.
az() { "$SEALYARD" az -- "$@"; }

az_version() {
    az version --output json | tee "$WORK/az-version.json"
    echo "result: $(jq -er '."azure-cli"' "$WORK/az-version.json")"
}

az_account() { az account show --output json | jq -e '.state == "Enabled" and .isDefault'; }

# fields WANTED: reads JSON; these fields are in it, at least. What a field holds is checked elsewhere.
fields() {
    jq -e --arg wanted "$1" '. as $shown | $wanted | split(" ") | map(select(. as $name | $shown | has($name) | not))
        | if . == [] then true else error("not shown: " + join(", ")) end'
}

# refused WORDS COMMAND...: it fails, and says this. What it says is printed.
refused() {
    local words=$1 told
    shift
    if told=$("$@" 2>&1); then
        echo "not refused: $*: $told"
        return 1
    fi
    printf '%s\n' "$told"
    grep -qF -- "$words" <<<"$told" || { echo "refused, but without the words: $words"; return 1; }
}

# keep NAME VALUE, kept NAME: what one check finds and another needs.
keep() {
    mkdir -p "$WORK/kept"
    [ -n "$2" ] || { echo "$1 is empty"; return 1; }
    printf '%s' "$2" >"$WORK/kept/$1"
}
kept() { cat "$WORK/kept/$1"; }

# port_of REGISTRY: where docker and skopeo reach it, on the loopback.
port_of() { yard registry show "$1" --json | jq -er .loginServer; }

# seen_by_registry: the lease of the data keys has ended, and whatever was changed in the vault is seen.
seen_by_registry() { yard clock advance 1m >/dev/null; }
