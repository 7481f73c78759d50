"""Probes and lifecycle hooks: their defaults and their rules."""

from __future__ import annotations

import re
from typing import TypeAlias

from podraft.api.core.v1 import container_pb2
from podraft.api.objects import probes
from podraft.api.violations import shown
from podraft.server.kinds.report import Report, check_exactly_one, check_port

Handler: TypeAlias = container_pb2.ProbeHandler | container_pb2.LifecycleHandler

_HEADER = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+")
_SCHEMES = ("HTTP", "HTTPS")
_SIGNAL = re.compile(r"SIG[A-Z0-9]{1,8}(?:[+-][0-9]{1,2})?")


def default_probe(probe: container_pb2.Probe) -> None:
    """Fill in the fields that a probe leaves out; zero counts as left out, as in Kubernetes."""
    probe.timeout_seconds = probes.timeout_s(probe)
    probe.period_seconds = probes.period_s(probe)
    probe.success_threshold = probes.successes(probe)
    probe.failure_threshold = probes.failures(probe)
    if probe.handler.HasField("http_get"):
        default_http_get(probe.handler.http_get)
    elif probe.handler.HasField("grpc") and not probe.handler.grpc.HasField("service"):
        probe.handler.grpc.service = ""


def default_http_get(action: container_pb2.HTTPGetAction) -> None:
    """Fill in the path and scheme of a request."""
    action.path = probes.path(action)
    action.scheme = probes.scheme(action)


def check_probe(probe: container_pb2.Probe, field: str, report: Report, *, readiness: bool) -> None:
    """Check a probe; one that restarts a container must not need several successes."""
    handler = probe.handler
    chosen = [
        name
        for name, is_set in (
            ("exec", handler.HasField("exec")),
            ("httpGet", handler.HasField("http_get")),
            ("tcpSocket", handler.HasField("tcp_socket")),
            ("grpc", handler.HasField("grpc")),
        )
        if is_set
    ]
    check_exactly_one(chosen, ("exec", "httpGet", "tcpSocket", "grpc"), field, report)
    _check_actions(handler, field, report)
    if handler.HasField("grpc"):
        report.between(f"{field}.grpc.port", handler.grpc.port, 1, 65535)
    report.at_least(f"{field}.initialDelaySeconds", probe.initial_delay_seconds, 0)
    report.at_least(f"{field}.timeoutSeconds", probe.timeout_seconds, 1)
    report.at_least(f"{field}.periodSeconds", probe.period_seconds, 1)
    report.at_least(f"{field}.successThreshold", probe.success_threshold, 1)
    report.at_least(f"{field}.failureThreshold", probe.failure_threshold, 1)
    if not readiness and probe.success_threshold > 1:
        report.add(f"{field}.successThreshold", "must be 1 for liveness and startup probes")
    if probe.HasField("termination_grace_period_seconds"):
        grace = f"{field}.terminationGracePeriodSeconds"
        if readiness:
            report.add(grace, "must not be set for readiness probes")
        else:
            report.at_least(grace, probe.termination_grace_period_seconds, 1)


def check_lifecycle(
    lifecycle: container_pb2.Lifecycle, field: str, grace_s: int, report: Report
) -> None:
    """Check the hooks; a sleep must end within the grace period of ``grace_s``."""
    signal = lifecycle.stop_signal
    if signal and not _SIGNAL.fullmatch(signal):
        report.add(f"{field}.stopSignal", f"expected a signal such as SIGTERM, got {shown(signal)}")
    for name, is_set, handler in (
        ("postStart", lifecycle.HasField("post_start"), lifecycle.post_start),
        ("preStop", lifecycle.HasField("pre_stop"), lifecycle.pre_stop),
    ):
        if is_set:
            _check_hook(handler, f"{field}.{name}", grace_s, report)


def _check_hook(
    handler: container_pb2.LifecycleHandler, field: str, grace_s: int, report: Report
) -> None:
    chosen = [
        name
        for name, is_set in (
            ("exec", handler.HasField("exec")),
            ("httpGet", handler.HasField("http_get")),
            ("tcpSocket", handler.HasField("tcp_socket")),
            ("sleep", handler.HasField("sleep")),
        )
        if is_set
    ]
    check_exactly_one(chosen, ("exec", "httpGet", "tcpSocket", "sleep"), field, report)
    _check_actions(handler, field, report)
    if handler.HasField("sleep"):
        report.between(f"{field}.sleep.seconds", handler.sleep.seconds, 0, grace_s)


def _check_actions(handler: Handler, field: str, report: Report) -> None:
    if handler.HasField("exec") and not handler.exec.command:
        report.required(f"{field}.exec.command")
    for index, word in enumerate(handler.exec.command):
        report.no_nul(f"{field}.exec.command[{index}]", word)
    if handler.HasField("http_get"):
        _check_http_get(handler.http_get, f"{field}.httpGet", report)
    if handler.HasField("tcp_socket"):
        if handler.tcp_socket.HasField("port"):
            check_port(handler.tcp_socket.port, f"{field}.tcpSocket.port", report)
        else:
            report.required(f"{field}.tcpSocket.port")


def _check_http_get(action: container_pb2.HTTPGetAction, field: str, report: Report) -> None:
    if action.HasField("port"):
        check_port(action.port, f"{field}.port", report)
    else:
        report.required(f"{field}.port")
    report.one_of(f"{field}.scheme", action.scheme, _SCHEMES)
    for index, header in enumerate(action.http_headers):
        if not _HEADER.fullmatch(header.name):
            report.add(
                f"{field}.httpHeaders[{index}].name",
                f"{shown(header.name)} is no valid name of an HTTP header",
            )
