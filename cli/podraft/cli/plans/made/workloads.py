"""Pods, Deployments, Jobs and CronJobs of a few words.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from podraft.cli.errors import usage
from podraft.cli.plans.made.words import container_name, metadata, without_empty

RESTARTS: Final = ("Always", "OnFailure", "Never")


@dataclass(frozen=True, slots=True)
class PodWords:
    """What `run` says of a pod."""

    image: str
    words: Sequence[str] = ()
    are_command: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    restart: str = "Always"
    pull: str = ""
    privileged: bool = False
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False


def pod(name: str, said: PodWords) -> dict[str, Any]:
    """Return a pod of one container, which is called like the pod."""
    container = without_empty(
        {
            "name": name,
            "image": said.image,
            "command" if said.are_command else "args": list(said.words),
            "env": [{"name": key, "value": value} for key, value in said.environment.items()],
            "ports": [{"containerPort": said.port}] if said.port else [],
            "imagePullPolicy": said.pull,
            "securityContext": {"privileged": True} if said.privileged else {},
        }
    )
    flags = {"stdin": said.stdin, "stdinOnce": said.stdin_once, "tty": said.tty}
    container.update({key: True for key, value in flags.items() if value})
    labels = dict(said.labels) or {"run": name}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata(name, labels=labels, annotations=dict(said.annotations)),
        "spec": {"containers": [container], "restartPolicy": said.restart},
    }


def deployment(
    name: str, images: Sequence[str], replicas: int, port: int | None, command: Sequence[str]
) -> dict[str, Any]:
    """Return a Deployment with a container for each image.

    Raises:
        CliError: There are several images and a command, which would be whose?
    """
    if len(images) > 1 and command:
        raise usage("--image: a command goes with one image only")
    labels = {"app": name}
    containers: list[dict[str, Any]] = []
    for image in images:
        called = container_name(image)
        taken = [one["name"] for one in containers if one["name"].startswith(called)]
        containers.append(
            without_empty(
                {
                    "name": f"{called}-{len(taken) + 1}" if taken else called,
                    "image": image,
                    "command": list(command),
                    "ports": [{"containerPort": port}] if port else [],
                }
            )
        )
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(name, labels=labels),
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


def job(name: str, image: str, command: Sequence[str]) -> dict[str, Any]:
    """Return a Job that runs a command once."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name),
        "spec": _job_spec(name, image, command, "Never"),
    }


def job_of_cron_job(name: str, cron_job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Job that a CronJob, given as JSON, would make now; the CronJob owns it."""
    template = cron_job["spec"].get("jobTemplate", {})
    said = template.get("metadata", {})
    owner = {
        "apiVersion": cron_job["apiVersion"],
        "kind": cron_job["kind"],
        "name": cron_job["metadata"]["name"],
        "uid": cron_job["metadata"]["uid"],
    }
    annotations = {"cronjob.kubernetes.io/instantiate": "manual", **said.get("annotations", {})}
    labels = said.get("labels", {})
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, labels=labels, annotations=annotations, ownerReferences=[owner]),
        "spec": template.get("spec", {}),
    }


def cron_job(
    name: str, image: str, schedule: str, restart: str, command: Sequence[str]
) -> dict[str, Any]:
    """Return a CronJob that runs a command at the times of a schedule."""
    spec = _job_spec(name, image, command, restart)
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(name),
        "spec": {"schedule": schedule, "jobTemplate": {"metadata": {"name": name}, "spec": spec}},
    }


def _job_spec(name: str, image: str, command: Sequence[str], restart: str) -> dict[str, Any]:
    container = without_empty({"name": name, "image": image, "command": list(command)})
    return {"template": {"spec": {"containers": [container], "restartPolicy": restart}}}
