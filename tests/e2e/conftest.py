"""A real cluster, used as its users do: manifests, HTTP, kill -9."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster import guestbook, network
from local_cluster.cluster import LocalCluster
from support.guest import Guest


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalCluster]:
    """A running one-node cluster with the guestbook's images; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="podraft-e2e-", dir="/var/tmp") as directory:
        api_port, web_port = network.free_ports(2)
        cluster = LocalCluster(
            f"pt-e2e-{os.getpid()}",
            Path(directory, "state"),
            [api_port],
            forwards=((web_port, network.NODE_ADDRESS, guestbook.NODE_PORT),),
        )
        try:
            cluster.start_server()
            cluster.start_agent()
            guestbook.make_images(cluster.podman_socket)
            yield cluster
        finally:
            cluster.down()


@pytest.fixture
def guest(cluster: LocalCluster) -> Iterator[Guest]:
    """The guestbook, rolled out; deleted afterwards, leaving no container."""
    guest = Guest(cluster)
    guest.podraft("apply", "-f", str(guestbook.MANIFEST), "--wait", "--timeout=90s")
    yield guest
    cluster.start_server()
    cluster.start_agent()
    guest.podraft("delete", "namespace", "guestbook", "--timeout=90s")
    guest.nothing_is_left()
