"""Translation of Podman's record of a container for the core: a pure function."""

from __future__ import annotations

from podraft.agent.podman.core import spec
from podraft.agent.podman.core.records import ContainerRecord
from podraft.agent.pods.core.records import ContainerPhase, ObservedContainer


def observed(
    record: ContainerRecord, run_error: tuple[str, float] | None, *, out_of_memory: bool
) -> ObservedContainer:
    """Return one attempt as the core sees it.

    ``run_error`` says why and when the attempt's process could not be started, if it failed.
    """
    labels = record.labels
    phase, reason, message = ContainerPhase.CREATED, "", ""
    exit_code, finished_s = record.exit_code, record.finished_s
    if record.running:
        phase = ContainerPhase.RUNNING
    elif record.exited:
        phase = ContainerPhase.EXITED
        if exit_code != 0 and out_of_memory:
            reason = "OOMKilled"
    elif run_error is not None:
        phase, reason, exit_code = ContainerPhase.EXITED, "StartError", 128
        message, finished_s = run_error
    return ObservedContainer(
        id=record.id,
        name=labels.get(spec.LABEL_CONTAINER, ""),
        attempt=int(labels.get(spec.LABEL_ATTEMPT, "0")),
        phase=phase,
        image=labels.get(spec.LABEL_IMAGE, ""),
        image_id=record.image_id,
        backoff_s=float(labels.get(spec.LABEL_BACKOFF_S, "0")),
        started_s=record.started_s,
        finished_s=finished_s,
        exit_code=exit_code,
        reason=reason,
        message=message,
    )
