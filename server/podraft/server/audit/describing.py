"""What a method's request does, in the words of rights.

Owns: the way from a method and its request to operations, and to the objects that may be kept.

Invariants: pure; nothing of an object with secret values, and nothing of a call that gives out
secrets of its own (tokens, certificates), is ever kept beyond its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf.message import DecodeError, Message

from podraft.api import codec
from podraft.api.kinds import AnyKind, KnownKinds
from podraft.api.views import VIEWS
from podraft.server.audit.calls import Operation
from podraft.server.auth.authorize import Attributes
from podraft.server.auth.decision import CLUSTER_GROUP
from podraft.server.kinds.rooms import rules_of

_VERBS: Final = {
    "Create": ("create", ""),
    "Get": ("get", ""),
    "List": ("list", ""),
    "Watch": ("watch", ""),
    "Update": ("update", ""),
    "UpdateStatus": ("update", "status"),
    "Patch": ("patch", ""),
    "Apply": ("patch", ""),
    "Delete": ("delete", ""),
    "DeleteCollection": ("deletecollection", ""),
}
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
        for kind in (*known, *known.answered(), *(view.kind for view in VIEWS)):
            for word, (verb, part) in _VERBS.items():
                self._methods[kind.method(word)] = _Method(kind, verb, part)

    def operations(
        self, method: str, request: Message | None, decided: Sequence[Attributes] = ()
    ) -> tuple[Operation, ...]:
        """Return what a call does: what was decided about it, or else what its request names."""
        if decided:
            return tuple(dict.fromkeys(map(_decided, decided)))
        found = self._methods.get(method)
        if found is None:
            return (Operation(method.rpartition("/")[2]),)
        namespace, name = _names(found.kind, request)
        return (_operation(found.kind, found.verb, found.subresource, namespace, name),)

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


def _decided(call: Attributes) -> Operation:
    kind = call.kind
    if kind is None:
        return Operation(call.verb, CLUSTER_GROUP, call.subresource, "", "", call.name)
    return _operation(kind, call.verb, call.subresource, call.namespace, call.name)


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
