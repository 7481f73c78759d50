"""What a method's request does, in the words of rights.

Owns: the way from a method and its request to operations, and to the objects that may be kept.

Invariants: pure; nothing of an object with secret values, and nothing of a call that gives out
secrets of its own (tokens, certificates), is ever kept beyond its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from podraft.api import codec
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.server.audit.calls import Operation
from podraft.server.kinds.rooms import rules_of

_VERBS: Final = {
    "Create": "create",
    "Get": "get",
    "List": "list",
    "Watch": "watch",
    "Update": "update",
    "UpdateStatus": "update",
    "Patch": "patch",
    "Apply": "patch",
    "Delete": "delete",
}
# The methods beyond those of every kind: the verb and the part that rights know them by.
_EXTRA: Final = {
    "BindPod": ("create", "binding"),
    "EvictPod": ("create", "eviction"),
    "StreamPodLogs": ("get", "log"),
    "ExecPod": ("create", "exec"),
    "GetPodSchedulingRecord": ("get", "scheduling"),
}
_OPERATIONS_MAX: Final = 100
_OBJECT_BYTES_MAX: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class _Method:
    kind: AnyKind
    verb: str
    subresource: str = ""


class Describer:
    """Describes the calls of all methods."""

    def __init__(self, known: KnownKinds) -> None:
        self._known = known
        self._methods: dict[str, _Method] = {}
        for kind in (*known, *known.answered()):
            for word, verb in _VERBS.items():
                part = "status" if word == "UpdateStatus" else ""
                self._methods[kind.method(word)] = _Method(kind, verb, part)
            collection = f"/{kind.service}/Delete{kind.plural_name}"
            self._methods[collection] = _Method(kind, "deletecollection")
            for method in kind.extra_methods:
                verb, part = _EXTRA.get(method.name, (method.name, ""))
                self._methods[f"/{kind.service}/{method.name}"] = _Method(kind, verb, part)

    def operations(self, method: str, request: Message | None) -> tuple[Operation, ...]:
        """Return what a request of a method does, some of it if it is very much."""
        if isinstance(request, commit_pb2.CommitRequest):
            return tuple(self._writes(request)) or (Operation("commit"),)
        found = self._methods.get(method)
        if found is None:
            return (Operation(method.rpartition("/")[2]),)
        namespace, name = _names(found.kind, request)
        return (_operation(found.kind, found.verb, found.subresource, namespace, name),)

    def _writes(self, request: commit_pb2.CommitRequest) -> Iterator[Operation]:
        for write in request.writes[:_OPERATIONS_MAX]:
            verb = write.WhichOneof("operation") or ""
            if verb == "bind":
                bind = write.bind
                yield Operation("create", "", "pods", "binding", bind.namespace, bind.name)
                continue
            body = getattr(write, verb, None)
            if body is None:
                continue
            if hasattr(body, "object"):
                kind = self._known.by_message_name(body.object.type_url.rpartition("/")[2])
                named = _unpacked(kind, body.object.value)
                metadata = named.metadata if named is not None else None
            else:
                kind = self._known.by_manifest(body.api_version, body.kind)
                metadata = getattr(body, "request", None)
            if kind is None:
                continue
            part = getattr(body, "subresource", "") or getattr(metadata, "subresource", "")
            namespace, name = getattr(metadata, "namespace", ""), getattr(metadata, "name", "")
            verb = "patch" if verb not in ("create", "update", "delete") else verb
            yield _operation(kind, verb, part, namespace, name)

    def kept(self, method: str, message: Message | bytes | None) -> Any:
        """Return an object of a call as JSON; None if there is none that may be kept."""
        found = self._methods.get(method)
        if found is None or message is None or rules_of(found.kind).secrecy is not None:
            return None
        if not isinstance(message, bytes):
            held = _object_in(found.kind, message)
        elif found.verb in ("list", "deletecollection"):
            held = None
        else:
            held = _unpacked(found.kind, message)
        if held is None or held.ByteSize() > _OBJECT_BYTES_MAX:
            return None
        return codec.to_json(held, known=self._known)


def _operation(kind: AnyKind, verb: str, part: str, namespace: str, name: str) -> Operation:
    secret = rules_of(kind).secrecy is not None
    return Operation(verb, kind.group, kind.resource, part, namespace, name, secret)


def _names(kind: AnyKind, request: Any) -> tuple[str, str]:
    if request is None:
        return "", ""
    held = _object_in(kind, request)
    source = held.metadata if held is not None else request
    source = getattr(source, "start", source)
    return getattr(source, "namespace", ""), getattr(source, "name", "")


def _object_in(kind: AnyKind, request: Any) -> Any:
    held = getattr(request, kind.field, None)
    return held if isinstance(held, kind.message) else None


def _unpacked(kind: AnyKind | None, value: bytes) -> Any:
    if kind is None or len(value) > _OBJECT_BYTES_MAX:
        return None
    try:
        return kind.message.FromString(value)
    except DecodeError:
        return None
