"""A running `mock-keyvault` and Azure's own clients for it. The fixtures in conftest.py use it; it does not depend on any test.

Names under `localhost` resolve in browsers and in curl, but not in every C library. So this module makes Python resolve them to
this machine: it replaces `socket.getaddrinfo` for `requests`, and gives `LocalResolver` to aiohttp.
Otherwise the clients are used as against Azure: they verify certificates and the challenge, and get tokens from the
address that the challenge names.
"""

import asyncio
import inspect
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import aiohttp
import aiohttp.abc
import requests
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity import ClientSecretCredential
from azure.identity.aio import ClientSecretCredential as AsyncClientSecretCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.aio import KeyClient as AsyncKeyClient
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.keys.crypto.aio import CryptographyClient as AsyncCryptographyClient

TENANT = "00000000-0000-4000-8000-00000000a001"
SUBSCRIPTION = "00000000-0000-4000-8000-00000000a002"
OWNER = "00000000-0000-4000-8000-00000000a003"
IDENTITY = "00000000-0000-4000-8000-00000000a004"
IDENTITY_OBJECT = "00000000-0000-4000-8000-00000000a0a4"
SECRET = "sealyard"
LOOPBACK = "127.0.0.1"

_resolve = socket.getaddrinfo


def _local(host, *rest, **named):
    text = host.decode() if isinstance(host, bytes) else host
    return _resolve(LOOPBACK if text and text.endswith(".localhost") else host, *rest, **named)


def resolve_local_names():
    """Makes every name under `localhost` resolve to this machine, for all code that uses Python's `socket`."""
    socket.getaddrinfo = _local


class LocalResolver(aiohttp.abc.AbstractResolver):
    """Resolves every name to this machine: aiohttp asks this class instead of a name server."""

    async def resolve(self, host, port=0, family=socket.AF_INET):
        return [{"hostname": host, "host": LOOPBACK, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}]

    async def close(self):
        pass


class Program:
    """A separate `mock-keyvault` on a free port, over a folder that can be used again after a restart."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.process = None

    def start(self):
        endpoints = self.folder / "asked-endpoints.json"
        endpoints.unlink(missing_ok=True)
        program = os.environ["MOCK_KEYVAULT"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MOCK_KEYVAULT")}
        with open(self.folder / "log", "ab") as log:
            command = [program, "--listen", "127.0.0.1:0", "--data-dir", self.folder / "data", "--endpoints-file", endpoints]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        until = time.monotonic() + 60
        while not endpoints.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("mock-keyvault did not start:\n" + (self.folder / "log").read_text())
            time.sleep(0.02)
        found = json.loads(endpoints.read_text())
        self.address, self.ca = found["address"], found["ca"]
        self.port = int(self.address.rsplit(":", 1)[1])
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(timeout=30)

    def url(self, vault="local"):
        return f"https://{vault}.vault.localhost:{self.port}"

    @property
    def authority(self):
        return f"https://login.localhost:{self.port}"

    def admin(self, method, path, body=None):
        """The admin API, which needs no token on the loopback."""
        answer = requests.request(method, f"https://localhost:{self.port}/_keyvault/{path}", json=body, verify=self.ca, timeout=30)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def credential(self, client=OWNER, secret=SECRET):
        # With this option, the client trusts an authority that Microsoft's directory does not know.
        return ClientSecretCredential(
            TENANT, client, secret, authority=self.authority, disable_instance_discovery=True, connection_verify=self.ca
        )

    def token(self, client=OWNER, scope=None):
        return self.credential(client).get_token(scope or f"https://vault.localhost:{self.port}/.default").token

    def raw(self, method, path, body=None, client=OWNER, host=None, version="7.4"):
        """A request without an SDK, for tests of the wire itself."""
        url = f"{host or self.url()}{path}{'&' if '?' in path else '?'}api-version={version}"
        headers = {"Authorization": f"Bearer {self.token(client)}"}
        return requests.request(method, url, json=body, headers=headers, verify=self.ca, timeout=30)


class Sdk:
    """The clients over `requests`."""

    transport = "requests"

    def __init__(self, program, client=OWNER, secret=SECRET, vault="local", **options):
        self.program = program
        self.options = {"connection_verify": program.ca, **options}
        self.credential = program.credential(client, secret)
        self.keys = KeyClient(program.url(vault), self.credential, **self.options)

    def crypto(self, key, **options):
        return CryptographyClient(key, self.credential, **{**self.options, **options})

    def delete(self, name):
        poller = self.keys.begin_delete_key(name)
        poller.wait()
        return poller.result()

    def recover(self, name):
        poller = self.keys.begin_recover_deleted_key(name)
        poller.wait()
        return poller.result()

    def close(self):
        self.keys.close()
        self.credential.close()


class AsyncSdk:
    """The clients over aiohttp, which wait for each call, so that one test works with both kinds."""

    transport = "aiohttp"

    def __init__(self, program, client=OWNER, secret=SECRET, vault="local", **options):
        self.program = program
        self.loop = asyncio.new_event_loop()
        self.made = []
        self.options = {"connection_verify": program.ca, **options}
        self.credential = AsyncClientSecretCredential(
            TENANT, client, secret, authority=program.authority, disable_instance_discovery=True, transport=self._transport()
        )
        self.made.append(self.credential)
        self.keys = self._blocking(AsyncKeyClient(program.url(vault), self.credential, transport=self._transport(), **self.options))

    def _transport(self):
        async def session():
            return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=LocalResolver()))

        made = self.loop.run_until_complete(session())
        return AioHttpTransport(session=made, session_owner=True, connection_verify=self.program.ca)

    def _blocking(self, client):
        self.made.append(client)
        return Blocking(client, self.loop)

    def crypto(self, key, **options):
        transport = self._transport()
        return self._blocking(AsyncCryptographyClient(key, self.credential, transport=transport, **{**self.options, **options}))

    def delete(self, name):
        return self.keys.delete_key(name)

    def recover(self, name):
        return self.keys.recover_deleted_key(name)

    def close(self):
        for client in reversed(self.made):
            self.loop.run_until_complete(client.close())
        self.loop.close()


class Blocking:
    """An async client whose methods wait: they await coroutines and turn async iterators into lists."""

    def __init__(self, client, loop):
        self._wrapped, self._loop = client, loop

    def __getattr__(self, name):
        found = getattr(self._wrapped, name)
        if not callable(found):
            return found

        def call(*arguments, **named):
            made = found(*arguments, **named)
            if inspect.isawaitable(made):
                made = self._loop.run_until_complete(made)
            if hasattr(made, "by_page"):
                made = Pages(made, self._loop)
            return made

        return call


class Pages:
    """An async list as a plain list: item by item, or page by page."""

    def __init__(self, paged, loop):
        self._paged, self._loop = paged, loop

    def __iter__(self):
        async def items():
            return [item async for item in self._paged]

        return iter(self._loop.run_until_complete(items()))

    def by_page(self):
        async def pages():
            return [[item async for item in page] async for page in self._paged.by_page()]

        return self._loop.run_until_complete(pages())
