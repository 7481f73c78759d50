"""Views: kinds that are another form of stored ones, such as the core group's Event.

Owns: which kinds are such forms, and the look-ups. An object is stored once, in one form; whoever
reads or writes it in the other is answered in that.

Invariants: pure; a view is no kind of the registry, so nothing owns, lists or waits for its objects
twice; the rights that count are those to the stored kind.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf.message import Message

from podraft.api import codec
from podraft.api.kinds import AnyKind
from podraft.api.views.autoscalers import CPU_AUTOSCALER
from podraft.api.views.events import CORE_EVENT
from podraft.api.views.view import View

__all__ = ["View", "VIEWS", "by_manifest", "by_word", "to_json"]

VIEWS: Final[tuple[View, ...]] = (CORE_EVENT, CPU_AUTOSCALER)
_BY_MANIFEST: Final = {(view.kind.api_version, view.kind.name): view for view in VIEWS}

_BY_MESSAGE: Final = {view.kind.message_name: view for view in VIEWS}


def by_manifest(api_version: object, name: object) -> View | None:
    """Return the view that a manifest's ``apiVersion`` and ``kind`` name."""
    if not isinstance(api_version, str) or not isinstance(name, str):
        return None
    return _BY_MANIFEST.get((api_version, name))


def by_word(word: str) -> View | None:
    """Return the view that a word with its version names: ``events.v1``, ``hpa.v1.autoscaling``."""
    return _BY_WORD.get(word.lower())


def to_json(message: Message) -> dict[str, Any]:
    """Return the JSON object of a message, which may be of a kind of the registry or of a view."""
    view = _BY_MESSAGE.get(message.DESCRIPTOR.full_name)
    value = codec.to_json(message)
    if view is None:
        return value
    return {"apiVersion": view.kind.api_version, "kind": view.kind.name, **value}


def _words(kind: AnyKind) -> list[str]:
    version = kind.api_version.rpartition("/")[2]
    group = f".{kind.group}" if kind.group else ""
    names = (kind.resource, kind.name.lower(), *kind.short_names)
    return [f"{name}.{version}{group}" for name in names]


_BY_WORD: Final = {word: view for view in VIEWS for word in _words(view.kind)}
