"""What nodes, containers and users write does nothing to the terminal of who looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import re
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from podraft.api import times
from podraft.api.core.v1 import config_pb2, node_pb2, pod_pb2
from podraft.api.events.v1 import event_pb2
from podraft.client.calls.client import Client
from podraft.client.errors import ApiError
from support.cli_server import COMMAND, CliServer, cli_server

# A title, a cleared screen, a colour that podraft does not have, C1, bidirectional and
# zero-width controls, what overwrites a line, and a line that pretends to be another.
HOSTILE = (
    "a\x1b]0;title\x07\x1b[2J\x1b[35m\x9b31m\u202eb\u2066c\u200bd\rover\x08\x7f\U000e0041z\nfake"
)
OURS = re.compile(rb"\x1b\[(0|1|2|31|32|33|36)m")
HARMFUL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\U000e0041]"
)

COMMANDS = [
    ["get", "pods,nodes,events,configmaps,deployments", "-A"],
    ["get", "pods,nodes,events,configmaps", "-A", "-o", "wide", "--show-labels"],
    ["get", "pods,nodes,events,configmaps,secrets", "-A", "-o", "yaml"],
    ["get", "pods,nodes,events,configmaps,secrets", "-A", "-o", "json"],
    ["get", "pods", "-o", "name"],
    *(["describe", what] for what in ("pod/p", "node/n", "configmap/c", "deployment/d")),
    *(["why", what] for what in ("pod/p", "node/n", "deployment/d")),
    *(["history", what, "--status"] for what in ("pod/p", "node/n", "configmap/c")),
    ["diff", "--at=10m", "configmap,pod", "--status"],
    ["wait", "pod/p", "--for=condition=Ready", "--timeout=1s"],
    ["delete", "pod/p", "--dry-run=server"],
    ["rollout", "status", "deployment/d", "--timeout=1s"],
    ["rollout", "history", "deployment/d"],
    ["get", f"pod/{HOSTILE}"],
    ["get", HOSTILE],
    [HOSTILE],
    ["get", "pods", f"--{HOSTILE}"],
    ["get", "pods", "-l", HOSTILE],
    ["explain", HOSTILE],
    ["get", "pods", "--config", f"/nonexistent/{HOSTILE}"],
    ["apply", "-f", f"/nonexistent/{HOSTILE}"],
]


@pytest.fixture(scope="module")
def server() -> Iterator[CliServer]:
    with cli_server() as running:
        asyncio.run(_fill(running))
        yield running


async def _fill(server: CliServer) -> None:
    now = times.time_of(datetime.now(UTC))
    async with Client(server.process.config()) as client:
        node = node_pb2.Node()
        node.metadata.name = "n"
        node.metadata.annotations["note"] = HOSTILE
        await client.nodes.create(node)
        node = await client.nodes.get("n")
        node.status.node_info.kernel_version = HOSTILE
        node.status.node_info.os_image = HOSTILE
        node.status.node_info.kubelet_version = HOSTILE
        node.status.node_info.container_runtime_version = HOSTILE
        node.status.conditions.add(
            type="Ready", status="False", reason=HOSTILE, message=HOSTILE, last_transition_time=now
        )
        await _try(client.nodes.update_status(node))
        pod = pod_pb2.Pod()
        pod.metadata.name, pod.metadata.namespace = "p", "default"
        pod.metadata.annotations["note"] = HOSTILE
        pod.spec.containers.add(name="c", image="i", args=[HOSTILE]).env.add(
            name="A", value=HOSTILE
        )
        await client.pods.create(pod)
        pod = await client.pods.get("p", "default")
        pod.status.phase = "Pending"
        pod.status.reason, pod.status.message = HOSTILE, HOSTILE
        pod.status.conditions.add(type="Ready", status="False", reason=HOSTILE, message=HOSTILE)
        state = pod.status.container_statuses.add(name="c", image=HOSTILE, image_id=HOSTILE)
        state.state.waiting.reason, state.state.waiting.message = HOSTILE, HOSTILE
        state.last_state.terminated.message = HOSTILE
        await _try(client.pods.update_status(pod))
        event = event_pb2.Event()
        event.metadata.name, event.metadata.namespace = "e", "default"
        event.regarding.kind, event.regarding.name = "Pod", "p"
        event.regarding.namespace, event.regarding.uid = "default", pod.metadata.uid
        event.reason, event.note, event.type = HOSTILE, HOSTILE, "Warning"
        event.action, event.reporting_controller = HOSTILE, HOSTILE
        await _try(client.events.create(event))
        event.reason = event.action = "Failed"
        event.reporting_controller = "example.com/x"
        event.metadata.name = "e2"
        await client.events.create(event)
        config = config_pb2.ConfigMap(data={"k": HOSTILE})
        config.metadata.name, config.metadata.namespace = "c", "default"
        config.metadata.annotations["note"] = HOSTILE
        await client.config_maps.create(config)
        config.data["k"] = HOSTILE + "2"
        await client.config_maps.update(config)
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "annotations": {"kubernetes.io/change-cause": HOSTILE}},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}, "annotations": {"note": HOSTILE}},
                "spec": {"containers": [{"name": "c", "image": "i", "command": [HOSTILE]}]},
            },
        },
    }
    server.ok("apply", "-f", "-", stdin=json.dumps(deployment))


async def _try(call: Any) -> None:
    """Let the server refuse what it will not have of an object; the rest is shown."""
    with contextlib.suppress(ApiError):
        await call


def on_terminal(server: CliServer, arguments: list[str]) -> bytes:
    """Run a command whose standard streams are a terminal; return what that received."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**server.environment(), "TERM": "xterm"},
    )
    os.close(theirs)
    received = b""
    try:
        while data := _read(ours):
            received += data
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return received


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # The other end has closed.
        return b""


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda words: ascii(" ".join(words))[:60])
def test_what_others_wrote_does_nothing_to_a_terminal(
    server: CliServer, arguments: list[str]
) -> None:
    received = on_terminal(server, arguments)
    # The library that draws progress moves the cursor in ways of its own; no object can.
    drawn = re.compile(rb"\x1b\[(\?25[lh]|[0-9]*A|2K|1A|38;5;[0-9]+m|[0-9;]*[36]m)")
    text = drawn.sub(b"", OURS.sub(b"", received)).decode().replace("\r\n", "\n")
    assert text
    assert "Traceback" not in text
    assert "\x1b[35m" not in received.decode()
    assert HARMFUL.search(text.replace("\r", "" if "status" in arguments else "\r")) is None, text


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_a_program_gets_the_very_text(server: CliServer, output: str) -> None:
    printed = server.ok("get", "configmap/c", "-o", output)
    value = json.loads(printed) if output == "json" else yaml.safe_load(printed)
    assert value["data"]["k"] == HOSTILE + "2"
    assert value["metadata"]["annotations"]["note"] == HOSTILE
