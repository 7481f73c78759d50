"""Seats: nobody waits while one is free, nobody has too many, and all who wait take turns."""

from __future__ import annotations

from random import Random

import pytest

from podraft.server.budgets.seats import Seats, Ticket


@pytest.mark.parametrize("seed", range(20))
def test_seats_are_used_shared_and_given_in_turn(seed: int) -> None:
    random = Random(seed)
    number, each_max = random.randint(1, 6), random.randint(1, 4)
    seats = Seats(number, each_max)
    users = [f"u{n}" for n in range(random.randint(1, 6))]
    tickets: list[Ticket] = []
    # How many seats others were given since each waiting user, below the share, got one.
    passed: dict[str, list[str]] = {}
    for _ in range(400):
        if tickets and random.random() < 0.5:
            one = tickets.pop(random.randrange(len(tickets)))
            given = seats.leave(one)
            assert all(each in tickets and each.is_seated for each in given)
            for each in given:
                for user, served in passed.items():
                    if user != each.user:
                        served.append(each.user)
                passed.pop(each.user, None)
        else:
            # The first user floods.
            tickets.append(seats.enter(users[0] if random.random() < 0.6 else random.choice(users)))
        held = dict.fromkeys(users, 0)
        waiting = dict.fromkeys(users, 0)
        for ticket in tickets:
            (held if ticket.is_seated else waiting)[ticket.user] += 1
        assert seats.free == number - sum(held.values()) >= 0
        assert max(held.values()) <= each_max
        hungry = [user for user in users if waiting[user] and held[user] < each_max]
        assert not (seats.free and hungry), "a seat is free while somebody waits"
        passed = {user: passed.get(user, []) for user in hungry}
        for served in passed.values():
            assert len(served) == len(set(served)) or len(users) == 1, "one was served twice"
    for one in list(tickets):
        tickets.remove(one)
        seats.leave(one)
    assert seats.free == number


def test_a_flood_delays_another_user_by_one_call_of_each() -> None:
    seats = Seats(4, 2)
    flood = [seats.enter("flood") for _ in range(1000)]
    assert sum(ticket.is_seated for ticket in flood) == 2
    assert seats.enter("quiet").is_seated, "the flood has its share, not all"
    others = [seats.enter(f"u{n}") for n in range(3)]
    assert [ticket.is_seated for ticket in others] == [True, False, False]
    assert seats.leave(flood[0]) == [flood[2]], "it waited first"
    assert seats.leave(flood[1]) == [others[1]]
    assert seats.leave(flood[2]) == [others[2]]
