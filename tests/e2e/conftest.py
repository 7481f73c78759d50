"""A real cluster, used as its users do: manifests, HTTP, kill -9."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster import guestbook, network
from local_cluster.cluster import LocalCluster
from support.guest import Guest


@contextlib.contextmanager
def _running(servers: int) -> Iterator[LocalCluster]:
    with tempfile.TemporaryDirectory(prefix="podraft-e2e-", dir="/var/tmp") as directory:
        web_port, *api_ports = network.free_ports(1 + servers)
        cluster = LocalCluster(
            f"pt-e2e-{os.getpid()}-{servers}",
            Path(directory, "state"),
            api_ports,
            forwards=((web_port, network.NODE_ADDRESS, guestbook.NODE_PORT),),
        )
        try:
            cluster.start_servers()
            cluster.start_agent()
            guestbook.make_images(cluster.podman_socket)
            yield cluster
        finally:
            cluster.down()


@contextlib.contextmanager
def _rolled_out(cluster: LocalCluster) -> Iterator[Guest]:
    guest = Guest(cluster)
    guest.podraft("apply", "-f", str(guestbook.MANIFEST), "--wait", "--timeout=90s")
    yield guest
    cluster.start_servers()
    cluster.start_agent()
    guest.podraft("delete", "namespace", "guestbook", "--timeout=90s")
    guest.nothing_is_left()


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """A running one-node cluster with the guestbook's images; gone afterwards."""
    with _running(servers=1) as cluster:
        yield cluster


@pytest.fixture
def guest(cluster: LocalCluster) -> Iterator[Guest]:
    """The guestbook, rolled out; deleted afterwards, leaving no container."""
    with _rolled_out(cluster) as guest:
        yield guest


@pytest.fixture
def group_guest() -> Iterator[Guest]:
    """The guestbook, rolled out on a cluster of three servers."""
    with _running(servers=3) as cluster, _rolled_out(cluster) as guest:
        yield guest
