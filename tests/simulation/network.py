"""The links between members.

Owns: which messages arrive, when, and how often.  Reordering follows from random delays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from podraft.server.raft.messages import Forward, Message
from simulation.world import World


@dataclass(frozen=True, slots=True)
class Weather:
    """The quality of the network; probabilities are per message."""

    delay_min_s: float = 0.001
    delay_max_s: float = 0.006
    loss: float = 0.0
    duplication: float = 0.0
    straggling: float = 0.0  # Some messages take up to a second.


CALM = Weather()


class Network:
    """A network that delivers messages, or does not."""

    def __init__(
        self,
        world: World,
        deliver: Callable[[Message, object], None],
        cut: Callable[[int, int], None],
    ) -> None:
        self._world = world
        self._random = world.random("network")
        self._links = world.random("links")
        self._deliver = deliver
        self._cut = cut
        self.weather = CALM
        self.blocked: frozenset[tuple[int, int]] = frozenset()
        # Whether proposals on their way to the leader are duplicated, too: streams do not do that.
        self.doubles_forwards = False

    def send(self, message: Message, attachment: object = None) -> bool:
        """Send a message; return False if it is known not to arrive.

        An attachment (a snapshot's data) arrives with its message or not at all.
        """
        if (message.sender, message.to) in self.blocked:
            return self._links.random() < 0.3
        random, weather = self._random.random, self.weather
        if weather.loss and random() < weather.loss:
            return True
        copies = 2 if weather.duplication and random() < weather.duplication else 1
        if type(message) is Forward and not self.doubles_forwards:
            copies = 1
        for _ in range(copies):
            delay = weather.delay_min_s + random() * (weather.delay_max_s - weather.delay_min_s)
            if weather.straggling and random() < weather.straggling:
                delay += random()
            if attachment is not None:
                delay += (
                    random() * random()
                )  # A snapshot takes its time, and other messages overtake it.
            self._world.after(delay, self._arrive, message, attachment)
        return True

    def _arrive(self, message: Message, attachment: object) -> None:
        # A link that was cut meanwhile delivers none of the messages that were on it.
        if (message.sender, message.to) not in self.blocked:
            self._deliver(message, attachment)

    def block(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Cut only these links; most senders notice sooner or later."""
        before, self.blocked = self.blocked, frozenset(pairs)
        for sender, to in sorted(self.blocked - before):
            if self._links.random() < 0.7:
                self._world.after(0.3 * self._links.random(), self._cut, sender, to)
