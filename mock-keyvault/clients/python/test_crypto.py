"""CryptographyClient: every algorithm with every type of key, with and without a version, local and in the vault.

The Python client encrypts, wraps and verifies locally as soon as it may read the public key. A client that may not read it
sends every operation to the vault; each test runs with both.
"""

import hashlib

import pytest
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm

# As enums, which the documentation requires: with text, the local computation fails and the client asks the vault instead.
WRAPS = [KeyWrapAlgorithm(name) for name in ("RSA1_5", "RSA-OAEP", "RSA-OAEP-256")]
RSA_SIGNS = [SignatureAlgorithm(name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")]
CURVES = {curve: SignatureAlgorithm(name) for curve, name in {"P-256": "ES256", "P-256K": "ES256K", "P-384": "ES384", "P-521": "ES512"}.items()}
SIZES = [2048, 3072, 4096]


def digest_for(algorithm):
    return hashlib.new("sha" + algorithm.value[2:5], b"what is signed").digest()


@pytest.fixture(scope="module")
def rsa_keys(program):
    """A key id for each size. Large keys take long to generate, so all tests share them."""
    made = {}
    for size in SIZES:
        answer = program.raw("POST", f"/keys/crypto-{size}/create", {"kty": "RSA", "key_size": size})
        made[size] = answer.json()["key"]["kid"]
    return made


def remote(sdk, key_id):
    """A client that sends every operation to the vault, because it behaves as if the public key had been refused."""
    crypto = sdk.crypto(key_id)
    getattr(crypto, "_wrapped", crypto)._keys_get_forbidden = True
    return crypto


@pytest.fixture(params=["local", "remote"])
def client_of(request, sdk):
    """Creates a CryptographyClient of a key id: one that reads the key first, or one that behaves as if it may not read it."""

    def make(key_id):
        return remote(sdk, key_id) if request.param == "remote" else sdk.crypto(key_id)

    return make


@pytest.fixture(params=["with a version", "without"])
def key_id_of(request):
    def of(key_id):
        return key_id if request.param == "with a version" else key_id.rsplit("/", 1)[0]

    return of


@pytest.mark.parametrize("size", SIZES)
def test_wrapped_and_encrypted_values_are_recovered(rsa_keys, size, client_of, key_id_of):
    crypto = client_of(key_id_of(rsa_keys[size]))
    for algorithm in WRAPS:
        wrapped = crypto.wrap_key(algorithm, b"data key")
        assert len(wrapped.encrypted_key) * 8 == size
        assert crypto.unwrap_key(algorithm, wrapped.encrypted_key).key == b"data key"
        encrypts = EncryptionAlgorithm(algorithm.value)
        encrypted = crypto.encrypt(encrypts, b"plain")
        assert crypto.decrypt(encrypts, encrypted.ciphertext).plaintext == b"plain"


@pytest.mark.parametrize("size", SIZES)
def test_an_rsa_key_only_verifies_its_own_signatures(rsa_keys, size, client_of, key_id_of):
    crypto = client_of(key_id_of(rsa_keys[size]))
    for algorithm in RSA_SIGNS:
        digest = digest_for(algorithm)
        signature = crypto.sign(algorithm, digest).signature
        assert crypto.verify(algorithm, digest, signature).is_valid
        assert not crypto.verify(algorithm, bytes(len(digest)), signature).is_valid
        assert not crypto.verify(algorithm, digest, bytes([signature[0] ^ 1]) + signature[1:]).is_valid


@pytest.mark.parametrize("curve", CURVES)
def test_an_elliptic_key_only_verifies_its_own_signatures(sdk, name, curve, client_of, key_id_of):
    key = sdk.keys.create_ec_key(name, curve=curve)
    crypto, algorithm = client_of(key_id_of(key.id)), CURVES[curve]
    digest = digest_for(algorithm)
    signature = crypto.sign(algorithm, digest).signature
    assert len(signature) == 2 * {"P-256": 32, "P-256K": 32, "P-384": 48, "P-521": 66}[curve]
    assert crypto.verify(algorithm, digest, signature).is_valid
    assert not crypto.verify(algorithm, bytes(len(digest)), signature).is_valid
    assert not crypto.verify(algorithm, digest, bytes([signature[0] ^ 1]) + signature[1:]).is_valid


def test_the_vault_decrypts_local_results_and_its_own(sdk, rsa_keys):
    by_client, by_vault = sdk.crypto(rsa_keys[2048]), remote(sdk, rsa_keys[2048])
    for algorithm in WRAPS:
        for one in (by_client, by_vault):
            wrapped = one.wrap_key(algorithm, b"crosswise").encrypted_key
            assert by_vault.unwrap_key(algorithm, wrapped).key == b"crosswise"
    for algorithm in RSA_SIGNS:
        digest = digest_for(algorithm)
        signature = by_vault.sign(algorithm, digest).signature
        assert by_client.verify(algorithm, digest, signature).is_valid and by_vault.verify(algorithm, digest, signature).is_valid


def test_an_older_version_unwraps_its_wrapped_values(sdk, name):
    old = sdk.keys.create_rsa_key(name)
    wrapped = sdk.crypto(old.id).wrap_key(WRAPS[2], b"old").encrypted_key
    new = sdk.keys.create_rsa_key(name)
    assert sdk.crypto(old.id).unwrap_key(WRAPS[2], wrapped).key == b"old"
    assert sdk.crypto(new.id.rsplit("/", 1)[0]).wrap_key(WRAPS[2], b"x").key_id.startswith(new.id.rsplit("/", 1)[0])
