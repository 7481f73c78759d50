"""Connections of strangers: who must go, and that nobody is locked out by others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podraft.client.serving.incoming import connections_max
from podraft.client.serving.strangers import Stranger, StrangerLimits, peer_of, surplus

LIMITS = StrangerLimits(seconds=10.0, per_address=4, in_sum=10)


def test_who_does_not_say_in_time_who_it_is_must_go():
    strangers = {("10.0.0.1", 1): Stranger(True, 100.0), ("10.0.0.1", 2): Stranger(False, 105.0)}
    assert surplus(strangers, 110.5, LIMITS) == {("10.0.0.1", 1)}


def test_of_one_address_the_oldest_go():
    strangers = {("10.0.0.1", port): Stranger(False, float(port)) for port in range(8)}
    assert surplus(strangers, 8.0, LIMITS) == {("10.0.0.1", port) for port in range(4)}


def test_who_has_said_something_stays_before_the_silent_however_new():
    strangers = {("10.0.0.1", port): Stranger(False, float(port)) for port in range(1, 9)}
    strangers[("10.0.0.1", 9)] = Stranger(True, 0.0)
    assert ("10.0.0.1", 9) not in surplus(strangers, 8.0, LIMITS)


def test_an_ipv6_network_counts_as_one_address():
    strangers = {(f"2001:db8::{number}", 1): Stranger(False, float(number)) for number in range(8)}
    assert len(surplus(strangers, 8.0, LIMITS)) == 4


@given(
    st.dictionaries(
        st.tuples(st.sampled_from([f"10.0.0.{n}" for n in range(12)]), st.integers(1, 60)),
        st.builds(Stranger, st.booleans(), st.floats(0.0, 9.0)),
        max_size=200,
    )
)
def test_no_more_stay_than_allowed_and_who_has_few_keeps_them(strangers):
    staying = strangers.keys() - surplus(strangers, 9.0, LIMITS)
    counts = {}
    for address, _ in staying:
        counts[address] = counts.get(address, 0) + 1
    assert len(staying) <= max(LIMITS.in_sum, 0)
    assert all(count <= LIMITS.per_address for count in counts.values())
    addresses = {address for address, _ in strangers}
    if len(addresses) <= LIMITS.in_sum:
        assert addresses == counts.keys()


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("ipv4:127.0.0.1:50123", ("127.0.0.1", 50123)),
        ("ipv6:%5B2001:db8::1%5D:443", ("2001:db8::1", 443)),
        ("ipv6:[::ffff:10.0.0.1]:443", ("10.0.0.1", 443)),
        ("unix:/run/socket", None),
        ("", None),
    ],
)
def test_grpc_s_words_for_a_peer_are_understood(text, peer):
    assert peer_of(text) == peer


def test_connections_leave_descriptors_to_the_store():
    assert connections_max(1024) == 512
    assert connections_max(1_048_576) == 16_384
    assert connections_max(256) == 128
    few = StrangerLimits.of(128)
    assert (few.per_address, few.in_sum) == (32, 64)
