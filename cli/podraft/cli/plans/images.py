"""The images that a workload's containers get.  Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from podraft.cli.errors import CliError, usage


def images_of(assignments: Sequence[str]) -> dict[str, str]:
    """Return the images by container, from ``CONTAINER=IMAGE`` words.

    Raises:
        CliError: There is no word, a word is incomplete, or a container has two images.
    """
    images: dict[str, str] = {}
    for assignment in assignments:
        container, _, image_name = assignment.partition("=")
        if not container or not image_name:
            raise usage(f'"{assignment}": expected CONTAINER=IMAGE')
        if container in images:
            raise usage(f'container "{container}" is given two images')
        images[container] = image_name
    if not images:
        raise usage("say which image: CONTAINER=IMAGE")
    return images


def with_images(workload: Any, images: Mapping[str, str]) -> Any:
    """Return a copy of a workload whose containers have other images.

    Raises:
        CliError: The workload has no such container.
    """
    changed = type(workload)()
    changed.CopyFrom(workload)
    spec = changed.spec.template.spec
    containers = {one.name: one for one in (*spec.init_containers, *spec.containers)}
    for name, image_name in images.items():
        if name != "*" and name not in containers:
            known = ", ".join(containers)
            raise CliError(f'there is no container "{name}" in its pods; there are {known}')
        for one in spec.containers if name == "*" else (containers[name],):
            one.image = image_name
    return changed
