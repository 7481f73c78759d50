"""The selection of objects of a kind that one list or watch is about.

Owns: namespace, label selector and field selector, parsed and checked once; what a request's
``resource_version`` may be.
Invariant: `matches` looks inside an object only if a selector demands it, so
that calls without selectors never decode.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from podraft.api.kinds import AnyKind
from podraft.api.selectors.fields import FieldSelector, parse_field_selector
from podraft.api.selectors.labels import LabelSelector, parse_label_selector
from podraft.server.registry import keys
from podraft.server.registry.errors import invalid

# More digits than any revision has.
_REVISION_DIGITS_MAX: Final = 18


@dataclass(frozen=True, slots=True)
class Selection:
    """Objects of ``kind``, in one namespace or all, that match both selectors."""

    kind: AnyKind
    namespace: str
    labels: LabelSelector
    fields: FieldSelector

    @property
    def prefix(self) -> bytes:
        """The prefix of the selected objects' keys."""
        return keys.prefix(self.kind, self.namespace)

    @property
    def looks_inside(self) -> bool:
        """Whether objects must be decoded to know if they are selected."""
        return not (self.labels.is_everything and self.fields.is_everything)

    def matches(self, message: Any) -> bool:
        """Return whether both selectors match; the namespace is the caller's to check."""
        return self.labels.matches(message.metadata.labels) and self.fields.matches(message)


def parse(kind: AnyKind, namespace: str, label_selector: str, field_selector: str) -> Selection:
    """Return the selection that a request's texts describe.

    Raises:
        InvalidObjectError: A selector is malformed.
        RefusedError: The kind has no namespaces, but one is given.
    """
    if namespace and not kind.namespaced:
        raise invalid("namespace", f"must be empty: {kind.resource} are not in namespaces")
    return Selection(
        kind,
        namespace,
        parse_label_selector(label_selector),
        parse_field_selector(kind, field_selector),
    )


def revision_of(text: str) -> int:
    """Return the revision that a request's ``resource_version`` is; 0: none, or any.

    Raises:
        RefusedError: It is no revision.
    """
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > _REVISION_DIGITS_MAX:
        raise invalid("resourceVersion", "must be a revision that the server returned, or empty")
    return int(text)
