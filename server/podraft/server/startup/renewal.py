"""The renewal of certificates while the server runs, and their way to their users.

Owns: when to look, and who is told.  Invariants: a certificate is renewed when a third of its life
is left, which is the time to notice that renewing fails; a certificate that cannot be renewed
stays in use and is complained about; a failure is tried again, not more often than every minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from podraft.server.auth.certificates import CertificateAuthority, KeyPair
from podraft.server.auth.pki import Pki, PkiError, due

_LOG = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 6 * 3600.0
_LOOK_AGAIN_S: Final = 60.0
_WARN_BEFORE: Final = timedelta(days=30)

# Gets what was used before and what is to be used from now on.
Use: TypeAlias = Callable[[Pki, Pki], Awaitable[None]]


async def keep_renewing(pki: Pki, renew: Callable[[], Pki], use: Use) -> None:
    """Renew for ever the certificates that ``renew``, which may block, finds too old.

    ``use`` is called whenever something was renewed.
    """
    while True:
        await _wait(pki.renewal_due, _pause_s(pki.renewal_due, datetime.now(UTC)))
        try:
            renewed = await asyncio.to_thread(renew)
            if renewed != pki:
                await use(pki, renewed)
                pki = renewed
        except (PkiError, OSError) as error:
            _LOG.error("certificates could not be renewed: %s", error)
        _warn(pki, datetime.now(UTC))


async def keep_renewing_member(
    certificate: bytes,
    authority: CertificateAuthority,
    name: str,
    use: Callable[[KeyPair], None],
) -> None:
    """Renew for ever the certificate that a member shows to the others; it is in no file."""
    while True:
        due_s = (due(certificate) - datetime.now(UTC)).total_seconds()
        await _wait(due(certificate), min(max(due_s, 0.0), _LOOK_EVERY_S))
        if due_s <= 0:
            pair = authority.issue_member(name, datetime.now(UTC))
            use(pair)
            certificate = pair.certificate
            _LOG.info("the certificate for the other members was renewed")


async def _wait(due_at: datetime, pause_s: float) -> None:
    """Wait ``pause_s`` seconds, or less if the wall clock is set forward to ``due_at``."""
    loop = asyncio.get_running_loop()
    end_s = loop.time() + pause_s
    was_due = due_at <= datetime.now(UTC)
    while (left_s := end_s - loop.time()) > 0:
        await asyncio.sleep(min(left_s, _LOOK_AGAIN_S))
        if not was_due and due_at <= datetime.now(UTC):
            return


def _pause_s(due_at: datetime, now: datetime) -> float:
    """Return the seconds until the next look: when something is due, within bounds."""
    due_s = (due_at - now).total_seconds()
    if due_s <= 0:
        # It was due already and could not be done.
        return _LOOK_AGAIN_S
    return min(due_s + 1.0, _LOOK_EVERY_S)


def _warn(pki: Pki, now: datetime) -> None:
    ends = pki.authority.valid_until
    if ends - now < _WARN_BEFORE:
        _LOG.warning("the cluster's certificate authority expires at %s", ends.isoformat())
    if pki.renewal_due < now:
        _LOG.warning("a certificate was due for renewal at %s", pki.renewal_due.isoformat())
