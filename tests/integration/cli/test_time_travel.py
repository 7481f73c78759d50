"""history, undo, diff --at, get and describe --at against a real API server."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from support.cli_server import CliServer, cli_server

_NUMBERS = itertools.count(1)
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "nginx:%s"}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: %s}
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: password}
stringData: {password: %s}
"""
SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: %s}
spec: {type: NodePort, %s ports: [{port: 80%s}]}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[CliServer]:
    with cli_server() as running:
        yield running


class Space:
    """A namespace of one test's own, and commands in it."""

    def __init__(self, server: CliServer) -> None:
        self.server = server
        self.name = f"past-{next(_NUMBERS)}"
        manifest = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: {self.name}}}\n"
        server.ok("apply", "-f", "-", stdin=manifest)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        return self.server.ok(*arguments, "-n", self.name, stdin=stdin)

    def fails(self, *arguments: str) -> str:
        result = self.server.run(*arguments, "-n", self.name)
        assert result.code == 1, result
        assert "Traceback" not in result.err
        return result.err

    def apply(self, text: str) -> None:
        self.ok("apply", "-f", "-", stdin=text)

    def revision(self) -> str:
        version = json.loads(self.server.ok("version", "-o", "json"))
        return str(version["serverVersion"]["resourceVersion"])

    def get(self, word: str) -> Any:
        return json.loads(self.ok("get", word, "-o", "json"))

    def content(self) -> tuple[Any, ...]:
        web, settings = self.get("deploy/web"), self.get("cm/settings")
        annotations = [one["metadata"].get("annotations") for one in (web, settings)]
        return web["spec"], settings["data"], annotations


@pytest.fixture
def space(server: CliServer) -> Space:
    return Space(server)


def test_history_says_who_changed_which_field(space: Space) -> None:
    space.apply(WEB % (2, "1.25", "fast"))
    space.apply(WEB % (5, "1.27", "fast"))
    rows = space.ok("history", "deploy/web").splitlines()
    assert rows[0].split() == ["REVISION", "AGE", "WHO", "CHANGE"]
    assert re.fullmatch(r"\d+ +\S+ +admin +spec\.replicas: 2 → 5", rows[1])
    path = "spec.template.spec.containers[web].image: nginx:1.25 → nginx:1.27"
    assert rows[2].strip() == path
    assert rows[3].endswith("created")
    assert "nothing of it is kept" in space.fails("history", "deploy/other")


def test_the_past_is_shown_as_it_was(space: Space) -> None:
    space.apply(WEB % (2, "1.25", "fast"))
    then = space.revision()
    space.apply(WEB % (5, "1.27", "slow"))
    space.ok("delete", "cm/settings")
    assert "nginx:1.25" in space.ok("get", "deploy", "-o", "wide", "--at", then)
    assert "mode: fast" in space.ok("get", "cm/settings", "-o", "yaml", "--at", then)
    assert "2 desired" in space.ok("describe", "deploy/web", "--at", then)
    result = space.server.run("diff", "--at", then, "-n", space.name)
    assert result.code == 1
    assert "- configmap/settings" in result.out
    assert "spec.replicas: 2 → 5" in result.out
    assert space.server.run("diff", "--at", space.revision(), "-n", space.name).code == 0
    labelled = space.server.run("diff", "deploy", "-l", "app=web", "--at", then, "-n", space.name)
    assert "configmap" not in labelled.out
    assert "replicas" in labelled.out


def test_undo_and_undo_of_it_is_identity(space: Space) -> None:
    space.apply(WEB % (2, "1.25", "fast"))
    before = space.content()
    space.apply(WEB % (5, "1.27", "slow"))
    after, revision = space.content(), space.revision()
    dry = space.ok("undo", revision, "--dry-run")
    assert "(server dry run)" in dry
    assert space.content() == after
    undone = space.ok("undo", revision)
    assert space.content() == before
    again = re.search(r"undone by revision (\d+)", undone)[1]
    space.ok("undo", again)
    assert space.content() == after
    space.ok("undo", "deploy/web")
    assert space.content()[0] == before[0]
    space.ok("undo", "deploy/web")
    assert space.content()[0] == after[0]


