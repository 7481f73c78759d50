"""Servers of a group that grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.membership_processes import (
    GrowingGroup,
)


@pytest.fixture
def group(tmp_path: Path) -> Iterator[GrowingGroup]:
    servers = GrowingGroup(tmp_path)
    try:
        yield servers
    finally:
        servers.kill_all()
