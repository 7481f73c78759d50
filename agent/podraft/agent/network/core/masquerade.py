"""Masquerading: pods reach the world outside the cluster with their node's address.

Owns the table ``podraft_network``.  Only what this node's pods send to an address outside the
cluster's pod networks is masqueraded; pods see each other's addresses.
"""

from __future__ import annotations

from ipaddress import IPv4Network

from podraft.agent.network.core.nft import Batch, VerdictCode, expressions
from podraft.agent.network.core.nft.batch import Hook

TABLE = "podraft_network"
_PRIORITY_SOURCE_NAT = 100


def ruleset(pod_network: IPv4Network, cluster_network: IPv4Network) -> Batch:
    """Return the batch that writes the table anew; open connections are not affected."""
    batch = Batch(TABLE)
    batch.replace_table()
    batch.add_base_chain("leaving", "nat", Hook.POSTROUTING, _PRIORITY_SOURCE_NAT)
    batch.add_rule(
        "leaving",
        expressions.source_in(pod_network),
        expressions.destination_in(cluster_network),
        expressions.verdict(VerdictCode.RETURN),
    )
    batch.add_rule("leaving", expressions.source_in(pod_network), expressions.masquerade())
    return batch
