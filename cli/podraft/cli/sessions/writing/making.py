"""Making the objects that a command line describes.

Invariant: what a manifest would be refused for, a command line is refused for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podraft.cli.command_line.settings import Settings
from podraft.cli.manifests.declared import Place, item_of
from podraft.cli.manifests.items import Item
from podraft.cli.output.outcomes import Outcomes
from podraft.cli.sessions.connection import Session, namespace_of, run


def make(
    settings: Settings, manifests: Sequence[Mapping[str, Any]], outcomes: Outcomes
) -> list[Any]:
    """Create objects one by one, telling of each; return them as they are stored.

    Raises:
        CliError: An object is malformed, there already, or refused.
    """
    items = items_of(settings, manifests, outcomes)
    if outcomes.is_local:
        for item in items:
            outcomes.tell(item.word, "created", item.message)
        return [item.message for item in items]
    return run(settings, lambda session: create_all(session, items, outcomes))


def items_of(
    settings: Settings, manifests: Sequence[Mapping[str, Any]], outcomes: Outcomes
) -> list[Item]:
    """Return the checked objects of manifests, all of them before any is made.

    Raises:
        CliError: An object is malformed.
    """
    # What is only printed works without a cluster, and in whatever namespace it is applied to.
    default = "" if outcomes.is_local else namespace_of(settings)
    place = Place(settings.namespace, default)
    return [item_of(manifest, place, "nothing was created") for manifest in manifests]


async def create_all(
    session: Session, items: Sequence[Item], outcomes: Outcomes, *, done: str = "created"
) -> list[Any]:
    """Create objects one by one, telling of each; return them as they are stored."""
    made = []
    for item in items:
        resource = session.client.resource(item.kind)
        obj = await resource.create(
            item.message, dry_run=outcomes.asks_only, field_manager=outcomes.field_manager
        )
        outcomes.tell(item.word, done, obj)
        made.append(obj)
    return made
