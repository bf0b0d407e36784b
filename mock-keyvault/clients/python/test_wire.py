"""The calls that arrive at the vault, by its audit log: they show which operations the clients compute locally."""

import pytest
import world
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from test_crypto import digest_for, remote

OAEP = KeyWrapAlgorithm.rsa_oaep_256
RS256 = SignatureAlgorithm.rs256


def use_all(crypto):
    """Performs each of the six operations once."""
    assert crypto.unwrap_key(OAEP, crypto.wrap_key(OAEP, b"x").encrypted_key).key == b"x"
    encrypts = EncryptionAlgorithm.rsa_oaep_256
    assert crypto.decrypt(encrypts, crypto.encrypt(encrypts, b"y").ciphertext).plaintext == b"y"
    digest = digest_for(RS256)
    assert crypto.verify(RS256, digest, crypto.sign(RS256, digest).signature).is_valid


def seen(program, name):
    """The operations on a key, in order, without those that were refused for lack of a token."""
    records = program.admin("GET", f"audit?key={name}")["records"]
    return [record["operationName"] for record in records if record["properties"]["httpStatusCode"] != 401]


def test_a_client_with_the_public_key_only_calls_operations_that_need_the_private_key(sdk, name):
    key = sdk.keys.create_rsa_key(name)

    use_all(sdk.crypto(key.id))

    assert seen(sdk.program, name) == ["KeyCreate", "KeyGet", "KeyUnwrap", "KeyDecrypt", "KeySign"]


def test_a_client_without_the_public_key_calls_every_operation(sdk, name):
    key = sdk.keys.create_rsa_key(name)

    use_all(remote(sdk, key.id))

    assert seen(sdk.program, name) == ["KeyCreate", "KeyWrap", "KeyUnwrap", "KeyEncrypt", "KeyDecrypt", "KeySign", "KeyVerify"]


def test_a_principal_without_a_policy_is_refused_everything_and_its_removal_invalidates_its_tokens(open_sdk, program, sdk, name):
    key = sdk.keys.create_rsa_key(name)
    made = program.admin("POST", "principals", {"displayName": name})
    stranger = open_sdk(program, made["clientId"], made["secret"])

    for call in (
        lambda: stranger.keys.get_key(name),
        lambda: stranger.keys.create_rsa_key(name),
        lambda: stranger.crypto(key.id).wrap_key(OAEP, b"x"),
        lambda: stranger.keys.backup_key(name),
        lambda: list(stranger.keys.list_deleted_keys()),
    ):
        with pytest.raises(HttpResponseError) as refused:
            call()
        assert (refused.value.status_code, refused.value.error.innererror["code"]) == (403, "AccessDenied")
    # The vault refused the public key, so the client asked the vault to wrap.
    assert seen(program, name)[-3:] == ["KeyGet", "KeyWrap", "KeyBackup"]

    program.admin("DELETE", f"principals/{made['clientId']}")

    with pytest.raises(HttpResponseError) as refused:
        stranger.keys.get_key(name)
    assert refused.value.status_code in (400, 401)
