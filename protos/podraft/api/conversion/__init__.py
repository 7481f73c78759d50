"""Old manifests in their present form: the table of conversions.

Owns: which ``apiVersion`` and ``kind`` are old, and what an object of each is now. One module for
each group says what its objects were like.

Invariants: pure; what a manifest left out means what it meant then; a manifest of any shape is
converted or refused with an ``InvalidObjectError``, and never changed in place.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from podraft.api.conversion import (
    admission,
    authorization,
    autoscaling,
    cluster,
    custom_kinds,
    networking,
    policy,
    records,
    workloads,
)
from podraft.api.conversion.table import Gone, Present, Table
from podraft.api.violations import InvalidObjectError

__all__ = ["Old", "is_old", "converted", "old_versions"]

_MODULES: Final = (
    admission,
    authorization,
    autoscaling,
    cluster,
    custom_kinds,
    networking,
    policy,
    records,
    workloads,
)
_TABLE: Final[Table] = {key: entry for module in _MODULES for key, entry in module.TABLE.items()}


class Old(NamedTuple):
    """An old kind: ``present`` is the ``apiVersion`` of its present form, empty if it is gone."""

    api_version: str
    kind: str
    present: str


def is_old(manifest: Mapping[str, Any]) -> bool:
    """Return whether a manifest is of an old kind, one that is gone included."""
    return _entry(manifest) is not None


def converted(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the present form of a manifest of an old kind, without its status.

    Raises:
        InvalidObjectError: It has no present form, or something that it says has none.
        KeyError: The manifest is not of an old kind.
    """
    entry = _entry(manifest)
    match entry:
        case Gone():
            raise InvalidObjectError.of("kind", entry.reason)
        case Present():
            result = copy.deepcopy(dict(manifest))
            result.pop("status", None)
            entry.change(result)
            result["apiVersion"] = entry.api_version
            result["kind"] = entry.kind or manifest["kind"]
            return result
        case None:
            raise KeyError("not of an old kind")


def old_versions() -> Iterator[Old]:
    """Yield the old kinds, by group, version and name."""
    for (api_version, kind), entry in sorted(_TABLE.items(), key=lambda one: one[0]):
        yield Old(api_version, kind, entry.api_version if isinstance(entry, Present) else "")


def _entry(manifest: Mapping[str, Any]) -> Present | Gone | None:
    api_version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if not isinstance(api_version, str) or not isinstance(kind, str):
        return None
    return _TABLE.get((api_version, kind))
