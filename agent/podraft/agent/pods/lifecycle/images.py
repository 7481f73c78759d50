"""Ensuring that an image is on this node, as a container's pull policy demands.

Invariant: one image is pulled once at a time, however many containers wait for it, and only as
long as at least one does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from podraft.agent.podman.client import PodmanClient, PodmanError, PodmanUnavailableError
from podraft.agent.podman.core.records import ImageRecord
from podraft.api.objects.images import ALWAYS, NEVER, implied_pull_policy
from podraft.api.violations import shown

_PULLS_AT_ONCE = 4


class ImageError(Exception):
    """An image is unavailable; ``reason`` is the reason in the container's status."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(slots=True)
class _Pull:
    """A pull and the number of those who wait for it."""

    task: asyncio.Task[None]
    waiters: int = 0


class Images:
    """The node's images."""

    def __init__(self, podman: PodmanClient) -> None:
        self._podman = podman
        self._pulls: dict[str, _Pull] = {}
        self._slots = asyncio.Semaphore(_PULLS_AT_ONCE)

    async def ensure(
        self, reference: str, policy: str, pulling: Callable[[], None] = lambda: None
    ) -> ImageRecord:
        """Return the local image of a reference, pulling it if the policy says so.

        ``pulling`` is called when a pull is needed.

        Raises:
            ImageError: The image is not here and cannot or must not be pulled.
            PodmanUnavailableError: Podman's service is away, which says nothing about the image.
        """
        if not reference[:1].isalnum():
            raise ImageError("InvalidImageName", f"{shown(reference)} names no image")
        try:
            found = await self._local(reference)
            if found is not None and not self._must_pull(reference, found, policy):
                return found
            if policy == NEVER:
                raise ImageError(
                    "ErrImageNeverPull",
                    f'Container image "{reference}" is not present with pull policy of Never',
                )
            pulling()
            await self._pull(reference)
            found = await self._local(reference)
        except PodmanUnavailableError:
            raise
        except PodmanError as error:
            raise ImageError("ErrImagePull", error.message) from error
        if found is None:
            raise ImageError("ErrImagePull", f'image "{reference}" is gone right after its pull')
        return found

    @staticmethod
    def _must_pull(reference: str, found: ImageRecord, policy: str) -> bool:
        """Return whether to pull; ``localhost/`` images are built locally: no registry has them."""
        wanted = policy or implied_pull_policy(reference)
        local = reference.startswith("localhost/") or (
            _is_short(reference) and any(name.startswith("localhost/") for name in found.names)
        )
        return wanted == ALWAYS and not local

    async def _local(self, reference: str) -> ImageRecord | None:
        if _is_short(reference):
            found = await self._podman.inspect_image(f"localhost/{reference}")
            if found is not None:
                return found
        return await self._podman.inspect_image(reference)

    async def _pull(self, reference: str) -> None:
        pull = self._pulls.get(reference)
        if pull is None:
            pull = _Pull(asyncio.create_task(self._pull_now(reference)))
            self._pulls[reference] = pull
        pull.waiters += 1
        try:
            # One waiter that gives up must not end the pull for the others.
            await asyncio.shield(pull.task)
        finally:
            pull.waiters -= 1
            if pull.task.done() or not pull.waiters:
                pull.task.cancel()  # Nobody wants the image any more: free its slot.
                if self._pulls.get(reference) is pull:
                    del self._pulls[reference]

    async def _pull_now(self, reference: str) -> None:
        async with self._slots:
            await self._podman.pull_image(reference)


def _is_short(reference: str) -> bool:
    """Return whether a reference names no registry."""
    first, slash, _ = reference.partition("/")
    return not slash or not ("." in first or ":" in first or first == "localhost")
