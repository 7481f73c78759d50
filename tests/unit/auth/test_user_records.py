"""Users' entries: which keys are good, until when that is remembered, names nobody may have."""

from __future__ import annotations

import pytest

from podraft.server.auth.user_records import LIFETIME_S_MAX, UserRecord, check_name, key_of, name_of

NOW_S = 1_800_000_000
DAY_S = 86_400


def test_an_entry_is_what_was_stored() -> None:
    record = UserRecord({}, created_by="admin", created_at_s=NOW_S)
    record = record.with_key("a", NOW_S + DAY_S, {"staff", "devs"})
    assert UserRecord.decode(record.encode()) == record
    assert record.groups == ("devs", "staff")
    assert name_of(key_of("ann@example.com")) == "ann@example.com"


def test_revoking_ends_every_key_and_is_remembered_as_long_as_any_certificate_lives() -> None:
    record = UserRecord({}).with_key("a", NOW_S + DAY_S, ()).with_key("b", NOW_S + 2 * DAY_S, ())
    assert record.expires_at_s == NOW_S + 2 * DAY_S
    revoked = record.revoked(NOW_S)
    assert (revoked.keys, revoked.revoked_at_s) == ({}, NOW_S)
    assert not revoked.is_forgotten(NOW_S + LIFETIME_S_MAX)
    assert revoked.is_forgotten(NOW_S + LIFETIME_S_MAX + 2 * DAY_S)
    again = revoked.with_key("c", NOW_S + DAY_S, ())
    assert (set(again.keys), again.revoked_at_s) == ({"c"}, 0)
    assert not again.is_forgotten(NOW_S + LIFETIME_S_MAX)


def test_expired_keys_leave_and_expired_entries_are_forgotten() -> None:
    record = UserRecord({}).with_key("a", NOW_S, ()).with_key("b", NOW_S + DAY_S, ())
    assert set(record.cleared(NOW_S).keys) == {"b"}
    assert record.is_forgotten(NOW_S + 3 * DAY_S)


@pytest.mark.parametrize("name", ["ann", "ann@example.com", "ci-robot.7", "a" * 64])
def test_users_have_ordinary_names(name: str) -> None:
    assert check_name(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "must not be empty"),
        ("a" * 65, "at most 64"),
        ("system:masters", "reserved"),
        ("system:node:n1", "reserved"),
        ("admin", "reserved"),
        ("-a", "begins with"),
        ("a b", "consists of"),
        ("a/b", "consists of"),
        ("aé", "consists of"),
        ("a\n", "consists of"),
    ],
)
def test_names_of_the_cluster_and_names_that_mislead_are_refused(name: str, problem: str) -> None:
    assert problem in (check_name(name) or "")
