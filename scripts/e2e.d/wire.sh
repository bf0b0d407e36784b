#!/usr/bin/env bash
# Part of scripts/e2e: tests with curl only: host names, and a kill during a push. Sourced.

# host_name HOST: pushes and pulls a blob under this host name, with the Location that the registry returns.
host_name() {
    local host=$1 port=${REGISTRY##*:} url
    local -a to=(--resolve "$1:${REGISTRY##*:}:127.0.0.1")
    expect 200 GET "http://$host:$port/v2/" "${to[@]}"
    head -c 100000 /dev/urandom >"$WORK/host.bin"
    expect 202 POST "http://$host:$port/v2/e2e/host/blobs/uploads/" -d '' "${to[@]}"
    url=$(header Location)
    [[ $url = http* ]] || url=http://$host:$port$url
    # A client under this name could not use a Location with another host.
    [[ $url = "http://$host:$port/"* ]]
    expect 201 PUT "$(with_digest "$url" "$(digest_of "$WORK/host.bin")")" -T "$WORK/host.bin" "${to[@]}"
    expect 200 GET "http://$host:$port/v2/e2e/host/blobs/$(digest_of "$WORK/host.bin")" "${to[@]}"
    cmp "$WORK/body" "$WORK/host.bin"
}

part_hosts() {
    local host
    for host in 127.0.0.1 localhost app.localhost local.azurecr.localhost; do
        check "host name: $host" host_name "$host"
    done
}

# The process is killed while a client sends; after a restart the client continues at the offset in the status.
resume_start() {
    head -c $((48 << 20)) /dev/urandom >"$WORK/resume.bin"
    begin_upload e2e/resume >"$WORK/resume.url"
    # The client sends 4 MiB, and then the rest slowly, so that there is time for the kill.
    expect 202 PATCH "$(cat "$WORK/resume.url")" -H 'Content-Type: application/octet-stream' -H 'Content-Range: 0-4194303' \
        --data-binary @<(head -c 4194304 "$WORK/resume.bin")
    upload_url >"$WORK/resume.url"
    tail -c +4194305 "$WORK/resume.bin" >"$WORK/resume.rest"
    curl -sS --limit-rate 8M -X PATCH -T "$WORK/resume.rest" -H 'Expect:' -H 'Content-Type: application/octet-stream' \
        "$(cat "$WORK/resume.url")" >/dev/null 2>&1 &
    local sender=$!
    sleep 2
    alive "$sender"
    kill -KILL "$SERVER_PID"
    local status=0
    wait "$sender" || status=$?
    [ "$status" != 0 ]
}

# upload_offset URL: prints the offset in the status of an upload.
upload_offset() {
    expect 204 GET "$1"
    local range
    range=$(header Range)
    range=${range#bytes=}
    [[ $range =~ ^0-[0-9]+$ ]] || { echo "no Range, or no upload: '$range'"; return 1; }
    echo $((${range#0-} + 1))
}

resume_finish() {
    local offset url size
    size=$(stat -c %s "$WORK/resume.bin")
    offset=$(upload_offset "$(cat "$WORK/resume.url")" | tail -n 1)
    [ "$offset" -gt 0 ]
    [ "$offset" -lt "$size" ]
    url=$(upload_url || cat "$WORK/resume.url")
    tail -c +$((offset + 1)) "$WORK/resume.bin" >"$WORK/resume.rest"
    expect 202 PATCH "$url" -T "$WORK/resume.rest" -H 'Expect:' -H 'Content-Type: application/octet-stream' \
        -H "Content-Range: $offset-$((size - 1))"
    expect 201 PUT "$(with_digest "$(upload_url)" "$(digest_of "$WORK/resume.bin")")" -d ''
    expect 200 GET "/v2/e2e/resume/blobs/$(digest_of "$WORK/resume.bin")"
    cmp "$WORK/body" "$WORK/resume.bin"
    echo "result: continued at $offset of $size bytes"
}

resume_others() {
    expect 200 GET "/v2/e2e/keep/manifests/1" -H "$ANY_MANIFEST"
    [ "$(digest_of "$WORK/body")" = "$(cat "$WORK/keep.digest")" ]
    keep_same
}

part_resume() {
    check "kill -9 during a push" resume_start
    { wait "$REGISTRY_PID"; } 2>/dev/null || true
    REGISTRY_LISTEN=$REGISTRY start_registry "$KIND" "$DATA"
    check "restart: the pushed image is intact" resume_others
    if [ "$KIND" = sealyard ]; then
        check "restart: the upload continues and is completed" resume_finish
    else
        skip "restart: the upload continues" "docker-registry refuses an upload whose last chunk was cut"
    fi
}
