"""Objects of a few words, made on a real API server."""

from __future__ import annotations

import json

from support.cli_server import CliServer


def test_what_is_created_is_there_once(shared_server: CliServer, room: str) -> None:
    words = ("create", "configmap", "c", "--from-literal=a=b", "-n", room)
    checked = shared_server.ok(*words, "--dry-run=server", "-o", "json")
    assert json.loads(checked)["metadata"]["namespace"] == room
    assert shared_server.ok(*words) == "configmap/c created\n"
    again = shared_server.run(*words)
    assert (again.code, again.out) == (1, "")
    assert "already exists" in again.err
    assert shared_server.ok("get", "cm", "c", "-n", room, "-o", "jsonpath={.data.a}") == "b"


def test_manifests_are_created_as_a_whole(shared_server: CliServer, room: str) -> None:
    manifests = "\n---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}" for name in ("a", "b")
    )
    out = shared_server.ok("create", "-f", "-", "-n", room, "-o", "name", stdin=manifests)
    assert out == "configmap/a\nconfigmap/b\n"
    shared_server.ok("delete", "cm", "a", "-n", room)
    assert shared_server.run("create", "-f", "-", "-n", room, stdin=manifests).code == 1
    assert shared_server.ok("get", "cm", "-n", room, "-o", "name") == "configmap/b\n"
