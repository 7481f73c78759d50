"""Whatever a client sends, admission answers with a valid object or with violations."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.api import codec, kinds
from podraft.api.kinds import AnyKind
from podraft.api.meta.v1 import requests_pb2
from podraft.api.violations import InvalidObjectError
from podraft.server import kinds as rooms
from support.any_object import SETTINGS, damaged, objects

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
all_kinds = pytest.mark.parametrize("kind", kinds.BUILT_IN, ids=lambda kind: kind.name)


@all_kinds
@SETTINGS
@given(data=st.data())
def test_a_create_is_admitted_or_refused(kind: AnyKind, data: st.DataObject) -> None:
    proposed = data.draw(objects(kind))
    if data.draw(st.booleans()):
        proposed = data.draw(st.composite(damaged)(proposed))
    try:
        created = rooms.prepare_create(
            kind, proposed, now=NOW, uid="u", name_suffix="abcde", known=kinds.BUILT_IN
        )
    except InvalidObjectError as error:
        assert all(violation.description for violation in error.violations)
        return
    assert rooms.prepare_update(kind, created, created, known=kinds.BUILT_IN) == created


@all_kinds
@SETTINGS
@given(data=st.data())
def test_an_update_is_admitted_or_refused_and_keeps_identity(
    kind: AnyKind, data: st.DataObject
) -> None:
    stored = data.draw(objects(kind))
    proposed = data.draw(st.composite(damaged)(data.draw(objects(kind))))
    subresource = data.draw(st.sampled_from(["", "status"]))
    try:
        updated = rooms.prepare_update(
            kind, stored, proposed, subresource=subresource, known=kinds.BUILT_IN
        )
    except InvalidObjectError:
        return
    assert updated.metadata.uid == stored.metadata.uid
    assert updated.metadata.name == stored.metadata.name


@all_kinds
@SETTINGS
@given(data=st.data())
def test_a_deletion_removes_marks_or_is_refused(kind: AnyKind, data: st.DataObject) -> None:
    stored = data.draw(st.composite(damaged)(data.draw(objects(kind))))
    if data.draw(st.booleans()):
        stored.metadata.ClearField("deletion_timestamp")
        stored.metadata.ClearField("deletion_grace_period_seconds")
    options = requests_pb2.DeleteOptions()
    if data.draw(st.booleans()):
        options.grace_period_seconds = data.draw(st.integers(-(2**63), 2**63 - 1))
    try:
        decision = rooms.prepare_delete(kind, stored, options, now=NOW)
    except InvalidObjectError:
        return
    if isinstance(decision, rooms.MarkDeleting):
        assert decision.object.metadata.HasField("deletion_timestamp")
        again = rooms.prepare_delete(kind, decision.object, options, now=NOW)
        assert again == decision


@all_kinds
@SETTINGS
@given(data=st.data())
def test_whatever_is_stored_can_be_written_as_json(kind: AnyKind, data: st.DataObject) -> None:
    message = data.draw(st.composite(damaged)(data.draw(objects(kind))))
    assert codec.to_json(message)["kind"] == kind.name
