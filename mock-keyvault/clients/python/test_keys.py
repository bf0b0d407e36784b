"""KeyClient: every operation on keys, over both transports, with the challenge verified."""

from datetime import datetime, timedelta, timezone

import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.keyvault.keys import JsonWebKey, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction
from azure.keyvault.keys.crypto import EncryptionAlgorithm, KeyWrapAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

RSA_OPERATIONS = {"encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"}


def moment(**delta):
    """A time in whole seconds, as on the wire."""
    return datetime.now(timezone.utc).replace(microsecond=0) + timedelta(**delta)


@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_an_rsa_key_of_each_size_is_created(sdk, name, size):
    key = sdk.keys.create_rsa_key(name, size=size)

    assert (key.name, key.key_type) == (name, "RSA")
    assert key.id == f"{sdk.program.url()}/keys/{name}/{key.properties.version}"
    assert len(key.key.n) * 8 == size and key.key.e == b"\x01\x00\x01"
    assert set(key.key_operations) == RSA_OPERATIONS
    assert key.properties.enabled and key.properties.created_on == key.properties.updated_on
    assert key.properties.recovery_level == "Recoverable+Purgeable" and key.properties.recoverable_days == 90
    assert not any([key.key.d, key.key.p, key.key.q, key.key.dp, key.key.dq, key.key.qi])


@pytest.mark.parametrize("curve, length", [("P-256", 32), ("P-256K", 32), ("P-384", 48), ("P-521", 66)])
def test_an_elliptic_key_of_each_curve_is_created(sdk, name, curve, length):
    key = sdk.keys.create_ec_key(name, curve=curve)

    assert (key.key_type, key.key.crv, set(key.key_operations)) == ("EC", curve, {"sign", "verify"})
    assert (len(key.key.x), len(key.key.y), key.key.d) == (length, length, None)
    assert sdk.keys.get_key(name).key.x == key.key.x


def test_hardware_keys_are_created_and_shown_as_such(sdk, name):
    assert sdk.keys.create_rsa_key(name, hardware_protected=True).key_type == "RSA-HSM"
    assert sdk.keys.create_ec_key(f"{name}-ec", hardware_protected=True).key_type == "EC-HSM"


