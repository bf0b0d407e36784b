"""The vault under another Host name, and after a restart on another port: old keys, old ciphertexts."""

import signal

import pytest
from azure.keyvault.keys.crypto import KeyWrapAlgorithm

OAEP, OAEP_256 = KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256


def moved(url, program, vault="local"):
    """A key id from before the restart, at the new address."""
    return program.url(vault) + "/" + url.split("/", 3)[3]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["asked", "killed"])
def test_after_a_restart_on_another_port_every_key_id_works_and_old_ciphertexts_decrypt(open_sdk, own_program, how):
    sdk, port = open_sdk(own_program), own_program.port
    kept = []
    for number in range(3):
        key = sdk.keys.create_rsa_key("kept", tags={"number": str(number)})
        kept.append((key, sdk.crypto(key).wrap_key(OAEP_256, b"%d" % number).encrypted_key))
    deleted = sdk.keys.create_rsa_key("deleted")
    wrapped = sdk.crypto(deleted).wrap_key(OAEP, b"deleted").encrypted_key
    sdk.delete("deleted")
    sdk.keys.update_key_properties("kept", kept[0][0].properties.version, enabled=False)

    own_program.stop(how)
    own_program.start()

    assert own_program.port != port
    again = open_sdk(own_program)
    for number, (key, ciphertext) in enumerate(kept):
        found = again.keys.get_key("kept", key.properties.version)
        assert found.id == moved(key.id, own_program) and found.key.n == key.key.n
        assert found.properties.tags == {"number": str(number)} and found.properties.enabled == (number > 0)
        if number > 0:
            assert again.crypto(moved(key.id, own_program)).unwrap_key(OAEP_256, ciphertext).key == b"%d" % number
    again.keys.update_key_properties("kept", kept[0][0].properties.version, enabled=True)
    assert again.crypto(moved(kept[0][0].id, own_program)).unwrap_key(OAEP_256, kept[0][1]).key == b"0"
    assert [item.name for item in again.keys.list_deleted_keys()] == ["deleted"]
    again.recover("deleted")
    assert again.crypto(moved(deleted.id, own_program)).unwrap_key(OAEP, wrapped).key == b"deleted"


def test_each_host_name_serves_the_same_key_and_appears_in_its_id(own_program):
    name, port = "host", own_program.port
    own_program.raw("POST", f"/keys/{name}/create", {"kty": "RSA"}).raise_for_status()
    wrapped = own_program.raw("POST", f"/keys/{name}/wrapkey", {"alg": "RSA-OAEP-256", "value": "c2VjcmV0"}).json()

    for host in (f"https://local.vault.localhost:{port}", f"https://localhost:{port}", f"https://127.0.0.1:{port}"):
        key = own_program.raw("GET", f"/keys/{name}", host=host).json()["key"]
        assert key["kid"].startswith(f"{host}/keys/{name}/")
        body = {"alg": "RSA-OAEP-256", "value": wrapped["value"]}
        answer = own_program.raw("POST", key["kid"].removeprefix(host) + "/unwrapkey", body, host=host).json()
        assert answer == {"kid": key["kid"], "value": "c2VjcmV0"}
