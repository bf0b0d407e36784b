#!/usr/bin/env python3
"""A second reader of the sealed format, which follows FORMAT.md and shares nothing with the Rust code.

It opens every file of index.json, compares it with its plaintext, and checks that no file opens with a changed byte.
Needs `pip install cryptography`. Run it from anywhere; it exits with 1 if any result differs from the published one.
"""

import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = pathlib.Path(__file__).parent
HEADER, RUN_HEAD, TAG, FOOTER, MAX_RUNS = 32, 64, 16, 8, 1 << 14


class Refused(Exception):
    """The file does not follow the format."""


def require(condition):
    if not condition:
        raise Refused


def derive(data_key, salt, info, commitment):
    okm = HKDF(algorithm=SHA256(), length=64, salt=salt, info=info).derive(data_key)
    require(hmac.compare_digest(okm[32:], commitment))
    return AESGCM(okm[:32])


def nonce(counter, kind):
    return counter.to_bytes(11, "big") + bytes([kind])


def decrypt(cipher, counter, kind, sealed, associated=b""):
    try:
        return cipher.decrypt(nonce(counter, kind), sealed, associated)
    except InvalidTag as error:
        raise Refused from error


def prefixed(text):
    return struct.pack(">Q", len(text)) + text


def open_file(file, data_key, data_key_id, registry, kind, identity):
    require(len(file) >= HEADER + FOOTER)
    header = file[:HEADER]
    magic, version, found_kind, reserved, segment_len, key_id = struct.unpack(">8sHBBI16s", header)
    require(magic == b"SEALYARD" and version == 1 and reserved == 0)
    require(found_kind == kind and key_id == data_key_id)
    require(4096 <= segment_len <= 4 << 20 and segment_len & (segment_len - 1) == 0)
    context = prefixed(registry) + header

    sealed_len, end_magic = struct.unpack(">I4s", file[-FOOTER:])
    require(end_magic == b"DRAY")
    require(RUN_HEAD + TAG + 14 <= sealed_len <= RUN_HEAD + TAG + 14 + 200 + 40 * MAX_RUNS)
    trailer_at = len(file) - FOOTER - sealed_len
    require(trailer_at >= HEADER)
    trailer = file[trailer_at:-FOOTER]
    cipher = derive(data_key, trailer[:32], b"sealyard envelope v1 trailer" + context, trailer[32:64])
    body = decrypt(cipher, 0, 1, trailer[64:], header)

    plaintext_len, identity_len = struct.unpack_from(">QH", body)
    require(identity_len <= 200 and len(body) >= 14 + identity_len)
    require(body[10:10 + identity_len] == identity)
    (runs,) = struct.unpack_from(">I", body, 10 + identity_len)
    at = 14 + identity_len
    require(runs <= MAX_RUNS and len(body) == at + 40 * runs)

    content, where, left, previous = b"", HEADER, plaintext_len, bytes(32)
    for run in range(runs):
        salt, segments = struct.unpack_from(">32sQ", body, at + 40 * run)
        require(1 <= segments <= 1 << 32)
        require(file[where:where + 32] == salt)
        info = b"sealyard envelope v1 run" + context + struct.pack(">Q", len(content)) + previous
        cipher = derive(data_key, salt, info, file[where + 32:where + 64])
        where += RUN_HEAD
        for counter in range(segments):
            require(left > 0)
            length = min(left, segment_len)
            require(where + length + TAG <= trailer_at)
            content += decrypt(cipher, counter, 0, file[where:where + length + TAG])
            where, left = where + length + TAG, left - length
        previous = salt
    require(left == 0 and where == trailer_at)
    return content


def open_value(sealed, data_key, context, associated):
    require(sealed[0] == 1)
    info = b"sealyard envelope v1 value" + prefixed(context)
    return decrypt(derive(data_key, sealed[1:33], info, sealed[33:65]), 0, 2, sealed[65:], associated)


def main():
    index = json.loads((HERE / "index.json").read_text())
    data_key = bytes.fromhex(index["dataKey"])
    names = (data_key, bytes.fromhex(index["dataKeyId"]), index["registry"].encode(), index["kind"])
    refused = 0
    for vector in index["files"]:
        file = (HERE / vector["file"]).read_bytes()
        plaintext = bytes((n * 167 + n // 256 * 59) % 256 for n in range(vector["plaintextLength"]))
        identity = vector["identity"].encode()
        assert identity == b"sha256:" + hashlib.sha256(plaintext).hexdigest().encode()
        assert open_file(file, *names, identity) == plaintext, vector["file"]
        print(f"opened  {vector['file']}: {len(file)} bytes, {len(plaintext)} of content")
        for place in range(len(file)):
            changed = bytearray(file)
            changed[place] ^= 1
            try:
                open_file(bytes(changed), *names, identity)
            except Refused:
                refused += 1
            else:
                sys.exit(f"{vector['file']} opens with byte {place} changed")
    for vector in index["values"]:
        context, associated = vector["context"].encode(), vector["associated"].encode()
        value = open_value(bytes.fromhex(vector["sealed"]), data_key, context, associated)
        assert value == vector["plaintext"].encode()
        print(f"opened  a value of {len(value)} bytes")
    print(f"refused {refused} files with one byte changed")


if __name__ == "__main__":
    main()
