"""Which acknowledgements need not be sent, because a later one says more."""

from __future__ import annotations

from random import Random

import pytest

from podraft.server.raft.messages import Appended, Heartbeat, Message, without_outdated


def _random_message(random: Random) -> Message:
    to, term, number = random.randint(2, 3), random.randint(1, 2), random.randint(0, 3)
    if random.random() < 0.2:
        return Heartbeat(1, to, term, number, 0)
    return Appended(1, to, term, number)


def _is_included(message: Message, later: list[Message]) -> bool:
    return isinstance(message, Appended) and any(
        isinstance(other, Appended)
        and (other.to, other.term) == (message.to, message.term)
        and other.match >= message.match
        for other in later
    )


@pytest.mark.parametrize("seed", range(50))
def test_only_what_a_later_one_to_the_same_leader_includes_is_left_out(seed: int) -> None:
    random = Random(seed)
    messages = [_random_message(random) for _ in range(random.randint(0, 12))]
    assert without_outdated(messages) == [
        message
        for place, message in enumerate(messages)
        if not _is_included(message, messages[place + 1 :])
    ]
