"""The answers of writes."""

from __future__ import annotations

from podraft.api.kinds import AnyKind
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