def test_an_external_key_is_imported_and_its_private_part_is_never_returned(sdk, name):
    numbers = rsa.generate_private_key(65537, 2048).private_numbers()
    parts = {"d": numbers.d, "p": numbers.p, "q": numbers.q, "dp": numbers.dmp1, "dq": numbers.dmq1, "qi": numbers.iqmp}
    parts |= {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e}
    jwk = JsonWebKey(kty="RSA", key_ops=["decrypt"], **{part: value.to_bytes((value.bit_length() + 7) // 8, "big") for part, value in parts.items()})

    imported = sdk.keys.import_key(name, jwk, tags={"from": "elsewhere"}, enabled=True)

    assert imported.key.n == jwk.n and imported.key.d is None and imported.key.p is None
    assert sdk.keys.get_key(name).properties.tags == {"from": "elsewhere"}
    public = numbers.public_numbers.public_key()
    by_local = public.encrypt(b"plain", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    assert sdk.crypto(imported.id).decrypt(EncryptionAlgorithm.rsa_oaep_256, by_local).plaintext == b"plain"


def test_a_key_is_restored_from_its_backup_with_all_versions(sdk, name):
    versions = [sdk.keys.create_rsa_key(name, tags={"n": str(n)}) for n in range(2)]
    wrapped = sdk.crypto(versions[0].id).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"old").encrypted_key
    backup = sdk.keys.backup_key(name)
    with pytest.raises(ResourceExistsError):
        sdk.keys.restore_key_backup(backup)
    sdk.delete(name)
    with pytest.raises(ResourceExistsError):
        sdk.keys.restore_key_backup(backup)
    sdk.keys.purge_deleted_key(name)

    restored = sdk.keys.restore_key_backup(backup)

    assert restored.id == versions[1].id and restored.key.n == versions[1].key.n
    assert sorted(item.id for item in sdk.keys.list_properties_of_key_versions(name)) == sorted(key.id for key in versions)
    assert sdk.crypto(versions[0].id).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == b"old"
    with pytest.raises(HttpResponseError) as damaged:
        sdk.keys.restore_key_backup(backup[:-9] + bytes(9))
    assert damaged.value.status_code in (400, 409)


def test_a_key_is_rotated_on_request_and_its_policy_is_stored(sdk, name):
    first = sdk.keys.create_rsa_key(name, size=3072, tags={"kept": "yes"})
    rotate = KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P2M")

    kept = sdk.keys.update_key_rotation_policy(name, KeyRotationPolicy(), expires_in="P90D", lifetime_actions=[rotate])
    found = sdk.keys.get_key_rotation_policy(name)
    rotated = sdk.keys.rotate_key(name)

    for policy in (kept, found):
        assert policy.expires_in == "P90D" and policy.id == f"{sdk.program.url()}/keys/{name}/rotationpolicy"
        assert [(action.action, action.time_after_create, action.time_before_expiry) for action in policy.lifetime_actions] == [
            (KeyRotationPolicyAction.rotate, "P2M", None), (KeyRotationPolicyAction.notify, None, "P30D")
        ]
    assert rotated.id != first.id and rotated.properties.tags == {"kept": "yes"} and len(rotated.key.n) * 8 == 3072
    assert rotated.properties.expires_on - rotated.properties.created_on == timedelta(days=90)
    assert sdk.keys.get_key(name).id == rotated.id and sdk.keys.get_key(name, first.properties.version).id == first.id


def test_a_key_is_created_with_all_attributes(sdk, name):
    begins, ends = moment(days=-1), moment(days=30)

    made = sdk.keys.create_rsa_key(
        name, key_operations=["wrapKey", "unwrapKey"], not_before=begins, expires_on=ends, enabled=False, tags={"a": "b", "ü": "€"}
    )

    for key in (made, sdk.keys.get_key(name), sdk.keys.get_key(name, made.properties.version)):
        assert key.key_operations == ["wrapKey", "unwrapKey"]
        assert (key.properties.not_before, key.properties.expires_on) == (begins, ends)
        assert key.properties.enabled is False and key.properties.tags == {"a": "b", "ü": "€"}


def test_versions_are_stored_and_the_newest_is_the_default(sdk, name):
    versions = [sdk.keys.create_rsa_key(name).properties.version for _ in range(3)]

    assert len(set(versions)) == 3
    assert sdk.keys.get_key(name).properties.version == versions[-1]
    for version in versions:
        assert sdk.keys.get_key(name, version).properties.version == version
    listed = list(sdk.keys.list_properties_of_key_versions(name))
    assert sorted(item.version for item in listed) == sorted(versions)
    assert all(item.name == name and item.id.startswith(sdk.program.url()) for item in listed)


def test_keys_are_listed_page_by_page(open_sdk, own_program):
    sdk = open_sdk(own_program)
    names = [f"page-{number}" for number in range(4)]
    for name in names:
        sdk.keys.create_rsa_key(name)

    pages = [[item.name for item in page] for page in sdk.keys.list_properties_of_keys(max_page_size=3).by_page()]

    assert [len(page) for page in pages] == [3, 1]
    assert sum(pages, []) == names
    assert [item.name for item in sdk.keys.list_properties_of_keys()] == names


def test_properties_are_updated_and_the_key_material_does_not_change(sdk, name):
    made = sdk.keys.create_rsa_key(name, tags={"old": "1"})
    ends = moment(days=3)

    changed = sdk.keys.update_key_properties(name, enabled=False, expires_on=ends, tags={"new": "2"}, key_operations=["wrapKey"])
    by_version = sdk.keys.update_key_properties(name, made.properties.version, enabled=True)

    assert changed.key.n == made.key.n and changed.id == made.id
    assert (changed.properties.enabled, changed.properties.expires_on) == (False, ends)
    assert changed.properties.tags == {"new": "2"} and changed.key_operations == ["wrapKey"]
    assert by_version.properties.enabled and by_version.properties.tags == {"new": "2"}


def test_a_key_is_deleted_listed_recovered_deleted_and_purged(sdk, name):
    made = sdk.keys.create_rsa_key(name)

    deleted = sdk.delete(name)

    assert deleted.name == name and deleted.recovery_id == f"{sdk.program.url()}/deletedkeys/{name}"
    assert deleted.scheduled_purge_date - deleted.deleted_date == timedelta(days=90)
    with pytest.raises(ResourceNotFoundError):
        sdk.keys.get_key(name)
    assert name in [item.name for item in sdk.keys.list_deleted_keys()]
    assert sdk.keys.get_deleted_key(name).key.n == made.key.n
    with pytest.raises(ResourceExistsError) as taken:
        sdk.keys.create_rsa_key(name)
    assert taken.value.error.innererror["code"] == "ObjectIsDeletedButRecoverable"
    assert sdk.recover(name).id == made.id
    assert sdk.keys.get_key(name).key.n == made.key.n
    sdk.delete(name)
    sdk.keys.purge_deleted_key(name)
    assert name not in [item.name for item in sdk.keys.list_deleted_keys()]
    for gone in (sdk.keys.get_deleted_key, sdk.keys.get_key):
        with pytest.raises(ResourceNotFoundError):
            gone(name)
    assert sdk.keys.create_rsa_key(name).id != made.id


@pytest.mark.parametrize("version", ["7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01"])
def test_each_api_version_of_the_sdk_is_served(open_sdk, program, name, version):
    sdk = open_sdk(program, api_version=version)
    made = sdk.keys.create_rsa_key(name)
    assert sdk.keys.get_key(name).id == made.id


def test_a_policy_rotates_the_key_when_it_is_due(open_sdk, own_program):
    sdk = open_sdk(own_program)
    first = sdk.keys.create_rsa_key("acts")
    rotate = KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P30D")
    sdk.keys.update_key_rotation_policy("acts", KeyRotationPolicy(), lifetime_actions=[rotate])
    wrapped = sdk.crypto(first.id).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"old").encrypted_key

    own_program.admin("POST", "clock", {"advance": "P31D"})

    # Tokens have expired by the moved clock, so the test creates new clients.
    sdk = open_sdk(own_program)
    latest = sdk.keys.get_key("acts")
    assert latest.id != first.id
    assert len(list(sdk.keys.list_properties_of_key_versions("acts"))) == 2
    assert sdk.crypto(first.id).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == b"old"
