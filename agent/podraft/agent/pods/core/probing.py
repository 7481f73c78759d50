"""From single probe results to a verdict: thresholds, as a pure fold.

Invariant: a verdict changes only after as many equal results in a row as the probe's threshold
demands.
"""

from __future__ import annotations

from dataclasses import dataclass

from podraft.agent.pods.core.records import ProbeKind
from podraft.api.core.v1 import container_pb2
from podraft.api.objects import probes


@dataclass(frozen=True, slots=True)
class Tally:
    """The verdict so far (None: undecided) and the run of equal results behind it."""

    verdict: bool | None = None
    last: bool | None = None
    run: int = 0

    def add(self, success: bool, probe: container_pb2.Probe) -> Tally:
        """Return the tally after one more result."""
        run = self.run + 1 if success == self.last else 1
        needed = probes.successes(probe) if success else probes.failures(probe)
        verdict = success if run >= needed else self.verdict
        return Tally(verdict, success, min(run, needed))


def probe_of(container: container_pb2.Container, kind: ProbeKind) -> container_pb2.Probe | None:
    """Return a container's probe of the given kind, if it has one."""
    field = f"{kind.value}_probe"
    if not container.HasField(field):
        return None
    probe: container_pb2.Probe = getattr(container, field)
    return probe


def first_probe_after_s(probe: container_pb2.Probe, running_for_s: float) -> float:
    """Return the seconds until the first probe; its initial delay counts from the start."""
    return max(0.0, probe.initial_delay_seconds - running_for_s)
