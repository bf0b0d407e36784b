"""Fills a data folder with some content of every kind that has rows. Returns the facts that the later reader needs."""

import base64
import hashlib
import json
import random
import time

from programs import SUBSCRIPTION, TENANT

OWNER_OBJECT = "00000000-0000-4000-8000-00000000a0a3"
CRYPTO_USER = "12338af0-0e69-4776-bea7-57ae8d297424"
GROUP = SUBSCRIPTION + "/resourceGroups/torture"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DEPLOYMENT = GROUP + "/providers/Microsoft.Resources/deployments/big"
BINARY = {"Content-Type": "application/octet-stream"}


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def expect(answer, *statuses):
    if answer.status not in (statuses or (200, 201, 202, 204)):
        raise AssertionError(f"expected {statuses}, got {answer.status}: {answer.body[:500]!r}")
    return answer


class Registry:
    """Pushes to one registry, which the host name selects."""

    def __init__(self, program, name, chance=None):
        self.client, self.name = program.http, name
        self.host = f"{name}.azurecr.localhost:{program.registry_port}"
        self.chance = chance or random.Random(0)

    def ask(self, method, path, body=None, headers=None):
        return self.client.ask(method, path, body, headers, self.host)

    def blob(self, repository, content):
        digest = digest_of(content)
        expect(self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", content, BINARY), 201)
        return digest

    def manifest(self, repository, references, document):
        body = json.dumps(document).encode()
        for reference in references or [digest_of(body)]:
            expect(self.ask("PUT", f"/v2/{repository}/manifests/{reference}", body, {"Content-Type": document["mediaType"]}), 201)
        return {"mediaType": document["mediaType"], "digest": digest_of(body), "size": len(body)}

    def image(self, repository, tags, sizes, push_blobs=True, **more):
        blobs = [self.chance.randbytes(size) for size in sizes]
        kind = "application/octet-stream"
        name = (lambda blob: self.blob(repository, blob)) if push_blobs else digest_of
        layers = [{"mediaType": kind, "digest": name(blob), "size": len(blob)} for blob in blobs]
        document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": layers[0], "layers": layers[1:], **more}
        return self.manifest(repository, tags, document)


def fill(program, chance, heavy):
    """Fills all kinds of content over HTTP. `heavy` makes the journal long enough for several segments and a checkpoint."""
    facts = {"vault": fill_vault(program, chance)}
    if program.service == "sealyard":
        facts["registry"] = fill_registry(program, chance)
        if heavy:
            write_deployments(program, chance, 40, 300_000)
    elif heavy:
        write_keys(program, chance, 3000)
    return facts


def fill_registry(program, chance):
    ask = program.http.ask
    expect(ask("POST", "/_sealyard/registries", {"name": "team1", "tags": {"made": "here"}}))
    expect(ask("POST", "/_sealyard/registries", {"name": "team2", "encryption": "disabled"}))
    for name in ("local", "team1", "team2"):
        registry = Registry(program, name, chance)
        first = registry.image("app/one", ["v1", "v2", "latest"], [120, 5000, 300])
        second = registry.image("app/one", ["v3"], [130, 700_000, 4096])
        listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [first, second]}
        registry.manifest("app/one", ["all"], listed)
        registry.image("app/one", [], [50, 90], subject=first, artifactType="application/vnd.example.signature")
        registry.image("app/two", [f"t{number}" for number in range(12)], [60, 8000])
        registry.image("app/gone", ["gone"], [70])
        expect(registry.ask("DELETE", "/v2/app/two/manifests/t11"), 202)
        expect(registry.ask("DELETE", "/acr/v1/app/gone"), 202)
        lock = {"writeEnabled": False, "deleteEnabled": False}
        expect(registry.ask("PATCH", "/acr/v1/app/one/_tags/v1", lock))
        log = b"step\n" * 200
        expect(ask("POST", f"/_sealyard/registries/{name}/runs?name=build", log, BINARY), 201)
    local = Registry(program, "local", chance)
    began = expect(local.ask("POST", "/v2/app/one/blobs/uploads/", b""), 202)
    expect(local.ask("PATCH", began.headers["location"], chance.randbytes(300_000), BINARY), 202)
    expect(ask("POST", "/_sealyard/registries/local/key", {"operation": "rotate", "wait": True}))
    local.image("app/one", ["after-rotation"], [110, 9000])
    expect(ask("POST", "/_sealyard/registries/team1/tokens", {"name": "reader", "actions": ["repositories/app/one/content/read"]}))
    write_deployments(program, chance, 2, 5000)
    return {"upload": began.headers["location"]}


