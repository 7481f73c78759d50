"""What holds of applying, for objects of every kind and whoever writes besides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.ownership import applying, holdings, tracking
from podraft.api.ownership.applying import ConflictsError
from podraft.api.ownership.contents import difference, fields_of
from podraft.api.ownership.field_set import EMPTY, FieldSet, decode, encode
from podraft.api.ownership.holdings import APPLY, UPDATE, Writer
from podraft.api.ownership.scope import owned
from podraft.api.violations import InvalidObjectError
from support.any_object import SETTINGS
from support.any_object import objects as any_objects

some_kind = st.sampled_from([*kinds.BUILT_IN])


def drawn(count: int) -> st.SearchStrategy[tuple[AnyKind, tuple[Any, ...]]]:
    """Draw a kind and objects of it."""
    return some_kind.flatmap(
        lambda kind: st.tuples(st.just(kind), st.tuples(*[any_objects(kind)] * count))
    )


class World:
    """One object, and what its writers do to it."""

    def __init__(self, kind: AnyKind) -> None:
        self.kind = kind
        self.object: Any = None
        self.now = 0

    def apply(self, manager: str, configuration: Any, *, force: bool = False) -> None:
        self.now += 1
        writer = Writer(manager, self.kind.api_version)
        stated = plain(configuration)
        if self.object is None:
            done = applying.created(self.kind, stated, writer)
        else:
            done = applying.apply(self.kind, self.object, stated, writer, force=force)
        updated = plain(done.object)
        updated.metadata.ClearField("managed_fields")
        if self.object is not None:
            updated.metadata.managed_fields.MergeFrom(self.object.metadata.managed_fields)
        applying.record(self.object, updated, done, self.now)
        self.object = updated

    def update(self, manager: str, proposed: Any) -> None:
        self.now += 1
        writer = Writer(manager, self.kind.api_version)
        updated = plain(proposed)
        updated.metadata.ClearField("managed_fields")
        updated.metadata.managed_fields.MergeFrom(self.object.metadata.managed_fields)
        tracking.record_update(self.kind, self.object, updated, writer, self.now)
        self.object = updated

    def owned_by(self, manager: str, operation: str = APPLY) -> FieldSet:
        found = holdings.read(self.object.metadata.managed_fields)
        one = holdings.of(found, Writer(manager, self.kind.api_version), operation)
        return one.fields if one is not None else EMPTY

    @property
    def content(self) -> Any:
        return without_owners(self.object)


def plain(obj: Any) -> Any:
    """Return a copy without what no configuration states: status and owners."""
    copy = type(obj)()
    copy.CopyFrom(obj)
    if kinds.BUILT_IN.of(obj).has_status:
        copy.ClearField("status")
    return copy


def without_owners(obj: Any) -> Any:
    copy = plain(obj)
    copy.metadata.ClearField("managed_fields")
    return copy


def stated(kind: AnyKind, obj: Any) -> FieldSet:
    return owned(kind, fields_of(obj), "")


@SETTINGS
@given(drawn(1))
def test_applying_again_changes_nothing(case: tuple[AnyKind, tuple[Any, ...]]) -> None:
    kind, (first,) = case
    world = World(kind)
    world.apply("a", first)
    before = world.object.SerializeToString(deterministic=True)
    world.apply("a", first)
    assert world.object.SerializeToString(deterministic=True) == before


@SETTINGS
@given(drawn(2))
def test_what_only_the_former_configuration_stated_is_gone(
    case: tuple[AnyKind, tuple[Any, ...]],
) -> None:
    kind, (first, second) = case
    world = World(kind)
    world.apply("a", first)
    world.apply("a", second)
    left = stated(kind, world.object)
    # What identifies an object is nobody's, and an element keeps its keys.
    assert not left - stated(kind, second), (left - stated(kind, second), left)
    assert world.owned_by("a") == stated(kind, second)


@SETTINGS
@given(drawn(3))
def test_no_field_of_another_manager_changes_without_force(
    case: tuple[AnyKind, tuple[Any, ...]],
) -> None:
    kind, (first, second, third) = case
    world = World(kind)
    world.apply("a", first)
    try:
        world.apply("b", second)
    except ConflictsError:
        return
    before, theirs = world.object, world.owned_by("a")
    assert theirs == stated(kind, first)
    try:
        world.apply("b", third)
    except ConflictsError as error:
        assert all(one.holding.writer.manager == "a" for one in error.conflicts)
        assert world.object is before
        return
    found = difference(plain(before), plain(world.object))
    assert not theirs.touched_by(found.written)
    assert not theirs.touched_by(found.removed)
    assert world.owned_by("a") == theirs


@SETTINGS
@given(drawn(2))
def test_force_moves_the_fields_in_conflict_and_only_those(
    case: tuple[AnyKind, tuple[Any, ...]],
) -> None:
    kind, (first, second) = case
    world = World(kind)
    world.apply("a", first)
    theirs = world.owned_by("a")
    lost = EMPTY
    try:
        world.apply("b", second)
    except ConflictsError as error:
        for conflict in error.conflicts:
            lost |= _at(conflict.path)
        world.apply("b", second, force=True)
    assert world.owned_by("b") == stated(kind, second)
    assert world.owned_by("a") == theirs - lost


def _at(path: Iterable[str]) -> FieldSet:
    fields = FieldSet(is_member=True)
    for element in reversed(list(path)):
        fields = FieldSet({element: fields})
    return fields


@SETTINGS
@given(drawn(2))
def test_an_update_owns_what_it_wrote_and_nobody_owns_what_it_removed(
    case: tuple[AnyKind, tuple[Any, ...]],
) -> None:
    kind, (first, second) = case
    world = World(kind)
    world.apply("a", first)
    theirs, before = world.owned_by("a"), world.object
    world.update("u", second)
    found = difference(plain(before), plain(world.object))
    written, removed = owned(kind, found.written, ""), owned(kind, found.removed, "")
    assert world.owned_by("u", UPDATE) == written
    assert not world.owned_by("a").touched_by(written | removed)
    assert not world.owned_by("a") - theirs


@SETTINGS
@given(drawn(1))
def test_sets_of_fields_come_back_from_their_published_form(
    case: tuple[AnyKind, tuple[Any, ...]],
) -> None:
    kind, (obj,) = case
    fields = stated(kind, obj)
    assert decode(encode(fields)) == fields


@SETTINGS
@given(drawn(3))
def test_sets_behave_as_sets_of_paths(case: tuple[AnyKind, tuple[Any, ...]]) -> None:
    kind, objects = case
    one, other, third = (stated(kind, obj) for obj in objects)
    for first, second in ((one, other), (other, third), (one | other, third)):
        paths, others = set(first.paths()), set(second.paths())
        assert set((first | second).paths()) == paths | others
        assert set((first - second).paths()) == paths - others
        assert set((first & second).paths()) == paths & others


def test_managers_that_update_are_bounded_and_the_oldest_become_one() -> None:
    world = World(kinds.CONFIG_MAP)
    world.apply("a", config(data={"a": "1"}))
    for number in range(3 * holdings.UPDATERS_MAX):
        changed = plain(world.object)
        changed.data[f"k{number}"] = "1"
        world.update(f"manager-{number}", changed)
    found = holdings.read(world.object.metadata.managed_fields)
    updaters = [one for one in found if one.operation == UPDATE]
    assert len(updaters) == holdings.UPDATERS_MAX
    assert updaters[0].writer.manager == holdings.ANCIENT
    everybody = EMPTY
    for one in found:
        everybody |= one.fields
    assert everybody == stated(kinds.CONFIG_MAP, world.object)


def test_what_is_kept_of_owners_is_bounded_in_bytes() -> None:
    world = World(kinds.CONFIG_MAP)
    world.apply("a", config(data={"a": "1"}))
    for number in range(4):
        changed = plain(world.object)
        changed.data.update({f"{number}-{'x' * 200}-{i}": "" for i in range(900)})
        world.update(f"manager-{number}", changed)
    managed = world.object.metadata.managed_fields
    assert sum(len(entry.fields_v1.raw) for entry in managed) <= holdings.BYTES_MAX
    assert world.owned_by("a")
    too_many = config(data={f"{'x' * 240}-{i}": "" for i in range(2400)})
    with pytest.raises(InvalidObjectError, match="512 KiB"):
        world.apply("a", too_many)


def config(**fields: Any) -> Any:
    return codec.from_json(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, **fields}
    )
