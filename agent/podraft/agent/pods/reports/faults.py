"""Faults of a pod's actions: reported once in full, retried ever more slowly.

Invariant: a lasting fault costs one line for each try, and tries become rare; its traceback is
logged the first time only.
"""

from __future__ import annotations

import logging
import time

from podraft.agent.podman.client import PodmanError, PodmanUnavailableError
from podraft.agent.podman.core.errors import ConfigurationError
from podraft.agent.pods.core import backoff
from podraft.agent.pods.core.records import Failure
from podraft.agent.pods.reports.events import PodEvents

_LOG = logging.getLogger(__name__)

_RETRY_FIRST_S = 1.0
_RETRY_MAX_S = 30.0
_MESSAGE_CHARACTERS_MAX = 1024


class Faults:
    """The actions of one pod that fail at present."""

    def __init__(self, events: PodEvents) -> None:
        self._events = events
        self._counts: dict[str, int] = {}

    def happened(self, title: str, what: str, error: Exception) -> float:
        """Report that something failed; return the seconds to wait before the next try."""
        count = self._counts[what] = self._counts.get(what, 0) + 1
        pause_s = backoff.doubled(_RETRY_FIRST_S, _RETRY_MAX_S, count)
        if isinstance(error, PodmanUnavailableError):
            pause_s = _RETRY_FIRST_S  # By then it runs again; the pod is not at fault.
        message = describe(error)
        if is_expected(error):
            _LOG.warning("pod %s: %s: %s; next try in %g s", title, what, message, pause_s)
        else:
            trace = error if count == 1 else None
            _LOG.error("pod %s: %s: %s", title, what, message, exc_info=trace)
            self._events.tell("Warning", "FailedSync", f"{what}: {message}")
        return pause_s

    def over(self, what: str) -> None:
        """Note that something succeeded."""
        self._counts.pop(what, None)


def is_expected(error: Exception) -> bool:
    """Return whether the machine or the configuration refused; otherwise the fault is ours."""
    return isinstance(error, PodmanError | OSError | ConfigurationError)


def describe(error: Exception) -> str:
    """Return an error as text for a status: bounded, with its kind if that says more."""
    text = str(error) if is_expected(error) else f"{type(error).__name__}: {error}"
    return text[:_MESSAGE_CHARACTERS_MAX]


def failed(before: Failure | None, reason: str, message: str) -> Failure:
    """Return a failure that counts one more in a row, or the first for another reason."""
    count = before.count + 1 if before is not None and before.reason == reason else 1
    return Failure(reason, message[:_MESSAGE_CHARACTERS_MAX], time.monotonic(), count)
