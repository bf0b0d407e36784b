"""Vaults, roles and network rules through Azure's management clients, and their effect on the key client."""

import itertools
import uuid

import pytest
import world
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient

GROUP = "clients"
CRYPTO_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
OWNER_OBJECT = "00000000-0000-4000-8000-00000000a0a3"
_count = itertools.count()


def management(kind, program, client=world.OWNER):
    """A management client that uses the address of the program instead of management.azure.com."""
    return kind(
        program.credential(client),
        world.SUBSCRIPTION,
        base_url=f"https://localhost:{program.port}",
        credential_scopes=["https://management.azure.com/.default"],
        connection_verify=program.ca,
    )


@pytest.fixture
def vaults(program):
    with management(KeyVaultManagementClient, program) as client:
        yield client.vaults


@pytest.fixture
def roles(program):
    with management(AuthorizationManagementClient, program) as client:
        yield client


@pytest.fixture
def vault():
    """The name of a vault that no other test has."""
    return f"kv-{next(_count)}-{uuid.uuid4().hex[:8]}"


def policy(object_id, *keys):
    return {"tenantId": world.TENANT, "objectId": object_id, "permissions": {"keys": list(keys)}}


def whole(**properties):
    sku = {"family": "A", "name": "standard"}
    return {"location": "eastus", "tags": {"made": "here"}, "properties": {"tenantId": world.TENANT, "sku": sku, **properties}}


def refused(call):
    with pytest.raises(HttpResponseError) as caught:
        call()
    return caught.value.status_code, caught.value.error.code


def test_a_vault_is_created_listed_changed_deleted_recovered_and_purged(program, vaults, vault):
    made = vaults.begin_create_or_update(GROUP, vault, whole(accessPolicies=[policy(OWNER_OBJECT, "all")])).result()
    sdk = world.Sdk(program, vault=vault)
    key = sdk.keys.create_rsa_key("k")

    assert made.properties.vault_uri == f"{program.url(vault)}/"
    assert made.properties.provisioning_state == "Succeeded"
    assert made.tags == {"made": "here"}
    assert vault in [one.name for one in vaults.list_by_resource_group(GROUP)]
    assert vault in [one.name for one in vaults.list_by_subscription()]
    assert vaults.update(GROUP, vault, {"tags": {"a": "b"}}).tags == {"a": "b"}

    vaults.delete(GROUP, vault)
    with pytest.raises(ResourceNotFoundError):
        vaults.get(GROUP, vault)
    with pytest.raises(HttpResponseError):
        sdk.keys.get_key("k")
    assert vault in [one.name for one in vaults.list_deleted()]
    assert vaults.get_deleted(vault, "eastus").properties.vault_id == made.id
    taken = vaults.check_name_availability({"name": vault, "type": "Microsoft.KeyVault/vaults"})
    assert (taken.name_available, taken.reason) == (False, "AlreadyExists")
    assert refused(lambda: vaults.begin_create_or_update(GROUP, vault, whole(accessPolicies=[])).result()) == (409, "ConflictError")

    back = vaults.begin_create_or_update(GROUP, vault, whole(createMode="recover")).result()
    assert back.tags == {"a": "b"}
    assert [one.object_id for one in back.properties.access_policies] == [OWNER_OBJECT]
    assert sdk.keys.get_key("k").id == key.id

    vaults.delete(GROUP, vault)
    vaults.begin_purge_deleted(vault, "eastus").wait()
    assert vault not in [one.name for one in vaults.list_deleted()]
    sdk.close()


def test_policies_are_added_and_removed_and_apply_at_once(program, vaults, vault):
    vaults.begin_create_or_update(GROUP, vault, whole(accessPolicies=[policy(OWNER_OBJECT, "all")])).result()
    owner, identity = world.Sdk(program, vault=vault), world.Sdk(program, client=world.IDENTITY, vault=vault)
    owner.keys.create_rsa_key("k")
    change = {"properties": {"accessPolicies": [policy(world.IDENTITY_OBJECT, "get")]}}

    assert refused(lambda: identity.keys.get_key("k")) == (403, "Forbidden")
    vaults.update_access_policy(GROUP, vault, "add", change)
    assert identity.keys.get_key("k").name == "k"
    vaults.update_access_policy(GROUP, vault, "remove", change)
    assert refused(lambda: identity.keys.get_key("k")) == (403, "Forbidden")
    owner.close()
    identity.close()


def test_a_role_grants_access_to_a_role_based_vault_and_its_removal_revokes_it(program, vaults, roles, vault):
    made = vaults.begin_create_or_update(GROUP, vault, whole(enableRbacAuthorization=True)).result()
    sdk = world.Sdk(program, vault=vault)
    found = list(roles.role_definitions.list(made.id, filter="roleName eq 'Key Vault Crypto Officer'"))
    name = str(uuid.uuid4())
    new = {"properties": {"roleDefinitionId": found[0].id, "principalId": OWNER_OBJECT, "principalType": "ServicePrincipal"}}

    assert refused(lambda: sdk.keys.create_rsa_key("k")) == (403, "Forbidden")
    assert len(found) == 1
    roles.role_assignments.create(made.id, name, new)
    assert sdk.keys.create_rsa_key("k").name == "k"
    again = lambda: roles.role_assignments.create(made.id, str(uuid.uuid4()), new)
    assert refused(again) == (409, "RoleAssignmentExists")
    assert name in [one.name for one in roles.role_assignments.list_for_scope(made.id, filter="atScope()")]
    roles.role_assignments.delete(made.id, name)
    assert refused(lambda: sdk.keys.get_key("k")) == (403, "Forbidden")
    sdk.close()


def test_a_closed_firewall_refuses_and_can_be_opened_again(program, vaults, vault):
    vaults.begin_create_or_update(GROUP, vault, whole(accessPolicies=[policy(OWNER_OBJECT, "all")])).result()
    sdk = world.Sdk(program, vault=vault)
    sdk.keys.create_rsa_key("k")

    vaults.update(GROUP, vault, {"properties": {"networkAcls": {"defaultAction": "Deny", "bypass": "None"}}})
    assert refused(lambda: sdk.keys.get_key("k")) == (403, "Forbidden")
    rules = {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "127.0.0.0/8"}]}
    vaults.update(GROUP, vault, {"properties": {"networkAcls": rules}})
    assert sdk.keys.get_key("k").name == "k"
    sdk.close()


def test_a_principal_without_a_role_cannot_manage_vaults(program, vault):
    with management(KeyVaultManagementClient, program, world.IDENTITY) as client:
        made = lambda: client.vaults.begin_create_or_update(GROUP, vault, whole(accessPolicies=[])).result()
        assert refused(made) == (403, "AuthorizationFailed")
