"""Objects while a list of writes is planned, and what callers expect of them.

Owns: one object's state between the writes, the comparison with the uid and the revision that a
caller has seen, and what a write of a part means for the whole.
"""

from __future__ import annotations

from typing import Any

from podraft.api import scales
from podraft.api.autoscaling.v1.scale_pb2 import Scale
from podraft.api.codec import patching
from podraft.api.kinds import AnyKind
from podraft.api.limits import OBJECT_BYTES_MAX
from podraft.api.meta.v1 import requests_pb2
from podraft.server.registry import encoding
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.targets import described
from podraft.server.registry.writes.extent import OBJECT_VALUES_MAX, too_large
from podraft.server.state.datastore import Record


class Entry:
    """One object in the state that the writes make, step by step."""

    __slots__ = ("changed", "key", "kind", "message", "record", "value")

    def __init__(self, kind: AnyKind, key: bytes, record: Record | None, message: Any) -> None:
        self.kind = kind
        self.key = key
        self.record = record
        # None: the object does not exist (any more).
        self.message = message
        self.value = record.value if record is not None else b""
        self.changed = False

    def put(self, message: Any) -> None:
        """Replace the object with ``message``.

        Raises:
            InvalidObjectError: It is too large.
        """
        value = encoding.encode_object(message)
        if len(value) > OBJECT_BYTES_MAX:
            raise too_large(len(value))
        self.value = value
        if self.record is not None:
            # Later writes of the same list compare with what their caller has seen.
            message.metadata.resource_version = str(self.record.mod_revision)
        self.message = message
        self.changed = True

    def remove(self) -> None:
        """Mark the object as gone."""
        self.message = None
        self.changed = True


def check_same(entry: Entry, proposed: Any) -> None:
    """Check that ``proposed`` is meant to replace the very object that is stored.

    Raises:
        RefusedError: It names another object, or one that has changed.
    """
    stored, metadata = entry.message.metadata, proposed.metadata
    for field in ("name", "namespace"):
        if getattr(metadata, field) != getattr(stored, field):
            raise invalid(f"metadata.{field}", "cannot be changed")
    _compare(entry, "uid", metadata.uid, stored.uid)
    _compare_revision(entry, metadata.resource_version)


def check_preconditions(entry: Entry, preconditions: requests_pb2.Preconditions) -> None:
    """Check that the object is the one that the caller has seen.

    Raises:
        RefusedError: It is another object, or has changed.
    """
    _compare(entry, "uid", preconditions.uid, entry.message.metadata.uid)
    _compare_revision(entry, preconditions.resource_version)


def _compare_revision(entry: Entry, expected: str) -> None:
    found = str(entry.record.mod_revision) if entry.record is not None else ""
    _compare(entry, "resourceVersion", expected, found)


def _compare(entry: Entry, field: str, expected: str, found: str) -> None:
    if expected and expected != found:
        metadata = entry.message.metadata
        what = described(entry.kind, metadata.namespace, metadata.name)
        raise RefusedError(
            Code.ABORTED,
            f'{what} has changed: its {field} is "{found}", the call expects "{expected[:64]}"',
        )


def check_subresource(kind: AnyKind, subresource: str) -> None:
    """Check that objects of a kind have a part that is written apart.

    Raises:
        RefusedError: They have not.
    """
    if subresource not in ("", "status", scales.SCALE):
        raise invalid("subresource", 'expected "status", "scale" or nothing')
    if subresource == "status" and not kind.has_status:
        raise invalid("subresource", f"{kind.resource} have no status")
    if subresource == scales.SCALE and kind.scale is None:
        raise invalid("subresource", f"{kind.resource} have no scale")


def merged(
    kind: AnyKind, stored: Any, request: requests_pb2.PatchRequest
) -> tuple[dict[str, Any], Any]:
    """Return a patch as a merge patch, and what it makes of the stored object, or of its scale."""
    check_subresource(kind, request.subresource)
    base = scales.scale_of(kind, stored) if request.subresource == scales.SCALE else stored
    changes = patching.changes_of(base, request)
    return changes, patching.patched(base, changes, values_max=OBJECT_VALUES_MAX)


def rescaled(kind: AnyKind, stored: Any, proposed: Any) -> Any:
    """Return the stored object with the number of replicas that a Scale proposes.

    Raises:
        RefusedError: ``proposed`` is no Scale.
        InvalidObjectError: The number is negative.
    """
    if not isinstance(proposed, Scale):
        raise invalid("subresource", "scale is updated by its own method, or patched")
    return scales.scaled(kind, stored, proposed)


def is_same(stored: Any, updated: Any) -> bool:
    """Return whether an update changes nothing; give it the stored revision if it has one."""
    if stored.metadata.resource_version:
        updated.metadata.resource_version = stored.metadata.resource_version
    return bool(stored == updated)
