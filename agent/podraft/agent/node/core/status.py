"""The Node object's labels and status, composed from facts read from the machine."""

from __future__ import annotations

from dataclasses import dataclass

from podraft.api import quantities, times
from podraft.api.core.v1 import node_pb2
from podraft.api.objects import amounts, conditions, nodes, well_known

PODS_MAX = 250
AGENT_PORT = 7445

_RESERVED_CPU_MILLI = 100
_RESERVED_MEMORY_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """Facts about the machine."""

    name: str
    address: str
    cpus: int
    memory_bytes: int
    disk_bytes: int
    architecture: str
    kernel: str
    os_image: str
    machine_id: str
    system_uuid: str
    boot_id: str
    podman_version: str
    agent_version: str


@dataclass(frozen=True, slots=True)
class Pressure:
    """The resources that the machine is short of."""

    memory: bool
    disk: bool
    pids: bool


def labels(facts: NodeFacts) -> dict[str, str]:
    """Return the labels that every node has, old names included: manifests still select by them."""
    return {
        well_known.HOSTNAME_LABEL: facts.name,
        well_known.OS_LABEL: "linux",
        well_known.ARCHITECTURE_LABEL: facts.architecture,
        well_known.OLD_OS_LABEL: "linux",
        well_known.OLD_ARCHITECTURE_LABEL: facts.architecture,
    }


def status(
    facts: NodeFacts,
    pressure: Pressure,
    not_ready: str,
    before: node_pb2.NodeStatus,
    now_s: float,
    port: int = AGENT_PORT,
) -> node_pb2.NodeStatus:
    """Compose the node's status; ``not_ready`` says why the node is not ready, or is empty."""
    result = node_pb2.NodeStatus()
    cpu_milli = facts.cpus * 1000
    reserved_memory = min(_RESERVED_MEMORY_BYTES, facts.memory_bytes // 10)
    totals = (
        (result.capacity, cpu_milli, facts.memory_bytes),
        (
            result.allocatable,
            cpu_milli - min(_RESERVED_CPU_MILLI, cpu_milli // 10),
            facts.memory_bytes - reserved_memory,
        ),
    )
    for resources, milli, memory in totals:
        resources[amounts.CPU].string = quantities.format_milli(milli)
        resources[amounts.MEMORY].string = f"{memory // 1024}Ki"
        resources[amounts.EPHEMERAL_STORAGE].string = f"{facts.disk_bytes // 1024}Ki"
        resources[amounts.PODS].string = str(PODS_MAX)
    result.addresses.add(type=nodes.INTERNAL_IP, address=facts.address)
    result.addresses.add(type="Hostname", address=facts.name)
    result.daemon_endpoints.kubelet_endpoint.port = port
    result.node_info.CopyFrom(_node_info(facts))
    ready = ("AgentReady", "the agent is ready") if not not_ready else ("NotReady", not_ready)
    checks = (
        ("MemoryPressure", pressure.memory, "memory"),
        ("DiskPressure", pressure.disk, "disk space"),
        ("PIDPressure", pressure.pids, "process ids"),
    )
    for kind, short, what in checks:
        reason = f"AgentHas{'Insufficient' if short else 'Sufficient'}{kind.split('P')[0] or 'PID'}"
        message = f"the node {'is short of' if short else 'has enough'} {what}"
        _condition(result, before, kind, short, reason, message, now_s)
    _condition(result, before, "Ready", not not_ready, *ready, now_s)
    return result


def _condition(
    result: node_pb2.NodeStatus,
    before: node_pb2.NodeStatus,
    kind: str,
    holds: bool,
    reason: str,
    message: str,
    now_s: float,
) -> None:
    now = times.time_at(now_s)
    text = conditions.TRUE if holds else conditions.FALSE
    condition = result.conditions.add(type=kind, status=text, reason=reason, message=message)
    condition.last_heartbeat_time.CopyFrom(now)
    stored = conditions.find(before.conditions, kind)
    condition.last_transition_time.CopyFrom(conditions.transition_time(stored, text, now))


def _node_info(facts: NodeFacts) -> node_pb2.NodeSystemInfo:
    return node_pb2.NodeSystemInfo(
        machine_id=facts.machine_id,
        system_uuid=facts.system_uuid,
        boot_id=facts.boot_id,
        kernel_version=facts.kernel,
        os_image=facts.os_image,
        container_runtime_version=f"podman://{facts.podman_version}",
        kubelet_version=f"podraft-{facts.agent_version}",
        kube_proxy_version=f"podraft-{facts.agent_version}",
        operating_system="linux",
        architecture=facts.architecture,
    )
