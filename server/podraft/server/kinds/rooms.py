"""The room of a kind: the module ``kinds/<group>/<kind>.py``, found by the kind's names.

Owns: the way from a kind to its rules.  ``apps/v1`` Deployment, of the package
``podraft.api.apps.v1``, has the room ``apps/deployment.py``; a kind without a room has the rules
of every object and no others.

Invariant: the rules of a kind never change while the process runs.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from podraft.api.kinds import AnyKind, Kind
from podraft.server.kinds.apiextensions.custom_objects import rules_of_declared
from podraft.server.kinds.hooks import ObjectT
from podraft.server.kinds.rules import Rules

# More kinds than a cluster has; the room of any further kind would be found anew each time.
_REMEMBERED: Final = 1024
_PLAIN: Final[Rules[Any]] = Rules()


def load(known: Iterable[AnyKind]) -> None:
    """Find the rooms of kinds now, so that no call waits for one or is the first to meet a fault.

    Raises:
        TypeError: A room has no rules.
    """
    for kind in known:
        rules_of(kind)


def rules_of(kind: Kind[ObjectT]) -> Rules[ObjectT]:
    """Return the rules of a kind."""
    return _rules_of(kind)


@lru_cache(maxsize=_REMEMBERED)
def _rules_of(kind: AnyKind) -> Rules[Any]:
    if kind.custom:  # The kind was declared by a user, who writes no modules.
        return _PLAIN if kind.definition is None else rules_of_declared(kind)
    group, room = module_of(kind).rsplit(".", 1)
    if find_spec(group) is None or find_spec(f"{group}.{room}") is None:
        return _PLAIN
    rules = getattr(import_module(f"{group}.{room}"), "RULES", None)
    if not isinstance(rules, Rules):
        raise TypeError(f"{group}.{room}.RULES must be Rules")
    return rules


def module_of(kind: AnyKind) -> str:
    """Return the name of the module that is a kind's room, whether it exists or not."""
    group = kind.message.DESCRIPTOR.file.package.split(".")[-2]
    return f"podraft.server.kinds.{group}.{kind.field}"
