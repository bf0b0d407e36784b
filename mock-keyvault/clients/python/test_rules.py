"""Vaults with their own rules, created through the resource provider: policies, roles, firewall, retention, throttling."""

import uuid
from datetime import timedelta

import pytest
import requests
import world
from azure.core.exceptions import HttpResponseError
from azure.keyvault.keys.crypto import KeyWrapAlgorithm
from test_refusals import check, refused

OAEP = KeyWrapAlgorithm.rsa_oaep_256
GROUP = f"/subscriptions/{world.SUBSCRIPTION}/resourceGroups/sealyard"
OWNER_OBJECT = "00000000-0000-4000-8000-00000000a0a3"


class Vault:
    """A vault for one test, with methods to manage it."""

    def __init__(self, program):
        self.program, self.name = program, "v" + uuid.uuid4().hex[:12]
        self.id = f"{GROUP}/providers/Microsoft.KeyVault/vaults/{self.name}"

    def arm(self, method, path, body=None, version="2023-07-01"):
        token = self.program.token(scope="https://management.azure.com/.default")
        url = f"https://localhost:{self.program.port}{path}?api-version={version}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.request(method, url, json=body, headers=headers, verify=self.program.ca, timeout=30)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    def make(self, policies=None, **properties):
        policies = {OWNER_OBJECT: ["all"], **(policies or {})}
        listed = [
            {"tenantId": world.TENANT, "objectId": object_id, "permissions": {"keys": keys}} for object_id, keys in policies.items()
        ]
        properties = {"tenantId": world.TENANT, "sku": {"family": "A", "name": "premium"}, "accessPolicies": listed, **properties}
        self.arm("PUT", self.id, {"location": "eastus", "properties": properties})
        return self

    def change(self, **properties):
        self.arm("PATCH", self.id, {"properties": properties})


@pytest.fixture
def vault(program):
    return Vault(program)


@pytest.fixture
def app(program, name):
    """A principal without permissions."""
    return program.admin("POST", "principals", {"displayName": name})


def of(app):
    return app["clientId"], app["secret"]


def test_a_client_that_may_wrap_and_unwrap_but_not_get_works(open_sdk, program, vault, app, name):
    vault.make({app["objectId"]: ["wrapKey", "unwrapKey"]})
    key = open_sdk(program, vault=vault.name).keys.create_rsa_key(name)
    sdk = open_sdk(program, *of(app), vault=vault.name)

    crypto = sdk.crypto(key.id)
    assert crypto.unwrap_key(OAEP, crypto.wrap_key(OAEP, b"remote").encrypted_key).key == b"remote"

    records = program.admin("GET", f"audit?vault={vault.name}&key={name}")["records"]
    found = [(record["operationName"], record["properties"]["httpStatusCode"]) for record in records]
    assert [one for one in found if one[1] != 401] == [("KeyCreate", 200), ("KeyGet", 403), ("KeyWrap", 200), ("KeyUnwrap", 200)]
    check(lambda: sdk.keys.get_key(name), 403, "Forbidden", "ForbiddenByPolicy", f"does not have keys get permission on key vault '{vault.name};location=eastus'")


def test_a_role_permits_its_actions_and_their_absence_is_refused(open_sdk, program, vault, app, name):
    vault.make(enableRbacAuthorization=True)
    owner_role = "00482a5a-887f-4fb3-b363-3b7fe8e74483"  # Key Vault Administrator
    user_role = "e147488a-f6f5-4113-8e2d-b22465e65bf6"  # Key Vault Crypto Service Encryption User

    def assign(role, object_id):
        definition = f"/subscriptions/{world.SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
        path = f"{vault.id}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"
        properties = {"roleDefinitionId": definition, "principalId": object_id, "principalType": "ServicePrincipal"}
        vault.arm("PUT", path, {"properties": properties}, version="2022-04-01")
        return path

    assign(owner_role, OWNER_OBJECT)
    key = open_sdk(program, vault=vault.name).keys.create_rsa_key(name)
    sdk = open_sdk(program, *of(app), vault=vault.name)
    words = "Action: 'Microsoft.KeyVault/vaults/keys/read'"
    check(lambda: sdk.keys.get_key(name), 403, "Forbidden", "ForbiddenByRbac", words)

    assigned = assign(user_role, app["objectId"])
    wrapped = sdk.crypto(key.id).wrap_key(OAEP, b"x").encrypted_key
    assert sdk.crypto(key.id).unwrap_key(OAEP, wrapped).key == b"x"
    check(lambda: sdk.delete(name), 403, "Forbidden", "ForbiddenByRbac", "keys/delete")
    vault.arm("DELETE", assigned, version="2022-04-01")
    check(lambda: sdk.crypto(key.id).unwrap_key(OAEP, wrapped), 403, "Forbidden", "ForbiddenByRbac", "keys/unwrap/action")


