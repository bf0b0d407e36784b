"""The `openssl` program and the vault: each decrypts and verifies the results of the other, under the same key.

OpenSSL generates the key, and the vault imports it. The tests call the vault without an SDK, so that no client computes
anything. Python does no cryptography here: it reads numbers from PEM files and encodes signatures as DER.
"""

import base64
import hashlib
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

WRAPS = {
    "RSA1_5": ["rsa_padding_mode:pkcs1"],
    "RSA-OAEP": ["rsa_padding_mode:oaep", "rsa_oaep_md:sha1", "rsa_mgf1_md:sha1"],
    "RSA-OAEP-256": ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"],
}
RSA_SIGNS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
CURVES = {
    "P-256": ("prime256v1", "ES256", 32), "P-256K": ("secp256k1", "ES256K", 32),
    "P-384": ("secp384r1", "ES384", 48), "P-521": ("secp521r1", "ES512", 66),
}


def openssl(*arguments, given=None):
    done = subprocess.run(["openssl", *map(str, arguments)], input=given, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def plain(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(value, length=None):
    return b64(value.to_bytes(length or (value.bit_length() + 7) // 8, "big"))


class Pair:
    """One key in OpenSSL and in the vault."""

    def __init__(self, program, name, folder, pem, jwk):
        self.program, self.name, self.folder = program, name, folder
        self.private, self.public = folder / "private.pem", folder / "public.pem"
        self.private.write_bytes(pem)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)
        answer = program.raw("PUT", f"/keys/{name}", {"key": jwk})
        assert answer.status_code == 200, answer.text
        self.bundle = answer.json()

    def vault(self, operation, body):
        answer = self.program.raw("POST", f"/keys/{self.name}/{operation}", body)
        assert answer.status_code == 200, answer.text
        return answer.json()["value"]

    def openssl(self, operation, key, given, options, *more):
        path = self.folder / "input"
        path.write_bytes(given)
        options = [word for option in options for word in ("-pkeyopt", option)]
        return openssl("pkeyutl", f"-{operation}", "-inkey", key, "-in", path, *options, *more)

    def openssl_verifies(self, digest, signature, options):
        path = self.folder / "signature"
        path.write_bytes(signature)
        try:
            return b"Success" in self.openssl("verify", self.public, digest, options, "-pubin", "-sigfile", path)
        except AssertionError:
            return False


@pytest.fixture(scope="module", params=[2048, 3072, 4096])
def rsa(request, program, tmp_path_factory):
    pem = openssl("genrsa", "-traditional", request.param)
    key = load_pem_private_key(pem, None).private_numbers()
    parts = {"d": key.d, "p": key.p, "q": key.q, "dp": key.dmp1, "dq": key.dmq1, "qi": key.iqmp}
    parts |= {"n": key.public_numbers.n, "e": key.public_numbers.e}
    return Pair(program, f"openssl-{request.param}", tmp_path_factory.mktemp("rsa"), pem, {"kty": "RSA", **{part: number(value) for part, value in parts.items()}})


@pytest.fixture(scope="module", params=CURVES)
def ec(request, program, tmp_path_factory):
    curve, _, length = CURVES[request.param]
    pem = openssl("ecparam", "-genkey", "-noout", "-name", curve)
    key = load_pem_private_key(pem, None).private_numbers()
    parts = {"x": key.public_numbers.x, "y": key.public_numbers.y, "d": key.private_value}
    jwk = {"kty": "EC", "crv": request.param, **{part: number(value, length) for part, value in parts.items()}}
    pair = Pair(program, f"openssl-{request.param}", tmp_path_factory.mktemp("ec"), pem, jwk)
    pair.curve = request.param
    return pair


def test_openssl_unwraps_the_vaults_results_and_the_vault_those_of_openssl(rsa):
    for algorithm, options in WRAPS.items():
        for to, back in [("wrapkey", "unwrapkey"), ("encrypt", "decrypt")]:
            secret = hashlib.sha256(algorithm.encode() + to.encode()).digest()
            by_vault = rsa.vault(to, {"alg": algorithm, "value": b64(secret)})
            assert rsa.openssl("decrypt", rsa.private, plain(by_vault), options) == secret
            by_openssl = rsa.openssl("encrypt", rsa.public, secret, options, "-pubin")
            assert plain(rsa.vault(back, {"alg": algorithm, "value": b64(by_openssl)})) == secret


def test_rsa_signatures_verify_on_both_sides(rsa):
    for algorithm in RSA_SIGNS:
        name = f"sha{algorithm[2:]}"
        digest = hashlib.new(name, b"signed").digest()
        options = [f"digest:{name}", "rsa_padding_mode:pkcs1"]
        if algorithm.startswith("PS"):
            # RFC 7518, section 3.5: the salt is as long as the hash.
            options = [f"digest:{name}", "rsa_padding_mode:pss", f"rsa_pss_saltlen:{len(digest)}", f"rsa_mgf1_md:{name}"]
        by_vault = plain(rsa.vault("sign", {"alg": algorithm, "value": b64(digest)}))
        assert rsa.openssl_verifies(digest, by_vault, options)
        assert not rsa.openssl_verifies(bytes(len(digest)), by_vault, options)
        by_openssl = rsa.openssl("sign", rsa.private, digest, options)
        body = {"alg": algorithm, "digest": b64(digest), "value": b64(by_openssl)}
        assert rsa.vault("verify", body) is True
        assert rsa.vault("verify", {**body, "digest": b64(bytes(len(digest)))}) is False


def test_ecdsa_signatures_verify_on_both_sides(ec):
    _, algorithm, length = CURVES[ec.curve]
    digest = hashlib.new("sha" + algorithm[2:5], b"signed").digest()
    for _ in range(8):
        raw = plain(ec.vault("sign", {"alg": algorithm, "value": b64(digest)}))
        assert len(raw) == 2 * length
        der = encode_dss_signature(int.from_bytes(raw[:length], "big"), int.from_bytes(raw[length:], "big"))
        assert ec.openssl_verifies(digest, der, [])
        assert not ec.openssl_verifies(bytes(len(digest)), der, [])
        r, s = decode_dss_signature(ec.openssl("sign", ec.private, digest, []))
        value = b64(r.to_bytes(length, "big") + s.to_bytes(length, "big"))
        body = {"alg": algorithm, "digest": b64(digest), "value": value}
        assert ec.vault("verify", body) is True
        assert ec.vault("verify", {**body, "digest": b64(bytes(len(digest)))}) is False


def test_the_vault_returns_the_public_key_of_openssl(rsa):
    assert "d" not in rsa.bundle["key"]
    modulus = openssl("rsa", "-in", rsa.private, "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
    assert plain(rsa.bundle["key"]["n"]).hex().upper() == modulus
