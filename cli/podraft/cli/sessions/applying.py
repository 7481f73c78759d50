"""Applying manifests: one commit, in which the server merges.

Invariant: everything is written in one transaction, or nothing is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from podraft.cli.manifests.items import Item
from podraft.cli.plans import apply_plan, refusals
from podraft.cli.plans.apply_plan import Action, ForeseenConflictsError, Terms
from podraft.cli.sessions.connection import Session
from podraft.client.errors import ApiError, NotFoundError

_READS_AT_ONCE = 16


async def read_live(session: Session, items: Sequence[Item]) -> list[Any]:
    """Return the live object of each declared one; None where there is none."""
    gate = asyncio.Semaphore(_READS_AT_ONCE)

    async def read(item: Item) -> Any:
        async with gate:
            try:
                return await session.client.resource(item.kind).get(item.name, item.namespace)
            except NotFoundError:
                return None

    return await asyncio.gather(*(read(item) for item in items))


async def commit(
    session: Session, items: Sequence[Item], live: Sequence[Any], terms: Terms, dry_run: str
) -> tuple[list[Action], list[Any]]:
    """Apply in one transaction; return what became of each object, and the resulting objects.

    ``live`` are the objects as they were before, to tell what changed.

    Raises:
        CliError: The server refused something; the message names the file and line.
        ApiError: The server refused the whole commit.
    """
    if dry_run == "client":
        try:
            return apply_plan.foreseen(zip(items, live, strict=True), terms), list(live)
        except ForeseenConflictsError as error:
            raise refusals.foreseen(error, items) from None
    writing = apply_plan.in_order(items)
    writes = apply_plan.writes_of(writing, terms)
    try:
        response = await session.client.commit(
            writes, dry_run=dry_run == "server", field_manager=terms.manager
        )
    except ApiError as error:
        raise refusals.located(error, writing) from None
    found = {
        id(item): item.kind.message.FromString(packed.value)
        for item, packed in zip(writing, response.objects, strict=True)
    }
    stored = [found[id(item)] for item in items]
    revision = response.resource_version
    actions = [
        Action(item, apply_plan.outcome(before, after, revision))
        for item, before, after in zip(items, live, stored, strict=True)
    ]
    return actions, stored
