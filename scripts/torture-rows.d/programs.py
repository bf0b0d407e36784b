"""Starts the two programs, sends HTTP requests to them, and ends them by process id."""

import contextlib
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass

TENANT = "00000000-0000-4000-8000-00000000a001"
SUBSCRIPTION = "/subscriptions/00000000-0000-4000-8000-00000000a002"
OWNER = "00000000-0000-4000-8000-00000000a003"
# The programs listen on loopback with their own certificates. These tests do not check the identity of the server.
TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TRUST.check_hostname = False
TRUST.verify_mode = ssl.CERT_NONE


# The process groups that were started and have not ended yet.
RUNNING = set()


def end_all(*_):
    """Kills all programs that still run. This is the handler of SIGTERM."""
    for group in RUNNING:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    raise SystemExit(143)


class NotStarted(Exception):
    """The program ended, or was not ready in time. Has the output of the program."""

    def __init__(self, text, status):
        super().__init__(text)
        self.text, self.status = text, status


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body or b"null")


class Client:
    """One persistent connection. After a broken answer it reconnects once."""

    def __init__(self, port, tls):
        self.port, self.tls, self.connection = port, tls, None

    def ask(self, method, path, body=None, headers=None, host=None, timeout=60):
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            headers = {"Content-Type": "application/json", **(headers or {})}
        for attempt in (1, 2):
            fresh = self.connection is None
            if fresh:
                kind = http.client.HTTPSConnection if self.tls else http.client.HTTPConnection
                options = {"context": TRUST} if self.tls else {}
                self.connection = kind("127.0.0.1", self.port, timeout=timeout, **options)
            try:
                sent = dict(headers or {})
                if host:
                    sent["Host"] = host
                self.connection.request(method, path, body, sent)
                answer = self.connection.getresponse()
                return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
            except (OSError, http.client.HTTPException):
                self.close()
                if fresh or attempt == 2:
                    raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Program:
    """A running program over a data folder."""

    def __init__(self, service, binary, folder, arguments=(), wrapper=(), wait=30, boot=None, endpoints=None):
        self.service, self.binary, self.folder = service, binary, folder
        self.home = os.path.dirname(folder)
        self.endpoints = endpoints or folder + ".endpoints.json"
        self.tokens = {}
        self.clients = []
        if os.path.exists(self.endpoints):
            os.remove(self.endpoints)
        command = [*wrapper, *command_of(service, binary, folder, self.endpoints), *arguments]
        if boot:
            command = as_if_booted(boot, command)
        self.log = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment(self.home), start_new_session=True
        )
        RUNNING.add(self.process.pid)
        if wait:
            self.wait_ready(wait)

    def wait_ready(self, seconds):
        until = time.monotonic() + seconds
        while not self.read_endpoints():
            if self.process.poll() is not None:
                self.kill()
                raise NotStarted(self.said(), self.process.returncode)
            if time.monotonic() > until:
                self.kill()
                raise NotStarted(f"not ready after {seconds} s\n" + self.said(), None)
            time.sleep(0.001)
        self.ready_after = time.monotonic() - self.began

    def read_endpoints(self):
        try:
            with open(self.endpoints, encoding="utf-8") as file:
                found = json.load(file)
        except (OSError, ValueError):
            return False
        port = lambda url: int(url.rstrip("/").rsplit(":", 1)[1])  # noqa: E731
        if self.service == "sealyard":
            self.registry_port, self.azure_port = port(found["registry"]), port(found["azure"])
            self.http = self.client(self.registry_port, False)
        else:
            self.azure_port = port(found["address"])
        self.https = self.client(self.azure_port, True)
        return True

    def client(self, port, tls):
        made = Client(port, tls)
        self.clients.append(made)
        return made

    def token(self, scope):
        """A token of the owner for a vault or the control plane."""
        if scope not in self.tokens:
            body = f"grant_type=client_credentials&client_id={OWNER}&client_secret=sealyard&scope={scope}"
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self.https.ask("POST", f"/{TENANT}/oauth2/v2.0/token", body, headers, "login.localhost")
            if answer.status != 200:
                raise AssertionError(f"no token: {answer.status} {answer.body[:300]!r}")
            self.tokens[scope] = answer.json()["access_token"]
        return {"Authorization": "Bearer " + self.tokens[scope]}

    def vault(self, method, path, body=None, vault="local", version="7.4"):
        path += ("&" if "?" in path else "?") + f"api-version={version}"
        scope = f"https://vault.localhost:{self.azure_port}/.default"
        return self.https.ask(method, path, body, self.token(scope), f"{vault}.vault.localhost:{self.azure_port}")

    def arm(self, method, path, version, body=None):
        path += ("&" if "?" in path else "?") + f"api-version={version}"
        headers = self.token("https://management.azure.com/.default")
        return self.https.ask(method, path, body, headers, "management.azure.com")

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def kill(self):
        """Kills the program and its child processes."""
        self.close()
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        # A tracer ends before the traced program, which holds the folder's lock until it has ended too.
        for _ in range(2000):
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                RUNNING.discard(self.process.pid)
                return
            time.sleep(0.001)

    def stop(self, seconds=20):
        """Sends SIGTERM, waits, then kills. Returns whether the program ended by itself with status 0."""
        self.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
            RUNNING.discard(self.process.pid)
            return status == 0
        except subprocess.TimeoutExpired:
            self.kill()
            return False

    def close(self):
        for client in self.clients:
            client.close()


def command_of(service, binary, folder, endpoints):
    if service == "sealyard":
        return [binary, "serve", "--listen", "127.0.0.1:0", "--azure-listen", "127.0.0.1:0", "--data-dir", folder, "--endpoints-file", endpoints]
    return [binary, "--listen", "127.0.0.1:0", "--data-dir", folder, "--endpoints-file", endpoints]


def environment(home):
    """The environment of a program that must not see other programs of this user."""
    kept = {name: value for name, value in os.environ.items() if not re.match("SEALYARD|MOCK_KEYVAULT|XDG_", name)}
    return {**kept, "HOME": home, "XDG_RUNTIME_DIR": home, "NO_COLOR": "1"}


def as_if_booted(boot, command):
    """The same command in a mount namespace whose boot id is the one in the file `boot`. Needs root."""
    script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, boot, *command]


def run(home, command, seconds=120):
    """Runs a command to its end and returns its status and its output."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment(home), timeout=seconds
        )
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode(errors="replace") + f"\nnot done after {seconds} s"
    return done.returncode, done.stdout.decode(errors="replace")
