"""CSINodes: the drivers of volumes on a node."""

from __future__ import annotations

from typing import Final

from podraft.api import names
from podraft.api.storage.v1.csi_node_pb2 import CSINode, CSINodeDriver
from podraft.api.violations import shown
from podraft.server.kinds.report import Report
from podraft.server.kinds.rules import Rules
from podraft.server.kinds.shared.conditions import has_at_most
from podraft.server.kinds.storage.drivers import check_driver_name

_DRIVERS_MAX: Final = 256
_NODE_ID_MAX: Final = 192


def _check(node: CSINode, report: Report) -> None:
    """Check the drivers of a node."""
    if not has_at_most(_DRIVERS_MAX, node.spec.drivers, "spec.drivers", report):
        return
    seen: set[str] = set()
    for index, driver in enumerate(node.spec.drivers):
        path = f"spec.drivers[{index}]"
        _check_driver(driver, path, report)
        if driver.name in seen:
            report.add(f"{path}.name", f"duplicate: {shown(driver.name)} is listed already")
        seen.add(driver.name)


def _check_driver(driver: CSINodeDriver, field: str, report: Report) -> None:
    check_driver_name(f"{field}.name", driver.name, report)
    size = len(driver.node_id.encode())
    if not 0 < size <= _NODE_ID_MAX:
        report.add(f"{field}.nodeID", f"must be 1 to {_NODE_ID_MAX} bytes, is {size}")
    if driver.allocatable.HasField("count"):
        report.at_least(f"{field}.allocatable.count", driver.allocatable.count, 0)
    for index, key in enumerate(driver.topology_keys):
        path = f"{field}.topologyKeys[{index}]"
        if (problem := names.qualified(key)) is not None:
            report.add(path, f"{shown(key)} {problem}")
        elif key in driver.topology_keys[:index]:
            report.add(path, f"duplicate: {shown(key)} is listed already")


def _check_change(stored: CSINode, node: CSINode, report: Report) -> None:
    """Check that a driver which stays keeps its node's name and its labels."""
    before = {driver.name: driver for driver in stored.spec.drivers}
    for index, driver in enumerate(node.spec.drivers):
        known = before.get(driver.name)
        if known is None:
            continue
        path = f"spec.drivers[{index}]"
        if known.node_id != driver.node_id:
            report.add(f"{path}.nodeID", f"cannot be changed: it is {shown(known.node_id)}")
        if known.topology_keys != driver.topology_keys:
            report.add(f"{path}.topologyKeys", "cannot be changed")


RULES: Final[Rules[CSINode]] = Rules(check=_check, check_change=_check_change)
