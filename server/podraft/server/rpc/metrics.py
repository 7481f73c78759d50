"""What the API server tells Prometheus.

Owns: the metrics' names and the port that serves them.  Invariant: a scrape reads
plain counters that the calls keep anyway; it slows no call down.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from podraft.server.rpc.calls import CALLS


class Measured(Protocol):
    """What is measured besides the calls."""

    @property
    def revision(self) -> int:
        """The store's revision."""

    def watchers(self) -> dict[str, int]:
        """Return how many watch each resource."""


class ApiCollector(Collector):
    """Reads the counters when it is scraped."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        calls = CounterMetricFamily(
            "podraft_api_calls", "Calls that have ended.", labels=("method", "code")
        )
        seconds = CounterMetricFamily(
            "podraft_api_call_seconds",
            "Seconds spent in calls that have ended.",
            labels=("method",),
        )
        for method, counts in list(CALLS.items()):
            for code, number in list(counts.by_code.items()):
                calls.add_metric((method, code), number)
            seconds.add_metric((method,), counts.seconds)
        yield calls
        yield seconds
        yield GaugeMetricFamily(
            "podraft_store_revision", "The cluster's revision.", self._measured.revision
        )
        watchers = GaugeMetricFamily(
            "podraft_api_watchers", "Watches that are open.", labels=("resource",)
        )
        for resource, number in self._measured.watchers().items():
            watchers.add_metric((resource,), number)
        yield watchers


def serve(host: str, port: int, measured: Measured) -> None:
    """Serve the metrics from a thread of its own.

    Raises:
        OSError: The port is taken.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    registry.register(ApiCollector(measured))
    start_http_server(port, host, registry)
