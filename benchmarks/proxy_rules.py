"""The time that the service proxy needs for its rules: for all of them, and for one change.

Needs root.  The network namespace belongs to the measuring thread and ends with it.

    python benchmarks/proxy_rules.py [--json FILE]
"""

from __future__ import annotations

import argparse
import ctypes
import json
import statistics
import threading
import time
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from podraft.agent.proxy.core.frontends import TCP, Endpoint, Frontend, ServiceKey
from podraft.agent.proxy.core.table import ServiceTable
from podraft.agent.proxy.kernel import ProxyKernel

CLONE_NEWNET = 0x40000000
PODS = IPv4Network("10.244.0.0/20")
FIRST_SERVICE = IPv4Address("10.96.0.0")
ENDPOINTS = 5
CHANGES = 30


def frontend(number: int) -> Frontend:
    """Return the one frontend of a service."""
    return Frontend(FIRST_SERVICE + number, TCP, 80)


def endpoints(number: int) -> frozenset[Endpoint]:
    """Return the endpoints of a service."""
    return frozenset(
        Endpoint(PODS[(number * ENDPOINTS + index) % PODS.num_addresses], 8080)
        for index in range(ENDPOINTS)
    )


def key(number: int) -> ServiceKey:
    """Return the key of a service."""
    return ServiceKey("default", f"service-{number}")


def timed_ms(work: Callable[[], object]) -> float:
    """Return how many milliseconds some work takes."""
    begun = time.perf_counter()
    work()
    return (time.perf_counter() - begun) * 1000


def measure(services: int) -> dict[str, float]:
    """Return the times in milliseconds for ``services`` services."""
    table = ServiceTable(PODS)
    kernel = ProxyKernel(PODS, IPv4Address("127.0.0.1"))
    wanted = {key(n): {frontend(n): endpoints(n)} for n in range(services)}
    found: dict[str, float] = {"services": services}
    found["decide_all_ms"] = timed_ms(lambda: table.update(wanted))
    found["write_all_ms"] = timed_ms(lambda: kernel.replace(table.rebuild()))
    found["replace_all_ms"] = timed_ms(lambda: kernel.replace(table.rebuild()))
    found["verify_all_ms"] = timed_ms(lambda: kernel.is_intact(table))
    found["verify_unchanged_ms"] = timed_ms(lambda: kernel.is_intact(table))
    decide, apply = [], []
    for turn in range(CHANGES):
        number = turn * 7 % services
        less = frozenset(sorted(endpoints(number))[1:])
        begun = time.perf_counter()
        changes = table.update({key(number): {frontend(number): less}})
        decide.append((time.perf_counter() - begun) * 1000)
        apply.append(timed_ms(partial(kernel.apply, changes.operations)))
    found["change_decide_ms"] = statistics.median(decide)
    found["change_apply_ms"] = statistics.median(apply)
    found["change_apply_max_ms"] = max(apply)
    kernel.close()
    return found


def main() -> None:
    """Measure in a namespace of its own, print, and write the file."""
    parser = argparse.ArgumentParser(description="Times of the service proxy's rules.")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    results: list[dict[str, float]] = []

    def isolated() -> None:
        if ctypes.CDLL(None).unshare(CLONE_NEWNET) != 0:
            raise SystemExit("needs root: cannot make a network namespace")
        results.extend(measure(services) for services in (1000, 5000))

    thread = threading.Thread(target=isolated)
    thread.start()
    thread.join()
    for result in results:
        print("  ".join(f"{name} {value:.1f}" for name, value in result.items()))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
