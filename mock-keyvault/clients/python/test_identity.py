"""Credentials: managed identities as on a virtual machine and in App Service, and creating and removing principals."""

import asyncio

import pytest
import world
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import CredentialUnavailableError, DefaultAzureCredential, ManagedIdentityCredential
from azure.identity.aio import ManagedIdentityCredential as AsyncManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.aio import KeyClient as AsyncKeyClient

RESOURCE = (
    f"/subscriptions/{world.SUBSCRIPTION}/resourcegroups/sealyard/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/sealyard"
)
NOBODY = "00000000-0000-4000-8000-0000000000ff"


@pytest.fixture(params=["virtual machine", "App Service"])
def machine(request, program, monkeypatch):
    """The environment that a client finds in Azure, with the addresses of the vault."""
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    if request.param == "App Service":
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{program.address}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", world.SECRET)
    else:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", f"http://{program.address}")
    return request.param


def read(program, credential, key):
    with credential, KeyClient(program.url(), credential, connection_verify=program.ca) as keys:
        return keys.get_key(key).id


@pytest.mark.parametrize(
    "chosen",
    [
        {},
        {"client_id": world.IDENTITY},
        {"identity_config": {"object_id": world.IDENTITY_OBJECT}},
        {"identity_config": {"resource_id": RESOURCE}},
    ],
)
def test_a_managed_identity_needs_no_secret(machine, program, sdk, name, chosen):
    made = sdk.keys.create_rsa_key(name, size=2048)

    assert read(program, ManagedIdentityCredential(**chosen), name) == made.id


def test_a_managed_identity_needs_no_secret_over_aiohttp(machine, program, sdk, name):
    made = sdk.keys.create_rsa_key(name, size=2048)

    async def found():
        session = world.aiohttp.ClientSession(connector=world.aiohttp.TCPConnector(resolver=world.LocalResolver()))
        transport = world.AioHttpTransport(session=session, session_owner=True, connection_verify=program.ca)
        async with AsyncManagedIdentityCredential() as credential:
            async with AsyncKeyClient(program.url(), credential, transport=transport) as keys:
                return (await keys.get_key(name)).id

    assert asyncio.run(found()) == made.id


def test_the_default_credential_finds_the_managed_identity(machine, program, sdk, name):
    made = sdk.keys.create_rsa_key(name, size=2048)

    assert read(program, DefaultAzureCredential(), name) == made.id


def test_an_unknown_identity_is_not_found(machine, program):
    with ManagedIdentityCredential(client_id=NOBODY) as credential, pytest.raises(CredentialUnavailableError) as refused:
        credential.get_token("https://vault.azure.net/.default")

    words = {"virtual machine": "Identity not found", "App Service": "No User Assigned or Delegated Managed Identity found"}
    assert words[machine] in str(refused.value)


def test_the_next_call_of_a_removed_principal_is_refused(program, sdk, open_sdk, name):
    sdk.keys.create_rsa_key(name, size=2048)
    made = program.admin("POST", "principals", {"displayName": name})
    other = open_sdk(program, made["clientId"], made["secret"])

    with pytest.raises(HttpResponseError) as not_yet:
        other.keys.get_key(name)
    program.admin("DELETE", f"principals/{made['clientId']}")
    with pytest.raises(ClientAuthenticationError) as removed:
        other.keys.get_key(name)

    assert not_yet.value.status_code == 403
    assert made["clientId"] in str(removed.value)
