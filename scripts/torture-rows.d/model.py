"""Reads all content that a program has stored into a dictionary that can be compared.

A name is a tuple: the kind of the thing, and the terms by which a user would know it. A text names a thing if all of these
terms are in it. Values are short texts, or hashes of answers.
"""

import hashlib
import json
import re

from fill import DEPLOYMENT, INDEX, MANIFEST, Registry, digest_of
from programs import SUBSCRIPTION

# Things that depend on others: their loss is allowed when one of the others is lost and named.
DERIVED = {"counts", "listed", "referrers", "acr-repository", "acr-tag"}
REGISTRIES = ("local", "team1", "team2")


def clean(text, program):
    """Replaces ports and folders, which change with each start."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    for port in (getattr(program, "registry_port", 0), program.azure_port):
        text = text.replace(f":{port}", ":PORT")
    text = re.sub(r"(127\.0\.0\.1|localhost):\d+", r"\1:PORT", text)
    return text.replace(program.folder, "FOLDER")


def short(text):
    return text if len(text) < 300 else hashlib.sha256(text.encode()).hexdigest()


class Reader:
    def __init__(self, program, facts):
        self.program, self.facts, self.found = program, facts, {}

    def put(self, name, answer, only=None):
        """Records an answer: its status and its body, or one part of its document."""
        if answer.status != 200:
            self.found[name] = f"{answer.status} {clean(answer.body, self.program)[:500]}"
            return None
        document = answer.json()
        self.found[name] = short(clean(json.dumps(only(document) if only else document, sort_keys=True), self.program))
        return document

    def read(self):
        if self.program.service == "mock-keyvault":
            self.read_vault()
        else:
            for name in REGISTRIES:
                self.read_registry(name)
            self.read_resources()
        # A 404 is the absence of an entry.
        return {name: value for name, value in self.found.items() if not value.startswith("404")}

    # --- the vault ---

    def read_vault(self):
        ask = self.program.vault
        for vault in ("local", "second"):
            get = lambda path, vault=vault: ask("GET", path, vault=vault)  # noqa: E731
            keys = self.put(("listed keys of " + vault,), get("/keys"), lambda found: sorted(one["kid"] for one in found["value"]))
            names = {one["kid"].rsplit("/", 1)[1] for one in (keys or {"value": []})["value"]}
            for key in sorted((names | {f"ec{number}" for number in range(6)} | {"rsa", "ec"}) - {"probe"}):
                answer = get(f"/keys/{key}/versions")
                listed = answer.json()["value"] if answer.status == 200 else []
                for one in listed:
                    version = one["kid"].rsplit("/", 1)[1]
                    self.put(("version of " + vault, key, version), get(f"/keys/{key}/{version}"))
                if not listed:
                    self.found[("version of " + vault, key)] = f"{answer.status} {answer.body[:300]!r}"
                self.put(("policy of " + vault, key), get(f"/keys/{key}/rotationpolicy"))
            self.put(("deleted of " + vault, "deleted"), get("/deletedkeys/deleted"))
        for one in self.facts["vault"]["wrapped"]:
            body = {"alg": "RSA-OAEP-256", "value": one["wrapped"]}
            answer = ask("POST", f"/keys/rsa/{one['version']}/unwrapkey", body, vault=one["vault"])
            right = answer.status == 200 and answer.json()["value"] == one["secret"]
            self.found[("unwrap", "rsa", one["version"])] = "right" if right else f"{answer.status} {answer.body[:300]!r}"
        if signed := self.facts["vault"]["signature"]:
            body = {"alg": signed["alg"], "digest": signed["value"], "value": signed["signature"]}
            self.put(("verify", "ec", signed["version"]), ask("POST", f"/keys/ec/{signed['version']}/verify", body))
        arm = self.program.arm
        vaults = arm("GET", SUBSCRIPTION + "/providers/Microsoft.KeyVault/vaults", "2023-07-01")
        for one in self.values(vaults):
            for policy in one["properties"]["accessPolicies"]:
                self.found[("access-policy", one["name"], policy["objectId"])] = json.dumps(policy, sort_keys=True)
            one["properties"].pop("accessPolicies")
            self.found[("vault", one["name"])] = short(clean(json.dumps(one, sort_keys=True), self.program))
        roles = arm("GET", SUBSCRIPTION + "/providers/Microsoft.Authorization/roleAssignments", "2022-04-01")
        for one in self.values(roles):
            self.found[("role", one["name"])] = short(json.dumps(one, sort_keys=True))
        for one in self.values(self.program.https.ask("GET", "/_keyvault/principals", host="localhost")):
            self.found[("principal", one["clientId"])] = short(json.dumps(one, sort_keys=True))

    def values(self, answer):
        if answer.status != 200:
            self.found[("listed", str(answer.status), clean(answer.body, self.program)[:300])] = "error"
            return []
        return answer.json()["value"]

    # --- a registry ---

    def read_registry(self, name):
        registry = Registry(self.program, name)
        answer = registry.ask("GET", "/v2/_catalog")
        self.put(("listed repositories of " + name,), answer)
        repositories = set(answer.json()["repositories"]) if answer.status == 200 else set()
        for repository in sorted((repositories | {"app/one", "app/two"}) - {"probe/app"}):
            self.read_repository(registry, repository)
        for run in self.values(self.program.http.ask("GET", f"/_sealyard/registries/{name}/runs")):
            log = self.program.http.ask("GET", f"/_sealyard/registries/{name}/runs/{run['runId']}/log")
            self.found[("run of " + name, run["runId"])] = json.dumps(run, sort_keys=True) + f" {log.status} {digest_of(log.body)}"
        self.put(("access", name), self.program.http.ask("GET", f"/_sealyard/registries/{name}/access"))
        if name == "local" and self.facts["registry"]["upload"]:
            answer = registry.ask("GET", self.facts["registry"]["upload"])
            # The last segment is in memory: a program that ends may lose it, and reports that in the range.
            end = int(answer.headers.get("range", "0-0").rsplit("-", 1)[1])
            identifier = self.facts["registry"]["upload"].rsplit("/", 1)[1].split("?")[0]
            self.found[("upload", identifier)] = f"{answer.status}, a segment or more: {end >= 262_143}"

    def read_repository(self, registry, repository):
        name = registry.name
        answer = registry.ask("GET", f"/v2/{repository}/tags/list")
        self.put(("listed tags of " + name, repository), answer)
        tags = set(answer.json()["tags"] or []) if answer.status == 200 else set()
        known = {"app/one": ["v1", "v2", "v3", "latest", "all", "after-rotation"], "app/two": [f"t{n}" for n in range(12)]}
        digests = set()
        for tag in sorted(tags | set(known.get(repository, []))):
            answer = registry.ask("GET", f"/v2/{repository}/manifests/{tag}", headers={"Accept": f"{MANIFEST}, {INDEX}"})
            self.found[("tag of " + name, repository, tag)] = self.object(answer)
            if answer.status == 200:
                digests.add(digest_of(answer.body))
            self.put(("acr-tag of " + name, repository, tag), registry.ask("GET", f"/acr/v1/{repository}/_tags/{tag}"))
        answer = registry.ask("GET", f"/acr/v1/{repository}/_manifests")
        listed = self.put(("acr-repository of " + name, repository), answer)
        digests |= {one["digest"] for one in (listed or {}).get("manifests", [])}
        blobs = set()
        for digest in sorted(digests):
            answer = registry.ask("GET", f"/v2/{repository}/manifests/{digest}", headers={"Accept": f"{MANIFEST}, {INDEX}"})
            self.found[("manifest of " + name, repository, digest)] = self.object(answer, digest)
            if answer.status == 200:
                document = answer.json()
                blobs |= {one["digest"] for one in document.get("layers", []) + [document.get("config")] if one}
            self.put(("referrers of " + name, digest), registry.ask("GET", f"/v2/{repository}/referrers/{digest}"))
        for digest in sorted(blobs):
            answer = registry.ask("GET", f"/v2/{repository}/blobs/{digest}")
            self.found[("blob of " + name, digest)] = self.object(answer, digest)

    @staticmethod
    def object(answer, digest=None):
        if answer.status != 200:
            return f"{answer.status} {answer.body[:400].decode(errors='replace')}"
        right = digest is None or digest_of(answer.body) == digest
        return f"{digest_of(answer.body)} {answer.headers.get('content-type')}" + ("" if right else " WRONG BYTES")

    # --- the control plane and the status ---

    def read_resources(self):
        arm = self.program.arm
        for kind, version in (
            ("resourceGroups", "2022-12-01"),
            ("providers/Microsoft.ManagedIdentity/userAssignedIdentities", "2023-01-31"),
            ("providers/Microsoft.ContainerRegistry/registries", "2023-07-01"),
        ):
            for one in self.values(arm("GET", f"{SUBSCRIPTION}/{kind}", version)):
                # Since when a registry has its state is known for one run only.
                one.get("properties", {}).get("status", {}).pop("timestamp", None)
                self.found[("azure", one["name"], kind.rsplit("/", 1)[-1])] = short(clean(json.dumps(one, sort_keys=True), self.program))
        team = f"{SUBSCRIPTION}/resourceGroups/sealyard/providers/Microsoft.ContainerRegistry/registries/team1"
        for kind in ("tokens", "scopeMaps"):
            for one in self.values(arm("GET", f"{team}/{kind}", "2023-07-01")):
                self.found[("azure", one["name"], kind)] = short(clean(json.dumps(one, sort_keys=True), self.program))
        self.put(("azure", "big", "deployment"), arm("GET", DEPLOYMENT, "2021-04-01"))
        self.put(("azure", "big", "template"), arm("POST", DEPLOYMENT + "/exportTemplate", "2021-04-01"))
        status = self.program.http.ask("GET", "/_sealyard/status")
        for one in status.json()["registries"] if status.status == 200 else []:
            shown = [one.get(member) for member in ("state", "cause", "dataKeys", "blobs", "bytes")]
            self.found[("counts", one["name"])] = json.dumps(shown)


def read(program, facts):
    return Reader(program, facts).read()


def differences(before, after):
    """Each thing that changed, with a sentence."""
    found = {}
    for name in sorted(before.keys() | after.keys()):
        if name not in after:
            found[name] = "is gone"
        elif name not in before:
            found[name] = f"was not there: {after[name]}"
        elif before[name] != after[name]:
            found[name] = f"was {before[name]}, is {after[name]}"
    return found


def derived(name):
    return name[0].split(" ")[0] in DERIVED


def named(name, text):
    """Whether a text names this thing: all its terms are in it."""
    return all(part in text for part in name[1:])


def unnamed(lost, text):
    """The lost things that a text does not name."""
    rest = {name for name in lost if not named(name, text)}
    if any(not derived(name) for name in lost) and all(derived(name) for name in rest):
        return set()
    return rest
