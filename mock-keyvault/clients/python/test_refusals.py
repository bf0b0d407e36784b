"""Every refusal, as the clients see it: class of the exception, status, code, inner code and message."""

import pytest
import world
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from test_keys import moment

OAEP, OAEP_256 = KeyWrapAlgorithm.rsa_oaep, KeyWrapAlgorithm.rsa_oaep_256


def refused(call, *arguments, **named):
    """Status, code, inner code and message of the exception that a call raises."""
    with pytest.raises(HttpResponseError) as caught:
        call(*arguments, **named)
    error = caught.value
    inner = (error.error.innererror or {}).get("code") if error.error else None
    return error.status_code, error.error and error.error.code, inner, error.message


def check(call, status, code, inner, words):
    found = refused(call)
    assert found[:3] == (status, code, inner), found
    assert words in found[3], found


def test_an_unknown_key_is_not_found(sdk, name):
    words = f"A key with (name/id) {name} was not found in this key vault."
    check(lambda: sdk.keys.get_key(name), 404, "KeyNotFound", None, words)
    with pytest.raises(ResourceNotFoundError):
        sdk.keys.update_key_properties(name, enabled=True)
    with pytest.raises(ResourceNotFoundError):
        sdk.delete(name)
    check(lambda: sdk.keys.get_deleted_key(name), 404, "KeyNotFound", None, f"Deleted Key not found: {name}")
    check(lambda: sdk.keys.purge_deleted_key(name), 404, "KeyNotFound", None, f"Deleted Key not found: {name}")
    sdk.keys.create_rsa_key(name)
    absent = "0" * 32
    check(lambda: sdk.keys.get_key(name, absent), 404, "KeyNotFound", None, f"{name}/{absent}")


def test_a_wrong_secret_or_an_unknown_client_gets_no_token(open_sdk, program):
    for client, secret in [(world.OWNER, "wrong"), ("00000000-0000-4000-8000-0000000000ff", world.SECRET)]:
        with pytest.raises(ClientAuthenticationError) as caught:
            open_sdk(program, client, secret).keys.get_key("any")
        assert "AADSTS7000215" in str(caught.value) or "AADSTS700016" in str(caught.value)


def test_a_disabled_key_cannot_be_used_until_it_is_enabled(sdk, name):
    key = sdk.keys.create_rsa_key(name)
    crypto = sdk.crypto(key)
    wrapped = crypto.wrap_key(OAEP_256, b"data key").encrypted_key
    sdk.keys.update_key_properties(name, enabled=False)

    words = "Operation unwrapKey is not allowed on a disabled key."
    check(lambda: crypto.unwrap_key(OAEP_256, wrapped), 403, "Forbidden", "KeyDisabled", words)
    assert sdk.keys.get_key(name).properties.enabled is False
    sdk.keys.update_key_properties(name, enabled=True)
    assert crypto.unwrap_key(OAEP_256, wrapped).key == b"data key"


def test_an_operation_that_the_key_does_not_have_is_refused(sdk, name):
    key = sdk.keys.create_rsa_key(name, key_operations=["wrapKey"])
    crypto = sdk.crypto(key.id)
    wrapped = crypto.wrap_key(OAEP_256, b"x").encrypted_key

    answer = sdk.program.raw("POST", f"/keys/{name}/unwrapkey", {"alg": "RSA-OAEP-256", "value": "AA"})

    assert answer.status_code == 403
    assert answer.json()["error"] == {
        "code": "Forbidden", "message": "Operation unwrapKey is not permitted on this key.",
        "innererror": {"code": "KeyOperationForbidden"},
    }
    check(lambda: crypto.unwrap_key(OAEP_256, wrapped), 403, "Forbidden", "KeyOperationForbidden", "unwrapKey")


def test_outside_its_validity_a_key_unwraps_but_does_not_wrap(sdk, name):
    key = sdk.keys.create_rsa_key(name)
    wrapped = sdk.crypto(key).wrap_key(OAEP, b"x").encrypted_key

    for inner, words, times in [
        ("KeyExpired", "Operation wrapKey is not allowed on an expired key.", {"not_before": moment(days=-9), "expires_on": moment(days=-1)}),
        ("KeyNotYetValid", "Operation wrapKey is not allowed on a key that is not yet valid.", {"not_before": moment(days=1), "expires_on": moment(days=9)}),
    ]:
        sdk.keys.update_key_properties(name, **times)
        answer = sdk.program.raw("POST", f"/keys/{name}/wrapkey", {"alg": "RSA-OAEP", "value": "AA"})
        assert (answer.status_code, answer.json()["error"]["innererror"]["code"]) == (403, inner)
        assert answer.json()["error"]["message"] == words
        assert sdk.crypto(key.id).unwrap_key(OAEP, wrapped).key == b"x"


def test_a_refusal_names_the_principal_and_the_missing_permission(open_sdk, program, sdk, name):
    sdk.keys.create_rsa_key(name)
    identity = open_sdk(program, world.IDENTITY)

    assert identity.keys.get_key(name).name == name
    found = refused(identity.keys.create_rsa_key, name)
    assert found[:3] == (403, "Forbidden", "ForbiddenByPolicy")
    assert f"'appid={world.IDENTITY};oid={world.IDENTITY_OBJECT};iss=https://sts.windows.net/{world.TENANT}/' does not have keys create permission on key vault 'local;location=" in found[3]
    check(lambda: list(identity.keys.list_properties_of_keys()), 403, "Forbidden", "ForbiddenByPolicy", "keys list permission")
    check(lambda: identity.delete(name), 403, "Forbidden", "ForbiddenByPolicy", "keys delete permission")


def test_a_failed_unwrap_is_refused_without_a_reason(sdk, name):
    crypto = sdk.crypto(sdk.keys.create_rsa_key(name))
    for algorithm in (OAEP, OAEP_256):
        for value in (b"\x01" * 256, b"\x01" * 255, b"\x01"):
            words = "Unable to decrypt specified value with this key."
            check(lambda: crypto.unwrap_key(algorithm, value), 400, "BadParameter", None, words)


def test_the_challenge_is_verified_and_refuses_localhost(open_sdk, own_program):
    own_program.url = lambda vault="local": f"https://localhost:{own_program.port}"
    with pytest.raises(ValueError, match="does not match the requested domain"):
        open_sdk(own_program).keys.get_key("any")
    check(lambda: open_sdk(own_program, verify_challenge_resource=False).keys.get_key("any"), 404, "KeyNotFound", None, "any")


def test_a_certificate_of_an_untrusted_authority_is_not_accepted(open_sdk, own_program, program):
    own_program.ca = program.ca
    with pytest.raises(Exception, match="(?i)certificate verify failed"):
        open_sdk(own_program, retry_total=0).keys.get_key("any")
