"""The servers that an agent knows: none is lost by a restart, and nodes spread over them."""

from __future__ import annotations

from pathlib import Path

import pytest

from podraft.agent.node.known_servers import KnownServers


@pytest.fixture(autouse=True)
def joined(tmp_path: Path) -> None:
    (tmp_path / "identity").mkdir()


def known(directory: Path, configured: str = "a:1, b:2", node: str = "node") -> KnownServers:
    return KnownServers(directory, node, configured)


def test_what_the_cluster_named_is_known_after_a_restart(tmp_path: Path) -> None:
    assert set(known(tmp_path).all()) == {"a:1", "b:2"}
    known(tmp_path).save(["a:1", "c:3", "[::1]:4"])
    assert set(known(tmp_path).all()) == {"a:1", "b:2", "c:3", "[::1]:4"}


def test_nodes_begin_at_different_servers(tmp_path: Path) -> None:
    firsts = {known(tmp_path, node=f"node-{number}").all()[0] for number in range(20)}
    assert firsts == {"a:1", "b:2"}


@pytest.mark.parametrize("damage", ["", "{", "7", '["no port", 5, null]', "\x00", "[" * 9])
def test_a_damaged_file_is_no_harm(tmp_path: Path, damage: str) -> None:
    (tmp_path / "identity" / "servers.json").write_text(damage)
    assert set(known(tmp_path).all()) == {"a:1", "b:2"}


def test_a_disk_that_takes_nothing_is_no_failure(tmp_path: Path) -> None:
    known(tmp_path / "absent").save(["a:1"])
    assert set(known(tmp_path / "absent").all()) == {"a:1", "b:2"}
