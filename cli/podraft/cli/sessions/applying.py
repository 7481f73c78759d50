"""Applying manifests: read the live objects, plan, commit.

Invariant: everything is written in one transaction, or nothing is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from podraft.cli.manifests.items import Item
from podraft.cli.plans import apply_plan
from podraft.cli.plans.apply_plan import Action
from podraft.cli.plans.refusals import located
from podraft.cli.sessions.connection import Session
from podraft.client.errors import AlreadyExistsError, ApiError, ConflictError, NotFoundError

_READS_AT_ONCE = 16
_TRIES_MAX = 4


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
    session: Session, items: Sequence[Item], dry_run: str
) -> tuple[list[Action], dict[int, Any]]:
    """Plan and write in one transaction; plan anew when somebody else wrote in between.

    Return the actions and, by their numbers, the resulting objects.

    Raises:
        CliError: The server refused something; the message names the file and line.
        ApiError: The server refused the whole commit.
    """
    for attempt in range(1, _TRIES_MAX + 1):
        live = await read_live(session, items)
        actions = apply_plan.plan(zip(items, live, strict=True))
        writing = apply_plan.write_order(actions)
        if dry_run == "client" or not writing:
            return actions, dict(enumerate(live))
        writes = [action.write for action in writing if action.write is not None]
        try:
            response = await session.client.commit(writes, dry_run=dry_run == "server")
        except (AlreadyExistsError, ConflictError, NotFoundError) as error:
            if attempt == _TRIES_MAX or isinstance(error, NotFoundError):
                raise located(error, writing) from None
        except ApiError as error:
            raise located(error, writing) from None
        else:
            stored = dict(enumerate(live))
            position = {id(action): index for index, action in enumerate(actions)}
            for action, packed in zip(writing, response.objects, strict=False):
                stored[position[id(action)]] = action.item.kind.message.FromString(packed.value)
            return actions, stored
    raise AssertionError("the last try returns or raises")