def test_a_firewall_refuses_clients_and_can_be_opened(open_sdk, program, vault, name):
    vault.make()
    sdk = open_sdk(program, vault=vault.name)
    sdk.keys.create_rsa_key(name)

    vault.change(networkAcls={"defaultAction": "Deny", "bypass": "None", "ipRules": []})
    check(lambda: sdk.keys.get_key(name), 403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.")
    vault.change(networkAcls={"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "127.0.0.1"}]})
    assert sdk.keys.get_key(name).name == name
    vault.change(publicNetworkAccess="Disabled")
    assert refused(sdk.keys.get_key, name)[:3] == (403, "Forbidden", "ForbiddenByConnection")


def test_keys_have_the_purge_protection_and_retention_of_their_vault(open_sdk, program, vault, name):
    vault.make(enablePurgeProtection=True, softDeleteRetentionInDays=7)
    sdk = open_sdk(program, vault=vault.name)
    made = sdk.keys.create_rsa_key(name)
    assert (made.properties.recovery_level, made.properties.recoverable_days) == ("CustomizedRecoverable", 7)

    deleted = sdk.delete(name)

    assert deleted.scheduled_purge_date - deleted.deleted_date == timedelta(days=7)
    words = 'Operation "purge" is not allowed because purge protection is enabled for this vault.'
    found = refused(sdk.keys.purge_deleted_key, name)
    assert found[:2] == (403, "Forbidden") and words in found[3]
    assert sdk.recover(name).id == made.id


def test_a_backup_is_restored_into_another_vault(open_sdk, program, vault, name):
    vault.make()
    there, here = open_sdk(program, vault=vault.name), open_sdk(program)
    key = here.keys.create_rsa_key(name)
    wrapped = here.crypto(key.id).wrap_key(OAEP, b"moved").encrypted_key

    restored = there.keys.restore_key_backup(here.keys.backup_key(name))

    assert restored.id == key.id.replace("local.", f"{vault.name}.", 1)
    assert there.crypto(restored.id).unwrap_key(OAEP, wrapped).key == b"moved"


def test_the_client_retries_throttled_calls(open_sdk, own_program):
    sdk = open_sdk(own_program, retry_backoff_factor=0.05)
    sdk.keys.create_rsa_key("k")
    own_program.admin("POST", "faults", {"on": "keys/getKey", "kind": "status", "status": 429, "times": 2})

    assert sdk.keys.get_key("k").name == "k"

    codes = [record["properties"]["httpStatusCode"] for record in own_program.admin("GET", "audit?operation=getKey")["records"]]
    assert codes == [429, 429, 200]
    patient = open_sdk(own_program, retry_total=0)
    patient.keys.get_key("k")
    own_program.admin("POST", "faults", {"on": "keys/getKey", "kind": "status", "status": 429, "times": 1})
    found = refused(patient.keys.get_key, "k")
    assert found[:2] == (429, "Throttled") and "VaultRequestTypeLimitReached" in found[3]


def test_an_unknown_vault_is_refused(open_sdk, program):
    with pytest.raises(HttpResponseError) as refused:
        open_sdk(program, vault="nowhere").keys.get_key("k")
    assert refused.value.status_code == 404
