"""Every kind has at most one room, and every room is some kind's."""

from __future__ import annotations

from pathlib import Path

from podraft.api.kinds import BUILT_IN, CONFIG_MAP, AnyKind, Kind
from podraft.server import kinds as house
from podraft.server.kinds import rooms


def rooms_found() -> set[str]:
    """Return the modules and folders that are a room by what they hold."""
    root = Path(house.__path__[0])
    found = set()
    for path in root.rglob("*.py"):
        if path.name != "__init__.py" and "\nRULES: " in path.read_text():
            room = path.parent if path.name == "room.py" else path.with_suffix("")
            found.add(".".join((house.__name__, *room.relative_to(root).parts)))
    return found


def test_every_room_is_that_of_a_kind() -> None:
    every = (*BUILT_IN, *BUILT_IN.answered())
    assert rooms_found() <= {rooms.module_of(kind) for kind in every}
    assert all((rooms.rules_of(kind).answer is None) is kind.is_stored for kind in every)


def test_what_a_kind_claims_follows_from_a_field_of_its_message() -> None:
    claiming = [(kind, claims) for kind in BUILT_IN if (claims := rooms.rules_of(kind).claims)]
    assert claiming
    for kind, claims in claiming:
        assert claims.part in kind.message.DESCRIPTOR.fields_by_name, kind


def test_a_kind_that_a_user_declared_has_no_room_whatever_its_message() -> None:
    declared: AnyKind = Kind(
        message=CONFIG_MAP.message, api_version="example.io/v1", resource="widgets", custom=True
    )
    assert rooms.rules_of(declared) == house.Rules()
    assert rooms.rules_of(CONFIG_MAP) != house.Rules()


def test_no_two_kinds_share_a_room() -> None:
    assert len({rooms.module_of(kind) for kind in BUILT_IN}) == len(BUILT_IN)


def test_the_kinds_rules_are_those_of_their_rooms() -> None:
    plain = [kind.name for kind in BUILT_IN if rooms.module_of(kind) not in rooms_found()]
    assert plain == [kind.name for kind in BUILT_IN if rooms.rules_of(kind) == house.Rules()]
