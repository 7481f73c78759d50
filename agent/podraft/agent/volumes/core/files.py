"""The content of a pod's hosts, hostname and resolv.conf files: pure functions."""

from __future__ import annotations

from podraft.api.core.v1 import pod_pb2

_HOSTNAME_MAX = 63


def hostname(pod: pod_pb2.Pod, node_name: str) -> str:
    """Return a pod's host name: its own, else its name; on the node's network, the node's."""
    if pod.spec.host_network:
        return node_name
    return (pod.spec.hostname or pod.metadata.name)[:_HOSTNAME_MAX].rstrip("-.")


def hosts(address: str, name: str) -> str:
    """Return the hosts file of a pod with its own network."""
    return (
        "# Written by podraft.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        f"{address}\t{name}\n"
    )


def resolv_conf(node: bytes) -> bytes:
    """Return a pod's resolver configuration from the node's.

    A stub resolver on the node's loopback is left out: pods cannot reach it.
    """
    kept = []
    for line in node.split(b"\n"):
        words = line.split()
        loopback = words[:1] == [b"nameserver"] and words[1:2] and words[1].startswith(b"127.")
        if words and words[0] in (b"nameserver", b"search", b"options") and not loopback:
            kept.append(line)
    return b"\n".join(kept) + b"\n" if kept else b"# No name servers on this node.\n"
