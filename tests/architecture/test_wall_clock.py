"""Durations are not measured by the wall's clock: these modules read it, each for a reason."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Written into objects, files or messages, or compared with what outlives every process.
READERS = {
    "server/podraft/server/registry/access/user_registry.py": "certificates expire by the wall",
    "server/podraft/server/rpc/services/users.py": "as above",
    "server/podraft/server/audit/audit_log.py": "the audit log says when",
    "server/podraft/server/audit/files.py": "as above",
    "server/podraft/server/rpc/calls/auditing.py": "as above",
    "agent/podraft/agent/node/membership.py": "certificates end by the wall's clock",
    "agent/podraft/agent/node/join.py": "certificates end by the wall's clock",
    "agent/podraft/agent/node/registration.py": "stamps of leases and heartbeats",
    "agent/podraft/agent/pods/manager.py": "the stamp of a deletion",
    "agent/podraft/agent/pods/lifecycle/reaping.py": "the stamp of an end that nobody saw",
    "agent/podraft/agent/pods/lifecycle/attempts.py": "the stamp of a start that failed",
    "cli/podraft/cli/commands/workloads/rollout.py": "the stamp of a restart",
    "cli/podraft/cli/commands/cluster/token.py": "ages that are shown",
    "cli/podraft/cli/sessions/connection.py": "ages that are shown",
    "cli/podraft/cli/diagnosis/asking.py": "clocks are compared",
    "cli/podraft/cli/sessions/past.py": "a moment of the past that a user names",
    "client/podraft/client/clock.py": "the one place where both clocks meet",
    "client/podraft/client/watching/leader.py": "stamps of leases",
    "client/podraft/client/watching/recorder.py": "stamps of events",
    "server/podraft/server/auth/pki.py": "certificates end by the wall's clock",
    "server/podraft/server/processes/logs.py": "stamps of log lines",
    "server/podraft/server/startup/member_start.py": "the beginning of a certificate",
    "server/podraft/server/startup/renewal.py": "certificates end by the wall's clock",
    "server/podraft/server/replication/transport/probing.py": "clocks are compared",
    "server/podraft/server/replication/transport/member_transport.py": "clocks are compared",
    "server/podraft/server/registry/access/recognizer.py": "certificates end by the wall's clock",
    "server/podraft/server/rpc/services/cluster.py": "certificates end by the wall's clock",
    "server/podraft/server/rpc/services/diagnosis.py": "clocks are compared",
    "server/podraft/server/rpc/joining/door.py": "tokens end by the wall's clock",
    "server/podraft/server/registry/joining/join_tokens.py": "tokens end by the wall's clock",
    "server/podraft/server/registry/access/live_rights.py": "certificates end by the wall's clock",
    "server/podraft/server/registry/joining/node_joins.py": "the beginning of a certificate",
    "server/podraft/server/startup/api_server.py": "the stamp of the start",
    "server/podraft/server/registry/reads/tables.py": "ages that are shown",
    "server/podraft/server/registry/past/moments.py": "moments of the past that users name",
    "server/podraft/server/registry/writes/writer.py": "stamps of objects",
    "server/podraft/server/scheduling/app.py": "the stamp of an attempt",
    "server/podraft/server/store/options.py": "stamps of revisions",
}
PACKAGES = ("agent", "cli", "client", "devtools", "protos", "server")
_CALLS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "gmtime"),
    ("time", "localtime"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}


def reads_of(source: str) -> list[int]:
    """Return the lines that name a clock of the wall's, called or not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = node.value
            name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
            if (name, node.attr) in _CALLS:
                found.append(node.lineno)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            found += [node.lineno for alias in node.names if ("time", alias.name) in _CALLS]
    return found


def test_the_wall_clock_is_read_where_it_is_meant_only() -> None:
    readers = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "_pb2" not in path.name and (lines := reads_of(path.read_text(encoding="utf-8"))):
                readers[str(path.relative_to(ROOT))] = lines
    unknown = {path: lines for path, lines in readers.items() if path not in READERS}
    assert not unknown, (
        "measure with time.monotonic(), or turn a stored stamp into a moment by"
        f" podraft.client.clock.Clock; these read the wall's clock: {unknown}"
    )
    assert readers.keys() >= READERS.keys(), "a module of the list does not read it any more"


def test_every_way_of_reading_it_is_noticed() -> None:
    for text in (
        "import time; time.time()",
        "from time import time",
        "f(clock=time.time)",
        "datetime.datetime.now(datetime.UTC)",
        "datetime.now(UTC)",
        "time.time_ns()",
    ):
        assert reads_of(text), text
    assert not reads_of("import time; time.monotonic(); loop.time()")
