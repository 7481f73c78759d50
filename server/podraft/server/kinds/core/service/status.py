"""A Service's status: the addresses of a load balancer, as whoever runs it writes them.

Owns: the rules of these addresses.
"""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.core.v1.service_pb2 import LoadBalancerIngress, PortStatus, Service
from podraft.api.objects.ports import PROTOCOLS
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.shared.addresses import is_ip
from podraft.server.kinds.shared.conditions import check_conditions, check_length, has_at_most

INGRESS_MAX: Final = 64
PORTS_MAX: Final = 250
_ERROR_MAX: Final = 316
_IP_MODES: Final = ("VIP", "Proxy")


def check_status(service: Service, report: Report) -> None:
    """Check a Service's status."""
    status = service.status
    check_conditions(status.conditions, report, short=False)
    ingress, field = status.load_balancer.ingress, "status.loadBalancer.ingress"
    if not has_at_most(INGRESS_MAX, ingress, field, report):
        return
    for index, address in enumerate(ingress):
        _check_ingress(address, f"{field}[{index}]", report)


def _check_ingress(ingress: LoadBalancerIngress, field: str, report: Report) -> None:
    if ingress.ip and not is_ip(ingress.ip):
        report.add(f"{field}.ip", f"expected an IP address, got {shown(ingress.ip)}")
    if ingress.ip_mode:
        report.one_of(f"{field}.ipMode", ingress.ip_mode, _IP_MODES)
        if not ingress.ip:
            report.add(f"{field}.ipMode", "must not be set without ip")
    host = ingress.hostname
    if is_ip(host):
        report.add(f"{field}.hostname", f"must be a DNS name, not an address, is {shown(host)}")
    elif host and (problem := names.dns_subdomain(host)) is not None:
        report.add(f"{field}.hostname", f"{shown(host)} {problem}")
    if has_at_most(PORTS_MAX, ingress.ports, f"{field}.ports", report):
        for index, port in enumerate(ingress.ports):
            _check_port(port, f"{field}.ports[{index}]", report)


def _check_port(port: PortStatus, field: str, report: Report) -> None:
    report.between(f"{field}.port", port.port, 1, 65535)
    report.one_of(f"{field}.protocol", port.protocol, PROTOCOLS)
    if port.HasField("error"):
        check_length(port.error, _ERROR_MAX, f"{field}.error", report)
