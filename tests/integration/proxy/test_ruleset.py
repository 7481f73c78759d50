"""The proxy's table in a real kernel: what nft lists, and transactions that fail."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from podraft.agent.network.core.nft import Batch
from podraft.agent.network.nft import Connection, NftError
from podraft.agent.proxy.core import ruleset
from podraft.agent.proxy.core.elements import Map
from podraft.agent.proxy.core.frontends import TCP, UDP, Endpoint, Frontend, ServiceKey
from podraft.agent.proxy.core.table import ServiceTable
from podraft.agent.proxy.kernel import ProxyKernel
from support.netns import Namespace, namespace

pytestmark = pytest.mark.root

PODS = IPv4Network("10.244.1.0/24")
NODE = IPv4Address("192.0.2.1")
VIP = IPv4Address("10.96.0.10")
WEB, DNS = ServiceKey("default", "web"), ServiceKey("kube-system", "dns")
GOLDEN = Path(__file__).parent / "ruleset.golden"


@pytest.fixture
def node() -> Iterator[Namespace]:
    with namespace("rules") as made, made.entered():
        yield made


@pytest.fixture
def kernel(node: Namespace) -> Iterator[ProxyKernel]:
    made = ProxyKernel(PODS, NODE)
    yield made
    made.close()


def at(number: int, network: int = 1) -> Endpoint:
    return Endpoint(IPv4Address(f"10.244.{network}.{number}"), 8080)


def example() -> ServiceTable:
    table = ServiceTable(PODS)
    table.update(
        {
            WEB: {
                Frontend(VIP, TCP, 80): frozenset({at(2), at(3), at(4, network=2)}),
                Frontend(None, TCP, 30080): frozenset({at(2), at(3), at(4, network=2)}),
                Frontend(VIP, TCP, 81): frozenset(),
                Frontend(None, TCP, 30081): frozenset(),
            },
            DNS: {Frontend(IPv4Address("10.96.0.53"), UDP, 53): frozenset({at(9)})},
        }
    )
    return table


def listed(node: Namespace) -> str:
    """Return what nft lists, with elements in order: the kernel's is by hash."""

    def in_order(match: re.Match[str]) -> str:
        elements = sorted(part.strip() for part in match[1].split(","))
        return "elements = { " + ", ".join(elements) + " }"

    text = node.run("nft", "list", "table", "ip", ruleset.TABLE)
    return re.sub(r"elements = \{([^}]*)\}", in_order, text)


def test_the_table_reads_as_agreed(node: Namespace, kernel: ProxyKernel) -> None:
    kernel.replace(example().rebuild())
    found = listed(node)
    if os.environ.get("REWRITE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_the_kernel_returns_the_elements_that_it_was_given(
    node: Namespace, kernel: ProxyKernel
) -> None:
    table = example()
    kernel.replace(table.rebuild())
    assert kernel.holds(table)
    changes = table.update({WEB: {Frontend(VIP, TCP, 80): frozenset({at(3), at(7)})}})
    assert not kernel.holds(table)
    kernel.apply(changes.operations)
    assert kernel.holds(table)


def test_replacing_the_table_takes_away_what_others_left_in_it(
    node: Namespace, kernel: ProxyKernel
) -> None:
    kernel.replace(example().rebuild())
    before = listed(node)
    node.run("nft", "add", "chain", "ip", ruleset.TABLE, "intruder")
    kernel.replace(example().rebuild())
    assert listed(node) == before


@pytest.mark.parametrize(
    "meddling",
    [
        ("flush", "ruleset"),
        ("delete", "table", "ip", ruleset.TABLE),
        ("flush", "table", "ip", ruleset.TABLE),
        ("flush", "map", "ip", ruleset.TABLE, "services"),
        ("delete", "element", "ip", ruleset.TABLE, "services", "{ 10.96.0.53 . udp . 53 }"),
        ("add", "rule", "ip", ruleset.TABLE, "leaving", "drop"),
    ],
    ids=lambda command: "-".join(command[:2]),
)
def test_meddling_is_noticed(
    node: Namespace, kernel: ProxyKernel, meddling: tuple[str, ...]
) -> None:
    table = example()
    kernel.replace(table.rebuild())
    assert kernel.is_intact(table)
    node.run("nft", *meddling)
    assert not kernel.is_intact(table)
    kernel.replace(table.rebuild())
    assert kernel.is_intact(table)


def test_what_others_do_in_their_tables_is_none_of_ours(
    node: Namespace, kernel: ProxyKernel
) -> None:
    table = example()
    kernel.replace(table.rebuild())
    node.run("nft", "add", "table", "inet", "others")
    assert kernel.is_intact(table)


def test_a_refused_transaction_changes_nothing_and_says_which_change_it_was(
    node: Namespace, kernel: ProxyKernel
) -> None:
    kernel.replace(example().rebuild())
    before = listed(node)
    batch = Batch(ruleset.TABLE)
    batch.add_chain("new")
    batch.delete_elements(ruleset.SPECS[Map.CLUSTER_ADDRESSES], [(VIP,)])
    batch.delete_elements(ruleset.SPECS[Map.CLUSTER_ADDRESSES], [(IPv4Address("10.0.0.1"),)])
    batch.add_chain("another")
    with Connection() as connection:
        with pytest.raises(NftError, match=r"change 3 of 4.*cluster-addresses.*ENOENT") as caught:
            connection.commit(batch)
        assert (caught.value.index, caught.value.errno) == (2, errno.ENOENT)
        assert listed(node) == before
        fine = Batch(ruleset.TABLE)
        fine.add_chain("new")
        connection.commit(fine)  # The failure's answers do not spoil the next transaction.
    assert "chain new" in listed(node)


def test_a_last_change_that_fails_is_an_error_too(node: Namespace, kernel: ProxyKernel) -> None:
    batch = Batch("absent")
    batch.add_chain("new")
    with Connection() as connection, pytest.raises(NftError, match="ENOENT"):
        connection.commit(batch)


def test_an_element_that_is_there_with_another_value_is_an_error(
    node: Namespace, kernel: ProxyKernel
) -> None:
    kernel.replace(example().rebuild())
    batch = Batch(ruleset.TABLE)
    key = (VIP, TCP, 80, 0)
    batch.add_elements(ruleset.SPECS[Map.ENDPOINTS], [(key, (IPv4Address("10.9.9.9"), 1))])
    with Connection() as connection, pytest.raises(NftError, match=r"EEXIST|EBUSY"):
        connection.commit(batch)


def test_more_elements_than_fit_one_message_arrive_all(
    node: Namespace, kernel: ProxyKernel
) -> None:
    table = ServiceTable(PODS)
    table.update(
        {
            ServiceKey("default", f"s{number}"): {
                Frontend(VIP + number, TCP, 80): frozenset(at(n) for n in range(2, 7))
            }
            for number in range(1000)
        }
    )
    kernel.replace(table.rebuild())
    assert kernel.is_intact(table)


def test_nothing_is_there_before_and_an_empty_table_after(
    node: Namespace, kernel: ProxyKernel
) -> None:
    with Connection() as connection:
        assert not connection.has_table(ruleset.TABLE)
        kernel.replace(())
        assert connection.has_table(ruleset.TABLE)
