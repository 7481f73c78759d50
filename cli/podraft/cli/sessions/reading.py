"""Reading a command's targets: objects by name, or all matching objects of a kind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from podraft.api import kinds
from podraft.cli.command_line.targets import Target
from podraft.cli.errors import CliError, usage
from podraft.cli.sessions.connection import Session
from podraft.client.errors import CompactedError, NotFoundError

_READS_AT_ONCE = 16
CHUNK_DEFAULT = 500


@dataclass(frozen=True, slots=True)
class Query:
    """A choice among a kind's objects: by namespace, labels and fields.

    ``chunk`` is how many objects one call asks for; 0 asks for all at once.
    """

    namespace: str
    label_selector: str = ""
    field_selector: str = ""
    all_namespaces: bool = False
    chunk: int = CHUNK_DEFAULT

    def scope(self, kind: kinds.AnyKind) -> str:
        """Return the namespace to read; empty for all namespaces and for kinds without one."""
        return "" if self.all_namespaces or not kind.namespaced else self.namespace


@dataclass(slots=True)
class Found:
    """The objects of one kind, and the revision at which they were read (for lists only)."""

    kind: kinds.AnyKind
    objects: list[Any] = field(default_factory=list)
    resource_version: str = ""
    missing: list[str] = field(default_factory=list)


def check_query(targets: Sequence[Target], query: Query) -> None:
    """Check that names and selectors are not mixed.

    Raises:
        CliError: They are mixed.
    """
    if any(target.name for target in targets):
        if query.label_selector or query.field_selector:
            raise usage("name objects or select them by label or field, not both")
        if query.all_namespaces:
            raise usage("an object cannot be named across all namespaces; use -n")


async def read(session: Session, targets: Sequence[Target], query: Query) -> list[Found]:
    """Return the objects that the targets mean, by kind, in the order of the targets."""
    check_query(targets, query)
    by_kind: dict[kinds.AnyKind, list[Target]] = {}
    for target in targets:
        by_kind.setdefault(target.kind, []).append(target)
    reads = (_read_kind(session, kind, wanted, query) for kind, wanted in by_kind.items())
    return list(await asyncio.gather(*reads))


async def _read_kind(
    session: Session, kind: kinds.AnyKind, wanted: Sequence[Target], query: Query
) -> Found:
    named = [target for target in wanted if target.name is not None]
    if len(named) < len(wanted):
        return await _read_all(session, kind, query)
    found = Found(kind)
    resource, gate = session.client.resource(kind), asyncio.Semaphore(_READS_AT_ONCE)

    async def one(target: Target) -> Any:
        where = query.scope(kind) if target.namespace is None else target.namespace
        async with gate:
            try:
                return await resource.get(target.name or "", where)
            except NotFoundError:
                return None

    for target, obj in zip(named, await asyncio.gather(*map(one, named)), strict=True):
        if obj is None:
            found.missing.append(f'{kind.resource} "{target.name}" not found')
        else:
            found.objects.append(obj)
    return found


async def _read_all(session: Session, kind: kinds.AnyKind, query: Query) -> Found:
    """Read all matching objects, in chunks of one revision.

    When the revision of the first chunk is no longer kept, everything is read anew and at once.
    """
    found, resource = Found(kind), session.client.resource(kind)
    chunk, token = query.chunk, ""
    while True:
        try:
            listed = await resource.list(
                query.scope(kind),
                label_selector=query.label_selector,
                field_selector=query.field_selector,
                limit=chunk,
                continue_token=token,
            )
        except CompactedError:
            if not token:
                raise
            found, chunk, token = Found(kind), 0, ""
            continue
        found.objects += listed.items
        found.resource_version, token = listed.resource_version, listed.continue_token
        if not token:
            return found


def complain_of_missing(found: Sequence[Found], where: str) -> None:
    """Raise an error for the names that were not found, after the found objects were shown.

    Raises:
        CliError: An object was not found.
    """
    missing = [
        f"{line} in namespace {where}" if one.kind.namespaced else line
        for one in found
        for line in one.missing
    ]
    if missing:
        raise CliError(missing[0], *(f"Error: {line}" for line in missing[1:]))
