"""What the manifests of a command line declare, and what is there of it now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from podraft.cli.command_line.settings import Settings
from podraft.cli.errors import CliError, shorten
from podraft.cli.manifests import items as manifests
from podraft.cli.manifests.items import Item
from podraft.cli.manifests.sources import read_sources
from podraft.cli.output import printing
from podraft.cli.sessions.connection import Session, load_config
from podraft.client.errors import NotFoundError

_READS_AT_ONCE = 16


def read_items(
    settings: Settings,
    names: Sequence[str],
    nothing: str,
    *,
    recursive: bool,
    ignore_unsupported: bool,
) -> list[Item]:
    """Return the objects of files; `nothing` says what has not happened if they are faulty.

    Raises:
        CliError: Something in them is wrong, all of it named, or there is no object.
    """
    default_namespace = settings.namespace or load_config(settings).namespace
    reading = manifests.read(
        read_sources(names, recursive=recursive),
        settings.namespace,
        default_namespace,
        ignore_unsupported=ignore_unsupported,
    )
    for warning in reading.warnings:
        printing.warn(warning)
    if reading.faults:
        raise CliError(nothing, *shorten(f"  {fault}" for fault in reading.faults))
    if not reading.items:
        raise CliError(f"no objects in {', '.join(names)}")
    return reading.items


async def read_live(session: Session, items: Sequence[Item]) -> list[Any]:
    """Return, for each object that is declared, what is there; None for nothing."""
    gate = asyncio.Semaphore(_READS_AT_ONCE)

    async def read(item: Item) -> Any:
        async with gate:
            try:
                return await session.client.resource(item.kind).get(item.name, item.namespace)
            except NotFoundError:
                return None

    return await asyncio.gather(*(read(item) for item in items))
