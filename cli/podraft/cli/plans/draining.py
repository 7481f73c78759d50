"""Which of a node's pods a drain removes, which it leaves, and what it must be allowed first.

Pure.  Invariant: nothing that would be lost, or that nobody makes anew, is removed unless the user
has said so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from podraft.api.objects.deletion import is_deleting
from podraft.api.objects.owners import controller_of
from podraft.api.objects.pods import is_finished

_DAEMON_SET: Final = "DaemonSet"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the user allows: leaving daemons, losing data, ending what nobody makes anew."""

    ignore_daemon_sets: bool = False
    delete_empty_dir_data: bool = False
    force: bool = False


@dataclass(slots=True)
class Draining:
    """The pods to remove, those that are removed already, and lines that say what else is so."""

    removed: list[Any] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def plan(pods: Iterable[Any], allowed: Allowed) -> Draining:
    """Return what a drain of a node with these pods does; with faults, it must do nothing."""
    draining = Draining()
    unmanaged: list[str] = []
    with_data: list[str] = []
    daemons: list[str] = []
    for pod in sorted(pods, key=lambda one: (one.metadata.namespace, one.metadata.name)):
        word = f"{pod.metadata.namespace}/{pod.metadata.name}"
        owner = controller_of(pod.metadata)
        if owner is not None and owner.kind == _DAEMON_SET and not is_finished(pod):
            daemons.append(word)
            continue
        if not is_finished(pod) and not is_deleting(pod.metadata):
            if owner is None:
                unmanaged.append(word)
            if any(volume.volume_source.HasField("empty_dir") for volume in pod.spec.volumes):
                with_data.append(word)
        draining.removed.append(pod)
    _tell(draining, daemons, allowed.ignore_daemon_sets, _DAEMONS)
    _tell(draining, with_data, allowed.delete_empty_dir_data, _DATA)
    _tell(draining, unmanaged, allowed.force, _UNMANAGED)
    draining.left = daemons
    return draining


_DAEMONS: Final = ("--ignore-daemonsets", "of DaemonSets, which would come again")
_DATA: Final = ("--delete-emptydir-data", "with data in an emptyDir, which would be lost")
_UNMANAGED: Final = ("--force", "that no controller makes anew")


def _tell(draining: Draining, words: Sequence[str], allowed: bool, said: tuple[str, str]) -> None:
    if not words:
        return
    option, what = said
    named = ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")
    if not allowed:
        draining.faults.append(f"pods {what} ({option} allows it): {named}")
        return
    verb = "leaving" if option == _DAEMONS[0] else "removing"
    draining.warnings.append(f"{verb} pods {what}: {named}")
