"""The defaults of fields that a probe leaves out.

Owns: the defaults of probes and of the requests that they and hooks make.
"""

from __future__ import annotations

from typing import Final

from podraft.api.core.v1 import container_pb2

DEFAULT_TIMEOUT_S: Final = 1
DEFAULT_PERIOD_S: Final = 10
DEFAULT_SUCCESSES: Final = 1
DEFAULT_FAILURES: Final = 3
DEFAULT_SCHEME: Final = "HTTP"
DEFAULT_PATH: Final = "/"


def timeout_s(probe: container_pb2.Probe) -> int:
    """Return the timeout of one attempt, in seconds."""
    return probe.timeout_seconds or DEFAULT_TIMEOUT_S


def period_s(probe: container_pb2.Probe) -> int:
    """Return the time from one attempt to the next, in seconds."""
    return probe.period_seconds or DEFAULT_PERIOD_S


def successes(probe: container_pb2.Probe) -> int:
    """Return how many successes in a row make the verdict good."""
    return probe.success_threshold or DEFAULT_SUCCESSES


def failures(probe: container_pb2.Probe) -> int:
    """Return how many failures in a row make the verdict bad."""
    return probe.failure_threshold or DEFAULT_FAILURES


def scheme(action: container_pb2.HTTPGetAction) -> str:
    """Return the scheme of the request: ``HTTP`` or ``HTTPS``."""
    return action.scheme or DEFAULT_SCHEME


def path(action: container_pb2.HTTPGetAction) -> str:
    """Return the path of the request."""
    return action.path or DEFAULT_PATH
