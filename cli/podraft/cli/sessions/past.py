"""Sessions in the past: every read shows one moment, and ages are given as of then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from podraft.cli.sessions.connection import Session


@dataclass(frozen=True, slots=True)
class PastSession(Session):
    """A session whose client reads at ``revision``."""

    revision: int
    then_s: float

    def now_s(self) -> float:
        """Return the time of the session's moment, in seconds since the epoch."""
        return self.then_s


async def session_at(session: Session, at: str, *, hash_secret_values: bool = False) -> PastSession:
    """Return a session at a moment: a revision, an RFC 3339 time or a duration before now."""
    moment = await session.client.history.resolve(at)
    then = _asked_for(at) or moment.time
    return PastSession(
        client=session.client.at(str(moment.revision), hash_secret_values=hash_secret_values),
        settings=session.settings,
        namespace=session.namespace,
        address=session.address,
        revision=moment.revision,
        then_s=then.timestamp() if then else session.now_s(),
    )


def _asked_for(at: str) -> datetime | None:
    """Return the moment as a time, if ``at`` gives one; the server has checked the text."""
    from podraft.api import times

    if not at or at.isdecimal():
        return None
    try:
        return times.parse_rfc3339(at)
    except ValueError:
        seconds = datetime.now(UTC).timestamp() - times.parse_duration_s(at)
        return datetime.fromtimestamp(seconds, UTC)
