"""The pods that a Job makes.

Owns: what of a pod follows from its job and its index.
"""

from __future__ import annotations

from typing import Final

from podraft.api.batch.v1 import job_pb2
from podraft.api.cluster.v1 import commit_pb2
from podraft.api.core.v1 import pod_pb2
from podraft.api.kinds import JOB
from podraft.api.objects import owners, well_known
from podraft.client.calls import writes

INDEX_VARIABLE: Final = "JOB_COMPLETION_INDEX"


def creation(
    job: job_pb2.Job, index: int | None = None, failures: int | None = None
) -> commit_pb2.Write:
    """Return the write that makes a pod, for an index if the job has some.

    ``failures`` says how many pods failed for the index before; None: nobody asks.
    """
    template = job.spec.template
    pod = pod_pb2.Pod(spec=template.spec)
    metadata = pod.metadata
    metadata.namespace = job.metadata.namespace
    metadata.labels.update(template.metadata.labels)
    metadata.annotations.update(template.metadata.annotations)
    metadata.finalizers.extend(template.metadata.finalizers)
    if well_known.JOB_TRACKING_FINALIZER not in metadata.finalizers:
        metadata.finalizers.append(well_known.JOB_TRACKING_FINALIZER)
    metadata.owner_references.append(owners.controller_reference(JOB, job))
    metadata.generate_name = f"{job.metadata.name}-"
    if index is not None:
        _number(pod, job.metadata.name, index, failures)
    return writes.create(pod)


def _number(pod: pod_pb2.Pod, name: str, index: int, failures: int | None) -> None:
    metadata = pod.metadata
    metadata.generate_name = f"{name}-{index}-"
    metadata.labels[well_known.COMPLETION_INDEX] = str(index)
    metadata.annotations[well_known.COMPLETION_INDEX] = str(index)
    if failures is not None:
        metadata.annotations[well_known.INDEX_FAILURES] = str(failures)
    pod.spec.hostname = f"{name}-{index}"
    for container in (*pod.spec.init_containers, *pod.spec.containers):
        if all(variable.name != INDEX_VARIABLE for variable in container.env):
            container.env.add(name=INDEX_VARIABLE, value=str(index))
