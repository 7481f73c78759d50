"""Reads that may be stale: what one server knows and, as far as can be told, how old that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from podraft.api import kinds
from podraft.api.columns.ages import human_duration
from podraft.cli.output import printing
from podraft.cli.sessions.connection import Session
from podraft.cli.sessions.reading import Found
from podraft.client.errors import ApiError


def stale_session(session: Session) -> Session:
    """Return a session whose reads may be stale."""
    return replace(session, client=session.client.stale())


async def say_how_old(session: Session, found: Sequence[Found]) -> None:
    """Print, beside the result, the server's last revision when it answered."""
    revisions = [one.resource_version for one in found if one.resource_version]
    if not revisions:
        # Reads of single objects do not tell the revision; a list does.
        listed = await session.client.resource(kinds.NAMESPACE).list(limit=1)
        revisions = [listed.resource_version]
    revision = min(revisions, key=int)
    printing.say(f"As of revision {revision}{await _made(session, revision)}.", err=True)


async def _made(session: Session, revision: str) -> str:
    try:
        moment = await session.client.history.resolve(revision)
    except ApiError:
        return ""  # The revision is not kept, or this user may not read it.
    if moment.time is None:
        return ""
    return f", made {human_duration(session.now_s() - moment.time.timestamp())} ago"
