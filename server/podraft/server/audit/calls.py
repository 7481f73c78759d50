"""One call as the audit log sees it: whose it was, what it did, how it ended.

Invariant: pure; what a call names is read from its request, never from what is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

REFUSED: Final = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED"})


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a call does; ``resource`` is empty for calls on no kind of objects."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    # Whether the kind has values that only today's readers may learn.
    is_secret: bool = False

    @property
    def resource_words(self) -> frozenset[str]:
        """The words by which a rule's ``resources`` can mean the operation."""
        if not self.subresource:
            return frozenset({self.resource, "*"})
        return frozenset({f"{self.resource}/{self.subresource}", f"*/{self.subresource}", "*"})


@dataclass(frozen=True, slots=True)
class AuditedCall:
    """A call that has ended, or for a stream has begun.

    ``decision``: what allowed it, or why it was refused.
    """

    method: str
    user: str
    groups: frozenset[str]
    code: str
    operations: tuple[Operation, ...]
    stage: str = "ResponseComplete"
    impersonated: str = ""
    impersonated_groups: frozenset[str] = frozenset()
    message: str = ""
    decision: str = ""
    peer: str = ""
    received_s: float = 0.0
    ended_s: float = 0.0

    @property
    def is_refused(self) -> bool:
        """Whether the caller was not known, or not allowed."""
        return self.code in REFUSED
