"""The kinds that a command fits, by the fields of their messages.  Pure.

Invariant: a new kind needs no entry here.
"""

from __future__ import annotations

from collections.abc import Callable

from google.protobuf.descriptor import Descriptor

from podraft.api import kinds
from podraft.api.core.v1 import pod_pb2

_TEMPLATE = pod_pb2.PodTemplateSpec.DESCRIPTOR.full_name


def kinds_with(has: Callable[[kinds.AnyKind], bool]) -> tuple[kinds.AnyKind, ...]:
    """Return the kinds for which ``has`` is true, sorted by name."""
    return tuple(sorted(filter(has, kinds.BUILT_IN), key=lambda kind: kind.name))


def has_replicas(kind: kinds.AnyKind) -> bool:
    """Return whether objects of a kind say how many pods there should be."""
    spec = _spec(kind)
    return spec is not None and "replicas" in spec.fields_by_name


def has_template(kind: kinds.AnyKind) -> bool:
    """Return whether objects of a kind say what their pods should be."""
    spec = _spec(kind)
    field = spec.fields_by_name.get("template") if spec is not None else None
    template = field.message_type if field is not None else None
    return template is not None and template.full_name == _TEMPLATE


def selects_pods(kind: kinds.AnyKind) -> bool:
    """Return whether objects of a kind have pods of their own, and a selector that finds them."""
    spec = _spec(kind)
    return has_template(kind) and spec is not None and "selector" in spec.fields_by_name


def _spec(kind: kinds.AnyKind) -> Descriptor | None:
    field = kind.message.DESCRIPTOR.fields_by_name.get("spec")
    return field.message_type if field is not None else None
