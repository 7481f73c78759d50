"""The images that one pod's next attempts start from.

Invariant: an image serves one attempt; the next attempt looks again, as its pull policy demands.
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
    """The images that were prepared or failed, by the attempt that they are for."""

    def __init__(self, images: Images, events: PodEvents) -> None:
        self._images = images
        self._events = events
        self._states: dict[ImageKey, ImageRecord | Failure] = {}

    def states(self) -> dict[ImageKey, str | Failure]:
        """Return the id of each image that is here and the failure of each that is not."""
        return {
            key: state.id if isinstance(state, ImageRecord) else state
            for key, state in self._states.items()
        }

    def prepared(self, key: ImageKey) -> ImageRecord:
        """Return a prepared image."""
        image = self._states[key]
        assert isinstance(image, ImageRecord)
        return image

    async def prepare(self, pod: pod_pb2.Pod, action: PrepareImage) -> None:
        """Ensure that an attempt's image is here, as its pull policy demands."""
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
        """Forget an image before its attempt is repeated: the image may have been removed."""
        self._states.pop(key, None)

    def used(self, container: str) -> None:
        """Forget the images of a container whose attempt has started."""
        self._states = {k: v for k, v in self._states.items() if k.container != container}
