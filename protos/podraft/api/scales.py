"""The scale of an object: how many pods it should have and has, in one form for all kinds.

Owns: the way between an object and its Scale, by the paths that its kind declares.  Invariant:
pure; of an object, a Scale changes nothing but the number of its replicas.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

from google.protobuf.message import Message

from podraft.api.autoscaling.v1.scale_pb2 import Scale
from podraft.api.kinds import AnyKind, Object
from podraft.api.kinds.kind import ScaleFields
from podraft.api.meta.v1 import meta_pb2
from podraft.api.selectors.labels import exact_selector, label_selector_of
from podraft.api.violations import InvalidObjectError

SCALE: Final = "scale"
_METADATA: Final = ("name", "namespace", "uid", "resource_version")


def scale_of(kind: AnyKind, obj: Message) -> Scale:
    """Return the scale of an object.

    Raises:
        InvalidObjectError: The kind has none.
    """
    fields, metadata = _fields(kind), cast("Object", obj).metadata
    scale = Scale()
    for name in _METADATA:
        if metadata.HasField(name):
            setattr(scale.metadata, name, getattr(metadata, name))
    if metadata.HasField("creation_timestamp"):
        scale.metadata.creation_timestamp.CopyFrom(metadata.creation_timestamp)
    scale.spec.replicas = wanted_replicas(kind, obj)
    scale.status.replicas = int(_value(obj, fields.status_replicas) or 0)
    selector = _value(obj, fields.selector) if fields.selector else None
    if isinstance(selector, meta_pb2.LabelSelector):
        scale.status.selector = str(label_selector_of(selector))
    elif isinstance(selector, Mapping):
        scale.status.selector = str(exact_selector(cast("Mapping[str, str]", selector)))
    return scale


def wanted_replicas(kind: AnyKind, obj: Message) -> int:
    """Return how many pods an object wants.

    Raises:
        InvalidObjectError: The kind has no scale.
    """
    return int(_value(obj, _fields(kind).replicas) or 0)


def scaled(kind: AnyKind, obj: Message, scale: Scale) -> Any:
    """Return a copy of an object with the number of replicas that ``scale`` says.

    Raises:
        InvalidObjectError: The kind has no scale, or the number is negative.
    """
    if scale.spec.replicas < 0:
        raise InvalidObjectError.of(
            "spec.replicas", f"must be at least 0, is {scale.spec.replicas}"
        )
    copy = type(obj)()
    copy.CopyFrom(obj)
    *way, last = _fields(kind).replicas.split(".")
    part: Any = copy
    for step in way:
        part = getattr(part, _name(part, step))
    setattr(part, _name(part, last), scale.spec.replicas)
    return copy


def _fields(kind: AnyKind) -> ScaleFields:
    if kind.scale is None:
        raise InvalidObjectError.of("subresource", f"{kind.resource} have no scale")
    return kind.scale


def _value(message: Any, path: str) -> Any:
    """Return the value at a path of JSON names; None if something on the way is not set."""
    *way, last = path.split(".")
    for step in way:
        name = _name(message, step)
        if not message.HasField(name):
            return None
        message = getattr(message, name)
    return getattr(message, _name(message, last))


def _name(message: Message, json_name: str) -> str:
    """Return the name of a message's field, by its JSON name."""
    fields = message.DESCRIPTOR.fields
    return next(field.name for field in fields if field.json_name == json_name)
