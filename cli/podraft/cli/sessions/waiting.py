"""Waiting until what was asked for is so, and saying meanwhile what is missing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podraft.api import kinds
from podraft.api.columns.column import selector_text
from podraft.api.columns.pod_words import pod_words
from podraft.api.objects.pods import is_ready
from podraft.api.objects.workloads import revision_of
from podraft.cli.errors import CliError
from podraft.cli.manifests.items import Item
from podraft.cli.output.progress import ProgressView
from podraft.cli.plans import rollouts
from podraft.cli.sessions.connection import Session
from podraft.cli.sessions.watching import Objects, states


@dataclass(frozen=True, slots=True)
class Waited:
    """One object that is waited for."""

    kind: kinds.AnyKind
    namespace: str
    name: str

    @property
    def key(self) -> str:
        """What it is called."""
        return f"{self.kind.name.lower()}/{self.name}"


async def wait_for_rollouts(session: Session, items: Sequence[Item], timeout_s: float) -> None:
    """Wait until the deployments and pods among `items` run.

    Raises:
        CliError: One failed, or the time is over; the message says what was missing.
    """
    waited = [
        Waited(item.kind, item.namespace, item.name)
        for item in items
        if item.kind in (kinds.DEPLOYMENT, kinds.POD)
    ]
    await wait_until_running(session, waited, timeout_s)


async def wait_until_running(
    session: Session, waited: Sequence[Waited], timeout_s: float, *, min_revision: int = 0
) -> None:
    """Wait until every deployment is rolled out and every pod is ready.

    Raises:
        CliError: One failed, or the time is over; the message says what was missing.
    """
    missing: dict[str, str] = {}
    settings = session.settings
    with ProgressView(live=settings.live(), coloured=settings.coloured()) as view:
        try:
            async with asyncio.timeout(timeout_s or None), asyncio.TaskGroup() as group:
                for one in waited:
                    missing[one.key] = "not seen yet"
                    group.create_task(_wait_one(session, one, view, missing, min_revision))
        except TimeoutError:
            lines = [f"  {key}: {why} (podraft why {key})" for key, why in missing.items()]
            raise CliError(f"timed out after {timeout_s:g}s; still waiting for", *lines) from None
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from None


async def _wait_one(
    session: Session, one: Waited, view: ProgressView, missing: dict[str, str], min_revision: int
) -> None:
    pods: Objects = {}
    helper: asyncio.Task[None] | None = None
    resource = session.client.resource(one.kind)
    try:
        async for objects in states(
            resource, one.namespace, field_selector=f"metadata.name={one.name}"
        ):
            obj = objects.get((one.namespace, one.name))
            if obj is None:
                raise CliError(f'{one.kind.resource} "{one.name}" was not found, or was deleted')
            if helper is None and one.kind is kinds.DEPLOYMENT and session.settings.live():
                helper = asyncio.create_task(_keep_pods(session, obj, pods, one, view, missing))
            state = _progress_of(obj, session)
            if min_revision and revision_of(obj) > min_revision:
                raise CliError(
                    f"desired revision ({min_revision}) is different from the running revision "
                    f"({revision_of(obj)})"
                )
            missing[one.key] = state.short
            if state.failed:
                view.show(one.key, state.message, state="failed")
                raise CliError(state.message, f'  "podraft why {one.key}" says what blocks it')
            if state.done:
                missing.pop(one.key)
                view.show(one.key, state.message, state="done")
                return
            sentence = f"{one.key}: {state.short}" if session.settings.live() else state.message
            view.show(one.key, sentence, detail=_summary(pods, session))
    finally:
        if helper is not None:
            helper.cancel()


def _progress_of(obj: Any, session: Session) -> rollouts.Progress:
    if kinds.BUILT_IN.of(obj) is kinds.DEPLOYMENT:
        return rollouts.progress(obj)
    name, words = obj.metadata.name, pod_words(obj, session.now_s())
    if obj.status.phase == "Succeeded":
        return rollouts.Progress(f'pod "{name}" completed', done=True)
    if obj.status.phase == "Failed":
        return rollouts.Progress(f'pod "{name}" failed: {words.status}', failed=True)
    if is_ready(obj):
        return rollouts.Progress(f'pod "{name}" is ready', done=True)
    return rollouts.Progress(f'Waiting for pod "{name}" to be ready: {words.status}...')


async def _keep_pods(
    session: Session,
    deployment: Any,
    pods: Objects,
    one: Waited,
    view: ProgressView,
    missing: dict[str, str],
) -> None:
    selector = selector_text(deployment.spec.selector)
    async for objects in states(session.client.pods, one.namespace, label_selector=selector):
        pods.clear()
        pods.update(objects)
        if one.key in missing:
            sentence = f"{one.key}: {missing[one.key]}"
            view.show(one.key, sentence, detail=_summary(pods, session))


def _summary(pods: Objects, session: Session) -> str:
    """Return how many pods are how: ``2 Running, 1 ImagePullBackOff``."""
    now_s = session.now_s()
    counts = Counter(pod_words(pod, now_s).status for pod in pods.values())
    return ", ".join(f"{count} {word}" for word, count in counts.most_common(4))
