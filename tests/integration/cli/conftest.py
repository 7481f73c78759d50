"""One server for all modules whose tests keep to namespaces of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from support.cli_server import QuickCliServer, quick_cli_server

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def shared_server() -> Iterator[QuickCliServer]:
    with quick_cli_server() as running:
        yield running


@pytest.fixture
def room(shared_server: QuickCliServer) -> str:
    """Make a namespace of the test's own on the shared server."""
    name = f"room-{next(_NUMBERS)}"
    shared_server.ok("create", "namespace", name)
    return name
