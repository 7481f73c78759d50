"""One line of the audit log, as Kubernetes writes them (``audit.k8s.io/v1``, kind ``Event``).

Invariant: pure; a line has a bounded length.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Final

from podraft.server.audit.calls import AuditedCall, Operation
from podraft.server.audit.policy import Level

_MESSAGE_CHARACTERS_MAX: Final = 1024


def line_of(
    call: AuditedCall, level: Level, audit_id: str, request: Any = None, response: Any = None
) -> bytes:
    """Return a call's line, with its end."""
    first = call.operations[0]
    event: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": level.word,
        "auditID": audit_id,
        "stage": call.stage,
        "requestURI": call.method,
        "verb": first.verb,
        "user": {"username": call.user, "groups": sorted(call.groups)},
        "sourceIPs": [call.peer],
        "responseStatus": _status(call),
        "requestReceivedTimestamp": _time(call.received_s),
        "stageTimestamp": _time(call.ended_s),
        "annotations": {
            "authorization.k8s.io/decision": "forbid" if call.is_refused else "allow",
            "authorization.k8s.io/reason": call.decision[:_MESSAGE_CHARACTERS_MAX],
        },
    }
    if call.impersonated:
        groups = sorted(call.impersonated_groups)
        event["impersonatedUser"] = {"username": call.impersonated, "groups": groups}
    if first.resource:
        event["objectRef"] = _reference(first)
    if len(call.operations) > 1:
        event["podraft.io/writes"] = [
            {"verb": one.verb, "objectRef": _reference(one)} for one in call.operations
        ]
    if request is not None:
        event["requestObject"] = request
    if response is not None:
        event["responseObject"] = response
    return json.dumps(event, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"


def _status(call: AuditedCall) -> dict[str, str]:
    status = {"status": "Success" if call.code == "OK" else "Failure", "reason": call.code}
    if call.message:
        status["message"] = call.message[:_MESSAGE_CHARACTERS_MAX]
    return status


def _reference(operation: Operation) -> dict[str, str]:
    reference = {
        "apiGroup": operation.group,
        "resource": operation.resource,
        "subresource": operation.subresource,
        "namespace": operation.namespace,
        "name": operation.name,
    }
    return {key: value for key, value in reference.items() if value}


def _time(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"