def write_deployments(program, chance, times, size):
    """Repeats one deployment with a large template: the journal grows, but the rows do not."""
    schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
    for _ in range(times):
        text = chance.randbytes(size).hex()
        template = {"$schema": schema, "contentVersion": "1.0.0.0", "resources": [], "metadata": {"text": text}}
        expect(program.arm("PUT", DEPLOYMENT, "2021-04-01", {"properties": {"mode": "Incremental", "template": template}}))
        until = time.monotonic() + 20
        while program.arm("GET", DEPLOYMENT, "2021-04-01").json()["properties"]["provisioningState"] != "Succeeded":
            if time.monotonic() > until:
                raise AssertionError("the deployment does not end")
            time.sleep(0.005)


def fill_vault(program, chance):
    if program.service == "sealyard":
        expect(program.arm("PUT", GROUP, "2022-12-01", {"location": "eastus", "tags": {"made": "here"}}))
    policy = {"tenantId": TENANT, "objectId": OWNER_OBJECT, "permissions": {"keys": ["all"]}}
    sku = {"family": "A", "name": "standard"}
    properties = {"tenantId": TENANT, "sku": sku, "accessPolicies": [policy], "networkAcls": {"defaultAction": "Allow"}}
    second = GROUP + "/providers/Microsoft.KeyVault/vaults/second"
    expect(program.arm("PUT", second, "2023-07-01", {"location": "eastus", "tags": {"made": "here"}, "properties": properties}))
    role = f"{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{CRYPTO_USER}"
    assignment = {"properties": {"roleDefinitionId": role, "principalId": OWNER_OBJECT, "principalType": "ServicePrincipal"}}
    name = "10000000-0000-4000-8000-000000000001"
    expect(program.arm("PUT", f"{second}/providers/Microsoft.Authorization/roleAssignments/{name}", "2022-04-01", assignment))
    for vault in ("local", "second"):
        ask = lambda *arguments, vault=vault: expect(program.vault(*arguments, vault=vault))  # noqa: E731
        ask("POST", "/keys/rsa/create", {"kty": "RSA", "key_size": 2048, "tags": {"made": "here"}})
        ask("POST", "/keys/rsa/rotate", {})
        ask("POST", "/keys/rsa/rotate", {})
        ask("POST", "/keys/ec/create", {"kty": "EC", "crv": "P-256"})
        ask("POST", "/keys/deleted/create", {"kty": "EC", "crv": "P-384"})
        ask("DELETE", "/keys/deleted")
        ask("PUT", "/keys/ec/rotationpolicy", {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}]})
        for number in range(6):
            ask("POST", f"/keys/ec{number}/create", {"kty": "EC", "crv": "P-256"})
            ask("PATCH", f"/keys/ec{number}/", {"attributes": {"enabled": number % 2 == 0}, "tags": {"number": str(number)}})
    wrapped = []
    for vault in ("local", "second"):
        for item in program.vault("GET", "/keys/rsa/versions", vault=vault).json()["value"]:
            version = item["kid"].rsplit("/", 1)[1]
            secret = base64.urlsafe_b64encode(chance.randbytes(32)).decode().rstrip("=")
            body = {"alg": "RSA-OAEP-256", "value": secret}
            made = expect(program.vault("POST", f"/keys/rsa/{version}/wrapkey", body, vault=vault)).json()
            wrapped.append({"vault": vault, "version": version, "secret": secret, "wrapped": made["value"]})
    body = {"alg": "ES256", "value": base64.urlsafe_b64encode(hashlib.sha256(b"text").digest()).decode().rstrip("=")}
    signature = expect(program.vault("POST", "/keys/ec/sign", body)).json()
    return {"wrapped": wrapped, "signature": {**body, "signature": signature["value"], "version": signature["kid"].rsplit("/", 1)[1]}}


def write_keys(program, chance, times):
    """Changes the tags of one key again and again, a few kilobytes each: the journal grows, but the rows do not."""
    for _ in range(times):
        tags = {f"tag{number}": chance.randbytes(128).hex() for number in range(15)}
        expect(program.vault("PATCH", "/keys/ec0/", {"tags": tags}))
