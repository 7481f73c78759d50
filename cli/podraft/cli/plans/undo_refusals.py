"""Refusals of an undo: which object was refused, and what can be given up to restore it.  Pure.

A Service that is created again asks for its old addresses and ports, which another Service may
have by now.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import service_pb2
from podraft.cli.errors import CliError, shorten
from podraft.cli.plans.undo_plan import Step
from podraft.client.errors import InvalidError

_TAKEN = re.compile(
    r"writes\[(\d+)\]\.(?:create\.object\.)?spec\.(clusterIP|ports\[(\d+)\]\.nodePort)"
)


def without_taken(
    writes: Sequence[commit_pb2.Write], error: InvalidError
) -> list[commit_pb2.Write] | None:
    """Return the writes without the addresses and ports that others have.

    Return None if something else was refused too, or if nothing is left to give up.
    """
    kept = list(writes)
    changed = False
    for violation in error.violations:
        match = _TAKEN.fullmatch(violation.field)
        if match is None:
            return None
        index = int(match[1])
        service = service_pb2.Service()
        if not kept[index].HasField("create") or not kept[index].create.object.Unpack(service):
            return None
        changed = _give_up(service, match[3]) or changed
        write = commit_pb2.Write()
        write.CopyFrom(kept[index])
        write.create.object.Pack(service)
        kept[index] = write
    return kept if changed else None


def _give_up(service: service_pb2.Service, port: str | None) -> bool:
    """Clear the cluster IP, or one node port, of a service; return whether it had one."""
    if port is None:
        had = bool(service.spec.cluster_ip)
        service.spec.ClearField("cluster_ip")
        service.spec.ClearField("cluster_ips")
        return had
    had = bool(service.spec.ports[int(port)].node_port)
    service.spec.ports[int(port)].ClearField("node_port")
    return had


def located(error: InvalidError, steps: Sequence[Step]) -> Exception:
    """Return an error that names each object that the server refused."""
    writing = [step for step in steps if step.write is not None]
    lines = []
    for violation in error.violations:
        match = re.match(r"writes\[(\d+)\]\.?(.*)", violation.field)
        where = f"{writing[int(match[1])].word}: {match[2]}" if match else violation.field
        lines.append(f"  {where}: {violation.description}")
    return CliError("nothing was undone", *shorten(lines)) if lines else error
