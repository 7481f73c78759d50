"""The links between members.

Owns: which messages arrive, when, and how often.  Reordering follows from random delays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from podraft.server.raft.messages import Message
from simulation.world import World


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is; probabilities are per message."""

    delay_min_s: float = 0.001
    delay_max_s: float = 0.006
    loss: float = 0.0
    duplication: float = 0.0
    straggling: float = 0.0  # Some messages take up to a second.


CALM = Weather()


class Network:
    """Delivers messages, or not."""

    def __init__(self, world: World, deliver: Callable[[Message, object], None]) -> None:
        self._world = world
        self._random = world.random("network")
        self._deliver = deliver
        self.weather = CALM
        self.blocked: frozenset[tuple[int, int]] = frozenset()

    def send(self, message: Message, attachment: object = None) -> None:
        """An attachment (a snapshot's data) arrives with its message or not at all."""
        if (message.sender, message.to) in self.blocked:
            return
        random, weather = self._random.random, self.weather
        if weather.loss and random() < weather.loss:
            return
        copies = 2 if weather.duplication and random() < weather.duplication else 1
        for _ in range(copies):
            delay = weather.delay_min_s + random() * (weather.delay_max_s - weather.delay_min_s)
            if weather.straggling and random() < weather.straggling:
                delay += random()
            if attachment is not None:
                delay += (
                    random() * random()
                )  # A snapshot takes its time, and other messages overtake it.
            self._world.after(delay, self._arrive, message, attachment)

    def _arrive(self, message: Message, attachment: object) -> None:
        # A link that was cut meanwhile delivers nothing of what was on it.
        if (message.sender, message.to) not in self.blocked:
            self._deliver(message, attachment)

    def block(self, pairs: Iterable[tuple[int, int]]) -> None:
        self.blocked = frozenset(pairs)
