"""Fixtures: one vault for all tests, a separate vault for tests that move time or stop it, and both kinds of clients.

`MOCK_KEYVAULT` names the program. `scripts/e2e-vault` sets it and installs what requirements.txt pins.
"""

import itertools
import re

import pytest
import world

world.resolve_local_names()
KINDS = {"requests": world.Sdk, "aiohttp": world.AsyncSdk}
_count = itertools.count()


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    """The vault that all tests share: each test uses different names in it."""
    started = world.Program(tmp_path_factory.mktemp("vault")).start()
    yield started
    started.stop()


@pytest.fixture
def own_program(tmp_path):
    """A vault for one test only."""
    started = world.Program(tmp_path).start()
    yield started
    started.stop()


@pytest.fixture(params=KINDS)
def open_sdk(request):
    """Creates clients of one kind; a test that uses this fixture runs once with each kind."""
    opened = []

    def make(program, *arguments, **options):
        opened.append(KINDS[request.param](program, *arguments, **options))
        return opened[-1]

    yield make
    for sdk in reversed(opened):
        sdk.close()


@pytest.fixture
def sdk(open_sdk, program):
    """The owner's clients."""
    return open_sdk(program)


@pytest.fixture
def name(request):
    """A key name that no other test has."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:90].strip("-") + f"-{next(_count)}"
