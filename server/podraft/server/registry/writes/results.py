"""The answers of writes, and what their caller is warned of.

Invariant: a warning is about something that the write itself says, and never changes its outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from podraft.api.kinds import AnyKind
from podraft.api.scales import SCALE
from podraft.api.support import Unsupported, has_unsupported, unsupported_fields
from podraft.server.registry.writes.operations import Apply, Create, Operation, Patch, Update
from podraft.server.state.revisions import revision_suffix
from podraft.server.values import value


@value
class Result:
    """The answer of one write: an object, stamped with the commit's revision if ``written``."""

    kind: AnyKind
    value: bytes
    written: bool

    def encoded(self, revision: int) -> bytes:
        """Return the object as it is after the commit of ``revision``."""
        return self.value + revision_suffix(revision) if self.written and revision else self.value


def warnings_of(operation: Operation, result: Result) -> Iterator[str]:
    """Yield what the caller of a write is warned of, each on one line."""
    for one in _unsupported(operation, result):
        yield f"{one.path}: {one.warning}"


def _unsupported(operation: Operation, result: Result) -> list[Unsupported]:
    """Return the fields without effect that a write itself sets."""
    if not has_unsupported(result.kind.message.DESCRIPTOR):
        return []
    match operation:
        case Create() | Update(subresource="") | Apply(subresource=""):
            return unsupported_fields(operation.object)
        case Patch(_, request) if request.subresource != SCALE:
            found = unsupported_fields(result.kind.message.FromString(result.value))
            return [one for one in found if _is_named(one, request)] if found else []
        case _:
            return []


def _is_named(one: Unsupported, request: Any) -> bool:
    """Return whether a patch names a field, as far as its text shows."""
    name = one.path.rpartition(".")[2].partition("[")[0].encode()
    patches = (request.merge_patch, request.strategic_merge_patch, request.json_patch)
    return any(name in patch for patch in patches)
