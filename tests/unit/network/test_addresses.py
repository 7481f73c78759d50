"""Addresses are unique, stay in the pool, and come back as late as possible."""

from __future__ import annotations

import random
from ipaddress import IPv4Address

import pytest

from podraft.agent.network.core.addresses import parse_address, parse_pool
from podraft.agent.network.core.errors import AddressesExhaustedError, InvalidNetworkError
from podraft.agent.network.core.layout import check_hostname, check_pod_uid, interface_name


def test_the_ends_of_the_network_are_kept() -> None:
    pool = parse_pool("10.1.2.0/24")
    used: set[IPv4Address] = set()
    last = None
    for _ in range(pool.capacity):
        last = pool.allocate(used, last)
        used.add(last)
    assert pool.capacity == 253
    assert min(used) == IPv4Address("10.1.2.2")
    assert max(used) == IPv4Address("10.1.2.254")
    with pytest.raises(AddressesExhaustedError, match="all 253"):
        pool.allocate(used, last)


@pytest.mark.parametrize("seed", range(10))
def test_a_released_address_is_given_again_only_after_all_others_that_are_free(seed: int) -> None:
    rng = random.Random(seed)
    pool = parse_pool("10.1.2.0/28")
    used: set[IPv4Address] = set()
    every = [pool.network[index] for index in range(2, 15)]
    last: IPv4Address | None = None
    for _ in range(500):
        if used and (len(used) > 6 or rng.random() < 0.4):
            gone = rng.choice(sorted(used))
            used.remove(gone)
            continue
        address = pool.allocate(used, last)
        assert address not in used
        assert pool.contains(address)
        if last is not None:
            between = every[every.index(last) + 1 :] + every[: every.index(last) + 1]
            assert all(a in used for a in between[: between.index(address)])
        used.add(address)
        last = address


@pytest.mark.parametrize("text", ["", "10.1.2.0", "10.1.2.1/24", "10.1.2.0/31", "fd00::/64", "x/8"])
def test_unusable_networks_are_refused(text: str) -> None:
    with pytest.raises(InvalidNetworkError):
        parse_pool(text)


def test_malformed_addresses_are_refused() -> None:
    with pytest.raises(InvalidNetworkError):
        parse_address("10.1.2.300")


def test_interface_names_fit_and_differ() -> None:
    names = {interface_name(f"uid-{number}") for number in range(1000)}
    assert len(names) == 1000
    assert all(len(name) <= 15 for name in names)


@pytest.mark.parametrize("uid", ["", ".", "..", "a/b", "-a", "a" * 64, "a\n"])
def test_uids_that_are_no_folder_are_refused(uid: str) -> None:
    with pytest.raises(InvalidNetworkError):
        check_pod_uid(uid)


@pytest.mark.parametrize("hostname", ["", "-a", "a-", "a b", "a" * 64, "ä"])
def test_impossible_host_names_are_refused(hostname: str) -> None:
    with pytest.raises(InvalidNetworkError):
        check_hostname(hostname)
