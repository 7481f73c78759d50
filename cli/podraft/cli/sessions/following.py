"""Printing the changes of objects as they happen: ``get -w``, ``events -w``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podraft.api.meta.v1 import requests_pb2
from podraft.cli.command_line.targets import Target, word_of
from podraft.cli.output import printing
from podraft.cli.output.formats import Format
from podraft.cli.output.listing import Listing
from podraft.cli.sessions.connection import Session
from podraft.cli.sessions.reading import Found, Query
from podraft.client.calls.following import BOOKMARK, follow

_PREFIX = "WATCH_EVENT_TYPE_"


@dataclass(frozen=True, slots=True)
class Followed:
    """The objects that were read before, which of them are meant, and how changes are shown."""

    found: Found
    target: Target
    query: Query
    output: Format
    listing: Listing


async def show_changes(session: Session, followed: Followed) -> None:
    """Print every change after those that ``followed.found`` shows, until interrupted."""
    found, query, name = followed.found, followed.query, followed.target.name
    start = found.resource_version
    scope = query.scope(found.kind)
    if name is not None:
        start = found.objects[0].metadata.resource_version
        scope = found.objects[0].metadata.namespace
    batches = follow(
        session.client.resource(found.kind),
        scope,
        label_selector=query.label_selector,
        field_selector=f"metadata.name={name}" if name else query.field_selector,
        resource_version=start,
    )
    async for batch in batches:
        for event in batch:
            if event.type != BOOKMARK:
                _show(session, followed, event)


def _show(session: Session, followed: Followed, event: Any) -> None:
    output, listing, kind = followed.output, followed.listing, followed.found.kind
    word = requests_pb2.WatchEventType.Name(event.type).removeprefix(_PREFIX)
    if output.is_table:
        printing.text(listing.line(kind, event.object, session.now_s(), event=word))
    elif output.is_for_names:
        printing.data(word_of(kind, event.object.metadata.name) + "\n")
    else:
        divider = "---\n" if output.name == "yaml" else ""
        printing.data(divider + _document(followed, event.object, word))


def _document(followed: Followed, obj: Any, word: str) -> str:
    output = followed.output
    if not followed.listing.with_events or output.columns:
        return output.of_objects([obj], single=True, headers=False)
    from podraft.cli.output.documents import document_of

    document = document_of([obj], single=True, managed_fields=output.managed_fields)
    return output.of_value({"type": word, "object": document})
