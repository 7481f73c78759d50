"""Waiting until objects run as asked, and showing meanwhile what is missing.

Invariant: a wait ends when nothing is missing, when an object can no longer succeed, or when the
time is over; the error then names what was missing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from podraft.api import kinds
from podraft.api.columns.column import selector_text
from podraft.api.columns.pod_words import pod_words
from podraft.api.objects.workloads import revision_of
from podraft.cli.errors import CliError
from podraft.cli.kinds import running_view_of
from podraft.cli.kinds.view import RunningView
from podraft.cli.output.progress import ProgressView
from podraft.cli.sessions.connection import Session
from podraft.client.calls.following import Objects, states


@dataclass(frozen=True, slots=True)
class Waited:
    """An object to wait for."""

    kind: kinds.AnyKind
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """The object as commands name it."""
        return f"{self.kind.name.lower()}/{self.name}"


async def wait_until_running(
    session: Session, waited: Sequence[Waited], timeout_s: float, *, min_revision: int = 0
) -> None:
    """Wait until all objects that run something do so: rollouts are done, pods are ready.

    Raises:
        CliError: An object failed, or the time is over; the message says what was missing.
    """
    missing: dict[str, str] = {}
    settings = session.settings
    with ProgressView(live=settings.live(), coloured=settings.coloured()) as view:
        try:
            async with asyncio.timeout(timeout_s or None), asyncio.TaskGroup() as group:
                for one in waited:
                    told_by = running_view_of(one.kind)
                    if told_by is not None:
                        missing[one.key] = "not seen yet"
                        wait = _Wait(session, one, told_by, view, missing, min_revision)
                        group.create_task(wait.run())
        except TimeoutError:
            lines = [f"  {key}: {why} (podraft why {key})" for key, why in missing.items()]
            raise CliError(f"timed out after {timeout_s:g}s; still waiting for", *lines) from None
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None


@dataclass(slots=True)
class _Wait:
    """The wait for one object; `missing` holds what each object of the command lacks."""

    session: Session
    waited: Waited
    told_by: RunningView[Any]
    view: ProgressView
    missing: dict[str, str]
    min_revision: int
    pods: Objects = field(default_factory=dict)

    async def run(self) -> None:
        """Wait until the object runs.

        Raises:
            CliError: The object failed, is gone, or was changed again.
        """
        one, helper = self.waited, None
        tells_of_pods = self.told_by.tells_of_pods and self.session.settings.live()
        resource = self.session.client.resource(one.kind)
        selector = f"metadata.name={one.name}"
        try:
            async for objects in states(resource, one.namespace, field_selector=selector):
                obj = objects.get((one.namespace, one.name))
                if obj is None:
                    raise CliError(
                        f'{one.kind.resource} "{one.name}" was not found, or was deleted'
                    )
                if helper is None and tells_of_pods:
                    helper = asyncio.create_task(self._keep_pods(obj))
                if self._is_done(obj):
                    return
        finally:
            if helper is not None:
                helper.cancel()

    def _is_done(self, obj: Any) -> bool:
        """Show how far the object is, and return whether it runs.

        Raises:
            CliError: The object failed, or was changed again.
        """
        key, revision = self.waited.key, revision_of(obj)
        state = self.told_by.progress(obj, self.session.now_s())
        if self.min_revision and revision > self.min_revision:
            raise CliError(
                f"desired revision ({self.min_revision}) is different from the running revision "
                f"({revision})"
            )
        self.missing[key] = state.short
        if state.failed:
            self.view.show(key, state.message, state="failed")
            raise CliError(state.message, f'  "podraft why {key}" says what blocks it')
        if state.done:
            self.missing.pop(key)
            self.view.show(key, state.message, state="done")
            return True
        sentence = f"{key}: {state.short}" if self.session.settings.live() else state.message
        self.view.show(key, sentence, detail=self._summary())
        return False

    async def _keep_pods(self, workload: Any) -> None:
        """Keep a copy of the pods that a workload selects, and show their states."""
        key = self.waited.key
        selector = selector_text(workload.spec.selector)
        pods = self.session.client.pods
        async for objects in states(pods, self.waited.namespace, label_selector=selector):
            self.pods.clear()
            self.pods.update(objects)
            if key in self.missing:
                sentence = f"{key}: {self.missing[key]}"
                self.view.show(key, sentence, detail=self._summary())

    def _summary(self) -> str:
        """Return the number of pods in each state: ``2 Running, 1 ImagePullBackOff``."""
        now_s = self.session.now_s()
        counts = Counter(pod_words(pod, now_s).status for pod in self.pods.values())
        return ", ".join(f"{count} {word}" for word, count in counts.most_common(4))
