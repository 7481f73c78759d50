"""The parts of the node that all workers share."""

from __future__ import annotations

from dataclasses import dataclass, field

from podraft.agent.pods.lifecycle.attempts import Runtime
from podraft.agent.pods.lifecycle.images import Images
from podraft.agent.pods.lifecycle.starting import Starter
from podraft.agent.pods.probing.probes import ProbeSlots
from podraft.agent.pods.reports.events import Recorder
from podraft.agent.pods.reports.statuses import StatusWriter
from podraft.agent.pods.sandbox.ground import Ground
from podraft.client.clock import Clock


@dataclass(frozen=True, slots=True)
class Node:
    """The parts of the node that pods are made of, and the receivers of their reports."""

    ground: Ground
    runtime: Runtime
    starter: Starter
    images: Images
    probes: ProbeSlots
    statuses: StatusWriter
    recorder: Recorder
    clock: Clock = field(default_factory=Clock)