def test_a_revision_is_undone_whole_or_not_at_all(space: Space) -> None:
    space.apply(WEB % (2, "1.25", "fast"))
    space.apply(WEB % (5, "1.27", "slow"))
    revision = space.revision()
    space.ok("scale", "deploy/web", "--replicas=9")
    space.ok("label", "cm/settings", "other=change")
    complaint = space.fails("undo", revision)
    assert "deployment.apps/web has been changed since" in complaint
    assert "spec.replicas: 5 then, 9 now" in complaint
    assert space.get("cm/settings")["data"] == {"mode": "slow"}
    space.ok("undo", revision, "--force")
    assert space.get("deploy/web")["spec"]["replicas"] == 2
    settings = space.get("cm/settings")
    # What the revision did not touch stays as others made it.
    assert (settings["data"], settings["metadata"]["labels"]) == (
        {"mode": "fast"},
        {"other": "change"},
    )


def test_creation_and_deletion_are_undone(space: Space) -> None:
    space.apply(WEB % (2, "1.25", "fast"))
    created, before = space.revision(), space.content()
    space.ok("delete", "deploy/web", "cm/settings")
    space.ok("undo", "deploy/web")
    space.ok("undo", "cm/settings")
    assert space.content() == before
    assert "gone already" in space.ok("undo", created)
    space.ok("undo", "cm/settings")
    assert "not found" in space.fails("get", "cm/settings")


def test_a_service_whose_address_is_taken_comes_back_with_another(space: Space) -> None:
    space.apply(SERVICE % ("first", "", ""))
    spec = space.get("svc/first")["spec"]
    address, port = spec["clusterIP"], spec["ports"][0]["nodePort"]
    space.ok("delete", "svc/first")
    space.apply(SERVICE % ("thief", f"clusterIP: {address},", f", nodePort: {port}"))
    space.ok("undo", "svc/first")
    restored = space.get("svc/first")["spec"]
    assert restored["clusterIP"] not in ("", address)
    assert restored["ports"][0]["nodePort"] not in (0, port)


def test_secrets_never_leak(space: Space) -> None:
    space.apply(SECRET % "hunter2hunter2")
    then = space.revision()
    space.apply(SECRET % "rotated3rotated3")
    rotated = space.revision()
    commands = [
        ("history", "secret/password"),
        ("history", "secret/password", "--status"),
        ("get", "secret/password", "-o", "yaml", "--at", then),
        ("get", "secrets", "-o", "json", "--at", then),
        ("get", "secrets", "--at", then),
        ("describe", "secret/password", "--at", then),
        ("diff", "--at", then),
        ("undo", "secret/password", "--dry-run"),
        ("undo", "secret/password"),
        ("undo", rotated, "--force"),
    ]
    # As text and in the two ways that base64 may begin.
    leaks = ("hunter2", "aHVudGVyMmh1bnRlcjI", "rotated3", "cm90YXRlZDNyb3RhdGVkMw")
    for arguments in commands:
        result = space.server.run(*arguments, "-n", space.name)
        assert not [word for word in leaks if word in result.out + result.err], arguments
    assert "cannot be restored" in space.fails("undo", "secret/password")
    assert "has been changed since" in space.fails("undo", then)
    assert space.get("secret/password")["data"]["password"] == "cm90YXRlZDNyb3RhdGVkMw=="


def test_mistakes_are_told_in_a_line(space: Space) -> None:
    for arguments, words in (
        (("get", "pods", "--at", "soon"), "expected a revision"),
        (("get", "pods", "--at", "99999999"), "is in the future"),
        (("get", "pods", "--at", "5d"), "older than what is kept"),
        (("undo", "99999999"), "is in the future"),
        (("undo", "deploy/none"), "nothing of it is kept"),
    ):
        assert words in space.fails(*arguments)
    for usage in (("get", "pods", "-w", "--at", "1"), ("diff",), ("diff", "pods"), ("undo", "x")):
        assert space.server.run(*usage, "-n", space.name).code == 2
