"""The cgroups that Podman makes for pods and leaves behind.

Invariant: a cgroup in which anything runs is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def _paths(parent: str) -> Sequence[Path]:
    """Return a pod's cgroup in every hierarchy of this machine."""
    base = Path("/sys/fs/cgroup")
    unified = (base / "cgroup.controllers").exists()
    roots = [base] if unified else [root for root in base.iterdir() if root.is_dir()]
    return [root / parent.lstrip("/") for root in roots]


def remove_cgroups(parent: str) -> bool:
    """Remove a pod's cgroups; return whether all are gone.

    Podman leaves the parent and conmon's child behind; a process that is just ending keeps them
    for a moment.
    """
    gone = True
    for path in _paths(parent):
        if not path.is_dir():
            continue
        for folder in sorted(path.rglob("*/"), key=lambda p: len(p.parts), reverse=True):
            gone = _rmdir(folder) and gone
        gone = _rmdir(path) and gone
    return gone


def remove_if_empty(cgroup: str) -> None:
    """Remove a cgroup from every hierarchy where it is empty."""
    for path in _paths(cgroup):
        _rmdir(path)


def _rmdir(path: Path) -> bool:
    try:
        path.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
