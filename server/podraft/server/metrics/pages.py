"""The API server's metrics for Prometheus, and its health.

Owns: the API's metrics, and the port that serves all of them:

    /metrics    for Prometheus
    /healthz    200 while the event loop turns: without an answer, the process may be restarted
    /readyz     200 while this server should get calls, else 503 and why

Invariants: a scrape reads plain counters that are kept anyway; what belongs to the event loop is
read there, within a bounded time, so a scrape slows no call down and never sees half a change.
Connections are bounded in number and in time: each has a thread and a descriptor.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import (
    CollectorRegistry,
    PlatformCollector,
    ProcessCollector,
    make_wsgi_app,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from podraft.server.budgets.budget import Use
from podraft.server.metrics.calls import CALLS
from podraft.server.metrics.store import store_metrics
from podraft.server.store.measurements import StoreMeasurements

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

ResultT = TypeVar("ResultT")
# Longer than a loaded loop takes for a turn, shorter than a load balancer waits.
_LOOP_S: Final = 3.0
_CONNECTIONS_MAX: Final = 32
# The seconds for which a connection may neither send nor take anything.
_SILENT_S: Final = 10.0


class Measured(Protocol):
    """The measurements besides those of the calls."""

    @property
    def revision(self) -> int:
        """The store's revision."""

    def watchers(self) -> dict[str, int]:
        """Return the number of watchers of each resource."""

    def measurements(self) -> StoreMeasurements | None:
        """Return the measurements of the store; None if it is an external one."""

    @property
    def disk_slow(self) -> bool:
        """Whether the log's disk is too slow."""

    def unready(self) -> str:
        """Return why this server should get no calls now; empty if it should get them."""

    def budget_uses(self) -> list[Use]:
        """Return what callers have taken of their budgets, and what they were refused."""


class _Ask:
    """A way for other threads to call functions on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __call__(self, function: Callable[[], ResultT]) -> ResultT:
        async def call() -> ResultT:
            return function()

        future = asyncio.run_coroutine_threadsafe(call(), self._loop)
        try:
            return future.result(_LOOP_S)
        finally:
            future.cancel()


class ApiCollector(Collector):
    """A collector that reads the counters when it is scraped."""

    def __init__(self, measured: Measured, ask: _Ask) -> None:
        self._measured = measured
        self._ask = ask

    def describe(self) -> Iterator[Metric]:
        """Describe nothing beforehand: called on the loop, ``collect`` would wait for itself."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._ask(lambda: list(self._collect()))

    def _collect(self) -> Iterator[Metric]:
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
        yield GaugeMetricFamily(
            "podraft_ready", "1 if this server should get calls.", int(not self._measured.unready())
        )
        yield from self._budgets()
        store = self._measured.measurements()
        if store is not None:
            yield from store_metrics(store, disk_slow=self._measured.disk_slow)

    def _budgets(self) -> Iterator[Metric]:
        labels = ("role", "resource")
        used = GaugeMetricFamily("podraft_budget_used", "What callers have taken.", labels=labels)
        limit = GaugeMetricFamily(
            "podraft_budget_limit", "What they may take in sum.", labels=labels
        )
        refused = CounterMetricFamily(
            "podraft_budget_refused", "How often they were refused more.", labels=labels
        )
        for use in self._measured.budget_uses():
            names = (use.role.value, use.resource.value)
            used.add_metric(names, use.used)
            limit.add_metric(names, use.limit)
            refused.add_metric(names, use.refused)
        yield used
        yield limit
        yield refused


class _Pages:
    """The WSGI application."""

    def __init__(self, metrics: Any, ask: _Ask, unready: Callable[[], str]) -> None:
        self._metrics = metrics
        self._ask = ask
        self._unready = unready

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path in ("/healthz", "/readyz"):
            try:
                problem = self._ask(self._unready)
            except TimeoutError:
                problem = f"the event loop has not turned for {_LOOP_S:g} s"
            else:
                problem = problem if path == "/readyz" else ""
            status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
            start_response(
                f"{status.value} {status.phrase}", [("Content-Type", "text/plain; charset=utf-8")]
            )
            return [f"{problem or 'ok'}\n".encode()]
        try:
            pages: Iterable[bytes] = self._metrics(environ, start_response)
        except TimeoutError:
            start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"the event loop does not turn\n"]
        return pages


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, *arguments: Any) -> None:
        self._open: dict[socket.socket, None] = {}
        self._changing = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one more connection; end the oldest one if there are too many."""
        with self._changing:
            self._open[request] = None
            if len(self._open) > _CONNECTIONS_MAX:
                oldest = next(iter(self._open))
                del self._open[oldest]
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)  # Its thread sees the end, and closes it.
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._changing:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing of a client that leaves, or is silent for too long."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def server_bind(self) -> None:
        """Bind without asking DNS for a name, as the library would: that may take very long."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _QuietHandler(WSGIRequestHandler):
    timeout = _SILENT_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - The library's name.
        """Log nothing of each request."""


def serve(host: str, port: int, measured: Measured) -> None:
    """Serve the pages from separate threads; called on the loop on which ``measured`` lives.

    Raises:
        OSError: The port is taken.
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    ask = _Ask(asyncio.get_running_loop())
    registry.register(ApiCollector(measured, ask))
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]

    class Server(_Server):
        address_family = family

    pages = _Pages(make_wsgi_app(registry), ask, measured.unready)
    server = make_server(host, port, pages, Server, handler_class=_QuietHandler)
    threading.Thread(target=server.serve_forever, name="podraft-metrics", daemon=True).start()
