"""What a Service needs to know of an object's pods: their labels and ports.  Pure."""

from __future__ import annotations

from typing import Any

from podraft.api import kinds
from podraft.cli.errors import CliError, usage
from podraft.cli.plans.edits.pod_specs import containers, pod_spec


def selector_of(kind: kinds.AnyKind, value: dict[str, Any]) -> dict[str, str]:
    """Return the labels by which a Service finds an object's pods.

    Raises:
        CliError: The object has no pods that labels find.
    """
    if kind is kinds.SERVICE:
        selector = value["spec"].get("selector", {})
    elif kind is kinds.POD:
        selector = value["metadata"].get("labels", {})
    else:
        pod_spec(kind, value, "expose")
        chosen = value["spec"].get("selector", {})
        if chosen.get("matchExpressions"):
            raise CliError("its selector has matchExpressions, which a Service cannot have")
        selector = chosen.get("matchLabels", chosen)
    if not selector:
        raise CliError(f'{kind.name} "{value["metadata"]["name"]}" has no labels to find pods by')
    return dict(selector)


def ports_of(kind: kinds.AnyKind, value: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the ports, with their protocols, that an object's containers or a Service have.

    Raises:
        CliError: There are none.
    """
    if kind is kinds.SERVICE:
        ports = [(one["port"], one) for one in value["spec"].get("ports", [])]
    else:
        spec = pod_spec(kind, value, "expose")
        every = [port for one in containers(spec, "*") for port in one.get("ports", [])]
        ports = [(port["containerPort"], port) for port in every]
    if not ports:
        raise usage("--port: its containers name no port, so say which")
    return [(str(number), port.get("protocol", "TCP")) for number, port in ports]
