"""Moments of the past, as users name them.

Owns: what a moment means (a revision, a time, a duration before now), and who may look back.
Invariants: whoever may read an object now may read what it was, except for kinds with secret
values, whose past is the administrators'; nodes and components never look back; the refusal of a
moment that is not kept says which are.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

from podraft.api import times
from podraft.api.violations import shown
from podraft.server.auth.authorize import Attributes
from podraft.server.auth.identity import MASTERS
from podraft.server.kinds.rooms import rules_of
from podraft.server.registry.access.callers import Caller
from podraft.server.registry.errors import Code, RefusedError, invalid
from podraft.server.registry.freshness import newest_revision
from podraft.server.state.datastore import Datastore
from podraft.server.state.past import BeforeHistoryError, Kept, Past

_HISTORY: Final = "history"
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AT_CHARACTERS_MAX: Final = 64
# More digits than any revision has.
REVISION_DIGITS_MAX: Final = 18


def check_may_look_back(caller: Caller, attributes: Attributes | None = None) -> None:
    """Check that the caller may read the past of what ``attributes`` reads; None: of nothing yet.

    Raises:
        RefusedError: The caller may not.
    """
    if caller.unrestricted:
        return
    if not caller.identity.has_roles:
        # The narrow rights of a node depend on what is, not on what was.
        caller(Attributes("get", None, subresource=_HISTORY))
    elif attributes is not None:
        caller(attributes)
        if attributes.kind is not None and rules_of(attributes.kind).secrecy is not None:
            raise RefusedError(
                Code.PERMISSION_DENIED,
                f'user "{caller.identity.user}" may not look at {attributes.kind.resource} of the '
                f'past: only administrators (group "{MASTERS}") may',
            )


def text_of(time_ms: int) -> str:
    """Return a time as messages write it."""
    if not time_ms:
        return "an unknown time"
    moment = EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def now_ms() -> int:
    """Return the present time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Moments:
    """The way from a moment to the revision that was the newest then."""

    def __init__(self, datastore: Datastore, past: Past | None) -> None:
        self._datastore = datastore
        self._past = past

    @property
    def past(self) -> Past:
        """The store's knowledge of the past.

        Raises:
            RefusedError: The store keeps none.
        """
        if self._past is None:
            raise RefusedError(
                Code.FAILED_PRECONDITION, "this cluster's datastore keeps no history for podraft"
            )
        return self._past

    async def revision(self, at: str) -> int:
        """Return the revision that ``at`` means; empty: the newest.

        Raises:
            RefusedError: The moment is malformed, in the future, or no longer kept.
        """
        if not at:
            return await newest_revision(self._datastore)
        if len(at) <= REVISION_DIGITS_MAX and at.isascii() and at.isdecimal():
            return await self.checked(int(at))
        moment_ms = _moment_ms(at)
        present_ms = now_ms()
        if moment_ms > present_ms:
            raise RefusedError(
                Code.OUT_OF_RANGE,
                f"at: {at} is in the future: the server's time is {text_of(present_ms)}",
            )
        # What was committed by that time may not have been applied here yet.
        await newest_revision(self._datastore)
        try:
            return await self.past.revision_at(moment_ms)
        except BeforeHistoryError as error:
            raise too_old(at, error.kept) from None

    async def checked(self, revision: int) -> int:
        """Return ``revision`` if it is kept.

        Raises:
            RefusedError: It is in the future, or no longer kept.
        """
        newest = self._datastore.revision
        if revision > newest:
            newest = await newest_revision(self._datastore)
        if revision > newest:
            raise RefusedError(
                Code.OUT_OF_RANGE,
                f"at: revision {revision} is in the future: the newest is {newest}",
            )
        kept = await self.past.kept()
        if revision < kept.oldest:
            raise too_old(f"revision {revision}", kept)
        return revision


def too_old(what: str, kept: Kept) -> RefusedError:
    """Return the refusal of a moment that is no longer kept."""
    return RefusedError(
        Code.OUT_OF_RANGE,
        f"at: {what} is older than what is kept: "
        f"the oldest is revision {kept.oldest} of {text_of(kept.time_ms)}",
    )


def _moment_ms(at: str) -> int:
    try:
        if len(at) > _AT_CHARACTERS_MAX:
            raise ValueError
        if at[:1].isdecimal() and at[-1:].isalpha() and "-" not in at:
            return now_ms() - int(times.parse_duration_s(at) * 1000)
        delta = times.parse_rfc3339(at) - EPOCH
        return delta // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise invalid(
            "at",
            f"{shown(at)}: expected a revision, an RFC 3339 time such as 2026-01-02T03:04:05Z, "
            "or a duration before now such as 10m",
        ) from None
