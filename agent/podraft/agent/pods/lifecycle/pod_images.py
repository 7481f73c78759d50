"""The images that one pod's next attempts start from.

Invariant: an image serves one attempt; the next one looks again, as its pull policy says.
"""

from __future__ import annotations

from podraft.agent.podman.core.records import ImageRecord
from podraft.agent.pods.core.pod_spec import container_of
from podraft.agent.pods.core.records import Failure, ImageKey, PrepareImage
from podraft.agent.pods.lifecycle.images import ImageError, Images
from podraft.agent.pods.reports import faults
from podraft.agent.pods.reports.events import PodEvents
from podraft.api.core.v1 import pod_pb2


class PodImages:
    """What was prepared, or failed, by the attempt that it is for."""

    def __init__(self, images: Images, events: PodEvents) -> None:
        self._images = images
        self._events = events
        self._states: dict[ImageKey, ImageRecord | Failure] = {}

    def states(self) -> dict[ImageKey, str | Failure]:
        """Return the id of each image that is here, and each failure."""
        return {
            key: state.id if isinstance(state, ImageRecord) else state
            for key, state in self._states.items()
        }

    def prepared(self, key: ImageKey) -> ImageRecord:
        """Return an image that was prepared."""
        image = self._states[key]
        assert isinstance(image, ImageRecord)
        return image

    async def prepare(self, pod: pod_pb2.Pod, action: PrepareImage) -> None:
        """See that an attempt's image is here, as its pull policy says."""
        container = container_of(pod, action.container)
        key = ImageKey(action.container, action.attempt)
        pull = self._events.pull(container)
        try:
            self._states[key] = await self._images.ensure(
                container.image, container.image_pull_policy, pull.began
            )
            pull.succeeded()
        except ImageError as error:
            earlier = self._states.get(key)
            before = earlier if isinstance(earlier, Failure) else None
            self._states[key] = faults.failed(before, error.reason, str(error))
            self._events.image_failed(container, error.reason, str(error))

    def failed(self, action: PrepareImage, message: str) -> None:
        """Note a fault that no rule foresaw."""
        key = ImageKey(action.container, action.attempt)
        self._states[key] = faults.failed(None, "ErrImagePull", message)

    def forget(self, key: ImageKey) -> None:
        """Look again before the attempt is tried again: the image may have been removed."""
        self._states.pop(key, None)

    def used(self, container: str) -> None:
        """Drop the images of a container whose attempt has started."""
        self._states = {k: v for k, v in self._states.items() if k.container != container}
