"""The plan of `apply`: manifests in, writes and words out.

Pure.  The server merges: every manifest is applied in a manager's name, and the server knows what
that manager stated before.  Nothing but what the author said is sent: bookkeeping that exported
objects carry, and the status, are no part of a configuration.

Invariant: applying the same again changes nothing, and is told as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from podraft.api import codec, kinds
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.ownership import applying, conflicts
from podraft.api.ownership.applying import ConflictsError
from podraft.api.ownership.holdings import COMMAND, Writer
from podraft.api.violations import Violation
from podraft.cli.manifests.items import Item
from podraft.client.calls import writes

Outcome = Literal["created", "configured", "unchanged"]


@dataclass(frozen=True, slots=True)
class Terms:
    """The name in which manifests are applied, and whether conflicts are decided for it."""

    manager: str = COMMAND
    force: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """What becomes, or became, of one object."""

    item: Item
    outcome: Outcome


def in_order(items: Iterable[Item]) -> list[Item]:
    """Return the manifests in the order of writing, dependencies first (namespaces)."""
    order = {kind: index for index, kind in enumerate(kinds.BUILT_IN)}
    return sorted(items, key=lambda item: order[item.kind])


def writes_of(
    items: Iterable[Item], terms: Terms, *, only_create: bool = False
) -> list[commit_pb2.Write]:
    """Return the write of each manifest."""
    return [
        writes.apply(configuration(item), force=terms.force, only_create=only_create)
        for item in items
    ]


def configuration(item: Item) -> Any:
    """Return what a manifest states."""
    obj = codec.from_json(item.value)
    if item.kind.has_status:
        obj.ClearField("status")
    return obj


def outcome(live: Any, stored: Any, revision: str) -> Outcome:
    """Return what a commit of ``revision`` (empty: a dry run) made of an object."""
    if live is None:
        return "created"
    now = stored.metadata.resource_version
    is_written = now in ("", revision) and now != live.metadata.resource_version
    return "configured" if is_written else "unchanged"


def foreseen(pairs: Iterable[tuple[Item, Any]], terms: Terms) -> list[Action]:
    """Return what would become of the objects, as far as it can be told without the server.

    Raises:
        ForeseenConflictsError: Other managers own fields with other values.
    """
    found, faults = [], []
    for index, (item, live) in enumerate(pairs):
        try:
            found.append(Action(item, _foreseen(item, live, terms)))
        except ConflictsError as error:
            stated = configuration(item)
            faults += [(index, one) for one in conflicts.violations(stated, error.conflicts)]
    if faults:
        raise ForeseenConflictsError(faults)
    return found


class ForeseenConflictsError(Exception):
    """The error of manifests in conflict; ``faults`` are their indices and the violations."""

    def __init__(self, faults: Sequence[tuple[int, Violation]]) -> None:
        super().__init__(f"{len(faults)} conflicts")
        self.faults = tuple(faults)


def _foreseen(item: Item, live: Any, terms: Terms) -> Outcome:
    if live is None:
        return "created"
    writer = Writer(terms.manager, item.kind.api_version)
    done = applying.apply(item.kind, live, configuration(item), writer, force=terms.force)
    updated = item.kind.message()
    updated.CopyFrom(done.object)
    applying.record(live, updated, done, 0)
    return "unchanged" if updated == live else "configured"
