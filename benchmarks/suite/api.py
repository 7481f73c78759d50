"""The API server: creates, lists and watches by client processes over mutual TLS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from suite.figures import Figure, percentile
from suite.server import Server, server

_SECONDS = 5.0


def spawn(running: Server, job: dict[str, Any]) -> subprocess.Popen[str]:
    """Start a load generator."""
    return subprocess.Popen(
        [sys.executable, "-m", "suite.load", str(running.config_path), json.dumps(job)],
        stdout=subprocess.PIPE,
        text=True,
    )


def result(child: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the result that a load generator printed last."""
    output, _ = child.communicate(timeout=300)
    if child.returncode != 0:
        raise RuntimeError("a load generator failed; see above")
    parsed: dict[str, Any] = json.loads(output.splitlines()[-1])
    return parsed


def creates(running: Server, kind: str, clients: int, goal: float | None) -> Iterator[Figure]:
    """Measure creates per second and their latency."""
    processes = 2 if clients > 1 else 1
    jobs = [
        {
            "job": "create",
            "kind": kind,
            "clients": clients // processes,
            "seconds": _SECONDS,
            "prefix": f"{kind.lower()}-{clients}-{number}",
        }
        for number in range(processes)
    ]
    results = [result(child) for child in [spawn(running, job) for job in jobs]]
    latencies = [latency for one in results for latency in one["latencies"]]
    rate = len(latencies) / max(one["elapsed"] for one in results)
    noun = f"{kind} creates, {clients} client{'s' * (clients > 1)}"
    yield Figure("api", noun, rate, "/s", goal, higher_is_better=True)
    latency_goal = 1.5 if (kind, clients) == ("ConfigMap", 1) else None
    yield Figure("api", f"{noun}: p50", percentile(latencies, 0.5) * 1e3, "ms", latency_goal)
    yield Figure("api", f"{noun}: p99", percentile(latencies, 0.99) * 1e3, "ms")


def lists() -> Iterator[Figure]:
    """Measure a list of 5,000 pods, received and decoded."""
    with server() as running:
        job = {"job": "create", "kind": "Pod", "clients": 16, "total": 4_999, "prefix": "list"}
        result(spawn(running, job))
        listed = result(spawn(running, {"job": "list", "times": 21}))
        if listed["items"] < 5_000:
            raise RuntimeError(f"only {listed['items']} pods were listed")
        value = percentile(listed["latencies"], 0.5) * 1e3
        yield Figure("api", "list of 5,000 pods: p50", value, "ms", 40)


def watches() -> Iterator[Figure]:
    """Measure the time from sending a create until 50 watchers have seen it."""
    with server() as running:
        events, rate = 300, 30
        watchers = [
            spawn(running, {"job": "watch", "watchers": 25, "events": events}) for _ in range(2)
        ]
        for child in watchers:
            assert child.stdout is not None
            child.stdout.readline()
        result(spawn(running, {"job": "tick", "events": events, "rate": rate}))
        latencies = [latency for child in watchers for latency in result(child)["latencies"]]
        yield Figure("api", "watch, 50 watchers: p50", percentile(latencies, 0.5) * 1e3, "ms", 6)
        yield Figure("api", "watch, 50 watchers: p99", percentile(latencies, 0.99) * 1e3, "ms")


def run() -> Iterator[Figure]:
    """Measure the API server."""
    for clients, goal in ((1, None), (16, None), (64, 3_000)):
        with server() as running:
            yield from creates(running, "ConfigMap", clients, goal)
    with server() as running:
        yield from creates(running, "Pod", 64, 1_800)
    yield from lists()
    yield from watches()
