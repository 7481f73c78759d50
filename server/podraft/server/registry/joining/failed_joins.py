"""Failed joins: bounded for each address, and logged without filling the log.

Invariants: no token is logged; an address that has failed often waits, others do not; memory is
bounded.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from podraft.server.registry.errors import Code, RefusedError

_LOG = logging.getLogger(__name__)

_FAILURES_MAX: Final = 100
_WITHIN_S: Final = 60.0
_ADDRESSES_MAX: Final = 4096


class FailedJoins:
    """The failures of each address within the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # When the minute began, and the number of failures since.
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    @contextmanager
    def counted(self, peer: str, who: str) -> Iterator[None]:
        """Refuse an address that has failed too often; count and log a refusal inside.

        Raises:
            RefusedError: The address has failed too often.
        """
        address = peer.rpartition(":")[0]
        began_s, count = self._of(address)
        if count >= _FAILURES_MAX:
            left_s = began_s + _WITHIN_S - self._clock()
            raise RefusedError(
                Code.RESOURCE_EXHAUSTED,
                f"too many joins from here have failed; try again in {left_s:.0f} s",
            )
        try:
            yield
        except RefusedError as error:
            self._note(address, who, error)
            raise

    def _of(self, address: str) -> tuple[float, int]:
        now_s = self._clock()
        began_s, count = self._failures.get(address, (now_s, 0))
        return (began_s, count) if now_s - began_s < _WITHIN_S else (now_s, 0)

    def _note(self, address: str, who: str, error: RefusedError) -> None:
        began_s, count = self._of(address)
        self._failures[address] = (began_s, count + 1)
        self._failures.move_to_end(address)
        if len(self._failures) > _ADDRESSES_MAX:
            self._failures.popitem(last=False)
        _LOG.warning("refused %r from %s to join: %s", who, address or "nowhere", error.message)
        if count + 1 == _FAILURES_MAX:
            _LOG.warning("too many joins from %s have failed: it must wait", address or "nowhere")
