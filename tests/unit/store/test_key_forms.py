"""Keys carry their API group; what is written for servers of every age keeps its old form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.api import kinds
from podraft.server.state.commands import check_transaction, decode_command, encode_command
from podraft.server.state.datastore import Delete, Guard, Put, Record, Transaction
from podraft.server.state.digests import record_digest, state_digest
from podraft.server.state.key_forms import WRITTEN_PREFIXES, grouped, written

# As the last version wrote them whose keys had no groups.
BEFORE = {
    "configmaps": "configmaps",
    "deployments": "deployments.apps",
    "endpointslices": "endpointslices.discovery.k8s.io",
    "events": "events.events.k8s.io",
    "leases": "leases.coordination.k8s.io",
    "namespaces": "namespaces",
    "nodes": "nodes",
    "pods": "pods",
    "replicasets": "replicasets.apps",
    "secrets": "secrets",
    "services": "services",
}
heads = st.sampled_from(
    [*BEFORE, *BEFORE.values(), "_cluster", "pods.metrics.example.io", "deployments.example.io"]
)
keys = st.builds(
    lambda head, rest: f"{head}/{rest}".encode(),
    heads,
    st.text("ab/.-z", max_size=12),
)


@pytest.mark.parametrize(("before", "now"), BEFORE.items())
def test_every_kind_of_before_is_known_by_the_key_that_its_kind_has(before: str, now: str) -> None:
    kind = kinds.BUILT_IN.by_group_resource(now)
    assert kind is not None
    assert kind.resource == before
    old, new = f"{before}/default/a".encode(), f"{now}/default/a".encode()
    assert grouped(old) == new
    assert written(new) == old


@given(keys)
def test_the_forms_lead_to_each_other_and_no_further(key: bytes) -> None:
    assert grouped(grouped(key)) == grouped(key) == grouped(written(key))
    assert written(written(key)) == written(key) == written(grouped(key))


@given(keys, keys)
def test_keys_of_one_resource_keep_their_order(one: bytes, other: bytes) -> None:
    if grouped(one).partition(b"/")[0] == grouped(other).partition(b"/")[0]:
        assert (grouped(one) < grouped(other)) == (written(one) < written(other))


@given(keys, keys, st.binary(max_size=8))
def test_a_command_is_written_as_before_and_read_with_groups(
    guard: bytes, key: bytes, value: bytes
) -> None:
    known = Transaction((Guard(grouped(guard), 7),), (Put(grouped(key), value),), b"me")
    data = encode_command(known, 5)
    assert decode_command(data).transaction == known
    assert written(guard) in data
    assert written(key) in data
    assert not any(new.encode() in data for old, new in BEFORE.items() if old != new)


@pytest.mark.parametrize("prefix", WRITTEN_PREFIXES)
def test_a_transaction_never_has_a_key_without_its_group(prefix: bytes) -> None:
    for wrong in (
        Transaction((), (Put(prefix + b"a", b""),)),
        Transaction((), (Delete(prefix + b"a"),)),
        Transaction((Guard(prefix + b"a", 0),), (Put(b"pods/a", b""),)),
    ):
        with pytest.raises(ValueError, match="lacks its group"):
            check_transaction(wrong)


def test_the_digest_of_a_state_is_the_one_that_members_of_before_have() -> None:
    records = [
        Record(f"{new}/default/a".encode(), b"value", 1, number)
        for number, new in enumerate(BEFORE.values(), 1)
    ]
    # Computed by the last version whose keys had no groups.
    assert f"{state_digest(records):016x}" == "4bb6c14b3ee44921"
    assert record_digest(records[1]) == record_digest(
        Record(b"deployments/default/a", b"value", 1, 2)
    )
