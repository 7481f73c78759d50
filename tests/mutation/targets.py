"""What is mutated, and what is to find the mutants.

Owns: the table of targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
_SERVER: Final = ROOT / "server"


@dataclass(frozen=True, slots=True)
class Target:
    """Some modules; ``tests`` try each mutant, then, if ``simulated``, groups in virtual time."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    simulated: bool = False


def _modules_below(package: str) -> tuple[str, ...]:
    folder = _SERVER / package.replace(".", "/")
    paths = sorted(folder.rglob("*.py"))
    names = [".".join(path.relative_to(_SERVER).with_suffix("").parts) for path in paths]
    return tuple(name for name in names if not name.endswith("__init__"))


def source_of(module: str) -> Path:
    """Return the file of ``module``."""
    return _SERVER / Path(*module.split(".")).with_suffix(".py")


TARGETS: Final = {
    "raft": Target(_modules_below("podraft.server.raft"), ("tests/unit/raft",), simulated=True),
    "member": Target(
        _modules_below("podraft.server.replication.core"),
        ("tests/unit/replication",),
        simulated=True,
    ),
    "state": Target(
        _modules_below("podraft.server.state"),
        ("tests/unit/store", "tests/unit/replication", "tests/conformance/test_embedded.py"),
        simulated=True,
    ),
    "wal": Target(
        tuple(
            f"podraft.server.store.log.{name}"
            for name in ("frames", "segments", "wal", "segment_files")
        ),
        (
            "tests/integration/store/test_wal_damage.py",
            "tests/integration/store/test_log_seam.py",
        ),
    ),
    "scheduling": Target(
        _modules_below("podraft.server.scheduling.core"), ("tests/unit/scheduling",)
    ),
    "controllers": Target(
        (
            *_modules_below("podraft.server.controllers.core"),
            *_modules_below("podraft.server.controllers.planners"),
        ),
        ("tests/unit/controllers",),
    ),
}
