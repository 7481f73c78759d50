"""The choice of a pod's container for a command."""

from __future__ import annotations

from podraft.api.core.v1 import pod_pb2
from podraft.cli.errors import CliError
from podraft.cli.output import printing


def all_containers(pod: pod_pb2.Pod) -> list[str]:
    """Return the names of a pod's containers, init containers first."""
    return [c.name for c in (*pod.spec.init_containers, *pod.spec.containers)]


def chosen_container(pod: pod_pb2.Pod, wanted: str | None) -> str:
    """Return the wanted container, or the first one with a message if there are more.

    Raises:
        CliError: The pod has no such container.
    """
    mains = [container.name for container in pod.spec.containers]
    if not wanted:
        if len(mains) > 1:
            others = ", ".join(mains)
            printing.say(f'Defaulted container "{mains[0]}" out of: {others}', err=True)
        return mains[0]
    names = all_containers(pod)
    if wanted not in names:
        raise CliError(
            f'pod "{pod.metadata.name}" has no container "{wanted}"; it has {", ".join(names)}'
        )
    return wanted
