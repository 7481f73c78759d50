"""Reading the facts that the Node object states; `core.status` composes them."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from podraft.agent.node.core.status import NodeFacts, Pressure

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def read(
    name: str, address: str, state_directory: Path, podman_version: str, version: str
) -> NodeFacts:
    """Return the facts about this machine."""
    machine = platform.machine()
    return NodeFacts(
        name=name,
        address=address,
        cpus=os.cpu_count() or 1,
        memory_bytes=_meminfo()["MemTotal"],
        disk_bytes=shutil.disk_usage(state_directory).total,
        architecture=_ARCHITECTURES.get(machine, machine),
        kernel=platform.release(),
        os_image=_os_image(),
        machine_id=_text("/etc/machine-id"),
        system_uuid=_text("/sys/class/dmi/id/product_uuid"),
        boot_id=_text("/proc/sys/kernel/random/boot_id"),
        podman_version=podman_version,
        agent_version=version,
    )


def read_pressure(state_directory: Path) -> Pressure:
    """Return what this machine is short of: memory, disk or process ids."""
    memory = _meminfo()
    disk = shutil.disk_usage(state_directory)
    pids_max = int(_text("/proc/sys/kernel/pid_max") or "32768")
    processes = sum(1 for entry in Path("/proc").iterdir() if entry.name.isdigit())
    return Pressure(
        memory=memory["MemAvailable"] < 100 << 20,
        disk=disk.free < disk.total * 0.05,
        pids=processes > pids_max * 0.9,
    )


def _meminfo() -> dict[str, int]:
    values = {}
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        values[name] = int(rest.split()[0]) * 1024
    return values


def _os_image() -> str:
    for line in _text("/etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.partition("=")[2].strip('"')
    return "Linux"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError:
        return ""
